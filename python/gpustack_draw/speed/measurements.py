"""Measured speeds of this machine, in a small file of the user.

The file holds no prompts and no names of files. It is not trusted, and a drawing does not depend on
it: if it cannot be read or written, there are no measurements.
"""

import contextlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gpustack_draw.untrusted import parse_json

_VERSION = 1
_MOST_MEASUREMENTS = 300
_MOST_BYTES = 200_000
MOST_TEXT = 200
_MOST_THREADS = 10_000
# Share of a slower measurement in the mean. Whatever disturbs a drawing makes it slower: other
# programs, and memory that its process uses for the first time. So a faster one counts alone.
_SHARE_OF_SLOWER = 0.3


@dataclass(frozen=True, kw_only=True)
class Computer:
    """Where networks are computed.

    Attributes:
        device: Name and description of the device, which differ on another machine.
        threads: CPU threads.
        is_fast_cpu: True for this project's code for CPUs.
    """

    device: str
    threads: int
    is_fast_cpu: bool = False


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The seconds of one unit of a phase.

    Attributes:
        device: See :class:`Computer`.
        threads: See :class:`Computer`.
        phase: See :class:`~gpustack_draw.speed.drawing_work.PhaseWork`; ``product`` for a measured
            matrix product.
        network: See there.
        variant: See there.
        operations: Floating-point operations of the unit; bytes for ``load``.
        seconds: Seconds of the unit.
    """

    device: str
    threads: int
    phase: str
    network: str
    variant: str
    operations: float
    seconds: float

    def is_of(self, computer: Computer) -> bool:
        """Return True if it was measured there."""
        return (self.device, self.threads) == (computer.device, computer.threads)


def speed_file() -> Path:
    """Return the path of the file, in the user's folder for the state of programs."""
    system: str = sys.platform  # as a plain string, or mypy checks one system only
    if system == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "gpustack-draw" / "speeds.json"


def read_measurements() -> list[Measurement]:
    """Return the measurements of the file, oldest first; none if it cannot be used."""
    try:
        with speed_file().open("rb") as file:
            content = parse_json(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError, RuntimeError):
        return []
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        return []
    entries = content.get("measurements")
    parsed = map(_parse, entries[-_MOST_MEASUREMENTS:] if isinstance(entries, list) else [])
    return [measurement for measurement in parsed if measurement is not None]


def add_measurements(new: Iterable[Measurement]) -> None:
    """Add measurements to the file; does nothing if it cannot be written."""
    known = {_key(each): each for each in read_measurements()}
    for measurement in new:
        earlier = known.pop(_key(measurement), measurement)
        slower = max(0.0, measurement.seconds - earlier.seconds)
        seconds = min(earlier.seconds, measurement.seconds) + _SHARE_OF_SLOWER * slower
        known[_key(measurement)] = replace(measurement, seconds=seconds)
    kept = [asdict(each) for each in known.values()][-_MOST_MEASUREMENTS:]
    with contextlib.suppress(OSError, RuntimeError):
        _write(json.dumps({"version": _VERSION, "measurements": kept}, indent=0).encode())


def _write(content: bytes) -> None:
    path = speed_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".speeds-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _key(each: Measurement) -> tuple[object, ...]:
    # Three digits: the operations of the same work are computed again by a later version.
    return (
        *(each.device, each.threads, each.phase, each.network, each.variant),
        f"{each.operations:.2e}",
    )


def _parse(entry: object) -> Measurement | None:
    names = Measurement.__dataclass_fields__
    if not isinstance(entry, dict) or entry.keys() != names.keys():
        return None
    texts = [entry[name] for name in ("device", "phase", "network", "variant")]
    numbers = [entry[name] for name in ("operations", "seconds")]
    if not all(isinstance(text, str) and len(text) <= MOST_TEXT for text in texts):
        return None
    if not all(_is_number(number) and 0 < number < math.inf for number in numbers):
        return None
    threads = entry["threads"]
    if not (_is_number(threads) and 0 <= threads <= _MOST_THREADS):
        return None
    return Measurement(**{**entry, "threads": int(threads)})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
