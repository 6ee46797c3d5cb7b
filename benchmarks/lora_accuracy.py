"""Compare LoRAs of all kinds with merged weights, in Stable Diffusion 1.5 with random weights.

    python benchmarks/lora_accuracy.py --weights sd15-f16.safetensors [--folder DIR]

Writes LoRAs for convolutions, attention, feed-forward networks and the text encoder, and two models
whose changed matrices have 32 bits: without and with the merged differences. Prints the effect of
each LoRA, and the difference between the pictures of all LoRAs and of the merged model. The engine
stores convolutions with 16 bits, so that the pictures differ by a rounding of the merged weights.

The weights are those that compare_cpu writes. The models need 4.5 GB of disk space.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import EngineLora

Array = NDArray[np.float32]
#: A matrix's shape in PyTorch's order to the factors of a difference, and the difference.
Maker = Callable[[tuple[int, ...]], tuple[dict[str, Array], Array]]

RANK = 4
SETTINGS = {
    "prompt": "a cat",
    "negative_prompt": "",
    "seed": 7,
    "cfg_scale": 1.0,
    "sample_steps": 1,
    "width": 128,
    "height": 128,
    "sampler": "euler",
    "scheduler": "discrete",
}
RNG = np.random.default_rng(1)


def normal(*shape: int) -> Array:
    """Return random numbers."""
    return RNG.standard_normal(shape, np.float32)


def scaled(difference: Array, factors: dict[str, Array]) -> tuple[dict[str, Array], Array]:
    """Return factors with an alpha for which the difference is small beside the weights."""
    inputs = difference[0].size
    scale = np.float32(1 / (difference.std() * inputs**0.5))
    factors["alpha"] = np.array(scale * RANK, np.float32)
    return factors, difference * scale


def lora(shape: tuple[int, ...]) -> tuple[dict[str, Array], Array]:
    """Return two factors; for a convolution the first one has its kernel."""
    rows, *rest = shape
    up, down = normal(rows, RANK), normal(RANK, *rest)
    difference = np.tensordot(up, down, 1)
    up = up.reshape(rows, RANK, *(1 for _ in rest[1:]))
    return scaled(difference, {"lora_up.weight": up, "lora_down.weight": down})


def tucker(shape: tuple[int, ...]) -> tuple[dict[str, Array], Array]:
    """Return three factors of a convolution, the middle one with its kernel."""
    rows, columns, *kernel = shape
    up, middle, down = normal(rows, RANK), normal(RANK, RANK, *kernel), normal(RANK, columns)
    difference = np.einsum("oa,abyx,bi->oiyx", up, middle, down)
    factors = {"lora_up.weight": up[:, :, None, None], "lora_mid.weight": middle}
    return scaled(difference, {**factors, "lora_down.weight": down[:, :, None, None]})


def loha(shape: tuple[int, ...]) -> tuple[dict[str, Array], Array]:
    """Return the factors of two matrices that are multiplied number by number."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    a1, b1, a2, b2 = (
        normal(rows, RANK),
        normal(RANK, columns),
        normal(rows, RANK),
        normal(RANK, columns),
    )
    factors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    return scaled(((a1 @ b1) * (a2 @ b2)).reshape(shape), factors)


def lokr(shape: tuple[int, ...]) -> tuple[dict[str, Array], Array]:
    """Return the factors of a Kronecker product."""
    rows, columns, *kernel = shape
    w1, w2 = normal(4, 4), normal(rows // 4, columns // 4, *kernel)
    w2 /= np.float32(int(np.prod(shape[1:])) ** 0.5)
    return {"lokr_w1": w1, "lokr_w2": w2}, np.kron(w1.reshape(4, 4, *(1 for _ in kernel)), w2)


def lokr_halves(shape: tuple[int, ...]) -> tuple[dict[str, Array], Array]:
    """Return the factors of a Kronecker product whose second factor is a product, too."""
    rows, columns = shape
    w1, left, right = normal(4, 4), normal(rows // 4, RANK), normal(RANK, columns // 4)
    factors = {"lokr_w1": w1, "lokr_w2_a": left, "lokr_w2_b": right}
    return scaled(np.kron(w1, left @ right), factors)


UNET, TEXT = "model.diffusion_model.", "cond_stage_model.transformer.text_model.encoder.layers."
#: Kind of the LoRA, the module in kohya's naming, and in the model.
CASES: tuple[tuple[str, Maker, str, str], ...] = (
    ("3x3", lora, "unet_down_blocks_0_resnets_0_conv1", UNET + "input_blocks.1.0.in_layers.2"),
    ("stride 2", lora, "unet_down_blocks_0_downsamplers_0_conv", UNET + "input_blocks.3.0.op"),
    (
        "1x1",
        lora,
        "unet_down_blocks_1_resnets_0_conv_shortcut",
        UNET + "input_blocks.4.0.skip_connection",
    ),
    (
        "tucker",
        tucker,
        "unet_down_blocks_0_resnets_1_conv2",
        UNET + "input_blocks.2.0.out_layers.3",
    ),
    ("loha 3x3", loha, "unet_up_blocks_1_resnets_0_conv1", UNET + "output_blocks.3.0.in_layers.2"),
    ("lokr 3x3", lokr, "unet_up_blocks_2_resnets_0_conv1", UNET + "output_blocks.6.0.in_layers.2"),
    (
        "attention",
        lora,
        "unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        UNET + "input_blocks.1.1.transformer_blocks.0.attn1.to_q",
    ),
    (
        "lokr halves",
        lokr_halves,
        "unet_up_blocks_3_attentions_0_transformer_blocks_0_attn2_to_v",
        UNET + "output_blocks.9.1.transformer_blocks.0.attn2.to_v",
    ),
    (
        "loha",
        loha,
        "unet_up_blocks_3_attentions_1_transformer_blocks_0_ff_net_2",
        UNET + "output_blocks.10.1.transformer_blocks.0.ff.net.2",
    ),
    ("text encoder", lora, "te_text_model_encoder_layers_11_mlp_fc2", TEXT + "11.mlp.fc2"),
)


def draw(model: Path, *choices: tuple[Path, ...]) -> list[Array]:
    """Return a picture for each choice of LoRAs."""
    engine = EngineProcess()
    engine.load(files={"model": str(model)}, threads=2, device="CPU")
    pictures = []
    for loras in choices:
        result = engine.draw(settings=SETTINGS, loras=[EngineLora(str(path)) for path in loras])
        if loras and len(set(result.lora_tensors or ())) != 1:
            print(f"{loras[0].stem}: {result.lora_tensors} tensors applied")
        pictures.append(np.frombuffer(result.pixels, np.uint8).astype(np.float32))
    engine.close()
    return pictures


def difference(one: Array, other: Array) -> str:
    """Return the mean and maximum difference of two pictures."""
    gaps = np.abs(one - other)
    return f"mean {gaps.mean():.3f}, max {gaps.max():.0f}"


def write_models(weights: Path, folder: Path) -> tuple[Path, Path, list[Path]]:
    """Write the model without and with the differences, and the LoRAs."""
    tensors: dict[str, Array] = load_file(weights)
    changes: dict[str, Array] = {}
    loras = []
    for title, make, module, matrix in CASES:
        name = f"{matrix}.weight"
        factors, changes[name] = make(tensors[name].shape)
        tensors[name] = tensors[name].astype(np.float32)
        loras.append(folder / f"{title}.safetensors")
        _save({f"lora_{module}.{end}": value for end, value in factors.items()}, loras[-1])
    _save(tensors, folder / "plain.safetensors")
    for name, change in changes.items():
        tensors[name] = tensors[name] + change
    _save(tensors, folder / "merged.safetensors")
    return folder / "plain.safetensors", folder / "merged.safetensors", loras


def _save(tensors: Mapping[str, Array], path: Path) -> None:
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--folder", type=Path, help="folder for the models; a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        model, merged, loras = write_models(options.weights, Path(folder))
        choices = [(), tuple(loras), *((path,) for path in loras), ()]
        plain, together, *single, again = draw(model, *choices)
        (expected,) = draw(merged, ())
    for path, picture in zip(loras, single, strict=True):
        print(f"effect of {path.stem}: {difference(picture, plain)}")
    print(f"effect of the merged weights: {difference(expected, plain)}")
    print(f"all LoRAs beside the merged weights: {difference(together, expected)}")
    print(f"afterwards without LoRAs beside before: {difference(again, plain)}")


if __name__ == "__main__":
    main()
