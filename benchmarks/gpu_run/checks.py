"""The checks of this package. Each raises an error where the GPU does not behave as on a CPU."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gpustack_draw
from compare_cpu.job import Job as WeightsJob
from compare_cpu.steps import differences
from compare_cpu.weights import model_file, prepare
from gpu_run.job import Job
from gpustack_draw.errors import EngineError, NotEnoughMemoryError

Values = dict[str, float | str]
SIDES = {"sd15": 512, "klein": 1024, "demo": 256}
CFG = {"sd15": 7.0, "klein": 1.0, "demo": 1.0}
PEAK_SIGNAL = 255.0
_RUNS = 3
_STEPS = 20


def machine(_job: Job) -> Values:
    """Return the devices, the driver and how the engine was built."""
    devices = "; ".join(
        f"{'*' if each.used else ''}{each.name} ({each.type}): {each.description},"
        f" {each.memory_free / 1e9:.1f} of {each.memory_total / 1e9:.1f} GB free"
        for each in gpustack_draw.devices()
    )
    return {"devices": devices, "driver": _driver(), **gpustack_draw.build_info()}


def demo(job: Job) -> Values:
    """Draw with the embedded model on the device and on the CPU, and compare the pictures.

    Raises:
        ValueError: The pictures differ by more than rounding does.
    """
    import numpy as np

    request = _request("demo", job, 1 if job.tiny else 4)
    drawn = {}
    seconds = {}
    for device in (job.device, "CPU"):
        with gpustack_draw.load("demo", device=device) as model:
            for _ in range(2):  # the first drawing loads kernels
                picture = next(model.draw(request))
        drawn[device] = np.asarray(picture.to_image(), np.float64)
        seconds[device] = picture.seconds["sample"] + picture.seconds["decode"]
        if device == job.device:
            name = picture.device
    error = float(np.mean((drawn[job.device] - drawn["CPU"]) ** 2))
    decibels = 10 * np.log10(PEAK_SIGNAL**2 / max(error, 1e-9))
    if decibels < 40:
        raise ValueError(f"the picture of {name} differs from that of the CPU: {decibels:.1f} dB")
    return {"device": name, "PSNR dB": decibels, "s": seconds[job.device], "CPU s": seconds["CPU"]}


def timing(job: Job, name: str) -> Values:
    """Draw with random weights; return the seconds of a step and of decoding, and the memory."""
    steps: list[float] = []
    decodes: list[float] = []
    firsts: list[float] = []
    request = _request(name, job, 2 if job.tiny else _STEPS)
    path = _weights_file(job, name)
    with gpustack_draw.load(path, device=job.device) as model, _memory_peak() as used:
        planned = model.plan(request).memory_bytes
        for _ in range(1 if job.tiny else _RUNS):
            ends: list[float] = []

            def on_progress(progress: gpustack_draw.Progress, ends: list[float] = ends) -> None:
                if progress.phase == "sample" and progress.step > len(ends):
                    ends.append(progress.seconds)

            picture = next(model.draw(request, on_progress))
            first, *others = differences(ends)
            firsts.append(first)
            steps += others
            decodes.append(picture.seconds["decode"])
    return {
        "device": picture.device,
        "first step s": firsts[0],
        "step s": statistics.median(steps),
        "decode s": min(decodes),
        "planned GB": planned / 1e9,
        "used GB": max(used) / 1e9,
    }


def cancel(job: Job) -> Values:
    """Cancel a drawing, then draw again with the same model.

    Raises:
        RuntimeError: The drawing was not canceled.
    """
    request = _request("demo", job, 100)
    asked = 0.0

    with gpustack_draw.load("demo", device=job.device) as model:

        def on_progress(progress: gpustack_draw.Progress) -> None:
            nonlocal asked
            if progress.phase == "sample" and progress.step == 2 and not asked:
                asked = time.monotonic()
                threading.Thread(target=model.cancel).start()

        try:
            next(model.draw(request, on_progress))
        except EngineError:
            seconds = time.monotonic() - asked
        else:
            raise RuntimeError("a canceled drawing was finished")
        picture = next(model.draw(_request("demo", job, 1)))
    return {"device": picture.device, "s until canceled": seconds}


def memory(job: Job) -> Values:
    """Ask for a picture that the device cannot hold, then for one that it can.

    Raises:
        RuntimeError: The large picture was drawn, or refused with another error.
    """
    path = _weights_file(job, "sd15")
    with gpustack_draw.load(path, device=job.device, vae_tiling="off") as model:
        large = gpustack_draw.DrawRequest(prompt="a cat", size=(8192, 8192), seed=1)
        try:
            next(model.draw(large))
        except NotEnoughMemoryError as error:
            refusal = f"{error.message}; {error.hint}"
        else:
            raise RuntimeError("a picture that cannot fit was drawn")
        picture = next(model.draw(_request("sd15", job, 1)))
    return {"device": picture.device, "refusal": refusal}


@contextmanager
def _memory_peak() -> Iterator[list[int]]:
    """Watch the memory of the first NVIDIA GPU.

    Yields:
        The bytes that were in use beyond those at the start, every 50 ms; at first 0.
    """
    start = _used_bytes()
    used = [0]
    ended = threading.Event()

    def watch() -> None:
        while start is not None and not ended.wait(0.05):
            used.append((_used_bytes() or start) - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield used
    finally:
        ended.set()
        watcher.join()


def _weights_file(job: Job, name: str) -> str:
    """Return the file of a model with random weights, which is written once."""
    name = "demo" if job.tiny else name
    if name != "demo":
        prepare(WeightsJob("ours", "f16", name, SIDES[name], 1, 1.0, 1, job.weights, ""))
    return str(model_file(Path(job.weights), name, "f16"))


def _request(name: str, job: Job, steps: int) -> gpustack_draw.DrawRequest:
    side = 64 if job.tiny else SIDES[name]
    return gpustack_draw.DrawRequest(
        prompt="a red circle on a blue background",
        size=(side, side),
        sample_steps=steps,
        cfg_scale=CFG["demo" if job.tiny else name],
        seed=7,
    )


def _nvidia_smi(field: str) -> str:
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits", "--id=0"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _used_bytes() -> int | None:
    if shutil.which("nvidia-smi") is None:
        return None
    text = _nvidia_smi("memory.used")
    return int(text) * 2**20 if text.isdecimal() else None


def _driver() -> str:
    return _nvidia_smi("driver_version") if shutil.which("nvidia-smi") else "no nvidia-smi"
