"""Replies and the lines of streams, made of pictures and of progress."""

import base64
import io
import json
from dataclasses import replace
from typing import Any

import PIL.Image
import pytest
from sample_picture import make_picture

from gpustack_draw import HiresSettings, LoraSettings, Picture, Progress, Raster, read_parameters
from gpustack_draw.serve.openai.events import EDIT, GENERATION
from gpustack_draw.serve.openai.reply import parameters_of, reply_body, reply_item
from gpustack_draw.serve.openai.reply_options import ReplyOptions
from gpustack_draw.serve.openai.stream_lines import StreamLines
from gpustack_draw.serve.studio import Accepted, Drawn, Event, Queued

USAGE = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
}
PARAMETERS = {
    "width": 48,
    "height": 32,
    "sampler": "euler",
    "scheduler": "discrete",
    "mode": "txt2img",
    "references": 0,
    "sample_steps": 8,
    "cfg_scale": 1.0,
}


def reply_of(pictures: list[Picture], **options: Any) -> dict[str, Any]:
    chosen = ReplyOptions(**options)
    items = [reply_item(picture, chosen) for picture in pictures]
    reply: dict[str, Any] = json.loads(reply_body(items, pictures[-1], chosen))
    return reply


def open_base64(text: str) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def test_a_reply_has_every_field_of_openai_and_the_parameters() -> None:
    pictures = [make_picture(), make_picture(seed=8)]
    reply = reply_of(pictures)
    data, created = reply.pop("data"), reply.pop("created")
    assert isinstance(created, int)
    assert reply == {
        "output_format": "png",
        "size": "48x32",
        "background": "opaque",
        "quality": "auto",
        "usage": USAGE,
        "parameters": PARAMETERS,
    }
    assert [item["seed"] for item in data] == [7, 8]
    for item, picture in zip(data, pictures, strict=True):
        assert (item["url"], item["revised_prompt"]) == (None, None)
        image = open_base64(item["b64_json"])
        assert (image.format, image.tobytes()) == ("PNG", bytes(picture.pixels))


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_a_picture_holds_its_parameters_in_every_format(file_format: str) -> None:
    reply = reply_of([make_picture()], file_format=file_format, as_url=True)
    (item,) = reply["data"]
    head, _, text = item["url"].partition(",")
    assert head == f"data:image/{file_format};base64"
    assert item["b64_json"] is None
    assert reply["output_format"] == file_format
    assert open_base64(text).format == file_format.upper()
    assert read_parameters(base64.b64decode(text)).seed == 7


def test_compression_is_the_quality_of_jpeg_and_webp() -> None:
    noise = make_picture(width=64, height=64)
    for file_format in ("jpeg", "webp"):
        lengths = [
            len(reply_item(noise, ReplyOptions(file_format=file_format, compression=compression)))
            for compression in (10, 60, 100)
        ]
        assert lengths == sorted(set(lengths))


def test_parameters_name_no_path_of_this_machine() -> None:
    lora = LoraSettings(
        name="style", reference="/home/me/style.safetensors", weight=0.5, tag_weight=0.0,
        applied=2, total=2, rank=4, base="", trigger_words=(), license="",
    )  # fmt: skip
    known = replace(lora, name="known", reference="hf.co/OWNER/REPO:known.safetensors")
    hires = HiresSettings(
        scale=2.0, width=96, height=64, upscaler="esrgan", steps=4, strength=0.5,
        reference="/home/me/esrgan.pth",
    )  # fmt: skip
    settings = make_picture(loras=(lora, known), hires=hires).settings
    parameters = parameters_of(settings)
    assert "/home" not in json.dumps(parameters)
    assert [(each["name"], each.get("reference")) for each in parameters["loras"]] == [
        ("style", None),
        ("known", "hf.co/OWNER/REPO:known.safetensors"),
    ]
    assert parameters["hires"]["upscaler"] == "esrgan"


# --- streams --------------------------------------------------------------------------------------


def preview() -> Raster:
    return Raster(bytes(6 * 4 * 3), 6, 4)


def steps(count: int, *, picture: int = 1, with_preview: bool = False) -> list[Progress]:
    raster = preview() if with_preview else None
    return [
        Progress("sample", step, count, 0.1, picture=picture, preview=raster)
        for step in range(1, count + 1)
    ]


def lines_of(
    events: list[Event], kind: str = GENERATION, **options: Any
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the comments and the events of a stream, checking that each is one line."""
    writer = StreamLines(kind, ReplyOptions(stream=True, **options))
    text = b"".join(map(writer.lines, events)).decode("ascii")
    comments, objects = [], []
    for line in text.split("\n\n")[:-1]:
        assert "\n" not in line
        if line.startswith(": "):
            comments.append(line.removeprefix(": "))
        else:
            assert line.startswith("data: {")
            objects.append(json.loads(line.removeprefix("data: ")))
    return comments, objects


def accepted(*pictures: Picture) -> Accepted:
    return Accepted(tuple(picture.settings for picture in pictures))


def test_a_stream_has_a_comment_for_each_step_and_an_event_for_each_picture() -> None:
    pictures = [make_picture(), make_picture(seed=8)]
    events: list[Event] = [accepted(*pictures), Queued(2), Queued(1)]
    for index, picture in enumerate(pictures):
        events += [*steps(2, picture=index + 1), Drawn(index, picture)]
    comments, objects = lines_of(events)
    assert comments == ["waiting, position 2", "waiting, position 1", *["step 1/2", "step 2/2"] * 2]
    for index, completed in enumerate(objects):
        image = open_base64(completed.pop("b64_json"))
        assert image.tobytes() == bytes(pictures[index].pixels)
        assert isinstance(completed.pop("created_at"), int)
        assert completed == {
            "type": "image_generation.completed",
            "size": "48x32",
            "quality": "auto",
            "background": "opaque",
            "output_format": "png",
            "usage": USAGE,
            "seed": 7 + index,
            "index": index,
            "parameters": PARAMETERS,
        }


def test_progress_is_sent_to_clients_that_ask_for_it() -> None:
    loading = [Progress("load", step, 100, 0.1) for step in range(1, 101)]
    events: list[Event] = [Queued(3), *loading, *steps(2, picture=2)]
    assert lines_of(events)[1] == []
    _, objects = lines_of(events, EDIT, progress=True)
    assert objects[0] == {"type": "image_edit.queued", "position": 3}
    progress = [(each["phase"], each["step"], each["steps"]) for each in objects[1:]]
    # The first, the last, and few of those between.
    assert progress[0] == ("load", 1, 100)
    assert progress[-3:] == [("load", 100, 100), ("sample", 1, 2), ("sample", 2, 2)]
    assert len(progress) < 10
    assert objects[-1] == {
        "type": "image_edit.progress",
        "index": 1,
        "phase": "sample",
        "step": 2,
        "steps": 2,
    }


@pytest.mark.parametrize(("count", "most", "sent"), [(20, 3, 3), (4, 2, 2), (1, 3, 1), (20, 0, 0)])
def test_as_many_growing_pictures_as_asked_for(count: int, most: int, sent: int) -> None:
    picture = make_picture()
    for number in (1, 2):
        events: list[Event] = [accepted(picture), *steps(count, with_preview=True, picture=number)]
        _, objects = lines_of(events, partial_images=most)
        assert [each["partial_image_index"] for each in objects] == list(range(sent))
        assert {each["index"] for each in objects} <= {number - 1}


def test_the_growing_picture_of_a_skipped_step_is_sent_with_the_next_report() -> None:
    decoding = Progress("decode", 0, 1, 0.1, preview=preview())
    _, objects = lines_of([accepted(make_picture()), decoding], partial_images=1)
    assert [each["partial_image_index"] for each in objects] == [0]


def test_a_growing_picture_is_a_small_jpeg_of_at_most_the_pictures_size() -> None:
    for width, expected in ((48, (48, 32)), (4096, (512, 341))):
        settings = replace(make_picture().settings, width=width, height=width * 2 // 3)
        events: list[Event] = [Accepted((settings,)), *steps(2, with_preview=True)]
        _, objects = lines_of(events, partial_images=1)
        (partial,) = objects
        image = open_base64(partial["b64_json"])
        assert (image.format, image.size) == ("JPEG", expected)
        assert partial["type"] == "image_generation.partial_image"
        assert partial["output_format"] == "jpeg"
        assert partial["size"] == f"{expected[0]}x{expected[1]}"


def test_previews_have_a_limited_rate() -> None:
    events: list[Event] = [accepted(make_picture()), *steps(50, with_preview=True)]
    _, objects = lines_of(events, previews=True)
    assert 1 <= len(objects) < 10
