"""Mistakes at the command line: an exact message and hint for each.

Command lines are in shell syntax.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_model import forbid_engine

from gpustack_draw.cli.arguments import PARSERS, Arguments, parse_arguments
from gpustack_draw.cli.command_line import ALIASES, COMMANDS
from gpustack_draw.cli.hints import foreign_commands, foreign_options
from gpustack_draw.cli.hints.foreign_options import equivalent_option, hint_for_option
from gpustack_draw.cli.main import main

HELP = "see gpustack-draw --help"
DASH = f"{HELP}, or put -- before a prompt that starts with a dash"
EXAMPLE = 'for example: gpustack-draw demo "a red circle"'
DEMO_CAT = 'gpustack-draw demo "a cat"'
DEMO_CIRCLE = 'gpustack-draw demo "a red circle"'
SIZE = "a size is WIDTHxHEIGHT in pixels, each 1 to 8192, for example 512x768"
PATH_OR = (
    "check the path, type {} for a model of Hugging Face, or name your GPUStack server with"
    " --server or GPUSTACK_SERVER_URL"
)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder with a picture; the engine must not start, and no server is configured."""
    forbid_engine(monkeypatch, tmp_path)
    monkeypatch.delenv("GPUSTACK_SERVER_URL", raising=False)
    monkeypatch.setattr(
        "gpustack_draw.gpustack_server.address.DEFAULT_SERVER", "http://127.0.0.1:1"
    )
    Path("cat.png").touch()
    yield
    assert [path.name for path in Path().iterdir()] == ["cat.png"]


# --- spellings that are accepted ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("demo cat -o x.png", {"output": "x.png"}),
        ("demo cat -o=x.png", {"output": "x.png"}),
        ("demo cat -n 4", {"count": "4"}),
        ("demo cat -n4", {"count": "4"}),
        ("demo cat -s 7", {"seed": "7"}),
        ("demo cat -s7", {"seed": "7"}),
        ("demo cat -s -1", {"seed": "-1"}),
        ("demo cat --steps 7", {"sample_steps": "7"}),
        ("demo cat --steps=7", {"sample_steps": "7"}),
        ("demo cat --cfg 7.5", {"cfg_scale": "7.5"}),
        ("demo cat -W 512 -H 768", {"size": "512x768"}),
        ("demo cat -W512 -H768", {"size": "512x768"}),
        ("demo cat --height 768 --width 512", {"size": "512x768"}),
        ("demo cat -W ' 512 ' --height=768", {"size": "512x768"}),
        ("demo cat -W 9 -H 9 -W 512", {"size": "512x9"}),
        ("demo cat -s 1 --seed 2", {"seed": "2"}),
        ("demo cat --seed 1 -s 2", {"seed": "2"}),
        ("-m demo -p cat", {}),
        ("--model demo --prompt cat", {}),
        ("--model=demo --prompt=cat", {}),
        ("-p cat demo", {}),
        ("-m demo cat", {}),
        ("demo -p cat", {}),
        ("-o x.png demo cat", {"output": "x.png"}),
        ("draw -m demo -p cat -s 3", {"seed": "3"}),
        ("demo -p -s", None),
        ("demo -p '-s 4'", {"prompt": "-s 4"}),
    ],
)
def test_spellings_of_other_programs(line: str, expected: dict[str, str] | None) -> None:
    if expected is None:
        assert answer_to(line)[1] == "-p needs a value"
        return
    arguments = vars(parse_arguments(shlex.split(line)))
    plain = vars(parse_arguments(["demo", "cat"]))
    assert arguments == {**plain, **expected}


def test_spellings_of_other_programs_are_not_in_the_help() -> None:
    listed = {word.strip(",") for word in PARSERS["draw"]().format_help().split()}
    assert not listed & set(ALIASES)


# --- mistakes -------------------------------------------------------------------------------------

MISTAKES = [
    # Options of other programs.
    ("demo 'a cat' --outdir x", "'--outdir' is not an option", "did you mean --output?"),
    ("demo 'a cat' -v", "'-v' is not an option", "did you mean --debug?"),
    ("demo 'a cat' --verbose", "'--verbose' is not an option", "did you mean --debug?"),
    ("demo 'a cat' -b 4", "'-b' is not an option", "did you mean --count?"),
    ("demo 'a cat' --batch-count=4", "'--batch-count' is not an option", "did you mean --count?"),
    ("demo 'a cat' -t 4", "'-t' is not an option", "did you mean --threads?"),
    ("demo 'a cat' --cache-mode x", "'--cache-mode' is not an option", "did you mean --cache?"),
    ("demo 'a cat' --shift 3", "'--shift' is not an option", "did you mean --flow-shift?"),
    ("demo 'a cat' -w 512", "'-w' is not an option", "did you mean -W?"),
    (
        "demo 'a cat' --num_inference_steps 9",
        "'--num_inference_steps' is not an option",
        "did you mean --sample-steps?",
    ),
    (
        "demo 'a cat' --guidance-scale 9",
        "'--guidance-scale' is not an option",
        "did you mean --cfg-scale?",
    ),
    (
        "demo 'a cat' --cache-option threshold=0.1",
        "'--cache-option' is not an option",
        "the threshold is part of the cache: --cache easycache:threshold=0.1",
    ),
    (
        "demo 'a cat' --sampling-method euler",
        "'--sampling-method' is not an option",
        "did you mean --sampler?",
    ),
    (
        "demo 'a cat' --lora a.safetensors:9",
        "'9' is not a LoRA weight from -4 to 4",
        "for example 0.8; 1 is the full effect, and a negative weight is the opposite",
    ),
    (
        "demo 'a cat' --lora ''",
        "the reference of a LoRA is empty: ''",
        "for example hf.co/OWNER/REPO:FILE or style.safetensors:0.8",
    ),
    (
        "demo 'a cat <lora:ink:1>'",
        "the LoRA 'ink' of the prompt is not known",
        "name its file with --lora, or its folder with --lora-dir, or leave the tag out",
    ),
    (
        "demo 'a cat <lora:ink:x>'",
        "the LoRA '<lora:ink:x>' of the prompt has the weight 'x', not a number from -4 to 4",
        "write <lora:NAME:WEIGHT>, for example <lora:style:0.8>",
    ),
    (
        "demo 'a cat' --negative-prompt '<lora:ink:1>'",
        ("the negative prompt has the LoRA '<lora:ink:1>', but a LoRA changes the whole picture"),
        "move it to the prompt; a negative weight turns its effect around",
    ),
    (
        "demo 'a cat' --lora-paths x",
        "'--lora-paths' is not an option",
        "did you mean --lora?",
    ),
    (
        "demo 'a cat' --lora-scales 0.5",
        "'--lora-scales' is not an option",
        "the weight is part of the LoRA: --lora REF:0.8",
    ),
    (
        "demo 'a cat' --lora-apply-mode auto",
        "'--lora-apply-mode' is not an option",
        "LoRAs are always applied while drawing, so any quantization can use them",
    ),
    (
        "demo 'a cat' --image-strength 0.4",
        "'--image-strength' is not an option",
        "type --strength with 1 minus that value: mflux's --image-strength is the share that stays",
    ),
    (
        "demo 'a cat' --denoising-strength 0.4",
        "'--denoising-strength' is not an option",
        "did you mean --strength?",
    ),
    (
        "demo cat.png",
        "'cat.png' is a picture, not a prompt",
        "to change it: gpustack-draw demo PROMPT --image cat.png",
    ),
    (
        "demo 'a cat' cat.png",
        "unexpected argument 'cat.png'",
        "to change that picture: --image cat.png",
    ),
    (
        "demo cat.png 'make it red'",
        "unexpected argument 'cat.png'",
        'to change that picture: gpustack-draw demo "make it red" --image cat.png',
    ),
    ("demo 'a cat' --image", "--image needs a value", "see gpustack-draw --help"),
    ("demo 'a cat' -i --strength 0.4", "-i needs a value", "see gpustack-draw --help"),
    (
        "demo 'a cat' --image https://example.org/cat.png",
        "'https://example.org/cat.png' is an address, not a file",
        "download the picture first",
    ),
    (
        "demo 'a cat' --image a.png b.png",
        "unexpected argument 'b.png'",
        "type --image before each picture: --image a.png --image b.png",
    ),
    (
        "demo 'a cat' --image a.png --masked-only 64",
        "unexpected argument '64'",
        "type its value after an equals sign: --masked-only=64",
    ),
    (
        "demo 'a cat' --hires 1.5",
        "unexpected argument '1.5'",
        "type its value after an equals sign: --hires=1.5",
    ),
    (
        "demo 'a cat' --hires-denoising-strength 0.4",
        "'--hires-denoising-strength' is not an option",
        "did you mean --hires-strength?",
    ),
    (
        "demo 'a cat' --vae-tile-overlap 0.2",
        "'--vae-tile-overlap' is not an option",
        "tiles overlap by half",
    ),
    (
        "demo 'a cat' --pm-style-strength 20",
        "'--pm-style-strength' is not an option",
        "PhotoMaker is not available yet",
    ),
    ("demo 'a cat' --circular", "'--circular' is not an option", "did you mean --tile?"),
    ("demo 'a cat' --gpu 0", "'--gpu' is not an option", "did you mean --device?"),
    (
        "demo 'a cat' -ngl 99",
        "'-ngl' is not an option",
        "a model runs on one device, chosen with --device",
    ),
    (
        "demo 'a cat' --ckpt x.ckpt",
        "'--ckpt' is not an option",
        "type it as MODEL: gpustack-draw MODEL PROMPT",
    ),
    (
        "demo 'a cat' --quant q8_0",
        "'--quant' is not an option",
        "the quantization is part of MODEL: hf.co/OWNER/REPO:Q8_0",
    ),
    (
        "demo 'a cat' --fp16",
        "'--fp16' is not an option",
        "the model file and the device set the precision",
    ),
    ("--list-models", "'--list-models' is not an option", "type gpustack-draw models"),
    (
        "--demo 'a cat'",
        "'--demo' is not an option",
        f"type demo without dashes: {DEMO_CIRCLE}",
    ),
    (
        "demo 'a cat' -n 'blurry, ugly'",
        "'blurry, ugly' is not a number of pictures",
        "-n means --count; type --negative-prompt for text to avoid",
    ),
    # Options that are nearly right.
    ("demo 'a cat' --SEED 7", "'--SEED' is not an option", "did you mean --seed?"),
    ("--Version", "'--Version' is not an option", "did you mean --version?"),
    ("-help", "'-help' is not an option", "did you mean --help?"),
    ("demo 'a cat' -seed 7", "'-seed' is not an option", "did you mean --seed?"),
    ("demo 'a cat' -steps=7", "'-steps' is not an option", "did you mean --steps?"),
    ("demo 'a cat' ---seed 7", "'---seed' is not an option", "did you mean --seed?"),
    ("demo 'a cat' --seed7", "'--seed7' is not an option", "did you mean --seed 7?"),
    ("demo 'a cat' --seed:7", "'--seed:7' is not an option", "did you mean --seed?"),
    (
        "demo 'a cat' --size512x512",
        "'--size512x512' is not an option",
        "did you mean --size 512x512?",
    ),
    ("demo 'a cat' -ocat.png", "'-ocat.png' is not an option", "did you mean -o cat.png?"),
    (
        "demo 'a cat' --negative_prompt x",
        "'--negative_prompt' is not an option",
        "did you mean --negative-prompt?",
    ),
    ("demo 'a cat' --stpes 3", "'--stpes' is not an option", "did you mean --steps?"),
    ("demo 'a cat' --vea x", "'--vea' is not an option", "did you mean --vae?"),
    ("demo 'a cat' --no-size", "'--no-size' is not an option", "leave --size out"),
    ("demo 'a cat' --xyzzy", "'--xyzzy' is not an option", HELP),
    ("demo 'a cat' -x", "'-x' is not an option", DASH),
    ("demo 'a cat' -dx", "'-dx' is not an option", DASH),
    ("devices --lora x", "'--lora' is not an option", "see gpustack-draw devices --help"),
    ("show cat.png --steps 3", "'--steps' is not an option", "see gpustack-draw show --help"),
    # Dashes and quotes of word processors.
    (
        "demo 'a cat' –seed 7",
        "'–seed' starts with U+2013, not with a hyphen",
        "did you mean --seed?",
    ),
    (
        "demo 'a cat' —steps=7",
        "'—steps=7' starts with U+2014, not with a hyphen",
        "did you mean --steps?",
    ),
    (
        "demo 'a cat' –s 7",
        "'–s' starts with U+2013, not with a hyphen",
        "did you mean -s?",
    ),
    ("demo 'a cat' -–seed 7", "'-–seed' is not an option", "did you mean --seed?"),
    (
        "demo “a red circle”",
        "unexpected argument 'red'",
        'put the prompt in straight quotes: "a red circle"',
    ),
    (
        "“a red circle”",
        "unexpected argument 'circle”'",
        f"MODEL comes first, then PROMPT in quotes: {DEMO_CIRCLE}",
    ),
    ("“cat”", "missing MODEL", "MODEL comes first: gpustack-draw demo cat"),
    # Values.
    ("demo 'a cat' --size 512", "'512' is not WIDTHxHEIGHT", SIZE),
    ("demo 'a cat' --size 512,768", "'512,768' is not WIDTHxHEIGHT", SIZE),
    ("demo 'a cat' --size 512*768", "'512*768' is not WIDTHxHEIGHT", SIZE),
    (
        "demo 'a cat' --size 512 768",
        "unexpected argument '768'",
        "a size is one word: --size 512x768",
    ),
    (
        "demo --size 512, 768 'a cat'",
        "unexpected argument '768'",
        "a size is one word: --size 512x768",
    ),
    (
        "demo 'a cat' --size 512 x 768",
        "unexpected argument 'x'",
        "a size is one word: --size 512x768",
    ),
    (
        "demo 'a cat' --width 512",
        "--width needs a height",
        "for a square picture: --size 512x512",
    ),
    ("demo 'a cat' -H 512", "-H needs a width", "for a square picture: --size 512x512"),
    ("demo 'a cat' -W 512px -H 512", "'512px' is not a width in pixels", "for example -W 512"),
    ("demo 'a cat' -W 512 -H -1", "'-1' is not a height in pixels", "for example -H 512"),
    (
        "demo 'a cat' --size 512x512 --width 512",
        "--size and --width exclude each other",
        "type --size alone",
    ),
    (
        "demo 'a cat' --seed random",
        "'random' is not a seed from 0 to 9223372036854775807",
        "for example --seed 7, or --seed -1 for a random one",
    ),
    (
        "demo 'a cat' --seed=",
        "'' is not a seed from 0 to 9223372036854775807",
        "for example --seed 7, or --seed -1 for a random one",
    ),
    (
        "demo 'a cat' --steps=20steps",
        "'20steps' is not a number of sample steps from 1 to 10000",
        "for example --sample-steps 20",
    ),
    ("demo 'a cat' --seed", "--seed needs a value", HELP),
    ("demo 'a cat' -s --json", "-s needs a value", HELP),
    ("demo 'a cat' --show yes", "unexpected argument 'yes'", "--show takes no value"),
    ("demo 'a cat' -q 8", "unexpected argument '8'", "-q takes no value"),
    ("demo 'a cat' --json=1", "--json takes no value", "type --json alone"),
    ("demo 'a cat' seed 7", "unexpected argument 'seed'", "did you mean --seed 7?"),
    ("demo 'a cat' seed=7", "unexpected argument 'seed=7'", "did you mean --seed=7?"),
    ("demo 'a cat' -- seed 7", "unexpected argument 'seed'", "did you mean --seed 7?"),
    ("demo 'a cat' outdir x", "unexpected argument 'outdir'", "did you mean --output x?"),
    ("demo 'a cat' show", "unexpected argument 'show'", "did you mean --show?"),
    ("demo 'a cat' 512*512", "unexpected argument '512*512'", "did you mean --size 512x512?"),
    ("demo cat 512x512", "unexpected argument '512x512'", "did you mean --size 512x512?"),
    (
        "demo 'a cat' dog.png",
        "unexpected argument 'dog.png'",
        "to save the picture as that file: --output dog.png",
    ),
    (
        "demo 'a cat' 7",
        "unexpected argument '7'",
        "put an option before the number: --seed 7",
    ),
    # Prompts.
    (
        "demo a red circle --seed 7",
        "unexpected argument 'red'",
        'put the prompt in quotes: "a red circle"',
    ),
    (
        "demo 'a cat' blue",
        "unexpected argument 'blue'",
        'put the prompt in one pair of quotes: "a cat blue"',
    ),
    (
        "demo costs $5 and more",
        "unexpected argument '$5'",
        "put the prompt in quotes: 'costs $5 and more'",
    ),
    (
        "demo 'a cat' 'a dog'",
        "unexpected argument 'a dog'",
        "type one PROMPT, in one pair of quotes",
    ),
    (
        "demo '-old man'",
        "'-old man' starts with a dash",
        "put -- before a prompt that starts with a dash",
    ),
    # MODEL and PROMPT in the wrong place, or missing.
    ("", "missing MODEL and PROMPT", EXAMPLE),
    ("draw", "missing MODEL and PROMPT", EXAMPLE),
    ("demo", "missing PROMPT", EXAMPLE),
    ("hf.co/a/b", "missing PROMPT", 'for example: gpustack-draw hf.co/a/b "a red circle"'),
    ("cat", "missing PROMPT", EXAMPLE),
    ("-m demo", "missing PROMPT", EXAMPLE),
    ("-p 'a cat'", "missing MODEL", f"for example: {DEMO_CAT}"),
    ("'a red circle'", "missing MODEL", f"MODEL comes first: {DEMO_CIRCLE}"),
    ("'a red circle' demo", "MODEL comes before PROMPT", f"type {DEMO_CIRCLE}"),
    (
        "'a cat' hf.co/a/b:Q8_0",
        "MODEL comes before PROMPT",
        'type gpustack-draw hf.co/a/b:Q8_0 "a cat"',
    ),
    ("cat demo", "MODEL comes before PROMPT", "type gpustack-draw demo cat"),
    (
        "'a cat' hf.co/a/b --server http://127.0.0.1:1",
        "MODEL comes before PROMPT",
        'type gpustack-draw hf.co/a/b "a cat"',
    ),
    ("'a cat' 'in a hat'", "'a cat' is not a model", f"MODEL comes first: {DEMO_CAT}"),
    ("a red circle demo", "unexpected argument 'demo'", f"MODEL comes first: {DEMO_CIRCLE}"),
    (
        "a red circle",
        "unexpected argument 'circle'",
        f"MODEL comes first, then PROMPT in quotes: {DEMO_CIRCLE}",
    ),
    ("please demo 'a cat'", "unexpected argument 'please'", f"MODEL comes first: {DEMO_CAT}"),
    ("demo demo 'a cat'", "unexpected argument 'demo'", "type one MODEL"),
    (
        "demo hf.co/a/b 'a cat'",
        "unexpected argument 'hf.co/a/b'",
        "type one MODEL",
    ),
    ("-m demo demo 'a cat'", "unexpected argument 'demo'", "an option already sets MODEL"),
    (
        "-m demo -p 'a cat' x",
        "unexpected argument 'x'",
        "options already set MODEL and PROMPT",
    ),
    ("'' 'a cat'", "the model is empty: ''", None),
    # Commands of other programs, and commands that are nearly right.
    ("run demo 'a red circle'", "'run' is not a command", f"leave it out: {DEMO_CIRCLE}"),
    ("Run demo 'a cat'", "'Run' is not a command", f"leave it out: {DEMO_CAT}"),
    (
        "run 'a red circle'",
        "'run' is not a command",
        "to draw: gpustack-draw MODEL PROMPT",
    ),
    ("create", "'create' is not a command", "to draw: gpustack-draw MODEL PROMPT"),
    (
        "gpustack-draw gpustack draw hf.co/a/b 'a cat'",
        "'gpustack-draw' is not a command",
        'leave it out: gpustack-draw hf.co/a/b "a cat"',
    ),
    (
        "sd-cli -m x.gguf -p 'a cat'",
        "'sd-cli' is not a command",
        'leave it out: gpustack-draw -m x.gguf -p "a cat"',
    ),
    ("draw run demo 'a cat'", "'run' is not a command", f"leave it out: {DEMO_CAT}"),
    ("draw draw demo 'a cat'", "unexpected argument 'draw'", "type it once"),
    ("list", "'list' is not a command", "type gpustack-draw models"),
    ("ls --json", "'ls' is not a command", "type gpustack-draw models"),
    ("--json list", "'list' is not a command", "type gpustack-draw models"),
    ("ps", "'ps' is not a command", "no process keeps running after a picture is drawn"),
    ("stop demo", "'stop' is not a command", "no process keeps running after a picture is drawn"),
    ("webui", "'webui' is not a command", "type gpustack-draw serve MODEL"),
    (
        "upscale cat.png",
        "missing PICTURE",
        "for example: gpustack-draw upscale RealESRGAN_x4plus.pth cat.png",
    ),
    ("enlarge cat.png", "'enlarge' is not a command", "type gpustack-draw upscale MODEL PICTURE"),
    (
        "edit cat.png 'make it red'",
        "'edit' is not a command",
        "to change a picture, name it with --image: gpustack-draw MODEL PROMPT --image PICTURE",
    ),
    (
        "search cats",
        "'search' is not a command",
        (
            "look for text-to-image models in GGUF format on Hugging Face, then type"
            " hf.co/OWNER/REPO as MODEL"
        ),
    ),
    (
        "login",
        "'login' is not a command",
        "set HF_TOKEN for Hugging Face; a GPUStack server's key is GPUSTACK_API_KEY",
    ),
    (
        "install hf.co/a/b",
        "'install' is not a command",
        "type gpustack-draw pull hf.co/OWNER/REPO",
    ),
    (
        "remove hf.co/a/b",
        "'remove' is not a command",
        "type gpustack-draw rm hf.co/OWNER/REPO",
    ),
    ("info cat.png", "'info' is not a command", "type gpustack-draw show PICTURE"),
    ("shwo cat.png", "'shwo' is not a command", "did you mean show?"),
    ("pul hf.co/a/b", "'pul' is not a command", "did you mean pull?"),
    ("devcies", "'devcies' is not a command", "did you mean devices?"),
    ("modles --json", "'modles' is not a command", "did you mean models?"),
    ("cat.png", "missing PROMPT", "to see how a picture was drawn: gpustack-draw show cat.png"),
    ("/?", "missing PROMPT", "for help: gpustack-draw --help"),
    ("devices now", "unexpected argument 'now'", "see gpustack-draw devices --help"),
    ("rm", "missing MODEL", "for example: gpustack-draw rm hf.co/OWNER/REPO:Q4_0"),
    ("show", "missing PICTURE", "for example: gpustack-draw show cat.png"),
    (
        "--seed 7 draw demo cat",
        "unexpected argument 'cat'",
        "the command comes first: gpustack-draw draw ...",
    ),
]


def answer_to(line: str) -> tuple[int, str, str]:
    """Run a command line; return its exit status, message and hint."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = main(shlex.split(line))
    assert output.getvalue() == ""
    message, hint = errors.getvalue().splitlines()
    return status, message.removeprefix("gpustack-draw: "), hint.removeprefix("gpustack-draw: ")


@pytest.mark.parametrize(
    ("line", "message", "hint"), MISTAKES, ids=[line for line, _, _ in MISTAKES]
)
def test_a_mistake(folder: None, line: str, message: str, hint: str | None) -> None:
    status, *lines = answer_to(line)
    assert lines == [message, lines[1] if hint is None else hint]
    assert status == 2


@pytest.mark.parametrize(
    ("line", "name", "hint"),
    [
        ("dmeo 'a cat'", "dmeo", "did you mean demo?"),
        ("Demo 'a cat'", "Demo", "did you mean demo?"),
        ("demos 'a cat'", "demos", "did you mean demo?"),
        ("sd35 'a cat'", "sd35", PATH_OR.format("hf.co/OWNER/REPO")),
        ("acme/sd 'a cat'", "acme/sd", PATH_OR.format("hf.co/acme/sd")),
        ("mymodel 'a cat'", "mymodel", PATH_OR.format("hf.co/OWNER/REPO")),
    ],
)
def test_an_unknown_model_name(folder: None, line: str, name: str, hint: str) -> None:
    assert answer_to(line) == (3, f"no model named '{name}' on this machine", hint)


def test_a_configured_server_may_have_any_name(
    folder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUSTACK_SERVER_URL", "http://127.0.0.1:1")
    error = "no GPUStack server answers at http://127.0.0.1:1: connection refused"
    assert answer_to("cat demo")[1] == error
    assert answer_to("shwo cat.png")[1] == error
    assert answer_to("sd 'a cat'")[1] == error
    assert answer_to("ls")[1:] == ("'ls' is not a command", "type gpustack-draw models")
    assert answer_to("a red circle")[2] == 'put the prompt in quotes: "red circle"'


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("draw 'a cat'", f"MODEL comes first: {DEMO_CAT}"),
        ("draw x --seed 7", EXAMPLE),
        ("devices 'a cat'", "see gpustack-draw devices --help"),
        ("models x", "see gpustack-draw models --help"),
        ("show 'a cat'", "check the path"),
        ("show x", None),
        ("show x.png", None),
        ("draw", None),
        ("draw demo", None),
        ("demo", None),
        ("devices a b", None),
    ],
)
@pytest.mark.parametrize("source", ["variable", "option", ""])
def test_a_model_that_is_named_like_a_command(
    folder: None, monkeypatch: pytest.MonkeyPatch, line: str, hint: str | None, source: str
) -> None:
    if source == "variable":
        monkeypatch.setenv("GPUSTACK_SERVER_URL", "http://127.0.0.1:1")
    command, _, prompt = line.removesuffix(" --seed 7").partition(" ")
    option = " --server http://127.0.0.1:1" if source == "option" else ""
    found = answer_to(line + option)[2] or ""
    typed = prompt.replace("'", '"')
    advice = f"for a model named '{command}' on the server: gpustack-draw draw {command} {typed}"
    if source == "" or hint is None:
        assert "on the server" not in found
    elif source == "variable" or command == "draw":  # other commands lack the option
        assert found == f"{hint}; {advice}"
    else:
        assert found.endswith(f"; {advice}")


def test_a_foreign_command_is_a_model_if_such_a_file_exists(folder: None, tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    assert answer_to("search 'a cat'")[:2] == (3, "'search' is a folder without a model")
    assert answer_to("search")[1] == "missing PROMPT"
    (tmp_path / "search").rmdir()


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("help", "usage: gpustack-draw [draw] MODEL PROMPT [options]"),
        ("help show", "usage: gpustack-draw show PICTURE [options]"),
        ("--help show", "usage: gpustack-draw show PICTURE [options]"),
        ("-h devices", "usage: gpustack-draw devices [options]"),
        ("show --help", "usage: gpustack-draw show PICTURE [options]"),
        ("--help draw", "usage: gpustack-draw [draw] MODEL PROMPT [options]"),
        ("draw -h", "usage: gpustack-draw [draw] MODEL PROMPT [options]"),
        ("help run", "usage: gpustack-draw [draw] MODEL PROMPT [options]"),
        ("demo 'a cat' --help", "usage: gpustack-draw [draw] MODEL PROMPT [options]"),
        ("version", "gpustack-draw "),
        ("-V", "gpustack-draw "),
        ("models --version", "gpustack-draw "),
    ],
)
def test_help_and_version(capsys: pytest.CaptureFixture[str], line: str, start: str) -> None:
    assert main(shlex.split(line)) == 0
    output = capsys.readouterr()
    assert output.out.startswith(start)
    assert output.err == ""


@pytest.mark.parametrize(
    ("line", "model", "prompt"),
    [
        ("demo '– by night'", "demo", "– by night"),
        ("demo –", "demo", "–"),
        ("demo —night", "demo", "—night"),
        ("demo -- -x", "demo", "-x"),
        ("demo '-5 degrees'", "demo", "-5 degrees"),
        ("demo ''", "demo", ""),
        ("demo list", "demo", "list"),
        ("demo run", "demo", "run"),
        ("demo demo", "demo", "demo"),
        ("draw run 'a cat'", "run", "a cat"),
        ("demo 'seed 7'", "demo", "seed 7"),
    ],
)
def test_unusual_but_correct_command_lines(line: str, model: str, prompt: str) -> None:
    arguments = parse_arguments(shlex.split(line))
    assert (arguments.command, arguments.model, arguments.prompt) == ("draw", model, prompt)


@pytest.mark.parametrize("typed", ["demo ", " demo", "demo\n", "\tdemo\r\n"])
def test_blanks_around_a_model_are_dropped(folder: None, typed: str) -> None:
    from gpustack_draw.request.model_reference import DemoModel, parse_model_reference

    assert parse_model_reference(typed) == DemoModel()


# --- the tables -----------------------------------------------------------------------------------


FOREIGN_OPTIONS = [
    name
    for table in (
        foreign_options._EQUIVALENTS,
        foreign_options._UNAVAILABLE,
        foreign_options._HINTS,
    )
    for names in table.values()
    for name in names.split()
]
FOREIGN_COMMANDS = [
    *foreign_commands.DRAW_COMMANDS.split(),
    *(
        word
        for table in (foreign_commands._HINTS, foreign_commands._UNAVAILABLE)
        for words in table.values()
        for word in words.split()
    ),
]


def repeated(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def options_of_draw() -> dict[str, str]:
    return PARSERS["draw"]().spellings()


def test_every_foreign_option_has_one_hint() -> None:
    assert repeated(FOREIGN_OPTIONS) == set()
    known = options_of_draw()
    assert all(equivalent_option(name, known) or hint_for_option(name) for name in FOREIGN_OPTIONS)


def test_no_option_of_this_program_is_a_foreign_option() -> None:
    assert set(FOREIGN_OPTIONS) & set(options_of_draw()) == set()


def test_every_foreign_command_has_one_hint_and_is_no_command() -> None:
    assert repeated(FOREIGN_COMMANDS) == set()
    assert set(FOREIGN_COMMANDS) & set(COMMANDS) == set()


@pytest.mark.parametrize("word", FOREIGN_COMMANDS)
def test_a_foreign_command(folder: None, word: str) -> None:
    status, message, hint = answer_to(f"{word} x")
    assert (status, message) == (2, f"'{word}' is not a command")
    assert "GPUStack server" not in hint.split(";")[0]
    commands = hint.split("gpustack-draw ")[1:]
    assert {command.split()[0] for command in commands} <= {*COMMANDS, "--help", "MODEL"}


def test_aliases_of_arguments_add_no_attributes() -> None:
    assert set(vars(parse_arguments(shlex.split("-m demo -p x -W 1 -H 1")))) == set(
        vars(parse_arguments(["demo", "x"]))
    )
    assert isinstance(parse_arguments(["demo", "x"]), Arguments)
