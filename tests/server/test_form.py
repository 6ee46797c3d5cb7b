"""Forms arrive as they were built, whatever their values and files contain."""

from form_data import FormPart, parse_form
from hypothesis import given, settings
from hypothesis import strategies as st

from gpustack_draw.gpustack_server.form import Form, FormFile

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def parsed(form: Form) -> list[FormPart]:
    return parse_form(form.content_type, b"".join(form.pieces()))


@settings(max_examples=100)
@given(prompt=TEXTS, content=st.binary())
def test_any_text_and_any_file_arrive(prompt: str, content: bytes) -> None:
    form = Form({"prompt": prompt}, (FormFile("image[]", content),))
    assert parsed(form) == [
        FormPart("prompt", prompt.encode()),
        FormPart("image[]", content, "image.png", "image/png"),
    ]


def test_values_are_written_as_backends_read_them() -> None:
    form = Form({"n": 1, "cfg_scale": 4.5, "seed": 2**63 - 1, "stream": True, "other": False}, ())
    assert [part.content for part in parsed(form)] == [
        *(b"1", b"4.5", b"9223372036854775807", b"true", b"false")
    ]


def test_a_prompt_cannot_end_its_field() -> None:
    """The boundary of each form is random, so no text contains it."""
    first, second = Form({}, ()), Form({}, ())
    assert first.content_type != second.content_type
    boundary = first.content_type.partition("boundary=")[2]
    form = Form({"prompt": f"\r\n--{boundary}--\r\n"}, ())
    assert parsed(form)[0].content == f"\r\n--{boundary}--\r\n".encode()
