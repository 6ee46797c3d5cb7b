"""What a progress callback is told."""

from dataclasses import dataclass, field

from gpustack_draw.progress.pixels import Raster

PHASES: tuple[str, ...] = ("fetch", "deploy", "wait", "load", "encode", "sample", "decode")


@dataclass(frozen=True)
class Progress:
    """How far the work has come.

    Attributes:
        phase: ``fetch``, ``load``, ``encode``, ``sample`` or ``decode``; on a server ``deploy``,
            ``wait`` or ``sample``.
        step: What is done, 0 to ``total``.
        total: Bytes for ``fetch``, 100 for ``deploy``, tensors for ``load``, sampling steps for
            ``sample``, parts for the others; 0 when it is not known.
        seconds: Time since the phase began.
        picture: Which picture, from 1.
        pictures: How many pictures there will be.
        resumed: The part of ``step`` that is left out of the rate: bytes that an earlier run
            fetched; tensors, or percent, that were done by the first report.
        started: The part of ``seconds`` that is left out of the rate: the time before that report,
            in which the engine starts.
        preview: What the picture looks like by now, where ``preview=True`` was asked for and there
            is something new; usually an eighth of its size a side.
    """

    phase: str
    step: int
    total: int
    seconds: float
    picture: int = 1
    pictures: int = 1
    resumed: int = 0
    started: float = 0.0
    preview: Raster | None = field(default=None, compare=False, repr=False)
