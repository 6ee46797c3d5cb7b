"""Steps without and with a LoRA for the matrices of attention and feed-forward networks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from compare_cpu.job import PROMPT, SEED, Job
from compare_cpu.sampling import sample
from compare_cpu.steps import differences
from compare_cpu.weights import model_file, tensors

if TYPE_CHECKING:
    import numpy as np

# Modules with a LoRA, as diffusers names them.
_TARGETS = {
    "sd15": r".*\.(attn[12]\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2))",
    "klein": r".*\.(attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out|to_qkv_mlp_proj)"
    r"|ff(_context)?\.linear_(in|out))|single_transformer_blocks\.\d+\.attn\.to_out",
}
# The same modules, as the engine names them.
_MATRICES = {
    "sd15": re.compile(r"\.(attn[12]|ff\.net)\..*weight"),
    "klein": re.compile(r"_blocks\..*weight"),
}
_PREFIX = "model.diffusion_model."


def run_ours(job: Job) -> dict[str, list[float]]:
    """Return the seconds of the steps without and with the LoRA, except the first ones."""
    from gpustack_draw.engine.process import EngineProcess
    from gpustack_draw.engine.results import EngineLora, EngineProgress

    engine = EngineProcess()
    model = model_file(Path(job.weights), job.model, job.kind)
    engine.load(files={"model": str(model.absolute())}, threads=job.threads, device="auto")
    lora = EngineLora(str(_lora_file(job).absolute()))
    settings = {"prompt": PROMPT, "negative_prompt": "", "seed": SEED, "cfg_scale": job.cfg_scale}
    settings |= {"width": job.side, "height": job.side, "sample_steps": job.steps}
    settings |= {"sampler": "euler", "scheduler": "discrete"}
    seconds = {}
    for title, loras in (("without", ()), ("with", (lora,))):
        ends: list[float] = []

        def on_progress(progress: EngineProgress, ends: list[float] = ends) -> None:
            if progress.phase == "sample" and progress.step > len(ends):
                ends.append(progress.seconds)

        drawn = engine.draw(settings=settings, loras=loras, on_progress=on_progress)
        assert not loras or (drawn.lora_tensors is not None and min(drawn.lora_tensors) > 0)
        seconds[title] = differences(ends)[1:]
    engine.close()
    return seconds


def run_diffusers(job: Job) -> dict[str, list[float]]:
    """Return the seconds of the steps without and with the LoRA, except the first ones.

    A fused LoRA is added to the weights once; ``fusing`` has the seconds which that takes.
    """
    import torch
    from peft import LoraConfig

    from compare_cpu.networks import load, network

    torch.set_num_threads(job.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[job.kind]
    (denoiser,) = load(job.model, Path(job.weights), dtype, "denoiser")
    rank = job.lora_rank
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=_TARGETS[job.model], init_lora_weights=False
    )
    denoiser.module.add_adapter(config)
    denoiser.to(dtype=dtype, memory_format=torch.channels_last)
    batch = 1 if job.cfg_scale == 1 else 2
    seconds = {}
    with torch.inference_mode():
        inputs = [part.to(dtype) for part in network(job.model).inputs(job.side, batch)]
        denoiser.module.disable_adapters()
        seconds["without"] = sample(denoiser, inputs, job.steps, job.cfg_scale)[1:]
        denoiser.module.enable_adapters()
        seconds["with"] = sample(denoiser, inputs, job.steps, job.cfg_scale)[1:]
        began = time.perf_counter()
        denoiser.module.fuse_lora()
        seconds["fusing"] = [time.perf_counter() - began]
        seconds["fused"] = sample(denoiser, inputs, job.steps, job.cfg_scale)[1:]
    return seconds


def _lora_file(job: Job) -> Path:
    from safetensors.numpy import save_file

    path = Path(job.weights) / f"{job.model}-lora-{job.lora_rank}.safetensors"
    if not path.exists():
        save_file(dict(_factors(job)), path)
    return path


def _factors(job: Job) -> Iterator[tuple[str, np.ndarray]]:
    import numpy as np

    rng = np.random.default_rng(2)
    for name, (shape, _kind) in tensors(job.model).items():
        if len(shape) != 2 or not name.startswith(_PREFIX) or not _MATRICES[job.model].search(name):
            continue
        columns, rows = shape
        modules = _modules(name.removeprefix(_PREFIX).removesuffix(".weight"))
        for module in modules:
            down = rng.standard_normal((job.lora_rank, columns), np.float32) / columns**0.5
            up = rng.standard_normal((rows // len(modules), job.lora_rank), np.float32) / 50
            yield f"{module}.lora_A.weight", down.astype(np.float16)
            yield f"{module}.lora_B.weight", up.astype(np.float16)


def _modules(name: str) -> list[str]:
    """Return a matrix, or the parts into which diffusers splits it."""
    match = re.fullmatch(r"double_blocks\.(\d+)\.(img|txt)_attn\.qkv", name)
    if match is None:
        return [f"diffusion_model.{name}"]
    part = "to_{}" if match[2] == "img" else "add_{}_proj"
    return [f"transformer.transformer_blocks.{match[1]}.attn.{part.format(one)}" for one in "qkv"]
