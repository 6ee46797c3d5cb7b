"""Tests of the README and the docs: examples with `demo` are run, all others are parsed.

Fenced blocks: `sh` for commands, `console` for commands with their output, where `...` stands for
any text, `python` for code, `text` for illustrative output, which is not tested.
"""

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_tools import SOURCE, engine_source, load_tool
from cpu_targets import cpus
from run_python import run_python

import gpustack_draw
from gpustack_draw.cli.arguments import PARSERS, parse_arguments
from gpustack_draw.cli.command_line import ALIASES, PROGRAM
from gpustack_draw.request.model_reference import parse_model_reference

REFERENCE = SOURCE / "docs" / "reference"
TOP_NAMES = ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md")
TOP_PAGES = [SOURCE / name for name in TOP_NAMES]
PAGES = [*TOP_PAGES, *sorted(SOURCE.glob("docs/**/*.md"))]
TEXTS = {str(page.relative_to(SOURCE)): page.read_text(encoding="utf-8") for page in PAGES}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINKS = sorted(
    (name, target) for name, text in TEXTS.items() for target in re.findall(r"\]\(([^)]+)\)", text)
)


def blocks(name: str, language: str) -> list[str]:
    return [block for found, block in FENCE.findall(TEXTS[name]) if found == language]


def commands_in(block: str) -> Iterator[list[str]]:
    """Yield the arguments of every gpustack-draw command in a shell script."""
    for line in block.replace("|\n", "| ").replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command: list[str] | None = None
        for word in [*words, ";"]:
            if re.fullmatch(r"[();<>|&]+", word):
                if command is not None:
                    yield command
                command = None
            elif word == PROGRAM:
                command = []
            elif command is not None:
                command.append(word)


def draws_locally(block: str) -> bool:
    """Return True if a script draws with the demo model only and uses no network."""
    uses_network = "export " in block or "hf.co/" in block
    first_words = {command[0] for command in commands_in(block)}
    local = {"demo", "models", "devices", "show", "--from"}
    return bool(first_words) and first_words <= local and not uses_network


def code_draws_locally(block: str) -> bool:
    return '"demo"' in block and ">>>" not in block


SHELL = [name for name in TEXTS if any(map(draws_locally, blocks(name, "sh")))]
PYTHON = [name for name in TEXTS if any(map(code_draws_locally, blocks(name, "python")))]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, empty_folder: None) -> None:
    """Run in a folder with the docs' LoRA, with the command on the path, without a cache."""
    Path("sky.safetensors").symlink_to(SOURCE / "docs" / "examples" / "sky.safetensors")
    beside = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([beside, os.environ["PATH"]]))
    monkeypatch.setenv("HF_HOME", "cache")
    monkeypatch.setenv("COLUMNS", "200")


def bash(script: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done


@pytest.mark.engine
@pytest.mark.parametrize("name", SHELL)
def test_commands_that_draw_with_the_demo_model(name: str, shell: None) -> None:
    for block in filter(draws_locally, blocks(name, "sh")):
        bash(block)


@pytest.mark.parametrize("name", [name for name in TEXTS if blocks(name, "console")])
def test_commands_print_the_documented_output(name: str, shell: None) -> None:
    for block in blocks(name, "console"):
        command, _, documented = block.removeprefix("$ ").partition("\n")
        if "FastCPU" in documented and cpus()[0].name != "FastCPU":
            pytest.skip("the documented output is that of a CPU with AVX2")
        printed = bash(f"({command}) 2>&1 || true").stdout
        pattern = ".*".join(map(re.escape, documented.split("...")))
        assert re.fullmatch(pattern, printed), printed


@pytest.mark.engine
@pytest.mark.parametrize("name", PYTHON)
def test_code_that_draws_with_the_demo_model(name: str, shell: None) -> None:
    for block in filter(code_draws_locally, blocks(name, "python")):
        run_python(block)


@pytest.mark.parametrize("name", [name for name in TEXTS if blocks(name, "sh")])
def test_commands_are_accepted_by_the_parser(name: str) -> None:
    for block in blocks(name, "sh"):
        for command in commands_in(block):
            arguments = parse_arguments(command)
            if arguments.command == "draw" and arguments.model is not None:
                reference = type(parse_model_reference(arguments.model)).__name__
                suffix = arguments.model.rpartition(".")[2]
                files = {"gguf": "LocalModel", "safetensors": "LocalModel"}
                assert reference == files.get(suffix, reference)


@pytest.mark.parametrize("name", [name for name in TEXTS if blocks(name, "python")])
def test_calls_match_the_signatures_of_the_library(name: str) -> None:
    for block in blocks(name, "python"):
        if name.startswith("docs/reference"):  # generated signatures
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("gpustack_draw."):
                called = getattr(gpustack_draw, ast.unparse(node.func).split(".")[1])
                named = {str(keyword.arg): None for keyword in node.keywords}
                inspect.signature(called).bind(*node.args, **named)


@pytest.mark.parametrize("name", sorted(load_tool("write_reference").references()))
def test_the_reference_matches_the_code(name: str, update_golden: bool) -> None:
    text = load_tool("write_reference").references()[name]
    if update_golden:
        (REFERENCE / name).write_text(text, encoding="utf-8")
    assert (REFERENCE / name).read_text(encoding="utf-8") == text, "pytest --update-golden"


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "docs/demo-model.md"])
def test_every_mentioned_option_exists(name: str) -> None:
    known = {
        option
        for make_parser in PARSERS.values()
        for action in make_parser()._actions
        for option in action.option_strings
    }
    known |= {f"--no-{option[2:]}" for option in known} | {"--no-"}  # of --no-NAME
    others = {"--update-golden", "--dist"}  # of pytest
    others |= {"--list", "--reinstall", "--with"}  # of nox, uv
    others |= PIP_OPTIONS["install"] | {"--force", "--pip-args"}  # of pipx
    others |= {"--image-strength"}  # of mflux
    others |= {"--build-arg", "--format", "--tag", "--target"}  # of docker, podman
    others |= {"--models", "--sides", "--only", "--runs", "--steps"}  # of benchmarks/compare_cpu
    others |= {"--rounds", "--side", "--pictures", "--features"}  # of other benchmarks
    known |= set(ALIASES)
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", TEXTS[name]))
    assert sorted(mentioned - known - others) == []


# Options of pip 23.0.1, which venv installs on Debian 12.
PIP_OPTIONS = {
    "install": {"--config-settings", "--no-build-isolation", "--upgrade", "--editable", "-e", "-v"},
    "uninstall": {"--yes", "-y"},
}
PIP = re.compile(r"(?<![-\w.])(?:[\w./]+/)?pip (install|uninstall)\b([^\n`|&]*)")
PIP_LINES = [
    (name, *found)
    for name, text in TEXTS.items()
    for found in PIP.findall(text.replace("\\\n", " "))
]


@pytest.mark.parametrize(("name", "command", "rest"), PIP_LINES)
def test_pip_lines_work_with_old_versions_of_pip(name: str, command: str, rest: str) -> None:
    words = shlex.split(rest, comments=True)
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert options <= PIP_OPTIONS[command]
    for word in words:
        if word.startswith("--config-settings"):
            assert re.fullmatch(r"--config-settings=[\w.-]+=\w+", word)


def test_pip_lines_are_found() -> None:
    assert len(PIP_LINES) >= 12
    assert {"README.md", "CONTRIBUTING.md", "docs/how-to/gpu.md"} <= {line[0] for line in PIP_LINES}


@pytest.mark.parametrize(("name", "target"), LINKS)
def test_links_have_targets(name: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    page = (SOURCE / name).parent / path if path else SOURCE / name
    assert page.exists()
    if anchor:
        titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8").lower(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}


FILE = re.compile(r"`([\w./]+(?:/|\.py|\.cmake|\.cpp|\.h|\.md))`")


@pytest.mark.parametrize(
    "file",
    sorted(
        {
            file
            for name, text in TEXTS.items()
            if name.startswith(("docs/explanation", "CONTRIBUTING"))
            for file in FILE.findall(text)
        }
    ),
)
def test_mentioned_files_exist(file: str) -> None:
    folders = (SOURCE, SOURCE / "python" / "gpustack_draw", SOURCE / "cpp" / "cpu", REFERENCE)
    assert any((folder / file).exists() for folder in folders)


def test_mentioned_sessions_exist() -> None:
    sessions = {
        node.name
        for node in ast.parse((SOURCE / "noxfile.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    }
    for line in re.findall(r"nox -s ([a-z ]+?)(?: {2,}|`|\n)", "".join(TEXTS.values())):
        assert sessions >= set(line.split())


def test_mentioned_build_options_exist() -> None:
    folder = engine_source()
    if folder is None:
        pytest.skip("no engine source in the build folder")
    files = [*folder.glob("CMakeLists.txt"), *folder.glob("ggml/CMakeLists.txt")]
    files += [*SOURCE.glob("CMakeLists.txt"), *SOURCE.glob("cmake/*.cmake")]
    files += SOURCE.glob("backends/CMakeLists.txt")
    cmake = "".join(file.read_text() for file in files)
    texts = [*TEXTS.values(), (SOURCE / "pyproject.toml").read_text(encoding="utf-8")]
    for option in set(re.findall(r"cmake\.define\.(\w+)", "".join(texts))):
        assert option.startswith("CMAKE_") or re.search(rf"(?:option|set)\({option}\s", cmake)


def test_the_site_has_every_page() -> None:
    listed = re.findall(r"([\w/-]+\.md)$", (SOURCE / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {page.relative_to(SOURCE / "docs").as_posix() for page in SOURCE.glob("docs/**/*.md")}
    assert sorted(listed) == sorted({*pages, "index.md", "zh/index.md"})


def test_no_chinese_text_translates_a_help_text_that_is_gone() -> None:
    tool = load_tool("write_reference")
    chinese = tool.Translations()
    tool.chinese_command_reference(chinese)
    assert chinese.unused == set()
