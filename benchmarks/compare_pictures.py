"""Compare image-to-image, inpainting and InstructPix2Pix with diffusers.

    python benchmarks/compare_pictures.py [--tables image mask edit schedule] [--weights FOLDER]

Both sides draw with the same random weights of Stable Diffusion 1.5, in f32, from the same picture
and noise; InstructPix2Pix has four more input channels. Needs torch, diffusers and transformers
beside this package. Weights are written once, to --weights. benchmarks/README.md describes the
tables.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders import vae as vae_module
from diffusers.pipelines.stable_diffusion import (
    pipeline_stable_diffusion_img2img as image_module,
)
from diffusers.pipelines.stable_diffusion import (
    pipeline_stable_diffusion_inpaint as inpaint_module,
)
from diffusers.pipelines.stable_diffusion import (
    pipeline_stable_diffusion_instruct_pix2pix as edit_module,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

sys.path.insert(0, str(Path(__file__).resolve().parent))

import gpustack_draw
from compare_cpu.job import Job
from compare_cpu.weights import prepare
from gpustack_draw.resolver.denoising_start import denoising_start

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

PROMPT = "a cat"
SEED = 1
CFG_SCALE = 7.0
IMG_CFG_SCALE = 1.5
STRENGTHS = (0.3, 0.6, 1.0)
TABLES = ("image", "mask", "edit", "schedule")
SAMPLERS = ("euler", "heun", "dpm++2m")
FIRST_LAYER = "model.diffusion_model.input_blocks.0.0.weight"
START, END, CAT = 49406, 49407, (320, 2368)  # words of CLIP
WORDS = 77
TRAINING_STEPS = 1000
PIPELINES = {
    "image": StableDiffusionImg2ImgPipeline,
    "mask": StableDiffusionInpaintPipeline,
    "edit": StableDiffusionInstructPix2PixPipeline,
}
NOISES = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": TRAINING_STEPS,
    "steps_offset": 1,
}


@dataclass(frozen=True)
class Generation:
    """A generation of Stable Diffusion.

    Attributes:
        name: Name of its weights.
        text_width: Width of the text encoder.
        text_layers: Layers of the text encoder that are computed.
        heads: Attention heads of the text encoder.
        activation: Activation of the text encoder.
        padding: Token behind the prompt.
        network: Configuration of the UNet and of ControlNets.
    """

    name: str
    text_width: int
    text_layers: int
    heads: int
    activation: str
    padding: int
    network: dict[str, Any]


SD15 = Generation("sd15", 768, 12, 12, "quick_gelu", END, {"cross_attention_dim": 768})
SD21 = Generation(
    "sd21",
    1024,
    23,
    16,
    "gelu",
    0,
    {
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
)
GENERATIONS = {each.name: each for each in (SD15, SD21)}


@dataclass(frozen=True)
class Case:
    """One drawing.

    Attributes:
        sampler: Our sampler.
        scheduler: Our scheduler.
        spacing: The time steps of diffusers.
        strength: 0 to 1; not used to edit.
        masked: Redraw the middle only.
        edits: Edit the picture with InstructPix2Pix.
    """

    sampler: str
    scheduler: str
    spacing: str
    strength: float
    masked: bool = False
    edits: bool = False

    @property
    def kind(self) -> str:
        """Name of the case's table."""
        return "mask" if self.masked else "edit" if self.edits else "image"


@dataclass(frozen=True)
class Drawn:
    """A picture (height, width, 3) and the noise levels of its steps, without the last 0."""

    pixels: Pixels
    levels: list[float]


def cases(tables: Sequence[str], samplers: Sequence[str]) -> list[Case]:
    """Return the drawings of some tables with some samplers.

    The schedules "simple" and "trailing" are the same. "discrete" is the default of this package;
    "linspace" equals it in few samplers of diffusers, and "leading" is in the files of the model.
    """
    chosen = []
    for sampler in samplers:
        if "image" in tables:
            chosen += [Case(sampler, "simple", "trailing", strength) for strength in STRENGTHS]
        if "mask" in tables:
            chosen.append(Case(sampler, "simple", "trailing", 0.6, masked=True))
        if "edit" in tables:
            chosen.append(Case(sampler, "simple", "trailing", 1.0, edits=True))
    if "schedule" in tables:
        for spacing in ("linspace", "leading"):
            chosen += [Case("euler", "discrete", spacing, strength) for strength in STRENGTHS]
    return chosen


def input_picture(side: int) -> Pixels:
    """Return a picture with gradients and edges, (side, side, 3)."""
    row, column = np.mgrid[0:side, 0:side] / (side - 1)
    picture = np.stack([row, column, 1 - row], axis=-1)
    picture[(row - 0.4) ** 2 + (column - 0.5) ** 2 < 0.06] = (0.9, 0.2, 0.1)
    return (picture * 255).round().astype(np.uint8)


def input_mask(side: int) -> Pixels:
    """Return a mask of whole latent cells, (side, side): 255 is redrawn."""
    mask = np.zeros((side, side), np.uint8)
    quarter = side // 32 * 8
    mask[quarter : side - quarter, quarter : side - quarter] = 255
    return mask


def philox_noise(count: int) -> NDArray[np.float32]:
    """Return the first numbers of the engine's generator, which are PyTorch's on CUDA.

    Philox-4x32 with 10 rounds, keyed with the seed, and the Box-Muller transform.

    Args:
        count: Number of values; the value i has the counter (0, 0, i, 0).
    """
    words = np.zeros((4, count), np.uint64)
    words[2] = np.arange(count)
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    keys = [SEED & 0xFFFFFFFF, SEED >> 32]
    for _ in range(10):
        one, two = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        first = (two >> half) ^ words[1] ^ np.uint64(keys[0])
        third = (one >> half) ^ words[3] ^ np.uint64(keys[1])
        words = np.stack([first, two & low, third, one & low])
        keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
    uniform = (words[:2] + 0.5) / 2**32
    normal = np.sqrt(-2 * np.log(uniform[0])) * np.sin(2 * np.pi * uniform[1])
    return normal.astype(np.float32)


def our_levels(case: Case, steps: int) -> list[float]:
    """Return the noise levels at which our steps of a case start, highest first."""
    start = denoising_start(case.strength, steps, case.scheduler)
    count = start.schedule_steps
    if case.scheduler == "simple":
        times = TRAINING_STEPS - 1 - (np.arange(count) * (TRAINING_STEPS / count)).astype(int)
    else:
        times = np.linspace(TRAINING_STEPS - 1, 0, count)
    betas = np.linspace(NOISES["beta_start"] ** 0.5, NOISES["beta_end"] ** 0.5, TRAINING_STEPS) ** 2
    kept = np.cumprod(1 - betas)
    levels = np.interp(times, np.arange(TRAINING_STEPS), np.log((1 - kept) / kept) / 2)
    return list(np.exp(levels[count - start.run_steps :]))


def draw_ours(
    chosen: list[Case], file: Path, side: int, steps: int, threads: int
) -> Iterator[tuple[Case, Drawn]]:
    """Draw cases with this package."""
    # By default, CPUs with bf16 instructions multiply in bf16.
    os.environ.setdefault("GPUSTACK_DRAW_CPU", "avx2")
    picture, mask = input_picture(side), input_mask(side)
    with gpustack_draw.load(str(file), threads=threads) as model:
        for case in chosen:
            own: dict[str, Any] = {"strength": case.strength}
            if case.masked:
                own |= {"mask": Image.fromarray(mask), "mask_blur": 0}
            if case.edits:
                own = {"img_cfg_scale": IMG_CFG_SCALE}
            drawn = model.generate(
                PROMPT, image=picture, size=(side, side), seed=SEED,
                sampler=case.sampler, scheduler=case.scheduler, sample_steps=steps,
                cfg_scale=CFG_SCALE, **own,
            )  # fmt: skip
            yield case, Drawn(np.asarray(drawn), our_levels(case, steps))


def prepare_edit(file: Path) -> Path:
    """Write the weights of InstructPix2Pix, unless they exist.

    Args:
        file: The weights of Stable Diffusion 1.5; only the first layer differs.
    """
    path = file.with_name(f"edit-{file.name}")
    if not path.exists():
        weights = load_file(file)
        first = weights[FIRST_LAYER]
        weights[FIRST_LAYER] = torch.cat([first, first.flip(0)], dim=1).contiguous()
        save_file(weights, path)
    return path


class Peer:
    """Stable Diffusion of diffusers, with the weights of a file in the original names."""

    def __init__(self, file: Path, generation: Generation = SD15) -> None:
        """Load the networks in f32, and encode the prompts."""
        weights = load_file(file)
        channels = weights[FIRST_LAYER].shape[1]
        unet = {**generation.network, "sample_size": 64, "in_channels": channels}
        vae = {
            "block_out_channels": (128, 256, 512, 512),
            "layers_per_block": 2,
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
        }
        self.unet = _load(UNet2DConditionModel, unet, weights)
        self.vae = _load(AutoencoderKL, vae, weights)
        encoder = load_text_encoder(weights, generation)
        with torch.inference_mode():
            self.prompt, self.negative = (
                encoder(torch.tensor([tokens_of(words, generation)]))[0] for words in (CAT, ())
            )

    def draw(self, case: Case, side: int, steps: int) -> Drawn:
        """Draw a case."""
        scheduler = scheduler_of(case)
        pipeline = PIPELINES[case.kind](
            self.vae, None, None, self.unet, scheduler, None, None, requires_safety_checker=False
        )
        pipeline.set_progress_bar_config(disable=True)
        options: dict[str, Any] = {"image": Image.fromarray(input_picture(side))}
        if case.edits:
            options["image_guidance_scale"] = IMG_CFG_SCALE
        else:
            options["strength"] = case.strength
        if case.masked:
            options["mask_image"] = Image.fromarray(input_mask(side))
            options |= {"height": side, "width": side}
        times: list[float] = []

        def note(_pipeline: object, _step: int, time: Any, values: dict[str, Any]) -> Any:
            times.append(float(time))
            return values

        noise = torch.from_numpy(philox_noise(4 * (side // 8) ** 2))
        with _noise(noise.reshape(1, 4, side // 8, side // 8)):
            drawn = pipeline(
                num_inference_steps=steps, guidance_scale=CFG_SCALE,
                prompt_embeds=self.prompt, negative_prompt_embeds=self.negative,
                callback_on_step_end=note, **options,
            ).images[0]  # fmt: skip
        kept = scheduler.alphas_cumprod.double().numpy()
        levels = np.interp(times, np.arange(TRAINING_STEPS), ((1 - kept) / kept) ** 0.5)
        # A sampler of order 2 evaluates the network twice in a step.
        return Drawn(np.asarray(drawn), [*levels[:1], *levels[1 :: scheduler.order]])


def _load(kind: type[Any], options: dict[str, Any], weights: dict[str, torch.Tensor]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        with torch.device("meta"):
            kind(**options).save_config(folder)
        network = kind.from_single_file(dict(weights), config=folder, torch_dtype=torch.float32)
    return network.eval()


def tokens_of(words: Sequence[int], generation: Generation) -> list[int]:
    """Return the tokens of a chunk with these words."""
    padding = [generation.padding] * (WORDS - 2 - len(words))
    return [START, *words, END, *padding]


def load_text_encoder(
    weights: dict[str, torch.Tensor], generation: Generation = SD15
) -> CLIPTextModel:
    """Return the text encoder of a file in the original names, in f32."""
    width, layers = generation.text_width, generation.text_layers
    encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=generation.heads,
            hidden_act=generation.activation,
        )
    )
    prefix = "cond_stage_model.transformer.text_model."
    named = {
        name.removeprefix(prefix): values.float()
        for name, values in weights.items()
        if name.startswith(prefix)
        and not name.endswith("position_ids")
        and f"encoder.layers.{layers}." not in name
    }
    # Old versions of transformers wrap the network.
    getattr(encoder, "text_model", encoder).load_state_dict(named)
    return encoder.eval()


def scheduler_of(case: Case) -> Any:
    """Return the scheduler of diffusers for a case."""
    options = {**NOISES, "timestep_spacing": case.spacing}
    if case.sampler == "euler":
        return EulerDiscreteScheduler(**options)
    if case.sampler == "heun":
        return HeunDiscreteScheduler(**options)
    return DPMSolverMultistepScheduler(**options)


@contextmanager
def _noise(noise: torch.Tensor) -> Iterator[None]:
    """Make diffusers use this noise to sample the picture's latent, and to start from it.

    The engine seeds its generator again between the two, so that both have the same noise.
    """

    def same(shape: tuple[int, ...], **_options: object) -> torch.Tensor:
        assert tuple(shape) == tuple(noise.shape)
        return noise

    modules: list[ModuleType] = [vae_module, image_module, inpaint_module, edit_module]
    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(patch.object(module, "randn_tensor", same))
        yield


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def row(case: Case, ours: Drawn, theirs: Drawn, side: int) -> str:
    """Return a line of a table, which compares the masked pixels, or all without a mask."""
    area = input_mask(side) > 0 if case.masked else np.ones((side, side), bool)
    mine, peers, start = ours.pixels[area], theirs.pixels[area], input_picture(side)[area]
    difference = int(np.abs(mine.astype(int) - peers.astype(int)).max())
    steps = f"{len(ours.levels)}/{len(theirs.levels)}"
    levels = f"{ours.levels[0]:.4f}/{theirs.levels[0]:.4f}"
    return (
        f"{case.kind:6}{case.sampler:10}{case.scheduler:10}"
        f"{case.spacing:10}{case.strength:<9}{steps:8}{levels:17}"
        f"{psnr(mine, peers):6.1f}{difference:6}{psnr(mine, start):9.1f}"
    )


def main() -> None:
    """Draw and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--side", type=int, default=64, help="side of the pictures, in pixels")
    parser.add_argument("--steps", type=int, default=20, help="steps of a whole schedule")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    side, steps, threads = options.side, options.steps, options.threads
    torch.set_num_threads(threads)
    job = Job("ours", "f16", "sd15", side, steps, CFG_SCALE, threads, str(options.weights), "")
    file = Path(prepare(job)["file"])
    chosen = cases(options.tables, options.samplers)
    print(
        f"{'':6}{'sampler':10}{'scheduler':10}{'spacing':10}{'strength':9}{'steps':8}"
        f"{'first level':17}{'PSNR':>6}{'max':>6}{'to input':>9}"
    )
    for edits in (False, True):
        some = [case for case in chosen if case.edits == edits]
        if not some:
            continue
        weights = prepare_edit(file) if edits else file
        ours = dict(draw_ours(some, weights, side, steps, threads))
        peer = Peer(weights)
        for case in some:
            print(row(case, ours[case], peer.draw(case, side, steps), side), flush=True)


if __name__ == "__main__":
    main()
