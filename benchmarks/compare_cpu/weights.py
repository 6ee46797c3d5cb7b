"""Random weights of real architectures in common file formats, written once.

Names and shapes are those of tests/support/architectures.py. Matrices are scaled so that an input
with deviation 1 has an output with about the same deviation, at any depth: nothing overflows, and
no kernel computes with slow subnormal numbers.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from architectures import Named, clip, klein, sd1_unet, unet, vae
from model_files import prefixed

from compare_cpu.job import Job, MissingError

if TYPE_CHECKING:
    import numpy as np

_ROOT = Path(__file__).resolve().parents[2]
_DEMO_FILE = _ROOT / "python" / "gpustack_draw" / "demo" / "demo.gguf"
GAIN = 1 / math.sqrt(3)  # as in PyTorch's initialization
# The engine's command writes these types; the gguf package cannot.
CONVERTED = ("q2_K", "q3_K", "q4_K", "q5_K", "q6_K")
KINDS = ("f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", *CONVERTED)
# Layers outside the blocks, which the engine's converter does not quantize either.
_KEPT = ("embed", "img_in.", "txt_in.", "time_in.", "time_embed.", "final_layer.")
_QWEN_WORDS = 151_669


@dataclass(frozen=True)
class KleinSizes:
    """Sizes of a FLUX.2 klein network.

    Attributes:
        width: Hidden width.
        double: Number of double-stream blocks, with separate weights for picture and prompt.
        single: Number of single-stream blocks.
        context: Width of a prompt token.
    """

    width: int
    double: int
    single: int
    context: int


KLEIN = KleinSizes(1536, 3, 6, 128)  # the real 4B has 3072, 5, 20, 7680
DEMO = KleinSizes(256, 2, 3, 64)


def tensors(model: str) -> Named:
    """Return names, shapes (fastest dimension first) and types of a model's tensors."""
    if model == "sd21":
        return {
            **prefixed("model.diffusion_model.", unet(context=1024, linear=True)),
            **prefixed("cond_stage_model.transformer.", clip(1024, 24, weight_type="F16")),
            **prefixed("first_stage_model.", vae(latent=4, quant=True)),
        }
    if model == "sd15":
        return {
            **prefixed("model.diffusion_model.", sd1_unet()),
            **prefixed("cond_stage_model.transformer.", clip(768, 12, weight_type="F16")),
            **prefixed("first_stage_model.", vae(latent=4, quant=True)),
        }
    blocks = klein(KLEIN.width, KLEIN.double, KLEIN.single, context=KLEIN.context)
    return {
        **prefixed("model.diffusion_model.", blocks),
        # A text encoder without layers, because encoding the prompt is not measured.
        "text_encoders.llm.model.embed_tokens.weight": ((KLEIN.context, _QWEN_WORDS), "F16"),
        "text_encoders.llm.model.norm.weight": ((KLEIN.context,), "F32"),
        **prefixed("first_stage_model.", vae(latent=32, quant=True)),
    }


def model_file(folder: Path, model: str, kind: str) -> Path:
    """Return the path of a model's weights.

    Args:
        folder: Folder of the weights.
        model: ``sd15``, ``sd21``, ``klein``, or ``demo``, the file in the package for every kind.
        kind: One of :data:`KINDS`.
    """
    if model == "demo":
        return _DEMO_FILE
    return folder / f"{model}-{kind}.{'safetensors' if kind == 'f16' else 'gguf'}"


def prepare(job: Job) -> dict[str, str]:
    """Write the weights of a model, unless they exist.

    Returns:
        ``file``: path of the weights.

    Raises:
        MissingError: The engine's command, which writes this type, does not exist.
    """
    folder = Path(job.weights)
    path = model_file(folder, job.model, job.kind)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        if job.kind == "f16":
            _write_safetensors(partial, job.model)
        else:
            prepare(replace(job, kind="f16"))
            source = model_file(folder, job.model, "f16")
            if job.kind in CONVERTED:
                _convert(partial, source, job)
            else:
                _write_gguf(partial, source, job.kind)
        partial.rename(path)
    return {"file": str(path)}


def _write_safetensors(path: Path, model: str) -> None:
    from safetensors.numpy import save_file

    save_file(dict(_random_weights(tensors(model))), path)


def _random_weights(named: Named) -> Iterator[tuple[str, np.ndarray]]:
    import numpy as np

    rng = np.random.default_rng(1)
    for name, (shape, kind) in named.items():
        values = rng.standard_normal(math.prod(shape), np.float32)
        values *= _spread(name, shape)
        if kind == "F32" and not name.endswith(".bias"):
            values += 1  # norm weights
        dtype = np.float16 if kind == "F16" else np.float32
        yield name, values.astype(dtype).reshape(tuple(reversed(shape)))


def _spread(name: str, shape: tuple[int, ...]) -> float:
    if "embed" in name and not name.startswith("model."):
        return 0.02
    if len(shape) == 1:
        return 0.02
    return GAIN / math.sqrt(math.prod(shape[:-1]))


def _write_gguf(path: Path, source: Path, kind: str) -> None:
    import gguf
    import numpy as np
    from safetensors import safe_open

    quantization = gguf.GGMLQuantizationType[kind.upper()]
    writer = gguf.GGUFWriter(path, "diffusion", use_temp_file=True)
    with safe_open(source, "np") as weights:
        for name in weights.keys():  # noqa: SIM118 - not a mapping
            values = weights.get_tensor(name)
            if _is_quantized(name, values.shape, kind):
                # One long row has the same blocks; quantizing millions of rows takes minutes.
                blocks = gguf.quantize(values.astype(np.float32).reshape(1, -1), quantization)
                blocks = blocks.view(np.uint8).reshape(*values.shape[:-1], -1)
                writer.add_tensor(name, blocks, raw_dtype=quantization)
            else:
                writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _convert(path: Path, source: Path, job: Job) -> None:
    if not Path(job.sd_cli).is_file():
        raise MissingError(f"no sd-cli, which writes {job.kind}, at {job.sd_cli}")
    subprocess.run(
        [job.sd_cli, "--mode", "convert", "-m", source, "-o", path, "--type", job.kind],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _is_quantized(name: str, shape: tuple[int, ...], kind: str) -> bool:
    if len(shape) < 2:
        return False
    if kind == "bf16":
        return True
    return shape[-1] % 32 == 0 and not any(part in name for part in _KEPT)
