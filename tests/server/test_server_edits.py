"""Changing pictures on GPUStack servers: the requests, and how drawings are finished."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from fake_models import Request, plain_png
from input_files import corners, encoded, noise
from loopback_gpustack import LoopbackGpustack
from PIL import Image
from server_commands import NAME, PROMPT, parameters

import gpustack_draw
from gpustack_draw import DrawRequest, PictureOptions
from gpustack_draw.cli.main import main

ORANGE = (255, 128, 0)
SECRET = "holiday-with-anna"


@pytest.fixture
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a picture of 512x512 with private metadata and a private name."""
    path = tmp_path_factory.mktemp(SECRET) / f"{SECRET}.png"
    exif = Image.Exif()
    exif[0x010E] = SECRET
    Image.fromarray(noise(512, 512)).save(path, exif=exif, dpi=(300, 300))
    return str(path)


def sent(request: Request, field: str = "image") -> list[Image.Image]:
    """Return the pictures of a form, after checking that they hold nothing but pixels."""
    parts = [part for part in request.parts if part.name == field]
    images = []
    for part in parts:
        assert part.content_type == "image/png"
        assert part.file_name == field.removesuffix("[]") + ".png"
        image = Image.open(io.BytesIO(part.content))
        image.load()
        assert image.info == {}
        images.append(image)
    return images


def mask_of(box: tuple[int, int, int, int], size: tuple[int, int] = (512, 512)) -> Image.Image:
    """Return a mask whose white area is a box."""
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


# --- requests -------------------------------------------------------------------------------------


def test_a_llama_box_server_starts_from_the_picture(
    old: LoopbackGpustack, photo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--strength 0.6 --seed 7 --sample-steps 4 --cfg-scale 2.5 --sampler heun"
    options += " --scheduler karras --negative-prompt blue --output cat.png"
    assert main([NAME, PROMPT, "--image", photo, *options.split()]) == 0
    assert "redrawing 4/4, 100 %" in capsys.readouterr().err
    assert old.paths()[-1] == "POST /v1-openai/images/edits"
    (request,) = old.edits()
    assert request.body == {
        "model": NAME,
        "prompt": PROMPT,
        "n": "1",
        "size": "512x512",
        "response_format": "b64_json",
        "negative_prompt": "blue",
        "sampler": "heun",
        "scheduler": "karras",
        "sample_steps": "4",
        "num_inference_steps": "4",
        "cfg_scale": "2.5",
        "true_cfg_scale": "2.5",
        "guidance_scale": "2.5",
        "strength": "0.6",
        "negative_sampler": "blue",
        "seed": "7",
        "stream": "true",
    }
    assert [part.name for part in request.parts] == ["image"]
    (image,) = sent(request)
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), noise(512, 512))
    text = parameters("cat.png")
    assert "Denoising strength: 0.6, " in text
    assert "Init image hash: " in text
    assert "Size: 512x512, " in text


def test_a_new_server_looks_at_the_picture(new: LoopbackGpustack, photo: str) -> None:
    options = "--seed 7 --sample-steps 4 --cfg-scale 2.5 --negative-prompt blue --output cat.png"
    assert main([NAME, PROMPT, "--image", photo, *options.split()]) == 0
    assert new.paths()[-1] == "POST /v1/images/edits"
    (request,) = new.edits()
    assert request.body == {
        "model": NAME,
        "prompt": PROMPT,
        "n": "1",
        "size": "512x512",
        "response_format": "b64_json",
        "negative_prompt": "blue",
        "sample_steps": "4",
        "num_inference_steps": "4",
        "cfg_scale": "2.5",
        "true_cfg_scale": "2.5",
        "guidance_scale": "2.5",
        "negative_sampler": "blue",
        "seed": "7",
    }
    assert [part.name for part in request.parts] == ["image"]
    (image,) = sent(request)
    assert np.array_equal(np.asarray(image), noise(512, 512))
    text = parameters("cat.png")
    assert "Reference hashes: " in text
    assert "Denoising strength" not in text


@pytest.mark.parametrize("release", ["old", "new"])
def test_no_request_names_the_users_file(
    request: pytest.FixtureRequest,
    release: str,
    photo: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    monkeypatch.setattr(gpustack_draw, "build_info", dict)
    assert main([NAME, PROMPT, "--image", photo, "--mask", photo, "-d", "--output", "c.png"]) == 0
    (edit,) = server.edits()
    assert SECRET not in repr(edit)
    assert SECRET not in parameters("c.png")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "images/edits" in line]
    assert "image=(7" in line  # 786 kB of noise
    assert len(line) < 500


def test_a_prompt_of_several_lines_and_scripts_arrives(old: LoopbackGpustack, photo: str) -> None:
    prompt = 'a "cat"\r\n--\N{CAT FACE}\n'
    image = gpustack_draw.load(NAME).generate(prompt, image=photo, size=(256, 256))
    assert image.size == (256, 256)
    assert old.edits()[0].body["prompt"] == prompt


def test_a_rotated_photo_is_sent_upright(old: LoopbackGpustack) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    file = encoded(corners(512, 256), "JPEG", exif=exif, quality=100)
    gpustack_draw.load(NAME).generate(PROMPT, image=file)
    (image,) = sent(old.edits()[0])
    assert image.size == (256, 512)
    upright = corners(512, 256).transpose(Image.Transpose.ROTATE_270)
    difference = np.abs(np.asarray(image, int) - np.asarray(upright, int))
    assert difference.mean() < 2


def test_settings_record_how_the_picture_is_used(
    old: LoopbackGpustack, new: LoopbackGpustack
) -> None:
    request = DrawRequest(prompt=PROMPT, pictures=PictureOptions(image=noise(256, 256)))
    old.add("img2img", meta={"strength": 0.5})
    with gpustack_draw.load("img2img", server=old.url) as model:
        plan = model.plan(request)
        assert (plan.defaults.mode, plan.defaults.strength) == ("img2img", 0.5)
        assert plan.defaults.references == 0
    with gpustack_draw.load(NAME, server=new.url) as model:
        plan = model.plan(request)
        assert (plan.defaults.mode, plan.defaults.strength) == ("edit", None)
        assert plan.defaults.references == 1


def test_a_dry_run_sends_no_picture(
    new: LoopbackGpustack, photo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([NAME, PROMPT, "--image", photo, "--dry-run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["defaults"]["mode"], record["defaults"]["width"]) == ("edit", 512)
    assert new.edits() == []


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "size", "drawn"),
    [
        ((640, 400), None, "640x384"),
        ((300, 300), None, "256x256"),
        ((100, 150), None, "256x384"),
        ((300, 60), None, "1024x256"),
        ((300, 300), (500, 300), "512x320"),
        ((4000, 3000), None, "576x384"),
    ],
)
def test_llama_box_draws_multiples_of_64_from_256(
    old: LoopbackGpustack, picture: tuple[int, int], size: tuple[int, int] | None, drawn: str
) -> None:
    gpustack_draw.load(NAME).generate(PROMPT, image=noise(*picture), size=size)
    (edit,) = old.edits()
    assert edit.body["size"] == drawn
    (image,) = sent(edit)
    assert "x".join(map(str, image.size)) == drawn


def test_a_picture_is_fitted_to_the_size_as_asked(old: LoopbackGpustack) -> None:
    picture = np.full((256, 512, 3), 200, np.uint8)
    gpustack_draw.load(NAME).generate(PROMPT, image=picture, size=(512, 512), fit="pad")
    (image,) = sent(old.edits()[0])
    assert image.size == (512, 512)
    assert (np.asarray(image) == 200).all()


def test_the_size_of_a_picture_for_a_new_server(new: LoopbackGpustack) -> None:
    gpustack_draw.load(NAME).generate(PROMPT, image=noise(2048, 1024))
    assert new.edits()[0].body["size"] == "1440x720"


# --- masks ----------------------------------------------------------------------------------------

BOX = (128, 192, 384, 320)


def test_llama_box_redraws_the_white_area_of_a_gray_mask(old: LoopbackGpustack, photo: str) -> None:
    gpustack_draw.load(NAME).generate(PROMPT, image=photo, mask=mask_of(BOX))
    (edit,) = old.edits()
    assert [part.name for part in edit.parts] == ["image", "mask"]
    (mask,) = sent(edit, "mask")
    assert mask.mode == "L"
    assert np.array_equal(np.asarray(mask), np.asarray(mask_of(BOX)))


def test_new_backends_redraw_the_transparent_or_white_area_of_a_mask(
    new: LoopbackGpustack, photo: str
) -> None:
    gpustack_draw.load(NAME).generate(PROMPT, image=photo, mask=mask_of(BOX))
    (edit,) = new.edits()
    assert [part.name for part in edit.parts] == ["image", "mask"]
    (mask,) = sent(edit, "mask")
    assert mask.mode == "RGBA"
    expected = np.asarray(mask_of(BOX))
    pixels = np.asarray(mask)
    assert np.array_equal(pixels[:, :, 3], 255 - expected)
    assert (pixels[:, :, :3] == expected[:, :, None]).all()


@pytest.mark.parametrize("release", ["old", "new"])
@pytest.mark.parametrize("invert", [False, True])
def test_nothing_changes_outside_the_mask(
    request: pytest.FixtureRequest, release: str, photo: str, invert: bool
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    server.fail("/images/", picture=plain_png(512, 512, ORANGE))
    image = gpustack_draw.load(NAME).generate(
        PROMPT, image=photo, mask=mask_of(BOX), mask_blur=0, mask_invert=invert
    )
    redrawn = (np.asarray(mask_of(BOX)) == 255) != invert
    pixels = np.asarray(image)
    assert (pixels[redrawn] == ORANGE).all()
    assert np.array_equal(pixels[~redrawn], noise(512, 512)[~redrawn])


def test_the_transparent_area_of_the_picture_is_the_mask(old: LoopbackGpustack) -> None:
    pixels = np.dstack([noise(512, 512), 255 - np.asarray(mask_of(BOX))])
    gpustack_draw.load(NAME).generate(PROMPT, image=pixels, mask="alpha")
    (edit,) = old.edits()
    (mask,) = sent(edit, "mask")
    assert np.array_equal(np.asarray(mask), np.asarray(mask_of(BOX)))
    assert sent(edit)[0].mode == "RGB"


def test_a_drawing_of_another_size_is_scaled_into_the_mask(
    new: LoopbackGpustack, photo: str
) -> None:
    new.fail("/images/", picture=plain_png(1024, 992, ORANGE))
    with gpustack_draw.load(NAME) as model:
        options = PictureOptions(image=photo, mask=mask_of(BOX), mask_blur=0)
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, pictures=options))
    assert (picture.width, picture.height) == (512, 512)
    redrawn = np.asarray(mask_of(BOX)) == 255
    pixels = np.asarray(picture.to_image())
    assert (pixels[redrawn] == ORANGE).all()
    assert np.array_equal(pixels[~redrawn], noise(512, 512)[~redrawn])
    assert (picture.settings.mode, picture.settings.width) == ("inpaint", 512)


def test_a_masked_area_is_drawn_alone(old: LoopbackGpustack) -> None:
    """The picture keeps its size, though llama-box draws no such size."""
    pixels, box = noise(1500, 1100), (700, 500, 900, 620)
    old.fail("/images/", picture=plain_png(512, 512, ORANGE))
    image = gpustack_draw.load(NAME).generate(
        PROMPT, image=pixels, mask=mask_of(box, (1500, 1100)), masked_only=32, mask_blur=0
    )
    (edit,) = old.edits()
    assert edit.body["size"] == "512x512"
    assert sent(edit)[0].size == (512, 512)
    redrawn = np.asarray(mask_of(box, (1500, 1100))) == 255
    assert (np.asarray(image)[redrawn] == ORANGE).all()
    assert np.array_equal(np.asarray(image)[~redrawn], pixels[~redrawn])


def test_llama_box_draws_the_border_of_an_expanded_picture(old: LoopbackGpustack) -> None:
    pixels = noise(512, 384)
    old.fail("/images/", picture=plain_png(640, 384, ORANGE))
    image = gpustack_draw.load(NAME).generate(
        PROMPT, image=pixels, expand=(0, 128, 0, 0), mask_blur=0
    )
    (edit,) = old.edits()
    assert edit.body["size"] == "640x384"
    (mask,) = sent(edit, "mask")
    assert (np.asarray(mask)[:, :512] == 0).all()
    assert (np.asarray(mask)[:, 512:] == 255).all()
    assert np.array_equal(np.asarray(image)[:, :512], pixels)
    assert (np.asarray(image)[:, 512:] == ORANGE).all()


# --- several pictures -----------------------------------------------------------------------------


def test_a_new_server_looks_at_several_pictures(new: LoopbackGpustack) -> None:
    new.has_gateway = True
    pictures = [noise(512, 512, seed) for seed in range(3)]
    options = PictureOptions(image=pictures[:2], ref_image=pictures[2])
    with gpustack_draw.load(NAME) as model:
        request = DrawRequest(prompt=PROMPT, pictures=options)
        assert model.check(request) == (
            (
                "3 pictures are sent: a server of GPUStack 2.3.0 without its gateway passes on only"
                " the last one"
            ),
        )
        (picture,) = model.draw(request)
    images = sent(new.edits()[0], "image[]")
    assert len(images) == 3
    for image, pixels in zip(images, pictures, strict=True):
        assert np.array_equal(np.asarray(image), pixels)
    assert (picture.settings.mode, picture.settings.references) == ("edit", 3)


def test_a_new_server_looks_at_a_reference_alone(new: LoopbackGpustack, photo: str) -> None:
    assert main([NAME, PROMPT, "--ref-image", photo, "--size", "512x512", "-q"]) == 0
    (edit,) = new.edits()
    assert [part.name for part in edit.parts] == ["image"]
    assert sent(edit)[0].size == (512, 512)


# --- notes ----------------------------------------------------------------------------------------


def test_notes_name_what_new_backends_do_not_read(new: LoopbackGpustack, photo: str) -> None:
    options = PictureOptions(image=photo, mask=mask_of(BOX), strength=0.5)
    with gpustack_draw.load(NAME) as model:
        request = DrawRequest(prompt=PROMPT, pictures=options)
        assert model.check(request) == (
            (
                "strength=0.5 has no effect: vLLM and SGLang, which GPUStack 2.3.0 draws with, do"
                " not read it"
            ),
            (
                "vLLM and SGLang, which GPUStack 2.3.0 draws with, do not read the mask: they"
                " change the whole picture, and the masked area of it is used"
            ),
        )
        list(model.draw(request))
    assert new.edits()[0].body["strength"] == "0.5"  # a custom backend may read it


# --- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["old", "new"])
def test_many_pictures_are_drawn_in_parallel_and_in_order(
    request: pytest.FixtureRequest, release: str, photo: str
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    server.steps = 1
    server.fail("/images/", seconds=0.5)
    options = "--count 6 --seed 100 --size 256x256 --output cat.png -q"
    assert main([NAME, PROMPT, "--image", photo, *options.split()]) == 0
    assert server.max_in_flight == 6
    assert sorted(int(edit.body["seed"]) for edit in server.edits()) == list(range(100, 106))
    assert len({edit.parts[0].content for edit in server.edits()}) == 1
    for number in range(6):
        assert f"Seed: {100 + number}, " in parameters(f"cat-{number + 1}.png")
    assert len(list(Path().glob("cat-*.png"))) == 6
