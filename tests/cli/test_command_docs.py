"""The man page and completions of an installation, read by man and by real shells."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from build_tools import SOURCE
from type_in_shell import AUTOLOAD, PREPARE, completed

from gpustack_draw.cli.arguments import PARSERS
from gpustack_draw.cli.completion import SHELLS

pytestmark = pytest.mark.build

FILES = {
    "share/man/man1/gpustack-draw.1",
    "share/bash-completion/completions/gpustack-draw",
    "share/zsh/site-functions/_gpustack-draw",
    "share/fish/vendor_completions.d/gpustack-draw.fish",
}


def tool(name: str) -> str:
    """Return the path of a program; skip the test if it is missing, except in CI."""
    found = shutil.which(name)
    if found is None:
        assert "GPUSTACK_DRAW_TEST_READERS" not in os.environ, f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder above share/: as installed, else out of a wheel built with the stand-in."""
    installed = distribution("gpustack-draw")
    if "editable" not in (installed.read_text("direct_url.json") or ""):
        (page,) = (file for file in installed.files or () if file.name == "gpustack-draw.1")
        return Path(str(page.locate())).resolve().parents[3]
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        "--config-settings=cmake.define.GPUSTACK_DRAW_STAND_IN=ON",
        f"--config-settings=build-dir={folder}/build",
    ]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build, str(SOURCE)], check=True, timeout=280)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (data,) = folder.glob("*.data/data")
    return data


def test_the_wheel_contains_the_files(prefix: Path) -> None:
    assert [file for file in FILES if not (prefix / file).is_file()] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts_are_those_that_the_command_prints(
    prefix: Path, scripts: Path, shell: str
) -> None:
    (file,) = (name for name in FILES if shell in name)
    assert (prefix / file).read_bytes() == (scripts / shell).read_bytes()


def test_man_finds_the_page_by_the_path_of_the_command(prefix: Path) -> None:
    environment = {"PATH": f"{prefix}/bin:/usr/bin:/bin"}
    command = [tool("man"), "-w", "gpustack-draw"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == f"{prefix}/share/man/man1/gpustack-draw.1\n"


def test_the_page_passes_mandoc_lint(prefix: Path) -> None:
    command = [tool("mandoc"), "-T", "lint", str(prefix / "share/man/man1/gpustack-draw.1")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_lists_everything(prefix: Path) -> None:
    page = str(prefix / "share/man/man1/gpustack-draw.1")
    command = [tool("mandoc"), "-T", "utf8", "-O", "width=900", page]
    text = plain(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for make in PARSERS.values():
        parser = make()
        assert str(parser.description) in text
        for action in parser._actions:
            if action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
                assert [option for option in action.option_strings if option not in text] == []
                assert str(action.help) in text
    for title in ("SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"):
        assert title in text
    assert "--words" not in text


def plain(formatted: str) -> str:
    """Remove overstriking, and join all lines, also those that end inside a compound."""
    return re.sub(r"(?<=\w)- ", "-", " ".join(re.sub(".\b", "", formatted).split()))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A folder with a few files, and a Hugging Face cache with two models and a component."""
    (tmp_path / "folder").mkdir()
    for name in ("cat.png", "notes.txt", "weights.gguf", "folder/dog.png"):
        (tmp_path / name).touch()
    repository = tmp_path / "home" / "hub" / "models--acme--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0a1b")
    (repository / "snapshots" / "0a1b").mkdir(parents=True)
    for name in ("tiny-Q4_0.gguf", "tiny-Q8_0.gguf", "vae.gguf"):
        (repository / "snapshots" / "0a1b" / name).touch()
    scripts = Path(sys.executable).parent  # contains the command
    return {"PATH": f"{scripts}:{os.environ['PATH']}", "HF_HOME": str(tmp_path / "home")}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script that the command prints for each shell."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in SHELLS:
        command = [sys.executable, "-m", "gpustack_draw", "completion", shell]
        script = subprocess.run(command, check=True, capture_output=True).stdout
        (folder / shell).write_bytes(script)
    return folder


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("gpustack-draw dem", "gpustack-draw demo"),
        ("gpustack-draw draw dem", "gpustack-draw draw demo"),
        ("gpustack-draw dev", "gpustack-draw devices"),
        ("gpustack-draw wei", "gpustack-draw weights.gguf"),
        ("gpustack-draw ca", "gpustack-draw ca"),  # a picture is not a model
        ("gpustack-draw hf.co/acme/tiny:Q8", "gpustack-draw hf.co/acme/tiny:Q8_0"),
        ("gpustack-draw hf.co/acme/v", "gpustack-draw hf.co/acme/v"),
        ("gpustack-draw demo 'a cat' --sampler heu", "gpustack-draw demo a cat --sampler heun"),
        ("gpustack-draw demo cat --sampler=heu", "gpustack-draw demo cat --sampler=heun"),
        ("gpustack-draw --scheduler kar", "gpustack-draw --scheduler karras"),
        ("gpustack-draw demo cat --on ser", "gpustack-draw demo cat --on server"),
        ("gpustack-draw demo cat --device aut", "gpustack-draw demo cat --device auto"),
        (
            "gpustack-draw demo cat --vae hf.co/acme/tiny:v",
            "gpustack-draw demo cat --vae hf.co/acme/tiny:vae.gguf",
        ),
        ("gpustack-draw demo cat --vae wei", "gpustack-draw demo cat --vae weights.gguf"),
        ("gpustack-draw demo cat --vae no", "gpustack-draw demo cat --vae no"),
        ("gpustack-draw demo cat --sample-", "gpustack-draw demo cat --sample-steps"),
        ("gpustack-draw demo cat --output no", "gpustack-draw demo cat --output notes.txt"),
        ("gpustack-draw demo cat --output fol", "gpustack-draw demo cat --output folder"),
        ("gpustack-draw --from c", "gpustack-draw --from cat.png"),
        ("gpustack-draw --from folder/d", "gpustack-draw --from folder/dog.png"),
        ("gpustack-draw --from no", "gpustack-draw --from no"),
        ("gpustack-draw show c", "gpustack-draw show cat.png"),
        ("gpustack-draw rm hf.co/acme/tiny:Q8", "gpustack-draw rm hf.co/acme/tiny:Q8_0"),
        ("gpustack-draw models --ser", "gpustack-draw models --server"),
        ("gpustack-draw completion zs", "gpustack-draw completion zsh"),
        (
            "gpustack-draw hf.co/acme/tiny:Q8_0 cat --sampler heu",
            "gpustack-draw hf.co/acme/tiny:Q8_0 cat --sampler heun",
        ),
    ],
)
def test_completion(
    scripts: Path,
    tmp_path: Path,
    environment: dict[str, str],
    shell: str,
    typed: str,
    expected: str,
) -> None:
    tool(shell)
    prepare = PREPARE[shell].format(script=scripts / shell)
    line = completed(shell, prepare, typed, tmp_path, environment)
    assert line.rstrip(" /") == expected  # zsh removes the slash


def test_zsh_finds_the_completion_of_an_installation(
    prefix: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    tool("zsh")
    prepare = AUTOLOAD.format(folder=prefix / "share" / "zsh" / "site-functions")
    line = completed("zsh", prepare, "gpustack-draw dem", tmp_path, environment)
    assert line.rstrip() == "gpustack-draw demo"


def test_fish_shows_a_description_for_each_candidate(
    scripts: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    script = f"source {scripts / 'fish'}; complete --do-complete 'gpustack-draw demo cat --sam'"
    done = subprocess.run(
        [tool("fish"), "--private", "--no-config", "-c", script],
        env={**environment, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    assert sorted(done.stdout.splitlines()) == [
        "--sample-steps\tnumber of sampling steps, 1 to 10000",
        "--sampler\tsampling method",
    ]
