"""The range of every option, and the error for values outside it."""

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.request.draw_request import DrawRequest, parse_size
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.request.option_types import ChoiceOption, NumberOption
from gpustack_draw.request.options import (
    CFG_SCALE,
    COUNT,
    GUIDANCE,
    RNG,
    SAMPLE_STEPS,
    SEED,
    SIGMAS,
    THREADS,
    TILE,
)

SIZE_HINT = "a size is WIDTHxHEIGHT in pixels, each 1 to 8192, for example 512x768"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512x768", (512, 768)),
        ("512X768", (512, 768)),
        ("512×768", (512, 768)),
        (" 512 x 768 ", (512, 768)),
        ("1x8192", (1, 8192)),
        ("513x511", (513, 511)),
        ("0512x+768", (512, 768)),
    ],
)
def test_size(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0x0", "'0x0' has a side of 0 pixels"),
        ("512x0", "'512x0' has a side of 0 pixels"),
        ("-1x5", "'-1x5' has a negative side"),
        ("5x-1", "'5x-1' has a negative side"),
        ("512", "'512' is not WIDTHxHEIGHT"),
        ("512x", "'512x' is not WIDTHxHEIGHT"),
        ("x512", "'x512' is not WIDTHxHEIGHT"),
        ("axb", "'axb' is not WIDTHxHEIGHT"),
        ("1e9x1e9", "'1e9x1e9' is not WIDTHxHEIGHT"),
        ("512x512x512", "'512x512x512' is not WIDTHxHEIGHT"),
        ("512,512", "'512,512' is not WIDTHxHEIGHT"),
        ("512.0x512", "'512.0x512' is not WIDTHxHEIGHT"),
        ("", "'' is not WIDTHxHEIGHT"),
        ("\u0665\u0661\u0662x512", "'\u0665\u0661\u0662x512' is not WIDTHxHEIGHT"),
        ("100000x100000", "'100000x100000' has a side of more than 8192 pixels"),
        ("8193x8", "'8193x8' has a side of more than 8192 pixels"),
        (
            "9" * 5000 + "x1",
            "'" + "9" * 97 + "...' has a side of more than 8192 pixels",
        ),
    ],
)
def test_size_that_is_none(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert (caught.value.message, caught.value.hint) == (message, SIZE_HINT)


@pytest.mark.timeout(5)
def test_many_digits_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="is not a guidance scale"):
        CFG_SCALE.parse("1" * 100_000 + "x")


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (SAMPLE_STEPS.parse, "1", 1),
        (SAMPLE_STEPS.parse, "10000", 10000),
        (SAMPLE_STEPS.parse, " 20 ", 20),
        (CFG_SCALE.parse, "0", 0.0),
        (CFG_SCALE.parse, "-0", 0.0),
        (CFG_SCALE.parse, "4.5", 4.5),
        (GUIDANCE.parse, "0", 0.0),
        (CFG_SCALE.parse, ".5", 0.5),
        (CFG_SCALE.parse, "7.", 7.0),
        (CFG_SCALE.parse, "1e2", 100.0),
        (SEED.parse, "0", 0),
        (SEED.parse, "-1", None),
        (SEED.parse, "9223372036854775807", SEED.maximum),
        (COUNT.parse, "1", 1),
        (THREADS.parse, "512", 512),
    ],
)
def test_number(parse: Any, text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("levels", ["1, 0.5,0", [1, 0.5, 0.0], numpy.array([1, 0.5, 0])])
def test_noise_levels(levels: Any) -> None:
    assert DrawRequest(prompt="a cat", sigmas=levels).sigmas == (1.0, 0.5, 0.0)


@pytest.mark.parametrize("typed", ["1,0.75,0.5,0.25,0", " 1000 , 0 ", "1,.5,0."])
def test_typed_noise_levels(typed: str) -> None:
    assert SIGMAS.parse(typed) == tuple(map(float, typed.split(",")))


@pytest.mark.parametrize(
    "levels",
    [
        "", "0", "1", "1,", ",1,0", "1,0.5", "0,0", "0.5,1,0", "1,1,0", "1,nan,0", "inf,0", "-1,0",
        "1,-0.5,0", "1001,0", "1;0", "a,b", "1,1e-50,0", "1.00000001,1,0",
        ",".join(map(str, range(1000, -1, -1))), [], [1], [0.5, 1, 0], [1, True, 0], ["1", "0"],
        [1, None, 0], 3, {"a": 1}, b"1,0",
    ],
)  # fmt: skip
def test_noise_levels_that_do_not_fall_to_zero(levels: Any) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", sigmas=levels)
    assert caught.value.message == (
        f"{quoted(levels)} is not a list of 2 to 1000 noise levels that fall to 0"
    )
    assert with_options(caught.value.hint) == "for example --sigmas 1,0.75,0.5,0.25,0"
    assert caught.value.argument == "sigmas"


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"scheduler": "karras"}, "scheduler"),
        ({"sampler": "DPM++ 2M Karras"}, "scheduler"),
        ({"sample_steps": 4}, "sample_steps"),
    ],
)
def test_noise_levels_beside_another_choice_of_them(options: Any, argument: str) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", sigmas="1,0", **options)
    assert (caught.value.message, caught.value.hint, caught.value.argument) == (
        f"sigmas and {argument} both choose the noise levels",
        "leave one of them out",
        argument,
    )


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (RNG, "cpu", "cpu"),
        (RNG, " CPU ", "cpu"),
        (RNG, "cuda", "cuda"),
        (RNG, "NV", "cuda"),
        (RNG, "GPU", "cuda"),
        (TILE, "x", "x"),
        (TILE, "Y", "y"),
        (TILE, "both", "both"),
        (TILE, "True", "both"),
        (TILE, "off", None),
        (TILE, "False", None),
    ],
)
def test_choice(option: ChoiceOption, text: str, value: str | None) -> None:
    assert option.parse(text) == value
    assert getattr(DrawRequest(prompt="a cat", **{option.name: text}), option.name) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        (RNG, "std_default", "cuda or cpu"),
        (RNG, "", "cuda or cpu"),
        (RNG, 7, "cuda or cpu"),
        (TILE, "xyz", "x, y, both or off"),
        (TILE, True, "x, y, both or off"),
    ],
)
def test_choice_that_there_is_not(option: ChoiceOption, value: Any, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", **{option.name: value})
    example = {"rng": "--rng cpu", "tile": "--tile both"}[option.name]
    assert (caught.value.message, with_options(caught.value.hint), caught.value.argument) == (
        f"{quoted(value)} is not {what}",
        f"for example {example}",
        option.name,
    )


STEPS_TEXT = "a number of sample steps from 1 to 10000"
GUIDANCE_TEXT = "a distilled guidance scale from 0 to 100"
CFG_TEXT = "a guidance scale from 0 to 100"
SEED_TEXT = "a seed from 0 to 9223372036854775807"
COUNT_TEXT = "a number of pictures from 1 to 10000"
THREADS_TEXT = "a number of threads from 1 to 512"


@pytest.mark.parametrize(
    ("parse", "text", "what"),
    [
        (SAMPLE_STEPS.parse, "0", STEPS_TEXT),
        (SAMPLE_STEPS.parse, "-1", STEPS_TEXT),
        (SAMPLE_STEPS.parse, "1.5", STEPS_TEXT),
        (SAMPLE_STEPS.parse, "10001", STEPS_TEXT),
        (SAMPLE_STEPS.parse, "many", STEPS_TEXT),
        (SAMPLE_STEPS.parse, "", STEPS_TEXT),
        (SAMPLE_STEPS.parse, "1_000", STEPS_TEXT),
        (GUIDANCE.parse, "100.1", GUIDANCE_TEXT),
        (GUIDANCE.parse, "nan", GUIDANCE_TEXT),
        (CFG_SCALE.parse, "nan", CFG_TEXT),
        (CFG_SCALE.parse, "inf", CFG_TEXT),
        (CFG_SCALE.parse, "-inf", CFG_TEXT),
        (CFG_SCALE.parse, "-1", CFG_TEXT),
        (CFG_SCALE.parse, "100.1", CFG_TEXT),
        (CFG_SCALE.parse, "1e999", CFG_TEXT),
        (CFG_SCALE.parse, "seven", CFG_TEXT),
        (CFG_SCALE.parse, "7,5", CFG_TEXT),
        (CFG_SCALE.parse, "", CFG_TEXT),
        (SEED.parse, "9223372036854775808", SEED_TEXT),
        (SEED.parse, "-2", SEED_TEXT),
        (SEED.parse, "1.0", SEED_TEXT),
        (SEED.parse, "lucky", SEED_TEXT),
        (COUNT.parse, "0", COUNT_TEXT),
        (COUNT.parse, "10001", COUNT_TEXT),
        (COUNT.parse, "two", COUNT_TEXT),
        (THREADS.parse, "0", THREADS_TEXT),
        (THREADS.parse, "513", THREADS_TEXT),
        (THREADS.parse, "all", THREADS_TEXT),
    ],
)
def test_number_that_is_none(parse: Any, text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.message == f"{text!r} is not {what}"
    option: NumberOption = parse.__self__
    assert caught.value.hint.startswith(f"for example {option.name}=")
    assert caught.value.argument == option.name


def test_seed_hint_says_how_to_ask_for_a_random_one() -> None:
    with pytest.raises(UsageError) as caught:
        SEED.parse("random")
    assert caught.value.hint == "for example seed=7, or seed=-1 for a random one"


def test_error_names_a_long_value_in_part() -> None:
    with pytest.raises(UsageError) as caught:
        SEED.parse("9" * 5000)
    assert caught.value.message == "'" + "9" * 97 + "...' is not " + SEED_TEXT


def test_usage_error_is_a_value_error_with_exit_status_2() -> None:
    with pytest.raises(ValueError, match="is not") as caught:
        COUNT.parse("0")
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_status == 2
    assert str(caught.value) == f"'0' is not {COUNT_TEXT}\nfor example count=4"


def message_of(parse: Any, text: str) -> str | None:
    try:
        parse(text)
    except UsageError as error:
        return error.message
    return None


@given(st.text())
def test_any_text_is_a_value_or_a_usage_error(text: str) -> None:
    parsers = (
        parse_size,
        SAMPLE_STEPS.parse,
        CFG_SCALE.parse,
        SEED.parse,
        COUNT.parse,
        THREADS.parse,
    )
    for parse in parsers:
        message = message_of(parse, text)
        assert message != ""
        assert "\n" not in (message or "")


def test_request_keeps_what_it_is_given() -> None:
    request = DrawRequest(prompt="a cat", size=(512, 768), cfg_scale=7, seed=3, count=2)
    assert request.size == (512, 768)
    assert request.cfg_scale == 7.0
    assert (request.negative_prompt, request.sampler, request.scheduler) == ("", None, None)
    assert (request.sample_steps, request.seed, request.count) == (None, 3, 2)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "a cat",
        "\U0001f408 chat \u00e9l\u00e9gant",
        "\u05d7\u05ea\u05d5\u05dc",
        "x " * 5_000,
        "a\nb\tc",
        "x" * 1_000,
        "\u732b" * 1_000,
        # Chinese is written without blanks; its punctuation breaks it, too.
        ("\u732b" * 20 + "\uff0c") * 400,
    ],
    ids=[
        *("empty", "plain", "emoji", "right to left", "10,000 characters", "lines", "a long word"),
        *("Chinese without punctuation", "Chinese"),
    ],
)
def test_prompt(prompt: str) -> None:
    assert DrawRequest(prompt=prompt, negative_prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("prompt", "message", "hint"),
    [
        (
            "x" * 100_000,
            "the prompt has 100,000 characters, more than 10,000: '" + "x" * 37 + "...'",
            "models read the first few hundred words at most",
        ),
        ("a\0b", "the prompt has a NUL character: 'a\\x00b'", ""),
        (
            "a \udcff b",
            "the prompt has bytes that are not UTF-8, at character 3: 'a \\udcff b'",
            "type it in a terminal, or save it from an editor, that uses UTF-8",
        ),
        (b"cat", "the prompt is bytes, not text: b'cat'", ""),
        *(
            (
                f"a {run * 1_001} b",
                f"the prompt has 1,001 characters without a break, more than 1,000: {quoted_run}",
                "put blanks or punctuation between the words",
            )
            for run, quoted_run in (
                ("x", "'" + "x" * 37 + "...'"),
                ("\u732b", "'" + "\u732b" * 37 + "...'"),
                (".", "'" + "." * 37 + "...'"),
            )
        ),
        (
            "a" + "\n" * 9_000,
            "the prompt has 9,000 characters without a break, more than 1,000: '"
            + "\\n" * 37
            + "...'",
            "put blanks or punctuation between the words",
        ),
    ],
    ids=[
        *("too long", "NUL", "surrogate", "bytes"),
        *("letters", "Chinese", "punctuation", "lines"),
    ],
)
def test_prompt_that_cannot_be_drawn(prompt: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt=prompt)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", negative_prompt=prompt)
    assert caught.value.message == message.replace("the prompt", "the negative prompt")


def test_only_the_negative_prompt_can_be_none() -> None:
    assert DrawRequest(prompt="a cat", negative_prompt=None).negative_prompt == ""  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt=None)  # type: ignore[arg-type]
    assert caught.value.message == "the prompt is NoneType, not text: None"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 5)}, "(0, 5) has a side of 0 pixels"),
        ({"size": (5, -5)}, "(5, -5) has a negative side"),
        ({"size": (5, 100_000)}, "(5, 100000) has a side of more than 8192 pixels"),
        (
            {"size": (5, 10**5000)},
            "a number of thousands of digits has a side of more than 8192 pixels",
        ),
        ({"size": 5}, "5 is not a pair of whole numbers"),
        ({"size": (5, 5, 5)}, "(5, 5, 5) is not a pair of whole numbers"),
        ({"size": (5.0, 5)}, "(5.0, 5) is not a pair of whole numbers"),
        ({"size": (True, 5)}, "(True, 5) is not a pair of whole numbers"),
        ({"size": "512"}, "'512' is not WIDTHxHEIGHT"),
        ({"sample_steps": 0}, f"0 is not {STEPS_TEXT}"),
        ({"sample_steps": 2.0}, f"2.0 is not {STEPS_TEXT}"),
        ({"sample_steps": True}, f"True is not {STEPS_TEXT}"),
        ({"sample_steps": "20"}, f"'20' is not {STEPS_TEXT}"),
        ({"cfg_scale": float("nan")}, f"nan is not {CFG_TEXT}"),
        ({"cfg_scale": float("inf")}, f"inf is not {CFG_TEXT}"),
        ({"cfg_scale": -1}, f"-1 is not {CFG_TEXT}"),
        ({"cfg_scale": "7"}, f"'7' is not {CFG_TEXT}"),
        ({"cfg_scale": True}, f"True is not {CFG_TEXT}"),
        ({"cfg_scale": 10**400}, f"{str(10**400)[:97]}... is not {CFG_TEXT}"),
        ({"seed": -2}, f"-2 is not {SEED_TEXT}"),
        ({"seed": 2**63}, f"9223372036854775808 is not {SEED_TEXT}"),
        ({"seed": 1.0}, f"1.0 is not {SEED_TEXT}"),
        ({"seed": False}, f"False is not {SEED_TEXT}"),
        ({"count": 0}, f"0 is not {COUNT_TEXT}"),
        ({"count": None}, f"None is not {COUNT_TEXT}"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_request_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", **options)
    assert caught.value.message == message


def test_request_takes_numbers_of_numpy() -> None:
    import numpy as np

    request = DrawRequest(
        prompt="a cat",
        size=(np.int64(64), np.uint16(32)),
        sample_steps=np.int32(4),
        cfg_scale=np.float32(1.5),
        seed=np.int64(9),
    )
    assert request == DrawRequest(
        prompt="a cat", size=(64, 32), sample_steps=4, cfg_scale=1.5, seed=9
    )
    assert type(request.seed) is int
    assert request.size is not None
    assert type(request.size[0]) is int
    assert type(request.cfg_scale) is float


def test_seed_minus_one_is_random_in_the_library_too() -> None:
    assert DrawRequest(prompt="a cat", seed=-1).seed is None


def test_seeds_must_not_count_past_the_largest() -> None:
    assert DrawRequest(prompt="a cat", seed=SEED.maximum, count=1).seed == SEED.maximum
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", seed=SEED.maximum - 1, count=3)
    assert caught.value.message == (
        "seed 9223372036854775806 is too large for 3 pictures: their seeds count up, and the"
        " largest is 9223372036854775807"
    )
    assert caught.value.hint == "the seed can be at most 9223372036854775805"


def test_unknown_sampler_lists_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", sampler="Eular_A")
    assert caught.value.message == ("'Eular_A' is not a sampler, the nearest are euler_a, euler")
    assert caught.value.hint == "samplers: " + ", ".join(SAMPLERS)


def test_unknown_scheduler_lists_all() -> None:
    with pytest.raises(UsageError) as caught:
        DrawRequest(prompt="a cat", scheduler="zzz")
    assert caught.value.message == "'zzz' is not a scheduler"
    assert caught.value.hint == "schedulers: " + ", ".join(SCHEDULERS)


@pytest.mark.parametrize("name", [3, "", ["euler"]])
def test_sampler_of_another_type(name: Any) -> None:
    with pytest.raises(UsageError, match="is not a sampler"):
        DrawRequest(prompt="a cat", sampler=name)


@pytest.mark.parametrize("value", [0, 513, 2.0, True, "4", None])
def test_threads_from_python(value: Any) -> None:
    with pytest.raises(UsageError, match="is not a number of threads from 1 to 512"):
        THREADS.check(value)
    assert THREADS.check(4) == 4
