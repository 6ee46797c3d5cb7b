"""Drawing with ``gpustack-draw serve``, alone or as a backend of a GPUStack server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from fake_models import plain_png
from loopback_gpustack import LoopbackGpustack
from own_backend import META, PREVIEW
from PIL import Image
from server_commands import PROMPT, FailingCommand, parameters

import gpustack_draw
from gpustack_draw import DrawRequest, PictureOptions, Progress
from gpustack_draw.cli.main import main
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.errors import UsageError
from gpustack_draw.gpustack_server.server_errors import with_missing_seeds

pytestmark = pytest.mark.usefixtures("empty_folder")

OWN = "klein"
LOG_HINT = (
    "gpustack-draw: try again; if this happens again, check the log of the model's instance on the"
    " server's web page"
)


@pytest.fixture
def own(new: LoopbackGpustack) -> LoopbackGpustack:
    """A GPUStack server of 2.3.0 with one model of this program's own server."""
    new.models.clear()
    new.add(OWN, meta=META)
    return new


# --- requests and settings ------------------------------------------------------------------------


def test_a_request_has_the_names_of_the_options(
    own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--seed 7 --sample-steps 3 --cfg-scale 2.5 --sampler heun --scheduler karras"
    options += " --negative-prompt blue --size 64x32 --clip-skip 2 --flow-shift 3 --output cat.png"
    assert main([OWN, PROMPT, *options.split()]) == 0
    assert own.drawings() == [
        {
            "model": OWN,
            "prompt": PROMPT,
            "n": 1,
            "size": "64x32",
            "response_format": "b64_json",
            "negative_prompt": "blue",
            "sampler": "heun",
            "scheduler": "karras",
            "sample_steps": 3,
            "cfg_scale": 2.5,
            "clip_skip": 2,
            "flow_shift": 3.0,
            "seed": 7,
            "stream": True,
            "stream_options": {"progress": True},
        }
    ]
    error = capsys.readouterr().err
    assert "no effect" not in error
    assert "drawing 3/3, 100 %" in error
    assert parameters("cat.png").startswith(
        f"{PROMPT}\nNegative prompt: blue\nSteps: 3, Sampler: Heun, Schedule type: Karras,"
        " CFG scale: 2.5, Clip skip: 2, Shift: 3, Seed: 7, Size: 64x32, Model: klein,"
    )


def test_the_settings_that_the_server_reports_are_recorded(
    own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([OWN, PROMPT, "--seed", "3", "--json", "--output", "cat.png"]) == 0
    record = json.loads(capsys.readouterr().out)
    known = {name: record[name] for name in ("sampler", "scheduler", "sample_steps", "cfg_scale")}
    assert known == {
        "sampler": "euler",
        "scheduler": "discrete",
        "sample_steps": 3,
        "cfg_scale": 1.0,
    }
    assert (record["seed"], record["width"], record["height"]) == (3, 256, 256)
    assert "Sampler: Euler, Schedule type: Uniform," in parameters("cat.png")
    (body,) = own.drawings()
    assert not {"sampler", "scheduler", "sample_steps", "cfg_scale"} & set(body)


@pytest.mark.parametrize(
    ("values", "known"),
    [
        (
            {"seed": 9, "parameters": {"sampler": "heun", "sample_steps": 5, "strength": 0.5}},
            {"seed": 9, "sampler": "heun", "sample_steps": 5, "strength": None},
        ),
        (
            {
                "seed": -5,
                "parameters": {"sampler": "\x1b[31m", "sample_steps": "many", "cfg_scale": 1e9},
            },
            {"seed": 1, "sampler": "euler", "sample_steps": 3, "cfg_scale": 1.0},
        ),
        (
            {"seed": None, "parameters": {"width": -1, "rng": 7, "sigmas": [3, 4], "loras": "x"}},
            {"seed": 1, "width": 8, "rng": None, "sigmas": None, "loras": ()},
        ),
        ({"parameters": [1, 2]}, {"seed": 1, "sampler": "euler"}),
    ],
)
def test_reported_values_that_are_not_valid_are_ignored(
    own: LoopbackGpustack, values: Mapping[str, Any], known: Mapping[str, object]
) -> None:
    import base64

    text = base64.b64encode(plain_png(8, 8, (1, 2, 3))).decode()
    event = {"type": "image_generation.completed", "b64_json": text, **values}
    own.fail("/images/", lines=[b"data: " + json.dumps(event).encode()])
    with gpustack_draw.load(OWN) as model:
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, seed=1))
    assert {name: getattr(picture.settings, name) for name in known} == known


def test_sizes_come_from_the_metadata(
    own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    def planned(*options: str) -> str:
        assert main([OWN, PROMPT, "--dry-run", *options]) == 0
        return capsys.readouterr().out

    assert planned() == (
        "model:     klein (flux2-klein)\n"
        "settings:  3 steps, cfg 1, euler, discrete, 256x256 (native: 320x256)\n"
        f"device:    GPUStack 2.3.0 at 127.0.0.1:{own.port}\n"
    )
    assert "discrete, 320x256\n" in planned("--size", "native")
    assert planned("--size", "100x100").endswith(
        "note:      100x100 was rounded up to 112x112: this model needs multiples of 16\n"
    )
    assert FailingCommand(capsys, own.url).run(OWN, "--size", "1024x1024")[0] == 2


@pytest.mark.parametrize("release", ["old", "new"])
def test_default_and_largest_size_of_other_backends(
    request: pytest.FixtureRequest, release: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server: LoopbackGpustack = request.getfixturevalue(release)
    sides = {"default_width": 256, "default_height": 320}
    server.add("small", meta={"max_width": 512, "max_height": 512, **sides})
    assert main(["small", PROMPT, "-q", "--output", "cat.png"]) == 0
    assert server.drawings()[-1]["size"] == "256x320"
    Path("cat.png").unlink()
    capsys.readouterr()
    assert FailingCommand(capsys, server.url).run("small", "--size", "4096x4096") == (
        2,
        "'4096x4096' is too large for 'small' on this server: it draws 512x512 at most",
        "for example --size 512x512",
    )


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            ["--sampler", "lcm"],
            "'klein' on this server has no sampler 'lcm'",
            "it has euler, heun, er_sde",
        ),
        (
            ["--scheduler", "ays"],
            "'klein' on this server has no scheduler 'ays'",
            "it has discrete, karras, simple",
        ),
        (
            ["--image", "cat.png", "--mask", "cat.png", "--masked-only", "--hires"],
            "--hires cannot enlarge a masked area that is drawn alone",
            "leave --masked-only out: then all of the picture is enlarged",
        ),
    ],
)
def test_what_the_server_lacks(
    own: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
    hint: str,
) -> None:
    Path("cat.png").write_bytes(plain_png(64, 64, (1, 2, 3)))
    assert main([OWN, PROMPT, "-q", *options]) == 2
    assert capsys.readouterr().err == f"gpustack-draw: {message}\ngpustack-draw: {hint}\n"
    assert own.drawings() == []


def test_a_custom_backend_that_reports_its_sampler_is_believed(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = {"sample_method": "euler_a", "sampling_steps": 9, "cfg_scale": 4.5}
    new.add("mine", meta=meta)
    assert main(["mine", PROMPT, "--sampler", "heun", "--json", "--output", "cat.png"]) == 0
    output = capsys.readouterr()
    assert "effect" not in output.err
    record = json.loads(output.out)
    assert (record["sampler"], record["scheduler"], record["sample_steps"]) == ("heun", None, 9)
    assert main(["mine", PROMPT, "--json", "--output", "cat.png"]) == 0
    assert json.loads(capsys.readouterr().out)["sampler"] == "euler_a"
    assert [body.get("sampler") for body in new.drawings()] == ["heun", None]


# --- LoRAs and the second pass --------------------------------------------------------------------


def test_loras_are_sent_and_recorded(own: LoopbackGpustack) -> None:
    prompt = "a cat <lora:ink:0.5>"
    loras = ["hf.co/acme/styles:pen.safetensors", "ink:0.25"]
    with gpustack_draw.load(OWN, loras=loras) as model:
        assert [each.weight for each in model.plan(DrawRequest(prompt=prompt)).defaults.loras] == [
            1.0,
            0.75,
        ]
        (picture,) = model.draw(DrawRequest(prompt=prompt, seed=1))
    (body,) = own.drawings()
    assert body["prompt"] == prompt
    assert body["loras"] == [
        {"name": "hf.co/acme/styles:pen.safetensors"},
        {"name": "ink", "weight": 0.25},
    ]
    assert [(each.weight, each.hash) for each in picture.settings.loras] == [
        (1.0, "0123456789ab"),
        (0.25, "0123456789ab"),
    ]


def test_a_dry_run_lists_loras(own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--lora", "hf.co/acme/styles:pen.safetensors:0.5", "--dry-run"]
    assert main([OWN, PROMPT, *options]) == 0
    assert "lora:      pen 0.5\n" in capsys.readouterr().out


def test_a_folder_of_loras_has_no_effect(
    own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([OWN, PROMPT, "--lora-dir", "x", "--output", "cat.png"]) == 0
    note = "gpustack-draw: --lora-dir has no effect: the picture is drawn on a server\n"
    assert note in capsys.readouterr().err


def test_a_second_pass(own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--hires --hires-upscaler nearest --hires-steps 2 --hires-strength 0.25 --size 64x32"
    assert main([OWN, PROMPT, *options.split(), "--output", "cat.png"]) == 0
    (body,) = own.drawings()
    names = ("size", "hires", "hires_upscaler", "hires_steps", "hires_strength")
    assert [body[name] for name in names] == ["64x32", 2.0, "nearest", 2, 0.25]
    with Image.open("cat.png") as image:
        assert image.size == (128, 64)
    assert "hires 128x64 (nearest, 2 steps, strength 0.25)" in capsys.readouterr().err
    text = parameters("cat.png")
    assert "Denoising strength: 0.25, Hires upscale: 2, Hires steps: 2," in text
    assert "Size: 64x32," in text


def test_an_upscaling_model_enlarges_on_this_machine(own: LoopbackGpustack) -> None:
    with pytest.raises(gpustack_draw.DrawError) as caught:
        gpustack_draw.generate(OWN, PROMPT, upscale="no-such.pth")
    assert caught.value.argument == "upscale"
    assert own.drawings() == []


# --- streams --------------------------------------------------------------------------------------


def test_progress_and_previews(own: LoopbackGpustack) -> None:
    reports: list[Progress] = []
    with gpustack_draw.load(OWN) as model:
        assert model.has_previews
        model.generate(PROMPT, on_progress=reports.append, preview=True)
    assert own.drawings()[0]["stream_options"] == {"progress": True, "previews": True}
    steps = [(each.phase, each.step, each.total) for each in reports if each.preview is None]
    assert [step for step in steps if step[0] != "wait"] == [
        ("load", 1, 2),
        *(("sample", step, 3) for step in (1, 2, 3)),
    ]
    previews = [each.preview for each in reports if each.preview is not None]
    assert len(previews) == 3
    assert previews[0].to_image().getpixel((0, 0)) == (255, 128, 0)


def test_damaged_and_huge_previews_are_skipped(own: LoopbackGpustack) -> None:
    import base64

    def event(kind: str, file: bytes) -> bytes:
        text = base64.b64encode(file).decode()
        return b"data: " + json.dumps({"type": f"image_edit.{kind}", "b64_json": text}).encode()

    files = [PREVIEW[:40], b"no picture", plain_png(2049, 1, (0, 0, 0)), PREVIEW]
    lines = [event("partial_image", file) for file in files]
    own.fail("/images/", lines=[*lines, event("completed", plain_png(8, 8, (9, 9, 9)))])
    reports: list[Progress] = []
    gpustack_draw.load(OWN).generate(PROMPT, on_progress=reports.append, preview=True)
    assert len([each for each in reports if each.preview is not None]) == 1


def test_a_server_without_streams_is_not_asked_for_one(own: LoopbackGpustack) -> None:
    own.add("plain", meta={**META, "streams": False})
    with gpustack_draw.load("plain") as model:
        assert not model.has_previews
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, seed=4))
    assert "stream" not in own.drawings()[0]
    assert (picture.settings.sampler, picture.settings.seed) == ("euler", 4)


@pytest.mark.parametrize("name", [OWN, "plain"])
def test_preview_off_a_terminal_is_noted_once(
    own: LoopbackGpustack, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    own.add("plain")
    assert main([name, PROMPT, "--preview", "--output", "cat.png"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "--preview" in line]
    assert notes == ["gpustack-draw: --preview has no effect: standard output is not a terminal"]
    assert "previews" not in own.drawings()[0].get("stream_options", {})


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        (OWN, []),
        ("plain", ["gpustack-draw: --preview has no effect: the server sends no previews"]),
    ],
)
def test_preview_on_a_terminal(
    own: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    notes: list[str],
) -> None:
    own.add("plain")
    monkeypatch.setattr("gpustack_draw.cli.progress.Reporter.pictures", pictures_on_a_canvas)
    assert main([name, PROMPT, "--preview", "--output", "cat.png"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "--preview" in line] == notes
    assert ("previews" in own.drawings()[0].get("stream_options", {})) == (not notes)


@contextmanager
def pictures_on_a_canvas(reporter: Reporter, **_: bool) -> Iterator[None]:
    """Return a reporter with a canvas, as in a terminal."""
    reporter.canvas = Mock(protocol="kitty", has_graphics=True, draw=lambda *_: "")
    yield


ENDED = "the response of URL contains no picture"


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        (
            b'data: {"error": {"message": "the engine crashed", "type": "server_error"}}',
            1,
            "GPUStack 2.3.0 at URL could not draw with 'klein': the engine crashed",
        ),
        (
            b'data: {"error": {"message": "no such LoRA", "type": "invalid_request_error"}}',
            1,
            "GPUStack 2.3.0 at URL rejects the request (400): no such LoRA",
        ),
        (b'data: {"type": "image_generation.completed", "b64_json": null}', 1, ENDED),
        (b'data: {"type": "image_generation.unknown", "b64_json": "eA=="}', 1, ENDED),
        (b'data: {"type": "audio.completed", "b64_json": "eA=="}', 1, ENDED),
    ],
)
def test_a_stream_that_fails(
    own: LoopbackGpustack,
    short_waits: None,
    capsys: pytest.CaptureFixture[str],
    line: bytes,
    status: int,
    message: str,
) -> None:
    step = b'data: {"type": "image_generation.progress", "step": 1, "steps": 3}'
    own.fail("/images/", lines=[step, line])
    assert FailingCommand(capsys, own.url).run(OWN)[:2] == (status, message)
    # A stream that just ends was lost with its replica.
    assert len(own.drawings()) == (3 if message == ENDED else 1)


# --- lost and busy replicas -----------------------------------------------------------------------

GONE = b'{"error": {"message": "An unexpected error occurred: %s", "code": 503}}'
WRAPPED = b"Worker request failed: 2 POST http://h/v1/images/generations status=%d, error=%s"
UNROUTED = b'{"code": 404, "message": "No running model instance found for model name: x"}'
BUSY = b'{"error": {"message": "the queue is full", "type": "server_error", "code": "queue_full"}}'


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "body": GONE % b"Server disconnected"},
        {"status": 503, "body": GONE % b"Cannot connect to host 127.0.0.1:40001 ssl:default"},
        {
            "status": 503,
            "body": json.dumps({"detail": (WRAPPED % (404, UNROUTED)).decode()}).encode(),
        },
        {"cut": 0},
        {"cut": 3},
        {
            "lines": [
                b'data: {"error": {"message": "Service unavailable. Please retry", "code": 503}}'
            ]
        },
    ],
)
def test_a_request_that_is_lost_with_its_replica_is_repeated(
    own: LoopbackGpustack, short_waits: None, fault: Mapping[str, Any]
) -> None:
    own.fail("/images/", times=2, **fault)
    with gpustack_draw.load(OWN) as model:
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, seed=5))
    assert picture.settings.seed == 5
    first, *others = own.drawings()
    assert others == [first, first]


def test_a_full_queue_behind_a_server_that_drops_retry_after(
    own: LoopbackGpustack, short_waits: None
) -> None:
    message = (WRAPPED % (503, BUSY)).decode()
    body = json.dumps({"error": {"message": message, "code": 503}}).encode()
    own.fail("/images/", times=2, status=503, body=body)
    assert main([OWN, PROMPT, "-q"]) == 0
    assert len(own.drawings()) == 3


def test_the_missing_seeds_are_named(
    own: LoopbackGpustack, short_waits: None, capsys: pytest.CaptureFixture[str]
) -> None:
    own.fail("/images/", times=2)
    own.fail("/images/", status=503, body=GONE % b"Server disconnected")
    options = "--count 6 --seed 10 --size 64x64 --output cat.png -q"
    assert main([OWN, PROMPT, *options.split()]) == 1
    texts = [parameters(str(path)) for path in Path().glob("cat-*.png")]
    missing = [
        seed for seed in range(10, 16) if not any(f"Seed: {seed}," in text for text in texts)
    ]
    assert len(missing) == 4
    message, hint = capsys.readouterr().err.splitlines()
    assert message.endswith("(503): An unexpected error occurred: Server disconnected")
    assert hint == with_missing_seeds(LOG_HINT, missing, 6)


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        ([], "try again"),
        ([7], "try again; 1 of 9 pictures is missing: seed 7"),
        ([1, 2, 4], "try again; 3 of 9 pictures are missing: seeds 1, 2, 4"),
        ([1, 3, 4, 5, 6, 8], "try again; 6 of 9 pictures are missing: seeds 1, 3 to 6, 8"),
        (list(range(9)), "try again"),
    ],
)
def test_the_hint_about_missing_pictures(missing: list[int], hint: str) -> None:
    assert with_missing_seeds("try again", missing, 9) == hint


# --- pictures -------------------------------------------------------------------------------------


def test_an_editing_model_looks_at_pictures(own: LoopbackGpustack) -> None:
    pictures = [plain_png(64, 48, (200, 0, 0)), plain_png(32, 32, (0, 200, 0))]
    options = PictureOptions(image=pictures)
    with gpustack_draw.load(OWN) as model:
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, seed=1, pictures=options))
    (request,) = own.edits()
    # A server without its gateway passes on only the last of several files with one name.
    assert [part.name for part in request.parts] == ["image[0]", "image[1]"]
    assert {part.file_name for part in request.parts} == {"image.png"}
    assert (picture.settings.mode, picture.settings.references) == ("edit", 2)
    assert request.body["size"] == "64x48"
    assert json.loads(request.body["stream_options"]) == {"progress": True}
    assert "strength" not in request.body


def test_a_strength_starts_from_the_picture(own: LoopbackGpustack) -> None:
    image, other = plain_png(64, 64, (200, 0, 0)), plain_png(32, 32, (0, 200, 0))
    options = PictureOptions(image=image, ref_image=[other, other], strength=0.5)
    with gpustack_draw.load(OWN) as model:
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, seed=1, pictures=options))
    (request,) = own.edits()
    assert [part.name for part in request.parts] == ["image", "ref_image[0]", "ref_image[1]"]
    assert request.body["strength"] == "0.5"
    assert (picture.settings.mode, picture.settings.strength) == ("img2img", 0.5)
    assert picture.settings.references == 2


def test_a_mask_keeps_the_rest_of_the_picture(own: LoopbackGpustack) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    options = PictureOptions(image=plain_png(64, 64, (200, 0, 0)), mask=mask, mask_blur=2)
    own.fail("/images/", picture=plain_png(64, 64, (0, 0, 200)))
    with gpustack_draw.load(OWN) as model:
        request = DrawRequest(prompt=PROMPT, seed=1, pictures=options)
        assert model.check(request) == ()
        (picture,) = model.draw(request)
    (edit,) = own.edits()
    assert [part.name for part in edit.parts] == ["image", "mask"]
    assert edit.body["mask_blur"] == "2"
    image = picture.to_image()
    assert image.getpixel((63, 5)) == (200, 0, 0)
    assert image.getpixel((2, 5)) == (0, 0, 200)
    assert image.getpixel((32, 5)) == (0, 0, 200)  # the server has blended the border


def test_a_masked_area_that_is_scaled_is_blended_here(own: LoopbackGpustack) -> None:
    mask = Image.new("L", (128, 128))
    mask.paste(255, (48, 48, 80, 80))
    options = PictureOptions(
        image=plain_png(128, 128, (200, 0, 0)), mask=mask, mask_blur=4, masked_only=16
    )
    own.fail("/images/", picture=plain_png(256, 256, (0, 0, 200)))
    with gpustack_draw.load(OWN) as model:
        request = DrawRequest(prompt=PROMPT, seed=1, size=(256, 256), pictures=options)
        (picture,) = model.draw(request)
    (edit,) = own.edits()
    assert (edit.body["size"], edit.body["mask_blur"]) == ("256x256", "16")
    image = picture.to_image()
    assert image.size == (128, 128)
    assert image.getpixel((64, 64)) == (0, 0, 200)
    assert image.getpixel((36, 64)) == (200, 0, 0)
    red, _green, blue = image.getpixel((44, 64))
    assert red > 0
    assert blue > 0


def test_a_model_that_was_not_trained_to_edit_starts_from_one_picture(
    own: LoopbackGpustack,
) -> None:
    own.add("sdxl", meta={**META, "image_use": "start", "strength": 0.75})
    image = plain_png(64, 64, (200, 0, 0))
    with gpustack_draw.load("sdxl") as model:
        request = DrawRequest(prompt=PROMPT, pictures=PictureOptions(image=image))
        assert model.plan(request).defaults.mode == "img2img"
        assert model.plan(request).defaults.strength == 0.75
        with pytest.raises(UsageError) as caught:
            model.check(DrawRequest(prompt=PROMPT, pictures=PictureOptions(image=[image, image])))
    assert (caught.value.message, caught.value.hint, caught.value.argument) == (
        "'sdxl' starts from one picture, and 2 are named",
        "name it with image, and the others with ref_image",
        "image",
    )


@pytest.mark.parametrize(
    ("use", "options", "sent"),
    [
        ("control", {"image": plain_png(64, 64, (9, 9, 9))}, {}),
        (
            "start",
            {"control_image": plain_png(64, 64, (9, 9, 9)), "control_strength": 0.5, "canny": True},
            {"control_strength": "0.5", "canny": "true"},
        ),
    ],
)
def test_a_control_picture_is_sent(
    own: LoopbackGpustack, use: str, options: Mapping[str, Any], sent: Mapping[str, str]
) -> None:
    own.add("control", meta={**META, "image_use": use})
    pictures = PictureOptions(**options)
    with gpustack_draw.load("control") as model:
        plan = model.plan(DrawRequest(prompt=PROMPT, pictures=pictures))
        (picture,) = model.draw(DrawRequest(prompt=PROMPT, seed=1, pictures=pictures))
    assert (plan.defaults.mode, picture.settings.mode) == ("control", "control")
    (request,) = own.edits()
    assert [part.name for part in request.parts] == ["control_image"]
    names = ("canny", "control_strength")
    assert {name: request.body[name] for name in names if name in request.body} == sent


# --- a server of gpustack-draw serve, without GPUStack --------------------------------------------


@pytest.fixture
def alone(own: LoopbackGpustack) -> LoopbackGpustack:
    own.is_own, own.release = True, "0.2.0"
    return own


def test_the_command_draws_on_a_server_of_its_own(
    alone: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([OWN, PROMPT, "--output", "cat.png", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["device"] == f"gpustack-draw 0.2.0 at 127.0.0.1:{alone.port}"
    assert alone.paths() == ["GET /version", "GET /v1/models", "POST /v1/images/generations"]


def test_any_name_is_drawn_by_the_only_model(
    alone: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    alone.add("other", meta=META)
    del alone.models[OWN]
    alone.fail("/images/", status=404)
    assert main(["mine", PROMPT, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"note:      gpustack-draw 0.2.0 at 127.0.0.1:{alone.port} draws with its only model,"
        " 'other'"
    )


MISSING = (
    b'{"error": {"message": "there is no model %s on this server", "code": "model_not_found"}}'
)


@pytest.mark.parametrize(
    ("model", "fault", "expected"),
    [
        (
            "mine",
            {"status": 404, "body": MISSING % b"'mine'"},
            (
                3,
                "URL has no model 'mine'",
                "available: klein, other; others only if the server may download models",
            ),
        ),
        (
            "hf.co/acme/x-GGUF:Q4_0",
            {"status": 404, "body": MISSING % b"'hf.co/acme/x-GGUF:Q4_0'"},
            (
                3,
                "URL has no model 'hf.co/acme/x-GGUF:Q4_0'",
                "available: klein, other; others only if the server may download models",
            ),
        ),
        (
            OWN,
            {"status": 404, "body": MISSING % b"'ink'"},
            (
                1,
                (
                    "gpustack-draw 0.2.0 at URL rejects the request (404): there is no model 'ink'"
                    " on this server"
                ),
                "change the value that the message names",
            ),
        ),
        (
            OWN,
            {"status": 500, "body": b'{"error": {"message": "the engine crashed"}}'},
            (
                1,
                "gpustack-draw 0.2.0 at URL could not draw with 'klein' (500): the engine crashed",
                "try again; if this happens again, check the server's log",
            ),
        ),
        (
            OWN,
            {"status": 401, "body": b"{}"},
            (
                1,
                "URL rejects the key in GPUSTACK_API_KEY",
                "set GPUSTACK_API_KEY to the key that the server was started with",
            ),
        ),
        (
            OWN,
            {"cut": 0},
            (
                1,
                "the response of URL contains no picture",
                "try again; if this happens again, check the server's log",
            ),
        ),
    ],
)
def test_errors_of_a_server_without_gpustack(
    alone: LoopbackGpustack,
    short_waits: None,
    capsys: pytest.CaptureFixture[str],
    model: str,
    fault: Mapping[str, Any],
    expected: tuple[int, str, str],
) -> None:
    alone.add("other", meta=META)
    alone.fail("/images/", **fault)
    options = ["--on", "server"] if model.startswith("hf.co") else []
    assert FailingCommand(capsys, alone.url).run(model, *options) == expected


def test_a_hub_model_is_drawn_by_a_server_that_downloads_it(alone: LoopbackGpustack) -> None:
    reference = "hf.co/acme/x-GGUF:Q4_0"
    alone.add(reference, meta=META).hidden = True  # not in its list
    alone.requires_key = False
    with gpustack_draw.load("https://huggingface.co/acme/x-GGUF:Q4_0", on="server") as model:
        assert model.check(DrawRequest(prompt=PROMPT)) == ()
    assert alone.paths() == ["GET /version", "GET /v1/models", "GET /v1/models"]


def test_models_lists_what_a_server_reports(
    own: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record == {
        "model": OWN,
        "source": "server",
        "family": "flux2-klein",
        "variant": "",
        "bytes": None,
        "path": None,
        "server": own.url,
        "max_size": [1024, 768],
    }
    assert main(["models"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split() == [OWN, "flux2-klein", "on", own.url, "up", "to", "1024x768"]
