"""Options of the command, their defaults, and the errors for wrong command lines."""

import re
from typing import Any

import pytest
from known_values import known_values

from gpustack_draw.cli.arguments import Arguments, parse_arguments
from gpustack_draw.cli.draw_parser import draw_parser
from gpustack_draw.cli.option_names import option_of
from gpustack_draw.errors import UsageError
from gpustack_draw.request.names import COMPONENTS, SAMPLERS, SCHEDULERS
from gpustack_draw.request.options import SAMPLING_OPTIONS

DEFAULTS = {
    "command": "draw",
    "model": "demo",
    "prompt": "a cat",
    "canny": False,
    "mask_invert": False,
    "show": False,
    "preview": False,
    "dry_run": False,
    "json": False,
    "quiet": False,
    "debug": False,
    "device": "auto",
    "on": "auto",
}


def values(words: list[str]) -> dict[str, Any]:
    """Return the arguments of a command line without those that were left out."""
    return known_values(vars(parse_arguments(words)))


QUOTES = 'put the prompt in quotes: "a red circle"'


def test_help_lists_every_sampler_and_scheduler() -> None:
    help_text = " ".join(draw_parser().format_help().split())
    assert ", ".join(SAMPLERS) in help_text
    assert ", ".join(SCHEDULERS) in help_text


def test_every_component_has_an_option() -> None:
    options = {f"--{name.replace('_', '-')}" for name in COMPONENTS}
    assert options <= set(draw_parser()._option_string_actions)


def test_help_strings_are_in_lower_case_without_full_stop() -> None:
    for action in draw_parser()._actions:
        assert action.help
        assert not action.help.endswith("."), action.help
        first_word = re.split("[ ,]", action.help)[0]
        assert first_word == first_word.lower() or first_word.isupper(), action.help


@pytest.mark.parametrize("command", [[], ["draw"]])
def test_defaults(command: list[str]) -> None:
    assert values([*command, "demo", "a cat"]) == DEFAULTS


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ("--from", "from_picture"),
        ("--control-image", "control_image"),
        ("--control-strength", "control_strength"),
        ("--strength", "strength"),
        ("--mask", "mask"),
        ("--mask-blur", "mask_blur"),
        ("--expand", "expand"),
        ("--fit", "fit"),
        ("--size", "size"),
        ("--negative-prompt", "negative_prompt"),
        ("--seed", "seed"),
        ("--count", "count"),
        ("--sampler", "sampler"),
        ("--scheduler", "scheduler"),
        *((option_of(option.name), option.name) for option in SAMPLING_OPTIONS),
        ("--output", "output"),
        ("--device", "device"),
        ("--threads", "threads"),
        ("--vae-tiling", "vae_tiling"),
        ("--vae-tile-size", "vae_tile_size"),
        ("--max-vram", "max_vram"),
        ("--type", "weight_type"),
        ("--on", "on"),
        ("--server", "server"),
        ("--timeout", "timeout"),
        ("--vae", "vae"),
        ("--clip-l", "clip_l"),
        ("--clip-g", "clip_g"),
        ("--t5xxl", "t5xxl"),
        ("--llm", "llm"),
        ("--llm-vision", "llm_vision"),
        ("--taesd", "taesd"),
        ("--control-net", "control_net"),
    ],
)
@pytest.mark.parametrize(
    "value", ["x", "", "-", "-1", "-1x5", "-inf", "--nothing", "a b", "-a b", "a=b", "devices"]
)
def test_an_option_takes_any_text(option: str, field: str, value: str) -> None:
    expected = {**DEFAULTS, field: value}
    assert values(["demo", "a cat", option, value]) == expected
    assert values(["demo", option, value, "a cat"]) == expected
    assert values([option, value, "demo", "a cat"]) == expected
    assert values([f"{option}={value}", "demo", "--", "a cat"]) == expected


def test_pictures_can_be_named_several_times() -> None:
    words = ["demo", "a cat", "-i", "a.png", "--image=b.png", "-r", "-", "--init-img", "c.png"]
    expected = {**DEFAULTS, "image": ["a.png", "b.png", "c.png"], "ref_image": ["-"]}
    assert values(words) == expected


def test_the_scale_of_hires_follows_an_equals_sign() -> None:
    assert values(["demo", "--hires", "a cat"]) == {**DEFAULTS, "hires": "2"}
    assert values(["demo", "a cat", "--hires=1.5"]) == {**DEFAULTS, "hires": "1.5"}
    assert values(["demo", "--no-hires", "a cat"]) == {**DEFAULTS, "hires": False}


def test_the_padding_of_masked_only_follows_an_equals_sign() -> None:
    assert values(["demo", "--masked-only", "a cat"]) == {**DEFAULTS, "masked_only": "32"}
    assert values(["demo", "a cat", "--masked-only=64"]) == {**DEFAULTS, "masked_only": "64"}


@pytest.mark.parametrize(
    ("option", "field"),
    [
        ("--low-memory", "low_memory"),
        ("--offload-to-cpu", "offload_to_cpu"),
        ("--clip-on-cpu", "clip_on_cpu"),
        ("--vae-on-cpu", "vae_on_cpu"),
        ("--diffusion-fa", "diffusion_fa"),
        ("--mask-invert", "mask_invert"),
        ("--show", "show"),
        ("--preview", "preview"),
        ("--dry-run", "dry_run"),
        ("--json", "json"),
        ("--quiet", "quiet"),
        ("-q", "quiet"),
        ("--debug", "debug"),
        ("-d", "debug"),
    ],
)
def test_a_switch(option: str, field: str) -> None:
    expected = {**DEFAULTS, field: True}
    assert values(["demo", "a cat", option]) == expected
    assert values([option, "demo", "a cat"]) == expected


def test_short_switches_can_be_joined() -> None:
    assert values(["demo", "a cat", "-dq"]) == {
        **DEFAULTS,
        "debug": True,
        "quiet": True,
    }


@pytest.mark.parametrize("prompt", ["-5 degrees", "--", "-x", "--seed", "-d", ""])
def test_a_prompt_after_two_dashes(prompt: str) -> None:
    assert parse_arguments(["demo", "--seed", "7", "--", prompt]).prompt == prompt


def test_a_prompt_that_starts_with_a_dash_and_has_blanks() -> None:
    assert parse_arguments(["demo", "-5 degrees outside"]).prompt == "-5 degrees outside"
    assert parse_arguments(["demo", "--- a line ---"]).prompt == "--- a line ---"


def test_the_last_of_equal_options_wins() -> None:
    assert parse_arguments(["demo", "a cat", "--seed", "1", "--seed", "2"]).seed == "2"


def test_other_commands() -> None:
    assert parse_arguments(["devices", "--json"]) == Arguments(
        command="devices", json=True, debug=False
    )
    assert parse_arguments(["models"]).command == "models"
    assert parse_arguments(["draw", "devices", "a cat"]).model == "devices"
    assert parse_arguments(["--", "devices", "a cat"]).model == "devices"


def test_switches_may_come_before_a_command() -> None:
    assert values(["--json", "-d", "devices"]) == {
        "command": "devices",
        "json": True,
        "debug": True,
    }
    assert values(["-q", "draw", "demo", "a cat"]) == {**DEFAULTS, "quiet": True}


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (
            "",
            "missing MODEL and PROMPT",
            'for example: gpustack-draw demo "a red circle"',
        ),
        ("demo", "missing PROMPT", 'for example: gpustack-draw demo "a red circle"'),
        ("draw demo", "missing PROMPT", 'for example: gpustack-draw demo "a red circle"'),
        (
            "demo a red circle",
            "unexpected argument 'red'",
            QUOTES,
        ),
        ("demo cat --sead 7", "'--sead' is not an option", "did you mean --seed?"),
        ("demo cat --sead=7", "'--sead' is not an option", "did you mean --seed?"),
        ("--sead 7", "'--sead' is not an option", "did you mean --seed?"),
        ("demo cat --xyzzy", "'--xyzzy' is not an option", "see gpustack-draw --help"),
        # No abbreviations: a later version may have two options with the same prefix.
        (
            "demo cat --sampl euler",
            "'--sampl' is not an option",
            "did you mean --sampler or --sample-steps?",
        ),
        (
            "demo cat -x",
            "'-x' is not an option",
            "see gpustack-draw --help, or put -- before a prompt that starts with a dash",
        ),
        ("demo cat --seed", "--seed needs a value", "see gpustack-draw --help"),
        ("demo cat --seed --json", "--seed needs a value", "see gpustack-draw --help"),
        ("demo --seed -- cat", "--seed needs a value", "see gpustack-draw --help"),
        ("demo cat --show=yes", "--show takes no value", "type --show alone"),
        ("demo cat --debug=yes", "--debug takes no value", "type --debug alone"),
        ("devices now", "unexpected argument 'now'", "see gpustack-draw devices --help"),
        (
            "--seed 7 draw demo cat",
            "unexpected argument 'cat'",
            "the command comes first: gpustack-draw draw ...",
        ),
        (
            "--device CPU devices",
            "missing PROMPT",
            "the command comes first: gpustack-draw devices ...",
        ),
        (
            "demo cat --" + "z" * 200,
            "'--" + "z" * 95 + "...' is not an option",
            "see gpustack-draw --help",
        ),
        (
            "demo cat " + "z" * 200,
            "unexpected argument '" + "z" * 97 + "...'",
            f'put the prompt in quotes: "cat {"z" * 93}..."',
        ),
        ("--json devices now", "unexpected argument 'now'", "see gpustack-draw devices --help"),
        ("devices --seed 7", "'--seed' is not an option", "see gpustack-draw devices --help"),
    ],
)
def test_a_wrong_command_line(argv: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(argv.split())
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_status == 2


def test_a_prompt_that_starts_like_an_option() -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(["demo", "-dog on grass"])
    assert caught.value.message == "'-dog on grass' starts with a dash"
    assert caught.value.hint == "put -- before a prompt that starts with a dash"


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments([option])
    assert caught.value.code == 0
    assert re.fullmatch(r"gpustack-draw (\d+\.\d+.*|unknown)\n", capsys.readouterr().out)


@pytest.mark.parametrize("columns", ["40", "60", "80", "200", "0", "many", ""])
def test_help_fits_the_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    width = int(columns) if columns.isdigit() and int(columns) else 80
    usage, _, rest = draw_parser().format_help().partition("\n\n")
    assert usage.startswith("usage: gpustack-draw [draw] MODEL PROMPT [options]")
    assert max(len(line) for line in rest.splitlines()) <= min(width, 100)
