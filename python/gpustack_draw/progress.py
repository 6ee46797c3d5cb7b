"""What a progress callback is told."""

from dataclasses import dataclass

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
        resumed: Bytes of a ``fetch`` that an earlier run had fetched.
    """

    phase: str
    step: int
    total: int
    seconds: float
    picture: int = 1
    pictures: int = 1
    resumed: int = 0
