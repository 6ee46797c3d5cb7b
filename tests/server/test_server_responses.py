"""Parsing of recorded responses, split into pieces of any size."""

import base64
import contextlib
import itertools
import json
from typing import Any

import pytest
from fake_models import png
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.gpustack_server.read_picture import parse_parameters
from gpustack_draw.gpustack_server.reply import Preview, Step, parse_reply
from gpustack_draw.gpustack_server.responses import (
    ResponseError,
    parse_error_body,
    parse_error_object,
)
from gpustack_draw.gpustack_server.stream_reader import StreamReader

PICTURE = png(8, 8)
TEXT = base64.b64encode(PICTURE).decode()
LIMIT = 1_000_000
WRAPPING = "Worker request failed: "


def event(step: int, total: int, text: str = "", **values: Any) -> bytes:
    item = {"index": 0, "object": "image", "progressed_steps": step, "progress_steps": total}
    item |= {"progress": 100 * step / total, "finish_reason": "stop" if step == total else None}
    data = {"created": 1, "model": "a \N{CAT FACE}", "object": "list", "usage": None}
    return json.dumps(
        {**data, "data": [{**item, "b64_json": text, **values}]}, ensure_ascii=False
    ).encode()


def read(*pieces: bytes) -> tuple[list[Step | Preview], bytes]:
    reader = StreamReader(LIMIT)
    steps = [step for piece in pieces for step in reader.feed(piece)]
    return steps, reader.finish().file


STREAM = (
    b"data: " + event(1, 3) + b"\n\n"
    b"event: image_generation.partial\n\ndata:" + event(2, 3) + b"\r\n\r\n"
    b": a comment\n\n"
    b"data: " + event(3, 3, TEXT) + b"\n\n"
    b"data: [DONE]\n\n"
)
STEPS = [Step(1, 3), Step(2, 3), Step(3, 3)]


def test_a_stream() -> None:
    assert read(STREAM) == (STEPS, PICTURE)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_split_anywhere(places: list[int]) -> None:
    bounds = [0, *sorted(places), len(STREAM)]
    pieces = [STREAM[begin:end] for begin, end in itertools.pairwise(bounds)]
    assert read(*pieces) == (STEPS, PICTURE)


@given(st.integers(0, len(STREAM) - 1))
def test_an_incomplete_stream_yields_the_whole_picture_or_none(end: int) -> None:
    try:
        assert read(STREAM[:end])[1] == PICTURE
    except ResponseError as error:
        assert error.problem == "no picture"  # noqa: PT017 - both are right, by the place


@given(st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_an_error(data: bytes) -> None:
    for attempt in (
        lambda: read(data),
        lambda: read(b"data: {" + data),
        lambda: parse_reply(data),
    ):
        with contextlib.suppress(ResponseError):
            attempt()


def test_a_picture_in_parts_is_joined() -> None:
    """With stream_options.chunk, llama-box marks each part as final and the last with 100 %."""
    size = 1000
    parts = [TEXT[place : place + size] for place in range(0, len(TEXT), size)]
    pieces = [b"data: " + event(2, 2, part, progress=99.0) + b"\n\n" for part in parts]
    assert read(b"data: " + event(1, 2) + b"\n\n", *pieces)[1] == PICTURE


def test_a_preview_is_not_a_picture() -> None:
    preview = base64.b64encode(png(4, 4)).decode()
    stream = b"data: " + event(1, 2, preview) + b"\n\ndata: " + event(2, 2, TEXT) + b"\n\n"
    assert read(stream)[1] == PICTURE
    with pytest.raises(ResponseError, match="no picture"):
        read(b"data: " + event(1, 2, preview) + b"\n\n")


# --- events of OpenAI's images API ----------------------------------------------------------------


def openai_event(kind: str, **values: Any) -> bytes:
    return b"data: " + json.dumps({"type": kind, **values}).encode()


OPENAI_STREAM = b"\n\n".join(
    [
        b": waiting",
        openai_event("image_generation.queued", position=1),
        openai_event("image_generation.progress", phase="load", step=5, steps=0),
        openai_event("image_generation.progress", step=1, steps=2),
        b"event: image_generation.partial_image",
        openai_event("image_generation.partial_image", b64_json=TEXT),
        openai_event("image_generation.progress", phase="sample", step=2, steps=2),
        openai_event("image_generation.completed", b64_json=TEXT, seed=7, parameters={"eta": 0.5}),
        b"",
    ]
)
OPENAI_STEPS = [Step(0, 0, "load"), Step(1, 2), Preview(PICTURE), Step(2, 2)]


@given(st.lists(st.integers(0, len(OPENAI_STREAM)), max_size=8))
def test_a_stream_of_openais_api_split_anywhere(places: list[int]) -> None:
    bounds = [0, *sorted(places), len(OPENAI_STREAM)]
    pieces = [OPENAI_STREAM[begin:end] for begin, end in itertools.pairwise(bounds)]
    assert read(*pieces) == (OPENAI_STEPS, PICTURE)


def test_the_values_of_a_finished_picture() -> None:
    reader = StreamReader(LIMIT)
    assert not reader.is_complete
    list(reader.feed(OPENAI_STREAM.replace(b"generation", b"edit")))
    assert reader.is_complete
    assert reader.finish().values == {"eta": 0.5, "seed": 7}
    item = {"b64_json": TEXT, "seed": 8}
    response = {"data": [item], "parameters": {"eta": 0.25, "sampler": "euler"}}
    values = parse_reply(json.dumps(response).encode()).values
    assert values == {"eta": 0.25, "sampler": "euler", "seed": 8}


@pytest.mark.parametrize(
    "values",
    [
        {"step": 3, "steps": 2},
        {"step": -1, "steps": 2},
        {"step": "1", "steps": 2},
        {"step": 1, "steps": 2, "phase": "party"},
        {"step": 1, "steps": 2, "phase": ["sample"]},
        {},
    ],
)
def test_an_invalid_step_is_skipped(values: dict[str, Any]) -> None:
    line = openai_event("image_generation.progress", **values) + b"\n"
    assert list(StreamReader(LIMIT).feed(line)) == []


def test_previews_do_not_make_a_stream_too_long() -> None:
    reader = StreamReader(2 * len(TEXT))
    preview = openai_event("image_edit.partial_image", b64_json=TEXT) + b"\n\n"
    assert len([each for _ in range(100) for each in reader.feed(preview)]) == 100
    with pytest.raises(ResponseError, match="broken picture"):
        list(reader.feed(openai_event("image_edit.partial_image", b64_json="*") + b"\n"))


def test_an_endless_line_is_an_error() -> None:
    reader = StreamReader(1000)
    assert list(reader.feed(b"x" * 500)) == []
    with pytest.raises(ResponseError, match="too long"):
        list(reader.feed(b"x" * 501))


def test_an_endless_stream_is_an_error() -> None:
    reader = StreamReader(1000)
    assert list(reader.feed(b": nothing\n" * 200)) == []
    with pytest.raises(ResponseError, match="too long"):
        list(reader.feed(b": nothing\n"))


def test_an_object() -> None:
    assert parse_reply(json.dumps({"data": [{"b64_json": TEXT}]}).encode()).file == PICTURE
    address = f"data:image/png;base64,{TEXT}"
    assert parse_reply(json.dumps({"data": [{"url": address}]}).encode()).file == PICTURE


@pytest.mark.parametrize(
    ("response", "message", "status"),
    [
        ({"error": {"message": "Model not found", "code": 404}}, "Model not found", 404),
        ({"code": 401, "reason": "Unauthorized", "message": "no"}, "no", 401),
        ({"detail": "Not Found"}, "Not Found", 0),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}, "odd"]}, "n: too many; odd", 0),
        ({"error": "plain"}, "plain", 0),
        ({"error": {"code": "x"}}, "", 0),
        ({"message": "x" * 400}, "x" * 297 + "...", 0),
        ({"message": "a\x1b[2Jb\u202e"}, "a [2Jb", 0),
        ({"error": {"message": "no", "code": 10**30}}, "no", 0),
        ({"error": {"message": "no", "code": True}}, "no", 0),
        # A pattern that backtracks from each match of its beginning would take hours.
        (
            {"message": "Worker request failed: " * 1_000_000},
            ("Worker request failed: " * 13)[:297] + "...",
            0,
        ),
    ],
)
def test_an_error_in_each_shape(response: dict[str, Any], message: str, status: int) -> None:
    error = parse_error_object(response)
    assert (error.message, error.status) == (message, status)


def test_the_code_of_an_error() -> None:
    inner = '{"error": {"message": "full", "type": "server_error", "code": "queue_full"}}'
    wrapped = {"error": {"message": f"{WRAPPING}1 POST http://x status=503, error={inner}"}}
    error = parse_error_object(wrapped)
    assert (error.message, error.status, error.code) == ("full", 503, "queue_full")
    refused = parse_error_object({"error": {"message": "no", "type": "invalid_request_error"}})
    assert (refused.status, refused.code) == (400, "")


def test_an_html_page_has_no_message() -> None:
    assert parse_error_body(b"<html>502</html>", "text/html", 502).message == ""
    assert parse_error_body(b"try later", "text/plain", 502).message == "try later"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            (
                "a cat, Steps: 99, on\nNegative prompt: blue\nSteps: 20, CFG scale: 4.500000,"
                " Guidance: 3.500000, Eta: 0.000000, Seed: 42, Size: 512x512, Model: x.gguf,"
                " RNG: cuda, Sampler: euler_a karras, Version: stable-diffusion.cpp"
            ),
            {
                "sample_steps": 20,
                "cfg_scale": 4.5,
                "seed": 42,
                "sampler": "euler_a",
                "scheduler": "karras",
            },
        ),
        ("Steps: 1, Seed: -1, CFG scale: nan, Sampler: mine", {"sample_steps": 1}),
        ("Steps: many, Seed: 99999999999999999999", {}),
        # A pattern that backtracks at each letter would take hours.
        ("Steps: 1, " + "a" * 1_000_000, {"sample_steps": 1}),
        ("Seed: 7, " + "a: " * 1_000_000 + ", Steps: 1", {"seed": 7}),
        ("Steps: 1\n" + "Steps: 2\n" * 100_000, {"sample_steps": 2}),
        ("nothing", {}),
        ("", {}),
    ],
)
def test_parameters_in_a_picture(text: str, values: dict[str, Any]) -> None:
    assert parse_parameters(text) == values
