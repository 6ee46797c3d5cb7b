"""The events of a request, and records of the studio's state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from gpustack_draw import DrawSettings, Picture, Progress, Raster

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True)
class Accepted:
    """The values of a request are right; always the first event.

    Attributes:
        settings: Settings of each picture, seed included.
    """

    settings: tuple[DrawSettings, ...]


@dataclass(frozen=True)
class Queued:
    """A request waits.

    Attributes:
        position: Its place; 1 is drawn next.
    """

    position: int


@dataclass(frozen=True)
class Drawn:
    """A picture is drawn.

    Attributes:
        index: Its number in the request, from 0.
        picture: The picture.
    """

    index: int
    picture: Picture


@dataclass(frozen=True)
class Enlarged:
    """A picture is enlarged.

    Attributes:
        image: The picture, with its parameters in ``info["parameters"]``.
    """

    image: "PIL.Image.Image"


Event: TypeAlias = Accepted | Queued | Progress | Drawn
UpscaleEvent: TypeAlias = Queued | Progress | Enlarged


@dataclass(frozen=True)
class LoadState:
    """State of the first model.

    Attributes:
        name: ``loading``, ``ready`` or ``failed``.
        error: Why it failed; ``None`` if it has not, or if the server stops.
        progress: Progress of the loading; ``None`` before the first.
    """

    name: Literal["loading", "ready", "failed"]
    error: BaseException | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Current:
    """The drawing that runs.

    Attributes:
        model: Name of the model; of the upscaling model where a picture is enlarged.
        progress: The last progress; ``None`` before the first.
        preview: The last preview; ``None`` without any.
        seconds: Seconds since it began.
    """

    model: str
    progress: Progress | None
    preview: Raster | None
    seconds: float


@dataclass(frozen=True)
class Statistics:
    """Counts since the start of the server.

    Attributes:
        queue_length: Requests that wait now.
        is_drawing: Whether one is drawn now.
        requests: Requests that have ended, by outcome: ``drawn``, ``failed``, ``canceled`` or
            ``refused``.
        pictures: Drawn pictures.
        phase_seconds: Seconds of the drawn pictures by phase.
        engine_restarts: Crashes of an engine.
        loaded_models: Names of the models in memory, least recently used first.
    """

    queue_length: int
    is_drawing: bool
    requests: Mapping[str, int]
    pictures: int
    phase_seconds: Mapping[str, float]
    engine_restarts: int
    loaded_models: tuple[str, ...] = field(default=())
