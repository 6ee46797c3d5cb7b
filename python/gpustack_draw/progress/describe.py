"""How far the work has come, in words: for terminals and notebooks."""

from gpustack_draw.progress.progress import Progress
from gpustack_draw.units import format_bytes, format_bytes_of

# What people see for a phase.
_TITLES = {
    "fetch": "fetching",
    "deploy": "the server is getting the model ready",
    "wait": "waiting for the server",
    "load": "loading",
    "encode": "reading the prompt",
    "sample": "drawing",
    "decode": "decoding",
}
# Phases that may tell nothing but that they go on.
_WAITING = ("deploy", "wait")
_LONGEST_BAR = 30
_SHORTEST_BAR = 6


def describe(progress: Progress, *, columns: int = 0, bar: str = "") -> str:
    """Put progress into a line.

    Args:
        progress: What to tell.
        columns: The most characters the line can have; 0 for any number.
        bar: The characters for done and not done; empty for no bar.
    """
    picture = f"picture {progress.picture}/{progress.pictures}: " if progress.pictures > 1 else ""
    head = picture + _TITLES.get(progress.phase, progress.phase)
    if progress.total <= 0 or (progress.total == 1 and progress.step == 0):
        if progress.phase in _WAITING and progress.seconds >= 1:
            head += f", {_duration(progress.seconds)}"
        return head[:columns] if columns else head
    # Rounded down: 100 % means that nothing is left.
    tail = [f"{int(100 * fraction(progress))} %", *_pace(progress)]
    head += _amount(progress)
    line = ", ".join([head, *tail])
    if not columns:
        return line
    while len(line) > columns and len(tail) > 1:
        tail.pop()
        line = ", ".join([head, *tail])
    room = columns - len(line)  # the bar takes the place of a comma
    if bar and room >= _SHORTEST_BAR:
        width = min(room, _LONGEST_BAR)
        done = int(width * fraction(progress))
        line = f"{head} {bar[0] * done}{bar[1] * (width - done)} {', '.join(tail)}"
    return line[:columns]


def fraction(progress: Progress) -> float:
    """Tell what part of a phase is done, 0 to 1."""
    return min(progress.step / progress.total, 1.0) if progress.total > 0 else 0.0


def _amount(progress: Progress) -> str:
    if progress.phase == "fetch":
        return f" {format_bytes_of(progress.step, progress.total)}"
    if progress.phase == "deploy":
        return ""  # it comes in percent
    # A single part has no parts to count.
    return f" {progress.step}/{progress.total}" if progress.total > 1 else ""


def _pace(progress: Progress) -> list[str]:
    """Describe the rate, and the time that remains, or that it took."""
    counted, seconds = progress.step - progress.resumed, progress.seconds - progress.started
    each = seconds / counted if counted > 0 else 0.0
    parts = [f"{each:.2f} s/step"] if progress.phase == "sample" and each else []
    if progress.phase == "fetch" and each:
        parts = [f"{format_bytes(round(1 / each))}/s"]
    if progress.step >= progress.total:
        return [*parts, _duration(progress.seconds)]
    left = f"{_duration((progress.total - progress.step) * each)} left"
    return [*parts, left] if each else parts


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
