"""Progress as a line of text, for terminals and notebooks."""

from gpustack_draw.progress.progress import Progress
from gpustack_draw.units import format_bytes, format_bytes_of

_TITLES = {
    "fetch": "downloading",
    "deploy": "deploying the model",
    "wait": "waiting for the server",
    "load": "loading",
    "load_loras": "loading the LoRAs",
    "encode_pictures": "encoding the pictures",
    "encode": "encoding the prompt",
    "sample": "drawing",
    "decode": "decoding",
    "upscale": "upscaling",
}
# The title of the phase ``sample`` by mode, where it is another one.
_MODES = {
    "img2img": "redrawing",
    "inpaint": "inpainting",
    "edit": "editing",
    "hires": "drawing larger",
}
# Phases that may report nothing but the time that has passed.
_WAITING_PHASES = ("deploy", "wait")
_MAX_BAR_WIDTH = 30
_MIN_BAR_WIDTH = 6


def describe(progress: Progress, *, columns: int = 0, bar: str = "") -> str:
    """Return progress as one line.

    Args:
        progress: The progress.
        columns: Maximum number of characters; 0 for no limit.
        bar: Two characters, for the done and the remaining part of the bar; empty for no bar.
    """
    picture = f"picture {progress.picture}/{progress.pictures}: " if progress.pictures > 1 else ""
    title = _TITLES.get(progress.phase, progress.phase)
    if progress.phase == "sample":
        title = _MODES.get(progress.mode, title)
    head = picture + title
    if progress.total <= 0 or (progress.total == 1 and progress.step == 0):
        if progress.phase in _WAITING_PHASES and progress.seconds >= 1:
            head += f", {_duration(progress.seconds)}"
        return head[:columns] if columns else head
    # Rounded down, so that 100 % means finished.
    tail = [f"{int(100 * fraction(progress))} %", *_pace(progress)]
    head += _amount(progress)
    line = ", ".join([head, *tail])
    if not columns:
        return line
    while len(line) > columns and len(tail) > 1:
        tail.pop()
        line = ", ".join([head, *tail])
    space = columns - len(line)  # the bar replaces a comma
    if bar and space >= _MIN_BAR_WIDTH:
        width = min(space, _MAX_BAR_WIDTH)
        done = int(width * fraction(progress))
        line = f"{head} {bar[0] * done}{bar[1] * (width - done)} {', '.join(tail)}"
    return line[:columns]


def fraction(progress: Progress) -> float:
    """Return the finished fraction of a phase, 0 to 1; 0 if the total is unknown."""
    return min(progress.step / progress.total, 1.0) if progress.total > 0 else 0.0


def _amount(progress: Progress) -> str:
    if progress.phase == "fetch":
        return f" {format_bytes_of(progress.step, progress.total)}"
    if progress.phase in {"deploy", "upscale"}:
        return ""  # their steps are parts of a hundred
    return f" {progress.step}/{progress.total}" if progress.total > 1 else ""


def _pace(progress: Progress) -> list[str]:
    """Return the rate, and the remaining or total time."""
    steps, seconds = progress.step - progress.resumed, progress.seconds - progress.started
    per_step = seconds / steps if steps > 0 else 0.0
    rate = [f"{per_step:.2f} s/step"] if progress.phase == "sample" and per_step else []
    if progress.phase == "fetch" and per_step:
        rate = [f"{format_bytes(round(1 / per_step))}/s"]
    if progress.step >= progress.total:
        return [*rate, _duration(progress.seconds)]
    left = f"{_duration((progress.total - progress.step) * per_step)} left"
    return [*rate, left] if per_step else rate


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
