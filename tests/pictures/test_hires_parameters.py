"""The parameters of a second pass, written and read back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from sample_picture import make_picture

from gpustack_draw import read_parameters
from gpustack_draw.display import Gallery
from gpustack_draw.errors import UsageError
from gpustack_draw.pictures.parameters import parameters_text
from gpustack_draw.pictures.save import encode
from gpustack_draw.request.draw_settings import HiresSettings, PictureSettings

SECOND = HiresSettings(
    scale=1.5, width=96, height=64, upscaler="latent-nearest", steps=10, strength=0.3
)
FROM_A_PICTURE = {
    "mode": "img2img", "strength": 0.75, "pictures": PictureSettings(image_hash="0123456789ab"),
}  # fmt: skip


def options_of(picture: Any) -> dict[str, Any]:
    """Return the options of the second pass in a picture's request."""
    request = (
        picture.request(image=Image.new("RGB", (8, 8))) if picture.inputs else (picture.request())
    )
    names = ("hires", "hires_upscaler", "hires_steps", "hires_strength")
    return {name: getattr(request, name) for name in names}


def test_names_of_web_uis() -> None:
    text = parameters_text(make_picture(hires=SECOND))
    assert (
        "CFG scale: 1, Denoising strength: 0.3, Hires upscale: 1.5, Hires steps: 10,"
        " Hires upscaler: Latent (nearest), Seed: 7, Size: 48x32,"
    ) in text
    assert "Hires" not in parameters_text(make_picture())


def test_the_strength_of_an_input_picture_keeps_its_name() -> None:
    text = parameters_text(make_picture(hires=SECOND, **FROM_A_PICTURE))
    assert "Denoising strength: 0.75," in text
    assert "Hires strength: 0.3, Hires upscale: 1.5," in text


@pytest.mark.parametrize("others", [{}, FROM_A_PICTURE], ids=["alone", "from a picture"])
def test_it_is_read_back(tmp_path: Path, others: dict[str, Any]) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(encode(make_picture(hires=SECOND, reference="demo", **others), ".png"))
    found = read_parameters(path)
    assert options_of(found) == {
        "hires": 1.5,
        "hires_upscaler": "latent-nearest",
        "hires_steps": 10,
        "hires_strength": 0.3,
    }


def test_an_upscaling_model_is_named_by_its_reference_on_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    known = replace(SECOND, upscaler="4x-Test", reference="hf.co/acme/esrgan:4x-Test.pth")
    path.write_bytes(encode(make_picture(hires=known, reference="demo"), ".png"))
    assert "Hires upscaler: 4x-Test," in read_parameters(path).text
    options = options_of(read_parameters(path))
    assert options["hires_upscaler"] == "hf.co/acme/esrgan:4x-Test.pth"
    local = replace(SECOND, upscaler="4x-Test")
    path.write_bytes(encode(make_picture(hires=local, reference="demo"), ".png"))
    assert options_of(read_parameters(path))["hires_upscaler"] is None


def test_the_path_of_a_stranger_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    hostile = replace(SECOND, upscaler="x", reference="/etc/passwd")
    path.write_bytes(encode(make_picture(hires=hostile, reference="demo"), ".png"))
    assert options_of(read_parameters(path))["hires_upscaler"] is None


def test_it_can_be_changed_or_left_out(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(encode(make_picture(hires=SECOND, reference="demo"), ".png"))
    found = read_parameters(path)
    changed = found.request(hires_strength=0.7)
    assert (changed.hires, changed.hires_strength) == (1.5, 0.7)
    single = found.request(hires=False)
    assert (single.hires, single.hires_steps, single.hires_upscaler) == (None, None, None)
    with pytest.raises(UsageError):
        found.request(hires=False, hires_steps=3)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ("Hires upscale: 9, Hires steps: 4", (None, None, None, None)),
        ("Hires steps: 4, Hires upscaler: Lanczos", (None, None, None, None)),
        ("Hires upscale: 2, Hires steps: 0, Hires upscaler: x", (2, None, None, None)),
        ("Hires upscale: 2, Denoising strength: 7", (2, None, None, None)),
    ],
)
def test_values_that_cannot_be_used(
    tmp_path: Path, pairs: str, expected: tuple[object, ...]
) -> None:
    chunks = PngImagePlugin.PngInfo()
    text = f"a cat\nSteps: 8, Seed: 7, Size: 48x32, {pairs}, Version: gpustack-draw 0.1.0"
    chunks.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png", pnginfo=chunks)
    assert tuple(options_of(read_parameters(tmp_path / "cat.png")).values()) == expected


# --- pictures of web UIs --------------------------------------------------------------------------


def read_web_ui(path: Path, pairs: str, start: str = "Steps: 20, Seed: 7, Size: 512x768") -> Any:
    """Return the parameters of a picture as AUTOMATIC1111's web UI writes them."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", f"a cat\n{start}, {pairs}, Version: v1.10.1")
    Image.new("RGB", (8, 8)).save(path / "web.png", pnginfo=chunks)
    return read_parameters(path / "web.png")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ("0.4, Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent", (2, "latent", 10, 0.4)),
        # Without "Hires steps", the web UI runs as many as in the first pass.
        ("0.7, Hires upscale: 1.5, Hires upscaler: Lanczos", (1.5, "lanczos", 20, 0.7)),
        # "None" scales by Lanczos' method.
        ("0.7, Hires upscale: 2, Hires upscaler: None", (2, "lanczos", 20, 0.7)),
        # The file of an upscaling model is on the other machine.
        ("0.3, Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+", (2, None, 20, 0.3)),
        ("0.7, Hires resize: 1024x1536", (2, None, 20, 0.7)),
        ("0.7, Hires resize: 768x0", (1.5, None, 20, 0.7)),
        # Of another shape, which the web UI would crop.
        ("0.7, Hires resize: 1024x1024", (None, None, None, None)),
        ("0.7, Hires resize: 0x0", (None, None, None, None)),
        ("0.7, Hires resize: 1024", (None, None, None, None)),
        ("0.7, Hires resize: ²x²", (None, None, None, None)),
        ("0.7, Hires resize: 512x768", (None, None, None, None)),
        ("0.7, Hires upscale: 8", (None, None, None, None)),
        ("0.7", (None, None, None, None)),
    ],
)
def test_a_second_pass_of_a_web_ui(
    tmp_path: Path, pairs: str, expected: tuple[object, ...]
) -> None:
    found = read_web_ui(tmp_path, f"Denoising strength: {pairs}")
    assert tuple(options_of(found).values()) == expected
    assert not found.request().pictures


def test_a_resized_picture_needs_its_first_size(tmp_path: Path) -> None:
    found = read_web_ui(tmp_path, "Hires resize: 1024x1024", "Steps: 20, Seed: 7")
    assert found.hires_options == {}


def test_the_strength_of_a_web_ui_is_that_of_its_input_picture(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    found = read_web_ui(tmp_path, "Denoising strength: 0.6")
    assert found.request(image=image).pictures.strength == 0.6
    assert found.request(image=image, strength=0.2).pictures.strength == 0.2
    assert not found.request().pictures
    # With a second pass, it is the strength of that pass.
    found = read_web_ui(tmp_path, "Denoising strength: 0.6, Hires upscale: 2")
    request = found.request(image=image)
    assert (request.pictures.strength, request.hires_strength) == (None, 0.6)
    assert (
        read_web_ui(tmp_path, "Denoising strength: 7").request(image=image).pictures.strength
        is None
    )


def test_a_gallery_names_the_scale() -> None:
    html = Gallery([make_picture(), make_picture(hires=SECOND)])._repr_html_()
    assert "hires 1.5" in html


def test_the_summary_shows_both_sizes() -> None:
    assert make_picture(hires=SECOND).summary() == (
        "seed 7, 8 steps, cfg 1, euler, discrete, 48x32,"
        " hires 96x64 (latent-nearest, 10 steps, strength 0.3), CPU, 1.5 s"
    )
