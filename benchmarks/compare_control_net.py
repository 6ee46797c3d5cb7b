"""Compare drawings with a ControlNet with those of diffusers.

    python benchmarks/compare_control_net.py [--model sd21] [--weights FOLDER]

Both sides draw with the same random weights of Stable Diffusion and of a ControlNet, in f32,
from the same noise. The ControlNet's zero convolutions are filled: they would switch it off. Its
file is written in both namings, and with matrices in place of some convolutions. Needs torch,
diffusers and transformers beside this package. benchmarks/README.md describes the table.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from diffusers.pipelines.controlnet import pipeline_controlnet as control_module
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion as plain_module
from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parent))

import gpustack_draw
from compare_cpu.job import Job
from compare_cpu.weights import prepare
from compare_pictures import (
    CFG_SCALE,
    GENERATIONS,
    PROMPT,
    SEED,
    Case,
    Generation,
    Peer,
    input_picture,
    philox_noise,
    psnr,
    scheduler_of,
)
from gpustack_draw.resolver.control_net_tensors import control_net_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from compare_pictures import Pixels

# Files for Stable Diffusion 2 store the 1x1 convolutions around attention as matrices.
FORMS = ("original", "diffusers", "matrices")
STRENGTHS = (0.0, 0.5, 1.0)
CASE = Case("euler", "simple", "trailing", 1.0)
ZERO_CONVOLUTION_SPREAD = 0.02


@dataclass(frozen=True)
class Files:
    """The files of a comparison: the model, and the ControlNet by form."""

    model: Path
    nets: dict[str, Path]


def write_nets(folder: Path, generation: Generation) -> dict[str, Path]:
    """Write a random ControlNet in each form, once; all numbers have 16 bits."""
    start = f"control-net-{generation.name}"
    paths = {form: folder / f"{start}-{form}.safetensors" for form in FORMS}
    if all(path.is_file() for path in paths.values()):
        return paths
    torch.manual_seed(SEED)
    net = ControlNetModel(**generation.network)
    for name, values in net.named_parameters():
        if name.startswith(("controlnet_down_blocks", "controlnet_mid_block")) or (
            "controlnet_cond_embedding.conv_out" in name
        ):
            torch.nn.init.normal_(values, std=ZERO_CONVOLUTION_SPREAD)
    weights = {name: values.half().contiguous() for name, values in net.state_dict().items()}
    save_file(weights, paths["diffusers"])
    names = {each.diffusers_name: each.name for each in control_net_tensors(generation.text_width)}
    renamed = {f"control_model.{names[name]}": values for name, values in weights.items()}
    save_file(renamed, paths["original"])
    as_matrices = {
        name: values[:, :, 0, 0].contiguous() if ".proj_" in name and values.ndim == 4 else values
        for name, values in renamed.items()
    }
    save_file(as_matrices, paths["matrices"])
    return paths


def draw_ours(
    files: Files, side: int, steps: int, threads: int
) -> Iterator[tuple[tuple[str, float | None], Pixels]]:
    """Draw with each file and strength; without a ControlNet for a strength of ``None``."""
    # By default, CPUs with bf16 instructions multiply in bf16.
    os.environ.setdefault("GPUSTACK_DRAW_CPU", "avx2")
    for form, net in files.nets.items():
        with gpustack_draw.load(str(files.model), control_net=net, threads=threads) as model:
            for strength in (None, *STRENGTHS):
                control = (
                    {}
                    if strength is None
                    else {"control_image": input_picture(side), "control_strength": strength}
                )
                drawn = model.generate(
                    PROMPT, size=(side, side), seed=SEED, sampler=CASE.sampler,
                    scheduler=CASE.scheduler, sample_steps=steps, cfg_scale=CFG_SCALE, **control,
                )  # fmt: skip
                yield (form, strength), np.asarray(drawn)


def draw_theirs(
    peer: Peer, network: ControlNetModel, net: Path, side: int, steps: int
) -> dict[float | None, Pixels]:
    """Draw each strength with diffusers; without a ControlNet for ``None``."""
    network.load_state_dict({name: values.float() for name, values in load_file(net).items()})
    parts = (peer.vae, None, None, peer.unet)
    options = {
        "num_inference_steps": steps, "guidance_scale": CFG_SCALE, "height": side, "width": side,
        "prompt_embeds": peer.prompt, "negative_prompt_embeds": peer.negative,
    }  # fmt: skip
    noise = torch.from_numpy(philox_noise(4 * (side // 8) ** 2)).reshape(1, 4, side // 8, side // 8)
    drawn: dict[float | None, Pixels] = {}
    with same_noise(noise):
        plain = StableDiffusionPipeline(
            *parts, scheduler_of(CASE), None, None, requires_safety_checker=False
        )
        plain.set_progress_bar_config(disable=True)
        drawn[None] = np.asarray(plain(**options).images[0])
        for strength in STRENGTHS:
            pipeline = StableDiffusionControlNetPipeline(
                *parts, network.eval(), scheduler_of(CASE), None, None,
                requires_safety_checker=False,
            )  # fmt: skip
            pipeline.set_progress_bar_config(disable=True)
            drawn[strength] = np.asarray(
                pipeline(
                    image=Image.fromarray(input_picture(side)),
                    controlnet_conditioning_scale=strength,
                    **options,
                ).images[0]
            )
    return drawn


@contextmanager
def same_noise(noise: Tensor) -> Iterator[None]:
    """Make diffusers start from this noise."""

    def same(shape: tuple[int, ...], **_options: object) -> Tensor:
        assert tuple(shape) == tuple(noise.shape)
        return noise

    with (
        patch.object(control_module, "randn_tensor", same),
        patch.object(plain_module, "randn_tensor", same),
    ):
        yield


def differences(one: Pixels, other: Pixels) -> str:
    """Return the mean and the largest difference in levels, and the PSNR in dB."""
    levels = np.abs(one.astype(int) - other.astype(int))
    return f"{levels.mean():8.4f}{levels.max():5}{psnr(one, other):8.1f}"


def main() -> None:
    """Draw and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=GENERATIONS, default="sd15")
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--side", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    side, steps, threads = options.side, options.steps, options.threads
    torch.set_num_threads(threads)
    generation = GENERATIONS[options.model]
    folder = str(options.weights)
    job = Job("ours", "f16", generation.name, side, steps, CFG_SCALE, threads, folder, "")
    files = Files(Path(prepare(job)["file"]), write_nets(options.weights, generation))
    ours = dict(draw_ours(files, side, steps, threads))
    peer, network = Peer(files.model, generation), ControlNetModel(**generation.network)
    theirs = draw_theirs(peer, network, files.nets["diffusers"], side, steps)
    print(f"{'file':11}{'strength':10}{'mean':>8}{'max':>5}{'PSNR':>8}   {'to plain':>8}{'max':>5}")
    plain = ours["original", None]
    for (form, strength), drawn in ours.items():
        name = "no picture" if strength is None else f"{strength:<10}"
        line = f"{form:11}{name:10}{differences(drawn, theirs[strength])}"
        print(f"{line}   {differences(drawn, plain)}", flush=True)


if __name__ == "__main__":
    main()
