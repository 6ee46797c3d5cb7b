"""The configuration file: what it sets, what overrides it, and the errors for wrong ones."""

import json
import os
import re
import shlex
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from build_tools import SOURCE
from known_values import known_values
from stand_in_model import StandIn, forbid_engine

import gpustack_draw
from gpustack_draw.cli.arguments import Arguments, parse_arguments
from gpustack_draw.cli.command_line import COMMANDS
from gpustack_draw.cli.config.file import usual_path
from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError
from gpustack_draw.request.memory_options import MemoryKeywords


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, empty_folder: None) -> None:
    """An empty folder, and a user without a home folder and a server."""
    for name in ("GPUSTACK_DRAW_LORA_DIR", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    monkeypatch.setenv("USERPROFILE", str(Path("home").absolute()))


def parse(text: str, line: str) -> Arguments:
    """Return the arguments of a command line with a configuration file."""
    Path("a.toml").write_text(text, encoding="utf-8")
    words = shlex.split(line)
    start = len([word for word in words[:1] if word in COMMANDS])
    return parse_arguments([*words[:start], "--config", "a.toml", *words[start:]])


def values(text: str, line: str) -> dict[str, Any]:
    """Return the arguments that a configuration file changes."""
    found = known_values(vars(parse(text, line)))
    plain = known_values(vars(parse("", line)))
    found.pop("used_config")
    return {name: value for name, value in found.items() if plain.get(name) != value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('size = "768x512"', {"size": "768x512"}),
        ("sample_steps = 20", {"sample_steps": "20"}),
        ("sample-steps = 20", {"sample_steps": "20"}),
        ("steps = 20", {"sample_steps": "20"}),
        ("cfg_scale = 2.5", {"cfg_scale": "2.5"}),
        ("seed = -1", {"seed": "-1"}),
        ('negative_prompt = "--- blur"', {"negative_prompt": "--- blur"}),
        ("preview = true\nshow = false", {"preview": True}),
        ("hires = true", {"hires": "2"}),
        ("hires = 1.5", {"hires": "1.5"}),
        ("hires = false", {}),
        ('lora = "a.safetensors:0.5"', {"loras": ["a.safetensors:0.5"]}),
        (
            'lora = ["a.safetensors", "b.safetensors"]',
            {"loras": ["a.safetensors", "b.safetensors"]},
        ),
        ('device = "CPU"\n[draw]\ndevice = "CUDA0"\n[serve]\nport = 80', {"device": "CUDA0"}),
        ("# nothing", {}),
        ("\ufeffseed = 7\r\n", {"seed": "7"}),
    ],
)
def test_an_option_of_the_file(text: str, expected: dict[str, Any]) -> None:
    assert values(text, "demo cat") == expected


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("seed = 7", "demo cat --seed 8", {}),
        ("seed = 7", "demo cat -s8", {}),
        ('size = "768x512"', "demo cat -W 64 -H 64", {}),
        ('device = "CPU"', "demo cat --device auto", {}),  # which is the default
        ('lora = "a.safetensors"', "demo cat --lora b.safetensors", {}),  # does not add to it
        ("hires = 1.5", "demo cat --hires", {}),
        ("hires = 1.5", "demo cat --no-hires", {}),
        ("quiet = true\nshow = true", "demo cat -dq", {"show": True}),
        ("show = true", "demo cat --no-show", {}),
        ("show = true", "demo cat --no-show --show", {}),
        ("preview = true", "demo cat --no-show", {"preview": True}),
    ],
)
def test_the_command_line_wins(text: str, line: str, expected: dict[str, Any]) -> None:
    assert values(text, line) == expected


def test_switches_can_be_turned_off_without_a_file() -> None:
    assert parse_arguments(["demo", "cat", "--show", "--no-show"]).show is False
    assert parse_arguments(["demo", "cat", "--no-show", "--show"]).show is True


def test_variables_of_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'server = "http://a"\nlora_dir = "loras"'
    assert values(text, "demo cat") == {"server": "http://a", "lora_dir": "loras"}
    monkeypatch.setenv("GPUSTACK_SERVER_URL", "http://b")
    monkeypatch.setenv("GPUSTACK_DRAW_LORA_DIR", "others")
    assert values(text, "demo cat") == {}
    monkeypatch.setenv("GPUSTACK_SERVER_URL", " ")
    assert values(text, "demo cat") == {"server": "http://a"}


def test_each_command_takes_its_own_options() -> None:
    text = """
        model = "demo"
        size = "native"
        output = "pictures"
        device = "CPU"
        threads = 3
        server = "http://a"
        [upscale]
        model = "x4.pth"
        scale = 2
        [serve]
        model = ["demo", "a.gguf"]
        alias = ["one", "two"]
        port = 8080
        allow_fetch = true
        threads = 2
    """
    drawing = {"size": "native", "output": "pictures", "device": "CPU", "threads": "3"}
    assert values(text, "demo cat") == {**drawing, "server": "http://a"}
    assert values(text, "models") == {"server": "http://a"}
    upscaling = {"scale": "2", "device": "CPU", "threads": "3"}
    assert values(text, "upscale a.pth cat.png") == upscaling
    serving = {"port": "8080", "allow_fetch": True, "device": "CPU", "threads": "2"}
    assert values(text, "serve demo") == serving
    served = {"models": ["demo", "a.gguf"], "alias": ["one", "two"]}
    assert values(text, "serve") == {**serving, **served}
    assert not hasattr(parse_arguments(["devices"]), "config")


def test_options_about_the_memory_of_the_machine_are_for_drawing_and_for_serving() -> None:
    text = """
        low_memory = true
        vae_tiling = "on"
        vae_tile_size = 256
        offload_to_cpu = true
        clip_on_cpu = true
        vae_on_cpu = true
        diffusion_fa = true
        max_vram = 3.5
        type = "q8_0"
    """
    expected = {
        "low_memory": True,
        "vae_tiling": "on",
        "vae_tile_size": "256",
        "offload_to_cpu": True,
        "clip_on_cpu": True,
        "vae_on_cpu": True,
        "diffusion_fa": True,
        "max_vram": "3.5",
        "weight_type": "q8_0",
    }
    assert expected.keys() == MemoryKeywords.__annotations__.keys()
    assert values(text, "demo cat") == expected
    assert values(text, "serve demo") == expected
    assert "max_vram" not in values(text, "serve demo --max-vram 2")
    assert values(text, "upscale a.pth cat.png") == {}
    assert values('vae = "a.gguf"', "serve demo") == {}  # of the model in the file


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~/pictures", "{}/pictures"),
        ("~", "~"),
        ("~cat/x", "~cat/x"),
        ("a~/b", "a~/b"),
    ],
)
def test_the_home_folder(text: str, path: str) -> None:
    expected = path.format(os.path.expanduser("~"))
    assert values(f'output = "{text}"', "demo cat") == {"output": expected}


def test_the_home_folder_after_a_name() -> None:
    expected = f"ink={os.path.expanduser('~')}/a.pt"
    assert values('embedding = "ink=~/a.pt"', "demo cat") == {"embedding": [expected]}


def test_the_example_of_the_docs_is_accepted() -> None:
    page = (SOURCE / "docs" / "how-to" / "configure.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert set(values(example, "demo cat")) == {"size", "output", "lora_dir", "device"}
    assert len(values(example, "serve")["models"]) == 2
    assert parse(example, "'a lovely cat'").prompt == "a lovely cat"
    assert parse(example, "upscale cat.png").pictures == ["cat.png"]


# --- the model ------------------------------------------------------------------------------------

MODEL = 'model = "a.gguf"'


@pytest.mark.parametrize(
    ("line", "model", "prompt"),
    [
        ("'a cat'", "a.gguf", "a cat"),
        ("cat", "a.gguf", "cat"),
        ("--seed 7 'a cat'", "a.gguf", "a cat"),
        ("猫", "a.gguf", "猫"),
        ("夜空，12颗星", "a.gguf", "夜空，12颗星"),
        ("'demo, a cat'", "a.gguf", "demo, a cat"),
        ("-- '--- stars'", "a.gguf", "--- stars"),
        ("--prompt demo", "a.gguf", "demo"),
        ("--prompt a.gguf", "a.gguf", "a.gguf"),
        ("demo cat", "demo", "cat"),
        ("a cat", "a", "cat"),
        ("-m demo cat", "demo", "cat"),
        ("demo -p cat", "demo", "cat"),
        ("draw 'a cat'", "a.gguf", "a cat"),
        ("-", "a.gguf", "-"),
        ("--prompts cats.txt", "a.gguf", None),
        ("sd35 --prompts cats.txt", "sd35", None),
    ],
)
def test_the_model_of_the_file(line: str, model: str, prompt: str | None) -> None:
    arguments = parse(MODEL, line)
    assert (arguments.command, arguments.model, arguments.prompt) == ("draw", model, prompt)


EXAMPLE = 'for example: gpustack-draw demo "a red circle"'


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("", "missing PROMPT", 'for example: gpustack-draw a.gguf "a red circle"'),
        ("a.gguf", "missing PROMPT", 'for example: gpustack-draw a.gguf "a red circle"'),
        ("demo", "missing PROMPT", f"{EXAMPLE}; to draw it: gpustack-draw --prompt demo"),
        (
            "hf.co/acme/sd",
            "missing PROMPT",
            (
                'for example: gpustack-draw hf.co/acme/sd "a red circle"; to draw it: gpustack-draw'
                " --prompt hf.co/acme/sd"
            ),
        ),
        (
            "sdxl-turbo",
            "missing PROMPT",
            (
                'for example: gpustack-draw sdxl-turbo "a red circle"; to draw it: gpustack-draw'
                " --prompt sdxl-turbo"
            ),
        ),
        ("acme/sd", "missing PROMPT", f"{EXAMPLE}; to draw it: gpustack-draw --prompt acme/sd"),
        (
            "cat.png",
            "missing PROMPT",
            (
                "to see how a picture was drawn: gpustack-draw show cat.png; to draw it:"
                " gpustack-draw --prompt cat.png"
            ),
        ),
        (
            "list",
            "'list' is not a command",
            "type gpustack-draw models; to draw it: gpustack-draw --prompt list",
        ),
        ("shwo", "'shwo' is not a command", "did you mean show?"),
        (
            "a red cat",
            "unexpected argument 'red'",
            'put the prompt in quotes: gpustack-draw "a red cat"',
        ),
        (
            "demo a red cat",
            "unexpected argument 'red'",
            'put the prompt in quotes: "a red cat"',
        ),
    ],
)
def test_a_line_without_a_clear_prompt(line: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(MODEL, line)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_prompt_of_two_words_without_quotes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "gpustack_draw.gpustack_server.address.DEFAULT_SERVER", "http://127.0.0.1:1"
    )
    Path("a.toml").write_text('model = "demo"', encoding="utf-8")
    assert main(["red", "cat", "--config", "a.toml"]) == 3
    assert capsys.readouterr().err == (
        "gpustack-draw: no model named 'red' on this machine\n"
        "gpustack-draw: check the path, type hf.co/OWNER/REPO for a model of Hugging Face, or name"
        " your GPUStack server with --server or GPUSTACK_SERVER_URL; for a prompt of two words:"
        ' gpustack-draw "red cat"\n'
    )


@pytest.mark.parametrize(
    ("line", "model", "pictures"),
    [
        ("cat.png", "x4.pth", ["cat.png"]),
        ("cat.png -", "x4.pth", ["cat.png", "-"]),
        ("b.safetensors cat.png", "b.safetensors", ["cat.png"]),
        ("hf.co/acme/esrgan cat.png", "hf.co/acme/esrgan", ["cat.png"]),
        ("-m b.bin cat.png", "b.bin", ["cat.png"]),
    ],
)
def test_the_upscaling_model_of_the_file(line: str, model: str, pictures: list[str]) -> None:
    arguments = parse('[upscale]\nmodel = "x4.pth"', f"upscale {line}")
    assert (arguments.model, arguments.pictures) == (model, pictures)


def test_a_picture_that_is_drawn_again_keeps_its_own_settings() -> None:
    text = (
        'model = "a.gguf"\nsize = "64x64"\nsteps = 9\nvae = "v.gguf"\noutput = "x.png"\nthreads = 2'
    )
    line = "--from cat.png"
    assert values(text, line) == {"output": "x.png", "threads": "2"}


# --- errors ---------------------------------------------------------------------------------------

UNKNOWN = "keys are names of options: see gpustack-draw --help"
ERRORS = [
    ('siez = "64x64"', "'siez' is not an option", "did you mean size?"),
    ('resolution = "64x64"', "'resolution' is not an option", "did you mean size?"),
    ("xyzzy = 1", "'xyzzy' is not an option", UNKNOWN),
    ('"" = 1', "'' is not an option", UNKNOWN),
    ('"a b\\u001b" = 1', r"'a b\x1b' is not an option", UNKNOWN),
    ("no_hires = true", "'no_hires' is not an option", "set hires = false"),
    ("no_show = true", "'no_show' is not an option", "set show = false"),
    ("port = 80", "'port' is not an option", "it is an option of serve: set it in [serve]"),
    ("[serve]\nprot = 80", "[serve]: 'prot' is not an option", "did you mean port?"),
    (
        "[serve]\nsteps = 80",
        "[serve]: 'steps' is not an option",
        "it is an option of draw: set it in [draw]",
    ),
    ("[server]\nport = 80", "'server' is not a section", "did you mean [serve]?"),
    (
        "[devices]\njson = true",
        "'devices' is not a section",
        "sections are [draw], [upscale], [serve]",
    ),
    ("steps = 1\nsample_steps = 2", "sample_steps is set twice", "set it once"),
    (
        "size = [64, 64]",
        "size is a list",
        "set it to one value",
    ),
    ("size = true", "size is neither text nor a number", 'for example: size = "..."'),
    ("size = 1979-05-27", "size is neither text nor a number", 'for example: size = "..."'),
    ("lora = [[1]]", "lora is neither text nor a number", 'for example: lora = "..."'),
    ('model = ["demo"]', "model is neither text nor a number", 'for example: model = "..."'),
    ('show = "yes"', "show = 'yes' is neither true nor false", "for example: show = true"),
    ("show = 1", "show = 1 is neither true nor false", "for example: show = true"),
    (
        '[serve]\napi_key = "x"',
        "[serve]: api_key cannot be set in a configuration file",
        "set GPUSTACK_DRAW_API_KEY for serve, GPUSTACK_API_KEY for a GPUStack server",
    ),
    (
        'api-key = "x"',
        "api_key cannot be set in a configuration file",
        "set GPUSTACK_DRAW_API_KEY for serve, GPUSTACK_API_KEY for a GPUStack server",
    ),
    (
        "[serve]\nno_auth = true",
        "[serve]: no_auth cannot be set in a configuration file",
        "type --no-auth",
    ),
    ('prompt = "cat"', "prompt cannot be set in a configuration file", "type it"),
    ("width = 64", "width cannot be set in a configuration file", "set size"),
    ('image = "a.png"', "image cannot be set in a configuration file", "type --image"),
    ('from = "a.png"', "from cannot be set in a configuration file", "type --from"),
    ("help = true", "help cannot be set in a configuration file", "type --help"),
]


@pytest.mark.parametrize(("text", "message", "hint"), ERRORS)
@pytest.mark.parametrize("command", ["demo cat", "serve demo"])
def test_a_wrong_file_is_an_error_of_every_command(
    text: str, message: str, hint: str, command: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, command)
    place = "a.toml, " if message.startswith("[") else "a.toml: "
    assert (caught.value.message, caught.value.hint) == (place + message, hint)


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        (
            b"size = ",
            "is not TOML: Invalid value (at end of document)",
            'for example: size = "768x512"',
        ),
        (
            b"seed = 1\nseed = 2",
            "is not TOML: Cannot overwrite a value (at end of document)",
            'for example: size = "768x512"',
        ),
        (
            b"size = '\xff'",
            "is not TOML: 'utf-8' codec can't decode byte 0xff in position 8: invalid start byte",
            'for example: size = "768x512"',
        ),
        (
            b"size = " + 9999 * b"[",
            "is not TOML: it is nested too deeply",
            'for example: size = "768x512"',
        ),
        (b"#" * (1024 * 1024 + 1), "is larger than 1 MiB", "check the path"),
        (None, "cannot be read: no such file or directory", "check the path"),
    ],
)
def test_a_file_that_is_no_configuration(content: bytes | None, problem: str, hint: str) -> None:
    if content is not None:
        Path("a.toml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        parse_arguments(["demo", "cat", "--config", "a.toml"])
    message = f"the configuration file 'a.toml' {problem}"
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [
        (
            'size = "0x0"',
            "demo cat",
            "'0x0' has a side of 0 pixels",
        ),
        ("steps = 2.5", "demo cat", None),
        ('sampler = "x"', "demo cat", None),
        ('lora = "a.safetensors:9"', "demo cat", None),
        ('threads = "x"', "demo cat", None),
        ('output = "nowhere/x.png"', "demo cat", None),
        ('model = "nowhere.gguf"', "'a cat'", None),
        ('on = "x"', "demo cat", None),
        ('timeout = "x"', "demo cat", None),
        ('vae = "nowhere.gguf"', "demo cat", None),
        ("[serve]\nport = 99999", "serve demo", "'99999' is not a port"),
        ('[serve]\nqueue = "x"', "serve demo", None),
        ('[upscale]\nscale = "x"', "upscale a.pth cat.png", None),
    ],
)
def test_a_wrong_value_has_the_message_of_the_command_line_and_its_place(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    line: str,
    lines: str | None,
) -> None:
    forbid_engine(monkeypatch, tmp_path)
    Path("a.toml").write_text(text, encoding="utf-8")
    key, _, value = text.rpartition("\n")[2].replace('"', "").partition(" = ")
    option = f"--{key.replace('_', '-')}={value}"
    expected = main([*shlex.split(line), option])
    typed = capsys.readouterr().err
    assert main([*shlex.split(line), "--config", "a.toml"]) == expected != 0
    name = "sample_steps" if key == "steps" else key
    message, hint = typed.splitlines()
    assert capsys.readouterr().err == f"{message}\n{hint}; {name} is set in a.toml\n"
    assert lines is None or message == f"gpustack-draw: {lines}"


def test_the_place_of_a_typed_value_is_not_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid_engine(monkeypatch, tmp_path)
    Path("a.toml").write_text('size = "64x64"', encoding="utf-8")
    assert main(["demo", "cat", "--size", "0x0", "--config", "a.toml"]) == 2
    assert "a.toml" not in capsys.readouterr().err


# --- where the file is ----------------------------------------------------------------------------


def test_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(Path("home").absolute())
    assert usual_path("linux") == os.path.join(home, ".config", "gpustack-draw", "config.toml")
    folder = os.path.join(home, "Library/Application Support")
    assert usual_path("darwin") == os.path.join(folder, "gpustack-draw", "config.toml")
    monkeypatch.setenv("APPDATA", "roaming")
    assert usual_path("win32") == os.path.join("roaming", "gpustack-draw", "config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert usual_path("linux").startswith(home)
    monkeypatch.setenv("XDG_CONFIG_HOME", home)
    assert usual_path("darwin") == os.path.join(home, "gpustack-draw", "config.toml")


def test_the_first_file_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def seed(*options: str) -> str | None:
        return parse_arguments(["demo", "cat", *options]).seed

    monkeypatch.delenv("GPUSTACK_DRAW_CONFIG")
    assert seed() is None
    usual = Path(usual_path())
    usual.parent.mkdir(parents=True)
    usual.write_text("seed = 1")
    assert seed() == "1"
    Path("home/b.toml").write_text("seed = 2")
    monkeypatch.setenv("GPUSTACK_DRAW_CONFIG", "~/b.toml")
    assert seed() == "2"
    Path("c.toml").write_text("seed = 3")
    assert seed("--config", "c.toml") == "3"
    assert seed("--config", os.devnull) is None
    monkeypatch.setenv("GPUSTACK_DRAW_CONFIG", "nowhere.toml")
    with pytest.raises(UsageError, match=r"'nowhere\.toml' cannot be read"):
        seed()
    with pytest.raises(UsageError) as caught:
        seed("--config", "")
    assert caught.value.message == "--config is empty"
    assert caught.value.hint == f"type {os.devnull} to ignore the usual file"


def test_no_file_of_the_current_folder_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUSTACK_DRAW_CONFIG")
    for name in ("config.toml", "gpustack-draw.toml", ".gpustack-draw.toml", "pyproject.toml"):
        Path(name).write_text("seed = 1")
    assert parse_arguments(["demo", "cat"]).seed is None


# --- what is said about it ------------------------------------------------------------------------


def test_a_dry_run_names_the_file_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text('model = "demo"\nsize = "64x64"\nseed = 7\ndevice = "CPU"')
    line = ["a cat", "--seed", "8", "--dry-run", "--config", "a.toml"]
    assert main(line) == 0
    assert capsys.readouterr().out.splitlines()[-1] == ("config:    a.toml (model, size, device)")
    assert main([*line, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["config"] == {"path": "a.toml", "options": ["model", "size", "device"]}
    assert main(["demo", "cat", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"] is None


def test_a_drawing_uses_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = StandIn()
    monkeypatch.setattr(gpustack_draw, "load", stand_in.load)
    Path("pictures").mkdir()
    Path("a.toml").write_text('model = "demo"\nsize = "64x64"\noutput = "pictures"\nthreads = 3')
    assert main(["a cat", "--config", "a.toml", "--size", "128x64"]) == 0
    (request,) = stand_in.requests
    assert (stand_in.model, stand_in.options["threads"]) == ("demo", 3)
    assert (request.prompt, request.size) == ("a cat", (128, 64))
    assert Path(capsys.readouterr().out.strip()).parent == Path("pictures")


def test_the_library_does_not_read_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.toml").write_text("nonsense")
    monkeypatch.setenv("GPUSTACK_DRAW_CONFIG", "a.toml")
    assert gpustack_draw.load("demo").resolved is not None


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_the_file_may_be_a_pipe() -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=("seed = 4",))
    writer.start()
    assert parse_arguments(["demo", "cat", "--config", "pipe"]).seed == "4"
    writer.join()
