"""The fields of requests: their names, their values as JSON and in forms, and wrong values."""

from typing import Any

import pytest
from build_tools import SOURCE

from gpustack_draw import SAMPLERS, SCHEDULERS, DrawRequest, Lora
from gpustack_draw.errors import DrawError
from gpustack_draw.serve.http.errors import answer_for
from gpustack_draw.serve.openai.fields import REQUEST_FIELDS, draw_request
from gpustack_draw.serve.openai.forms import form_values
from gpustack_draw.serve.openai.images_request import ImagesRequest, read_edit, read_generation
from gpustack_draw.serve.openai.reply_options import REPLY_FIELDS, ReplyOptions

PNG = "data:image/png;base64,iVBORw0KGgo="


def read(**values: Any) -> ImagesRequest:
    return read_generation({"prompt": "a cat", **values})


def drawing_of(distills: bool = False, **values: Any) -> DrawRequest:
    return draw_request(read(**values).drawing, distills=distills)


def edit_of(**values: Any) -> DrawRequest:
    return draw_request(read_edit({"prompt": "a cat", **values}).drawing)


SAME_IN_BOTH = [
    *[(name, 20, "sample_steps") for name in ("sample_steps", "sampling_steps")],
    *[(name, 20, "sample_steps") for name in ("num_inference_steps", "steps")],
    *[(name, 4.5, "cfg_scale") for name in ("cfg_scale", "true_cfg_scale", "guidance_scale")],
    *[(name, 3.5, "guidance") for name in ("guidance", "distilled_guidance")],
    *[(name, "heun", "sampler") for name in ("sampler", "sample_method", "sampler_name")],
    *[(name, "karras", "scheduler") for name in ("scheduler", "schedule_method", "schedule")],
    *[(name, "a dog", "negative_prompt") for name in ("negative_prompt", "negative_sampler")],
    ("n", 3, "count"),
    ("seed", 2**63 - 1, "seed"),
    ("size", "512x768", "size"),
    ("size", "native", "size"),
    ("clip_skip", 2, "clip_skip"),
    ("eta", 0.5, "eta"),
    ("rng", "cpu", "rng"),
    ("hires", 1.5, "hires"),
    ("upscale", "esrgan", "upscale"),
]


@pytest.mark.parametrize(("name", "value", "argument"), SAME_IN_BOTH)
def test_a_field_has_the_same_value_in_json_and_in_a_form(
    name: str, value: Any, argument: str
) -> None:
    in_json, in_form = drawing_of(**{name: value}), drawing_of(**{name: str(value)})
    expected = getattr(DrawRequest(prompt="", **{argument: value}), argument)
    assert getattr(in_json, argument) == expected
    assert getattr(in_form, argument) == expected


@pytest.mark.parametrize("value", [None, "auto", " AUTO "])
def test_the_size_of_the_model_is_the_default(value: str | None) -> None:
    assert drawing_of(size=value).size is None


@pytest.mark.parametrize("value", [-1, "-1", None])
def test_a_random_seed_is_the_default(value: Any) -> None:
    assert drawing_of(seed=value).seed is None


@pytest.mark.parametrize("value", [None, ""])
def test_a_null_and_an_empty_text_are_absent_values(value: str | None) -> None:
    names = [field.name for field in (*REQUEST_FIELDS, *REPLY_FIELDS) if field.name != "prompt"]
    assert drawing_of(**dict.fromkeys(names, value)) == drawing_of()
    assert read(**dict.fromkeys(names, value)).reply == ReplyOptions()


def test_a_scheduler_of_a_web_ui_and_default_are_understood() -> None:
    drawing = drawing_of(sampler_name="DPM++ 2M Karras", schedule="default")
    assert (drawing.sampler, drawing.scheduler) == ("dpm++2m", "karras")


@pytest.mark.parametrize(
    ("values", "cfg_scale", "guidance"),
    [
        ({"guidance_scale": 4}, (4, None), (None, 4)),
        ({"guidance_scale": 4, "cfg_scale": 2}, (2, None), (2, 4)),
        ({"guidance_scale": 4, "true_cfg_scale": 2}, (2, None), (2, 4)),
        ({"guidance_scale": 4, "guidance": 3}, (4, 3), (None, 3)),
    ],
)
def test_guidance_scale_is_the_guidance_of_a_model_that_distills(
    values: dict[str, Any], cfg_scale: tuple[Any, Any], guidance: tuple[Any, Any]
) -> None:
    for distills, expected in ((False, cfg_scale), (True, guidance)):
        drawing = drawing_of(distills, **values)
        assert (drawing.cfg_scale, drawing.guidance) == expected


@pytest.mark.parametrize(
    "value",
    [
        [{"name": "style", "weight": 0.8}],
        ["style:0.8"],
        {"name": "style", "weight": "0.8"},
        "style:0.8",
        '[{"name": "style", "weight": 0.8}]',
        '{"name": "style", "weight": 0.8}',
    ],
)
def test_loras_are_objects_or_texts(value: Any) -> None:
    assert drawing_of(loras=value).loras == (Lora("style", 0.8),)


@pytest.mark.parametrize("value", [[7, 8], "7,8", "[7, 8]", ["7", "8"], [7.0, "8"]])
def test_lists_are_json_or_numbers_with_commas(value: Any) -> None:
    assert drawing_of(skip_layers=value).skip_layers == (7, 8)


def test_lists_of_a_form_are_those_of_json() -> None:
    parts = [("sigmas[]", "1"), ("sigmas[]", "0.5"), ("sigmas[]", "0"), ("expand[]", "8")]
    values = form_values([*parts, *[("expand[]", "0")] * 3, ("image", PNG)])
    drawing = edit_of(**values)
    assert drawing.sigmas == (1.0, 0.5, 0.0)
    assert drawing.pictures.expand == (8, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "read_as"),
    [("Latent (nearest)", "latent-nearest"), ("esrgan", "esrgan"), ("README.md", "README.md")],
)
def test_an_upscaler_of_a_second_pass_is_a_method_or_a_name_that_is_no_file_here(
    monkeypatch: pytest.MonkeyPatch, name: str, read_as: str
) -> None:
    def look_at(path: str) -> bool:
        raise AssertionError(f"looked at {path}")

    monkeypatch.setattr("os.path.lexists", look_at)
    assert drawing_of(hires=2, hires_upscaler=name).hires_upscaler == read_as


def test_strength_is_ignored_without_a_picture() -> None:
    assert drawing_of(strength=0.75) == drawing_of()


def test_unknown_fields_are_ignored_and_reported() -> None:
    assert read(quality="hd", style="vivid", user="me", foo=1, bar=None).unknown == ("foo", "bar")


def test_pictures_of_an_edit_are_files_or_data_urls() -> None:
    for value in (PNG, [PNG], {"image_url": PNG}, [{"image_url": PNG}], b"\x89PNG\r\n\x1a\n"):
        for name in ("image", "images"):
            assert edit_of(**{name: value}).pictures.image == (b"\x89PNG\r\n\x1a\n",)
    both = edit_of(image=PNG, ref_image=[PNG, PNG], strength="0.5", mask="alpha", fit="pad")
    assert len(both.pictures.ref_image) == 2
    assert (both.pictures.strength, both.pictures.fit) == (0.5, "pad")
    assert both.pictures.mask_is_alpha


def test_the_reply_has_its_options() -> None:
    assert read().reply == ReplyOptions()
    reply = read(
        stream="true",
        partial_images="2",
        stream_options='{"progress": true, "include_usage": true}',
        response_format="url",
        output_format="jpg",
        output_compression="60",
        background="opaque",
    ).reply
    assert reply == ReplyOptions(
        file_format="jpeg",
        compression=60,
        as_url=True,
        stream=True,
        partial_images=2,
        progress=True,
    )
    assert read(stream="false").reply.stream is False


# --- forms ----------------------------------------------------------------------------------------


def test_forms_have_lists_and_objects() -> None:
    parts: list[tuple[str, str | bytes]] = [
        ("prompt", "a cat"),
        ("image[]", b"a"),
        ("image[]", b"b"),
        ("ref_image[1]", b"d"),
        ("ref_image[0]", b"c"),
        ("mask", b"m"),
        ("stream_options[progress]", "true"),
        ("seed", ""),
    ]
    assert form_values(parts) == {
        "prompt": "a cat",
        "image": [b"a", b"b"],
        "ref_image": [b"c", b"d"],
        "mask": b"m",
        "stream_options": {"progress": "true"},
    }
    assert form_values([("image", b"a"), ("image", b"b")]) == {"image": [b"a", b"b"]}
    assert form_values([("image[]", b"a")]) == {"image": [b"a"]}


# --- wrong values ---------------------------------------------------------------------------------

FOR_STEPS = 'is not a number of sample steps from 1 to 10000; for example "sample_steps": 20'
FOR_SEED = (
    'is not a seed from 0 to 9223372036854775807; for example "seed": 7, or "seed": -1 for a random'
    " one"
)
SIZE_HINT = "a size is WIDTHxHEIGHT in pixels, each 1 to 8192, for example 512x768"
PICTURE_HINT = "send the file in a form, or its bytes as data:image/png;base64,..."
WRONG = [
    ({"prompt": None}, "prompt", 'the prompt is missing; for example "prompt": "a lovely cat"'),
    ({"prompt": ""}, "prompt", 'the prompt is empty; for example "prompt": "a lovely cat"'),
    ({"prompt": 5}, "prompt", "the prompt is int, not text: 5"),
    (
        {"prompt": "cat " * 3000},
        "prompt",
        (
            "the prompt has 12,000 characters, more than 10,000:"
            " 'cat cat cat cat cat cat cat cat cat c...'; models read the first few hundred words"
            " at most"
        ),
    ),
    ({"model": 7}, "model", "7 is not the name of a model; GET /v1/models lists them"),
    ({"n": 0}, "n", '0 is not a number of pictures from 1 to 10; for example "n": 4'),
    ({"n": 11}, "n", '11 is not a number of pictures from 1 to 10; for example "n": 4'),
    ({"n": True}, "n", 'True is not a number of pictures from 1 to 10; for example "n": 4'),
    ({"n": "two"}, "n", "'two' is not a number of pictures from 1 to 10; for example \"n\": 4"),
    (
        {"size": "large"},
        "size",
        f"'large' is not WIDTHxHEIGHT; {SIZE_HINT}",
    ),
    (
        {"size": 512},
        "size",
        f"512 is not a pair of whole numbers; {SIZE_HINT}",
    ),
    (
        {"seed": -2},
        "seed",
        f"-2 {FOR_SEED}",
    ),
    (
        {"seed": 1.5},
        "seed",
        f"1.5 {FOR_SEED}",
    ),
    (
        {"seed": 2**63 - 1, "n": 2},
        "seed",
        (
            "seed 9223372036854775807 is too large for 2 pictures: their seeds count up, and the"
            " largest is 9223372036854775807; the seed can be at most 9223372036854775806"
        ),
    ),
    ({"sample_steps": 0}, "sample_steps", f"0 {FOR_STEPS}"),
    ({"steps": "many"}, "steps", f"'many' {FOR_STEPS}"),
    ({"num_inference_steps": 2.5}, "num_inference_steps", f"2.5 {FOR_STEPS}"),
    (
        {"sample_steps": 20, "steps": 30},
        "steps",
        '"sample_steps" is 20 and "steps" is 30, but both are the same value; send one of them',
    ),
    (
        {"cfg_scale": 101},
        "cfg_scale",
        (
            '101 is not a guidance scale from 0 to 100; for example "cfg_scale": 4.5; 1 switches'
            " guidance off"
        ),
    ),
    (
        {"guidance_scale": "high"},
        "guidance_scale",
        (
            "'high' is not a guidance scale from 0 to 100; for example \"cfg_scale\": 4.5; 1"
            " switches guidance off"
        ),
    ),
    (
        {"sampler_name": "fast"},
        "sampler_name",
        f"'fast' is not a sampler; samplers: {', '.join(SAMPLERS)}",
    ),
    (
        {"scheduler": "slow"},
        "scheduler",
        f"'slow' is not a scheduler; schedulers: {', '.join(SCHEDULERS)}",
    ),
    (
        {"response_format": "file"},
        "response_format",
        "'file' is not a format of replies; b64_json or url",
    ),
    (
        {"output_format": "gif"},
        "output_format",
        "'gif' is not a format of pictures; png, jpg, jpeg or webp",
    ),
    (
        {"output_compression": 101},
        "output_compression",
        "101 is not a compression from 0 to 100; for example 100",
    ),
    ({"stream": "maybe"}, "stream", "'maybe' is not true or false"),
    (
        {"partial_images": 4},
        "partial_images",
        "4 is not a number of partial pictures from 0 to 3; for example 3",
    ),
    (
        {"stream_options": "progress"},
        "stream_options",
        "'progress' is not an object; for example {\"progress\": true}",
    ),
    (
        {"background": "transparent"},
        "background",
        "'transparent' is not a background that this server draws; auto or opaque",
    ),
    (
        {"loras": [7]},
        "loras",
        '7 is not a LoRA; for example "style:0.8" or {"name": "style", "weight": 0.8}',
    ),
    (
        {"loras": [{"name": "style", "weight": 9}]},
        "loras",
        (
            "9 is not a LoRA weight from -4 to 4; for example 0.8; 1 is the full effect, and a"
            " negative weight is the opposite"
        ),
    ),
    ({"loras": ["style"] * 33}, "loras", "33 LoRAs are too many; name 32 at most"),
    (
        {"hires_steps": 4},
        "hires_steps",
        '"hires_steps" needs a second pass; draw one with "hires": 2',
    ),
    ({"image": PNG}, "image", '"image" is for edits; send it to /v1/images/edits'),
    ({"mask": PNG}, "mask", '"mask" is for edits; send it to /v1/images/edits'),
    (
        {"mask_blur": 4},
        "mask_blur",
        '"mask_blur" needs a mask; name the area to redraw with "mask"',
    ),
]
WRONG_EDITS = [
    ({}, "image", 'the picture is missing; send its file as "image"'),
    ({"image": []}, "image", 'the picture is missing; send its file as "image"'),
    ({"image": "cat.png"}, "image", f"'cat.png' is not a picture; {PICTURE_HINT}"),
    ({"image": "/etc/passwd"}, "image", f"'/etc/passwd' is not a picture; {PICTURE_HINT}"),
    (
        {"images": [{"image_url": "http://127.0.0.1/cat.png"}]},
        "images",
        (
            "'http://127.0.0.1/cat.png' is an address, and this server fetches no pictures;"
            f" {PICTURE_HINT}"
        ),
    ),
    (
        {"image": "file:///etc/passwd"},
        "image",
        f"'file:///etc/passwd' is an address, and this server fetches no pictures; {PICTURE_HINT}",
    ),
    (
        {"images": [{"file_id": "file-1"}]},
        "images",
        f"{{'file_id': 'file-1'}} is not a picture; {PICTURE_HINT}",
    ),
    (
        {"image": "data:image/png;base64,?"},
        "image",
        f"'data:image/png;base64,?' is not base64; {PICTURE_HINT}",
    ),
    ({"image": PNG, "mask": "no"}, "mask", f"'no' is not a picture; {PICTURE_HINT}"),
    (
        {"image": PNG, "strength": 2},
        "strength",
        (
            '2 is not a strength from 0 to 1; for example "strength": 0.5; 0 keeps the picture, 1'
            " replaces it"
        ),
    ),
    (
        {"image": PNG, "mask": b"GIF"},
        "mask",
        (
            "the mask is text, not a picture; PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 and"
            " PNM files can be read"
        ),
    ),
]


@pytest.mark.parametrize(("values", "param", "message"), WRONG)
def test_a_wrong_value_is_refused(values: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(DrawError) as caught:
        drawing_of(**values)
    assert_answer(caught.value, param, message)


@pytest.mark.parametrize(("values", "param", "message"), WRONG_EDITS)
def test_a_wrong_value_of_an_edit_is_refused(
    values: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(DrawError) as caught:
        edit_of(**values)
    assert_answer(caught.value, param, message)


def assert_answer(error: DrawError, param: str, message: str) -> None:
    answer = answer_for(error)
    assert (answer.status, answer.param, answer.message) == (400, param, message)


def test_the_reference_names_every_field_and_alias() -> None:
    text = (SOURCE / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")
    names = {
        name for field in (*REQUEST_FIELDS, *REPLY_FIELDS) for name in (field.name, *field.aliases)
    }
    assert {name for name in names if f"`{name}`" not in text} == set()
