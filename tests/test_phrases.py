"""Tests of texts that name arguments: as Python for the library, as options for the command."""

import ast
import copy
import inspect
import io
import json
import pickle
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import gpustack_draw
from gpustack_draw.cli.command_parsers import upscale_parser
from gpustack_draw.cli.draw_parser import draw_parser
from gpustack_draw.cli.option_names import option_of, with_options
from gpustack_draw.cli.serve_parser import serve_parser
from gpustack_draw.engine.messages import error_fields, read_error, read_message, write_message
from gpustack_draw.errors import DrawError, UsageError, quoted
from gpustack_draw.phrases import Argument, phrase

PACKAGE = Path(gpustack_draw.__file__).parent
LIBRARY = sorted(file for file in PACKAGE.rglob("*.py") if PACKAGE / "cli" not in file.parents)
BRACES = re.compile(r"\{([a-z0-9_]*)(=?)([^{}]*)\}")
# As prompts, paths and servers write it: nothing in it may be replaced.
FOREIGN = "{size} {size=7} {} {0} {seed!r} %s %(size)s --size $size size=7 {{x}} }{"


def arguments_of_the_library() -> set[str]:
    """Return the names of everything that a user of the library can pass."""
    functions = (
        *(gpustack_draw.generate, gpustack_draw.load),
        *(gpustack_draw.save, gpustack_draw.upscale),
    )
    names = {name for function in functions for name in inspect.signature(function).parameters}
    return names | {field.name for field in fields(gpustack_draw.DrawRequest)}


@pytest.mark.parametrize(
    ("text", "python", "command"),
    [
        (phrase("no argument"), "no argument", "no argument"),
        (phrase("try {size='native'}"), "try size='native'", "try --size native"),
        (
            phrase("use {sample_steps=2} or another {scheduler}"),
            "use sample_steps=2 or another scheduler",
            "use --sample-steps 2 or another --scheduler",
        ),
        (
            phrase("leave {scheduler} out, or use {scheduler=}", scheduler="karras"),
            "leave scheduler out, or use scheduler='karras'",
            "leave --scheduler out, or use --scheduler karras",
        ),
        (phrase("use {timeout=}", timeout=600), "use timeout=600", "use --timeout 600"),
        (phrase("see {on_log=print}"), "see on_log=print", "see --debug"),
        (phrase("name {path}"), "name path", "name --output"),
        (
            phrase("pass {}: {}", Argument("clip_l", "FILE"), phrase("not {vae}")),
            "pass clip_l=FILE: not vae",
            "pass --clip-l FILE: not --vae",
        ),
        (
            phrase("{} {server=}", FOREIGN, server=FOREIGN),
            f"{FOREIGN} server={FOREIGN!r}",
            f"{FOREIGN} --server {FOREIGN}",
        ),
        (
            phrase("use {server=}", server="'a' \"b\" \\ {size}"),
            "use server='\\'a\\' \"b\" \\\\ {size}'",
            "use --server 'a' \"b\" \\ {size}",
        ),
    ],
)
def test_a_text_is_python_for_the_library_and_options_for_the_command(
    text: str, python: str, command: str
) -> None:
    assert text == python
    assert with_options(text) == command


def test_plain_text_is_not_changed_for_the_command() -> None:
    assert with_options(FOREIGN) == FOREIGN


def foreign_error() -> UsageError:
    """Return an error with foreign text in the message and in the hint."""
    return UsageError(
        phrase("{} is not a {size}", quoted(FOREIGN)),
        hint=phrase("the server reports {}; use {size='native'}", FOREIGN),
        argument="size",
    )


def through_the_engines_pipe(error: DrawError) -> DrawError:
    """Return an error after its way from the engine's process to this one."""
    stream = io.BytesIO()
    write_message(stream, "failed", **error_fields(error))
    stream.seek(0)
    message = read_message(stream)
    assert message is not None
    return read_error(message.fields)


@pytest.mark.parametrize(
    "send",
    [
        lambda error: error,
        lambda error: pickle.loads(pickle.dumps(error)),
        copy.copy,
        copy.deepcopy,
        through_the_engines_pipe,
    ],
)
def test_errors_keep_foreign_text_and_arguments_wherever_they_are_sent(send: object) -> None:
    error = send(foreign_error())  # type: ignore[operator]
    assert type(error) is UsageError
    assert error.argument == "size"
    assert str(error) == (
        f"{FOREIGN!r} is not a size\nthe server reports {FOREIGN}; use size='native'"
    )
    assert with_options(error.message) == f"{FOREIGN!r} is not a --size"
    assert with_options(error.hint) == f"the server reports {FOREIGN}; use --size native"


def test_a_text_is_a_string_for_json_and_for_pickle_protocols() -> None:
    text = phrase("use {size=}", size="native")
    assert json.dumps([text]) == "[\"use size='native'\"]"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert with_options(pickle.loads(pickle.dumps(text, protocol))) == "use --size native"


def test_every_option_that_a_text_can_name_exists() -> None:
    options = draw_parser().spellings() | upscale_parser().spellings() | serve_parser().spellings()
    others = {"model", "prompt", "on_progress", "picture", "pictures", "suffix", "fast", "quality"}
    for name in arguments_of_the_library() - others:
        if name != "in_process":  # the command always uses a process of its own
            assert option_of(name) in options


# Options of other programs.
FOREIGN_OPTIONS = {
    "use another tag, or join the files with llama-gguf-split --merge",
    "--no-warmup",  # llama-box
    "--seed=42",
    "--image-cfg-scale=1.0",
    "--omni",  # vLLM
    "gpustack-draw serve --gpustack-backend",  # a command for another person
    "serve --control-net",  # for the person who runs the server
    (
        "compile it for this CPU: pip install --force-reinstall --no-deps"
        " --no-binary=gpustack-draw gpustack-draw"
    ),
}


def texts_of(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the string constants of a module that are not docstrings, with their lines."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and node not in docstrings:
            yield node.lineno, node.value


# Its clients read how to start the server, whose command has options only.
NAMES_OPTIONS_OF_THE_SERVER = {
    PACKAGE / "serve" / "http" / "access.py",
    PACKAGE / "serve" / "studio" / "references.py",
    PACKAGE / "serve" / "gpustack_backend.py",  # a command line that GPUStack runs
}


@pytest.mark.parametrize(
    "file",
    sorted({*LIBRARY} - NAMES_OPTIONS_OF_THE_SERVER),
    ids=lambda file: str(file.relative_to(PACKAGE)),
)
def test_no_text_of_the_library_names_an_option(file: Path) -> None:
    found = [
        f"line {line}: {text}"
        for line, text in texts_of(file)
        if re.search(r"(?<![\w(?:|-])--[a-z]", text) and text not in FOREIGN_OPTIONS
    ]
    assert found == []


# Messages of servers, which are not errors of the library; and a log, which is plain text.
PLAIN_MESSAGES = {"gpustack_server/server_errors.py", "gpustack_server/models.py"}


def test_texts_of_errors_are_composed_without_losing_their_arguments() -> None:
    """Protects against f-strings, in which a phrase becomes plain Python text."""
    inserted = {
        str(file.relative_to(PACKAGE))
        for file in LIBRARY
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FormattedValue)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in {"message", "hint"}
    }
    assert inserted - PLAIN_MESSAGES == {"errors.py"}  # DrawError.__str__()


def phrase_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of phrase() in the package, each with its place."""
    for file in LIBRARY:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "phrase":
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", node


def test_every_phrase_has_a_literal_template_and_its_texts_and_values() -> None:
    options = (option.removeprefix("--") for option in serve_parser().spellings())
    known = arguments_of_the_library() | {name.replace("-", "_") for name in options}
    for place, call in phrase_calls():
        template, *texts = call.args
        assert isinstance(template, ast.Constant), f"{place}: the template is not a literal"
        braces = BRACES.findall(template.value)
        named = {name for name, _, _ in braces if name}
        assert named <= known, f"{place}: not an argument: {named - known}"
        if not any(isinstance(text, ast.Starred) for text in texts):
            assert len(texts) == sum(not name for name, _, _ in braces), place
        values = {name for name, equals, source in braces if equals and not source}
        assert values == {keyword.arg for keyword in call.keywords}, place
