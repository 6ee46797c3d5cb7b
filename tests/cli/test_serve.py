"""The command ``serve``: its options, the models that it names, and its errors."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from served import options_of

from gpustack_draw.cli.arguments import parse_arguments
from gpustack_draw.cli.main import main
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.serve.options import KeepLoaded, NamedModel, ServeOptions, is_loopback

pytestmark = pytest.mark.usefixtures("empty_folder", "no_key")


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUSTACK_DRAW_API_KEY", raising=False)


def names_of(options: ServeOptions) -> list[tuple[str, str]]:
    return [(model.name, model.reference) for model in options.models]


def error_of(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Return the exit status and the lines of a command line that fails."""
    status = main(["serve", *line.split()])
    lines = capsys.readouterr().err.splitlines()
    return status, [text.removeprefix("gpustack-draw: ") for text in lines]


def test_the_defaults() -> None:
    assert options_of("demo") == ServeOptions(
        models=(NamedModel("demo", "demo"),),
        load={"embeddings": (), "device": "auto"},
    )


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("--port 0", "port", 0),
        ("--host ::1", "host", "::1"),
        ("--host 0.0.0.0 --no-auth", "no_auth", True),
        ("--host 0.0.0.0 --api-key abc", "api_key", "abc"),
        ("--allowed-host a --allowed-host b", "allowed_hosts", ("a", "b")),
        ("--allowed-origin https://a.b", "allowed_origins", ("https://a.b",)),
        ("--queue 0", "queue", 0),
        ("--max-size 1024x512", "max_size", (1024, 512)),
        ("--max-size 8192×8192", "max_size", (8192, 8192)),
        ("--request-timeout 60", "request_seconds", 60),
        ("--allow-fetch", "allow_fetch", True),
        ("--keep-loaded 2", "keep_loaded", KeepLoaded(models=2)),
        ("--keep-loaded 12GB", "keep_loaded", KeepLoaded(bytes=12 * 10**9)),
        ("--keep-loaded 1.5G", "keep_loaded", KeepLoaded(bytes=1_500_000_000)),
        ("--keep-loaded 2GiB", "keep_loaded", KeepLoaded(bytes=2 * 1024**3)),
        ("--keep-loaded 800MB", "keep_loaded", KeepLoaded(bytes=800 * 10**6)),
        ("--lora a.safetensors --lora hf.co/x/y", "loras", ("a.safetensors", "hf.co/x/y")),
        ("--upscaler a.pth", "upscalers", ("a.pth",)),
        ("--quiet", "quiet", True),
        ("--debug", "debug", True),
    ],
)
def test_an_option(line: str, field: str, value: Any) -> None:
    assert getattr(options_of("demo", *line.split()), field) == value


def test_the_folder_for_pictures_has_to_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert options_of("demo", "--output", str(tmp_path)).output == tmp_path
    assert error_of("demo --output pictures", capsys) == (
        4,
        ["folder 'pictures/' does not exist", "make it first: mkdir -p pictures/"],
    )


def test_model_options_go_to_the_model() -> None:
    options = options_of(
        *("demo", "--threads", "2", "--vae", "x.safetensors", "--embedding", "e.pt"),
        *("--vae-tile-size", "512", "--low-memory", "--no-diffusion-fa", "--type", "q8_0"),
    )
    assert options.load == {
        "vae_tile_size": 512,
        "low_memory": True,
        "diffusion_fa": False,
        "weight_type": "q8_0",
        "vae": "x.safetensors",
        "embeddings": ("e.pt",),
        "device": "auto",
        "threads": 2,
    }


def test_the_key_comes_from_the_environment_and_is_in_no_representation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GPUSTACK_DRAW_API_KEY", "secret")
    options = options_of("demo", "--host", "0.0.0.0")
    assert options.api_key == "secret"
    assert "secret" not in repr(options)
    assert options_of("demo", "--api-key", "other").api_key == "other"
    assert options_of("demo", "--no-auth").api_key is None


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("demo", [("demo", "demo")]),
        ("demo --alias draw", [("draw", "demo")]),
        ("hf.co/o/r:Q8_0", [("hf.co/o/r:Q8_0", "hf.co/o/r:Q8_0")]),
        ("models/my cat.gguf", [("my-cat", "models/my cat.gguf")]),
        ("demo a.gguf --alias x", [("x", "demo"), ("a", "a.gguf")]),
        ("demo a.gguf --alias x --alias y", [("x", "demo"), ("y", "a.gguf")]),
    ],
)
def test_names_of_models(line: str, names: list[tuple[str, str]]) -> None:
    words = line.replace("my cat", "my_cat").split()
    assert names_of(options_of(*(word.replace("my_cat", "my cat") for word in words))) == names


def test_without_a_model_those_of_this_machine_are_served(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    options = options_of()
    assert options.models == (NamedModel("demo", "demo", is_typed=False),)


def test_the_only_model_file_of_a_folder_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "owner" / "repo"
    folder.mkdir(parents=True)
    (folder / "cat-Q4_0.gguf").symlink_to(DEMO_FILE)
    (folder / "vae.safetensors").write_bytes(b"")
    assert names_of(options_of(str(folder))) == [("cat-Q4_0", str(folder / "cat-Q4_0.gguf"))]


def test_several_model_files_of_a_folder_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).symlink_to(DEMO_FILE)
    status, lines = error_of(str(tmp_path), capsys)
    assert (status, lines) == (
        3,
        [
            f"{str(tmp_path)!r} is a folder of model files, not a model",
            "name one of its files: a.gguf, b.gguf",
        ],
    )


@pytest.mark.parametrize(
    ("line", "status", "message", "hint"),
    [
        ("--port 65536", 2, "'65536' is not a port", "type 0 to 65535; --port 0 takes a free one"),
        ("--port -1", 2, "'-1' is not a port", "type 0 to 65535; --port 0 takes a free one"),
        ("--queue x", 2, "'x' is not a number of requests", "type 0 to 10000"),
        ("--request-timeout 0", 2, "'0' is not a number of seconds", "type 1 to 604800"),
        (
            "--max-size 64",
            2,
            "'64' is not WIDTHxHEIGHT",
            "type each side from 1 to 8192, for example --max-size 1024x1024",
        ),
        (
            "--max-size 0x8193",
            2,
            "'0x8193' is not WIDTHxHEIGHT",
            "type each side from 1 to 8192, for example --max-size 1024x1024",
        ),
        (
            "--keep-loaded 0",
            2,
            "'0' is neither a number of models nor a size in memory",
            "for example --keep-loaded 2 or --keep-loaded 12GB",
        ),
        (
            "--host 0.0.0.0",
            2,
            "with --host 0.0.0.0 other machines could draw without a key",
            "set a key with --api-key, or allow it with --no-auth",
        ),
        (
            "--api-key x --no-auth",
            2,
            "--api-key and --no-auth exclude each other",
            "leave one of them out",
        ),
        (
            "--api-key é",
            2,
            "the API key is empty, or has blanks or characters outside ASCII",
            "use letters and digits, for example those of: openssl rand -hex 16",
        ),
        (
            "demo",
            2,
            "two models have the name 'demo'",
            "name them with --alias, in the order of the models",
        ),
        (
            "--alias a --alias b",
            2,
            "'b' names no model",
            "type as many names as models, in the same order",
        ),
        (
            "a.gguf --vae b.gguf",
            2,
            "--vae is for one model, and 2 are served",
            "serve the model alone",
        ),
        (
            "--host no.such.host.invalid --no-auth",
            2,
            *(
                "'no.such.host.invalid' is not an address of this machine",
                "for example --host 0.0.0.0 for all, or --host 127.0.0.1 for this machine",
            ),
        ),
        ("--lora-dir nowhere", 2, "there is no folder 'nowhere'", "name the folder of your LoRAs"),
        (
            "--lora a/x.gguf --lora b/x.gguf",
            2,
            "'a/x.gguf' and 'b/x.gguf' have the same name: x",
            "rename one of the files",
        ),
        ("nothing.gguf", 3, "there is no file 'nothing.gguf'", "check the path"),
        ("--unknown", 2, "'--unknown' is not an option", "see gpustack-draw serve --help"),
    ],
)
def test_an_error(
    line: str, status: int, message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error_of(f"demo {line}", capsys) == (status, [message, hint])


def test_an_alias_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of("--alias a", capsys) == (
        2,
        ["--alias names no model, because none was typed", "type the model before it"],
    )


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert error_of(f"demo --port {port}", capsys) == (
            1,
            [
                f"port {port} of '127.0.0.1' cannot be opened: address already in use",
                "choose another with --port; --port 0 takes a free one",
            ],
        )


def test_the_extra_is_named_where_it_is_missing() -> None:
    start = "import sys; sys.modules['uvicorn'] = None; from gpustack_draw.cli import run; run()"
    ended = subprocess.run(
        [sys.executable, "-c", start, "serve", "demo"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "gpustack-draw: gpustack-draw serve needs the packages of the extra 'serve'\n"
        "gpustack-draw: pip install 'gpustack-draw[serve]'\n"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "", "localhost.example.com"])
def test_other_addresses(host: str) -> None:
    assert not is_loopback(host)


def test_models_are_optional_and_repeatable() -> None:
    assert parse_arguments(["serve"]).models == []
    assert parse_arguments(["serve", "a", "--port", "1", "b"]).models == ["a", "b"]
    assert parse_arguments(["serve", "-m", "a"]).models == ["a"]
