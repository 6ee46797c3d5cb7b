"""The progress of the running drawing, as the web UI reports it."""

import base64
import io
import time
from typing import TYPE_CHECKING, Any

from gpustack_draw import Progress, Raster

if TYPE_CHECKING:
    from gpustack_draw.serve.studio import Current

# The web UI reports this share before the first step.
_STARTED = 0.01
_AFTER_SAMPLING = ("decode", "upscale")
_BEFORE_THE_FIRST = Progress("load", 0, 0, 0.0)
_IDLE = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}


def progress_record(current: "Current | None", *, with_picture: bool) -> dict[str, Any]:
    """Return the answer of ``/sdapi/v1/progress``.

    Args:
        current: The running drawing; ``None`` for none.
        with_picture: Whether the answer has its last preview, in base64.
    """
    record = {
        "progress": 0.0,
        "eta_relative": 0.0,
        "state": _IDLE,
        "current_image": None,
        "textinfo": None,
        "current_task": None,
    }
    if current is None:
        return record
    progress = current.progress or _BEFORE_THE_FIRST
    record |= {
        "progress": _share(progress),
        "eta_relative": _seconds_left(progress),
        "state": _IDLE | _state(progress, current.seconds),
    }
    if with_picture and current.preview is not None:
        record["current_image"] = _encode(current.preview)
    return record


def _state(progress: Progress, seconds: float) -> dict[str, Any]:
    started = time.localtime(time.time() - seconds)
    is_sampling = progress.phase == "sample"
    job = "txt2img" if progress.mode in ("txt2img", "hires") else "img2img"
    return {
        "job": f"scripts_{job}",
        "job_count": progress.pictures,
        "job_timestamp": time.strftime("%Y%m%d%H%M%S", started),
        "job_no": progress.picture - 1,
        "sampling_step": progress.step if is_sampling else 0,
        "sampling_steps": progress.total if is_sampling else 0,
    }


def _share(progress: Progress) -> float:
    """Return the finished share of all pictures, above 0 and at most 1."""
    done = _sampled(progress)
    return min(1.0, _STARTED + (progress.picture - 1 + done) / max(1, progress.pictures))


def _sampled(progress: Progress) -> float:
    if progress.phase in _AFTER_SAMPLING:
        return 1.0
    if progress.phase != "sample" or not progress.total:
        return 0.0
    return progress.step / progress.total


def _seconds_left(progress: Progress) -> float:
    """Return the seconds that the steps of all pictures still take; 0 if that is unknown."""
    steps = progress.step - progress.resumed
    if progress.phase != "sample" or steps <= 0:
        return 0.0
    seconds_a_step = max(0.0, progress.seconds - progress.started) / steps
    left = progress.total - progress.step
    return seconds_a_step * (left + progress.total * (progress.pictures - progress.picture))


def _encode(preview: Raster) -> str:
    file = io.BytesIO()
    preview.to_image().save(file, format="PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")
