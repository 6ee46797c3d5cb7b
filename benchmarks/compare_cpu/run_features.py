"""Drawings without and with a feature: an input picture, a ControlNet, tiles of the VAE.

Each function returns ``without`` and ``with``, the seconds of each run except a first one: of a
picture with ``image``, of a step with ``control``, and of decoding with ``tiles``.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare_cpu.inputs import denoiser_inputs, latent
from compare_cpu.job import PROMPT, SEED, Job
from compare_cpu.sampling import sample
from compare_cpu.steps import differences
from compare_cpu.weights import model_file

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from gpustack_draw import Model, Picture, PictureOptions, Progress

    Seconds = dict[str, list[float]]

STRENGTH = 0.5  # twice as many steps; half of them are computed
TILE = 256
ROUNDS = 2


def run_ours(job: Job) -> Seconds:
    """Measure a feature of this package through its library."""
    from gpustack_draw import PictureOptions, load

    model = str(model_file(Path(job.weights), job.model, job.kind))
    if job.feature == "tiles":
        seconds = {}
        for title, tiling in (("without", "off"), ("with", "on")):
            tile = {"vae_tile_size": TILE} if tiling == "on" else {}
            with load(model, threads=job.threads, vae_tiling=tiling, **tile) as loaded:
                plain = replace(job, cfg_scale=1.0)  # its steps do not count
                pictures = [_draw(loaded, plain, PictureOptions(), 1)[0] for _ in range(ROUNDS)]
            seconds[title] = [picture.seconds["decode"] for picture in pictures[1:]]
        return seconds
    picture = _picture(job.side)
    if job.feature == "control":
        net = str(_control_net(job))
        with load(model, threads=job.threads, control_net=net) as loaded:
            return {
                "without": _draw(loaded, job, PictureOptions(), job.steps)[1][1:],
                "with": _draw(loaded, job, PictureOptions(control_image=picture), job.steps)[1][1:],
            }
    options = PictureOptions(image=picture, strength=STRENGTH)
    with load(model, threads=job.threads) as loaded:
        _draw(loaded, job, options, 2)
        plain = [_draw(loaded, job, PictureOptions(), job.steps)[0] for _ in range(ROUNDS - 1)]
        steps = round(job.steps / STRENGTH)
        changed = [_draw(loaded, job, options, steps)[0] for _ in range(ROUNDS - 1)]
    return {"without": [_whole(each) for each in plain], "with": [_whole(each) for each in changed]}


def _draw(
    model: Model, job: Job, pictures: PictureOptions, steps: int
) -> tuple[Picture, list[float]]:
    """Draw; return the picture and the seconds of its steps."""
    from gpustack_draw import DrawRequest

    ends: list[float] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "sample" and progress.step > len(ends):
            ends.append(progress.seconds)

    request = DrawRequest(
        prompt=PROMPT, size=(job.side, job.side), sample_steps=steps, cfg_scale=job.cfg_scale,
        sampler="euler", seed=SEED, pictures=pictures,
    )  # fmt: skip
    return next(model.draw(request, on_progress)), differences(ends)


def _whole(picture: Picture) -> float:
    phases = ("encode_pictures", "sample", "decode")
    return sum(picture.seconds.get(phase, 0.0) for phase in phases)


def run_diffusers(job: Job) -> Seconds:
    """Measure a feature of PyTorch with the networks of diffusers, in channels-last order."""
    import torch

    from compare_cpu.networks import load

    torch.set_num_threads(job.threads)
    denoiser, decoder = load(job.model, Path(job.weights), torch.float32, "denoiser", "autoencoder")
    for module in (denoiser, decoder):
        module.to(memory_format=torch.channels_last)
    features = {"image": _image, "control": _control, "tiles": _tiles}
    with torch.inference_mode():
        return features[job.feature](job, denoiser, decoder)


def _image(job: Job, denoiser: Any, decoder: Any) -> Seconds:
    import torch

    inputs = _tensors(job)
    pixels = torch.tensor(_picture(job.side)).permute(2, 0, 1)[None] / 127.5 - 1
    vae = decoder.module

    def draw() -> None:
        sample(denoiser, inputs, job.steps, job.cfg_scale)
        decoder(inputs[0][:1])

    def change() -> None:
        found = vae.encode(pixels).latent_dist.sample() * vae.config.scaling_factor
        noisy = found + inputs[0]
        sample(denoiser, [noisy, *inputs[1:]], job.steps, job.cfg_scale)
        decoder(noisy[:1])

    return _timed(draw, change)


def _control(job: Job, denoiser: Any, _decoder: Any) -> Seconds:
    import torch
    from diffusers import ControlNetModel

    net = ControlNetModel.from_pretrained(_control_net(job).parent, torch_dtype=torch.float32)
    net.eval().to(memory_format=torch.channels_last)
    inputs = _tensors(job)
    pixels = torch.tensor(_picture(job.side)).permute(2, 0, 1)[None] / 255
    pixels = pixels.expand(len(inputs[0]), -1, -1, -1)

    def controlled(noisy: Any, times: Any, context: Any) -> Any:
        down, middle = net(noisy, times, context, controlnet_cond=pixels, return_dict=False)
        return denoiser.module(
            noisy, times, context, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0]  # fmt: skip

    return {
        "without": sample(denoiser, inputs, job.steps, job.cfg_scale)[1:],
        "with": sample(controlled, inputs, job.steps, job.cfg_scale)[1:],
    }


def _tiles(job: Job, _denoiser: Any, decoder: Any) -> Seconds:
    import torch

    vae = decoder.module
    vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // 8
    values = torch.tensor(latent(job.model, job.side))

    def decode(is_tiled: bool) -> None:
        (vae.enable_tiling if is_tiled else vae.disable_tiling)()
        decoder(values)

    return _timed(lambda: decode(False), lambda: decode(True))


def _timed(without: Callable[[], None], with_it: Callable[[], None]) -> Seconds:
    """Return the seconds of two computations in turns, after a first run of both."""
    seconds: Seconds = {"without": [], "with": []}
    for number in range(ROUNDS):
        for title, compute in (("without", without), ("with", with_it)):
            began = time.perf_counter()
            compute()
            if number:
                seconds[title].append(time.perf_counter() - began)
    return seconds


def prepare(job: Job) -> dict[str, str]:
    """Write a random ControlNet, which both sides read, unless it exists."""
    import torch
    from diffusers import ControlNetModel

    folder = _control_net(job).parent
    if not folder.exists():
        torch.manual_seed(SEED)
        net = ControlNetModel(cross_attention_dim=768)
        for name, values in net.named_parameters():
            # Zero convolutions would add nothing.
            if name.startswith(("controlnet_down_blocks", "controlnet_mid_block")):
                torch.nn.init.normal_(values, std=0.02)
        partial = folder.with_name(f"{folder.name}.partial")
        net.half().save_pretrained(partial)
        partial.rename(folder)
    return {}


def _control_net(job: Job) -> Path:
    folder = Path(job.weights) / f"{job.model}-control-net"
    return folder / "diffusion_pytorch_model.safetensors"


def _tensors(job: Job) -> list[Any]:
    import torch

    batch = 1 if job.cfg_scale == 1 else 2
    return [torch.tensor(part) for part in denoiser_inputs(job.model, job.side, batch)]


def _picture(side: int) -> np.ndarray:
    import numpy as np

    return np.random.default_rng(SEED).integers(0, 256, (side, side, 3), np.uint8)
