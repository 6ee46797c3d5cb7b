"""The checks of a run on a GPU, and their results."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """The settings of all checks of a run.

    Attributes:
        device: Device of this package: ``auto`` or a name of ``gpustack-draw devices``.
        tiny: Whether each drawing is one of 64x64 pixels with the embedded model.
        weights: Folder of the random weights.
    """

    device: str
    tiny: bool
    weights: str


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: Its name on the command line and in the table.
        module: Module of this package with its function.
        function: Takes a :class:`Job` and returns values for JSON.
        arguments: Further arguments of the function.
        seconds: Time after which it is ended.
        is_of_peers: Whether it runs in the Python with PyTorch and diffusers.
    """

    name: str
    module: str
    function: str
    arguments: tuple[str, ...]
    seconds: int
    is_of_peers: bool = False


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Attributes:
        name: The check.
        seconds: Seconds that it took.
        values: Its values.
        error: Why it has none; empty otherwise.
    """

    name: str
    seconds: float
    values: dict[str, float | str] = field(default_factory=dict)
    error: str = ""


# In the order of their worth, because those in the end are skipped if the time runs out.
CHECKS = (
    Check("machine", "checks", "machine", (), 60),
    Check("demo", "checks", "demo", (), 90),
    Check("ours sd15", "checks", "timing", ("sd15",), 120),
    Check("diffusers sd15", "peers", "timing", ("sd15",), 150, is_of_peers=True),
    Check("cancel", "checks", "cancel", (), 60),
    Check("memory", "checks", "memory", (), 60),
    Check("ours klein", "checks", "timing", ("klein",), 90),
    Check("diffusers klein", "peers", "timing", ("klein",), 150, is_of_peers=True),
)
