"""The progress record that a progress callback receives."""

from dataclasses import dataclass, field

from gpustack_draw.progress.pixels import Raster

PHASES: tuple[str, ...] = (
    *("fetch", "deploy", "wait", "load", "load_loras"),
    *("encode_pictures", "encode", "sample", "decode", "upscale"),
)


@dataclass(frozen=True)
class Progress:
    """Progress of one phase of the work.

    Attributes:
        phase: ``fetch``, ``load``, ``load_loras`` (with LoRAs), ``encode_pictures`` (with input
            pictures), ``encode``, ``sample``, ``decode`` or ``upscale``; on a server ``deploy``,
            ``wait`` or ``sample``.
        step: Finished steps, 0 to ``total``.
        total: Bytes for ``fetch``, 100 for ``deploy``, tensors for ``load``, sampling steps of both
            passes for ``sample``, parts for the other phases; 0 if unknown.
        seconds: Seconds since the phase began.
        picture: Number of the current picture, from 1.
        pictures: Number of pictures to draw.
        resumed: Steps that do not count for the rate: bytes downloaded by an earlier run, tensors
            or percent finished before the first report, or steps of the first pass.
        started: Seconds that do not count for the rate: the time before the first report, in
            which the engine starts.
        mode: What the drawing is: ``txt2img``, ``img2img``, ``inpaint``, ``edit`` or ``control``;
            ``hires`` in its second pass.
        preview: A new intermediate picture, with ``preview=True``, else None; usually an eighth
            of the width and height of the final picture.
    """

    phase: str
    step: int
    total: int
    seconds: float
    picture: int = 1
    pictures: int = 1
    resumed: int = 0
    started: float = 0.0
    mode: str = "txt2img"
    preview: Raster | None = field(default=None, compare=False, repr=False)
