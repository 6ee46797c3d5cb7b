"""A small picture without an engine."""

from gpustack_draw.pictures.picture import Picture
from gpustack_draw.request.draw_settings import DrawSettings


def make_picture(*, width: int = 48, height: int = 32, **changes: object) -> Picture:
    """Return a picture of color gradients, drawn with seed 7; ``changes`` replace its settings."""
    import numpy

    values: dict[str, object] = {
        "prompt": "a red circle",
        "negative_prompt": "",
        "width": width,
        "height": height,
        "sampler": "euler",
        "scheduler": "discrete",
        "sample_steps": 8,
        "cfg_scale": 1.0,
        "seed": 7,
    }
    model = str(changes.pop("model", "demo"))
    reference = str(changes.pop("reference", ""))
    user_components = tuple(str(changes.pop("user_components", "")).split())
    embeddings = changes.pop("embeddings", None)
    before = changes.pop("before", None)
    values.update(changes)
    y, x = numpy.mgrid[0:height, 0:width]
    pixels = numpy.stack([x * 5 % 256, y * 7 % 256, (x + y) % 256], axis=2).astype(numpy.uint8)
    return Picture(
        pixels.tobytes(),
        DrawSettings(**values),  # type: ignore[arg-type]
        model=model,
        reference=reference,
        user_components=user_components,
        embeddings=embeddings,  # type: ignore[arg-type]
        before=before,  # type: ignore[arg-type]
        family="flux2-klein",
        device="CPU",
        seconds={"load": 0.5, "sample": 1.0},
    )
