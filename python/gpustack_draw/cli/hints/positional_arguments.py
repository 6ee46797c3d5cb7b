"""Errors for missing, unexpected and misplaced arguments; imported only when they may occur.

A wrong suggestion is worse than none: an ambiguous mistake gets a general hint.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpustack_draw.cli.command_line import COMMANDS, PROGRAM, CommandLine
from gpustack_draw.cli.hints.foreign_commands import DRAW_COMMANDS, hint_for_command
from gpustack_draw.cli.hints.foreign_options import equivalent_option
from gpustack_draw.cli.hints.unknown_options import DASHES
from gpustack_draw.errors import UsageError, quoted

_MODEL_SUFFIXES = (".gguf", ".safetensors", ".ckpt")
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_PICTURE_OPTIONS = ("-i", "--image", "-r", "--ref-image")
_QUOTE_MARKS = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"  # typographic ones, of word processors
_SWITCH_VALUES = {"yes", "no", "true", "false", "on", "off"}
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SIZE = re.compile(r"(\d+)[xX\u00d7*](\d+)")

Finding = tuple[str, str]  # the unexpected argument and a hint


def check_model_argument(model: str, prompt: str, *, server_is_configured: bool) -> None:
    """Check that MODEL and PROMPT are in order, and that MODEL is not a misspelled command.

    Args:
        model: MODEL as typed, neither a file nor a Hugging Face reference.
        prompt: PROMPT as typed.
        server_is_configured: True with a server, which may have a model of any name.

    Raises:
        UsageError: MODEL is a prompt, a command, or unknown.
    """
    is_prompt = len(model.split()) > 1
    if server_is_configured and not is_prompt:
        return
    if error := _foreign_command([model, prompt]):
        raise error
    if command := _misspelled_command(model):
        raise UsageError(f"{quoted(model)} is not a command", hint=f"did you mean {command}?")
    if is_model(prompt):
        raise UsageError("MODEL comes before PROMPT", hint=f"type {shell_command(prompt, model)}")
    if server_is_configured:
        return
    if is_prompt:
        hint = f"MODEL comes first: {shell_command('demo', model)}"
        raise UsageError(f"{quoted(model)} is not a model", hint=hint)


def check_prompt(model: str, prompt: str) -> None:
    """Check that PROMPT is not a picture file.

    Raises:
        UsageError: It is one.
    """
    if _is_picture(prompt):
        raise UsageError(
            f"{quoted(prompt)} is a picture, not a prompt",
            hint=f"to change it: {shell_command(model, 'PROMPT', '--image', prompt)}",
            argument="prompt",
        )


def _foreign_command(words: Sequence[str]) -> UsageError | None:
    """Return the error for a line that starts with a command of another program.

    Args:
        words: The command line, from its first word on.
    """
    first, rest = words[0], list(words[1:])
    if first.lower() not in DRAW_COMMANDS.split():
        hint = hint_for_command(first)
    else:
        while rest and (rest[0] == "draw" or rest[0].lower() in DRAW_COMMANDS.split()):
            del rest[0]
        hint = f"to draw: {PROGRAM} MODEL PROMPT"
        if rest and (rest[0].startswith("-") or is_model(rest[0])):
            hint = f"leave it out: {shell_command(*rest)}"
    if not hint or os.path.lexists(first):
        return None
    return UsageError(f"{quoted(first)} is not a command", hint=hint)


def missing_arguments(typed: CommandLine, names: Sequence[str], example: str) -> UsageError:
    """Return the error for a command line that lacks positional arguments.

    Args:
        typed: The command line.
        names: Names of the missing arguments.
        example: Default hint.
    """
    message = f"missing {' and '.join(names)}"
    if "PROMPT" in typed.named:
        return UsageError(
            message, hint=f"for example: {shell_command('demo', typed.named['PROMPT'])}"
        )
    if names != ["PROMPT"] or not typed.words:
        return UsageError(message, hint=example)
    word = typed.words[0]
    if error := _foreign_command(typed.argv[typed.word_indexes[0] :]):
        return UsageError(error.message, hint=_or_as_prompt(error.hint, typed))
    if hint := _hint_for_word(word):
        hint = _or_as_prompt(hint, typed)
    elif _is_sentence(word):
        message = "missing MODEL"
        hint = f"MODEL comes first: {shell_command('demo', word.strip(_QUOTE_MARKS))}"
    elif command := _misspelled_command(word):
        message, hint = f"{quoted(word)} is not a command", f"did you mean {command}?"
    else:
        hint = _or_as_prompt(example, typed)
    return UsageError(message, hint=hint)


def may_be_prompt(typed: CommandLine) -> bool:
    """Return True if the first word of a command line can only be a prompt.

    Args:
        typed: A command line with at least one word.
    """
    word = typed.words[0]
    if _foreign_command(typed.argv[typed.word_indexes[0] :]) or _hint_for_word(word):
        return False
    if _is_sentence(word) or not word.isascii() or word == "-":  # prompts on standard input
        return True
    return word.isalpha() and not _misspelled_command(word)  # names of models have digits


def _hint_for_word(word: str) -> str:
    """Return the hint for a word without a PROMPT that is a model, a file or a command."""
    if word in COMMANDS:
        return f"the command comes first: {PROGRAM} {word} ..."
    if word.lstrip("/-").lower() in {"?", "h", "help"}:
        return f"for help: {PROGRAM} --help"
    if word.lower().endswith(_PICTURE_SUFFIXES):
        return f"to see how a picture was drawn: {shell_command('show', word)}"
    if is_model(word) or os.path.lexists(word):
        return f"for example: {shell_command(word, 'a red circle')}"
    return ""


def _is_sentence(word: str) -> bool:
    return _is_quoted(word) or word[:1] in _QUOTE_MARKS


def _or_as_prompt(hint: str, typed: CommandLine) -> str:
    if not typed.usual_model or typed.words == [typed.usual_model]:
        return hint
    return f"{hint}; to draw it: {shell_command('--prompt', typed.words[0])}"


def unexpected_argument(
    typed: CommandLine, expected: int, known: Mapping[str, str], program: str
) -> UsageError:
    """Return the error for a command line with more positional arguments than expected.

    Args:
        typed: The command line.
        expected: Number of positional arguments of the command.
        known: All spellings of the options, and the option or argument each sets.
        program: Name of the command, as in ``gpustack-draw show``.
    """
    words = typed.words
    unexpected, hint = words[expected], f"see {program} --help"
    if program == PROGRAM:
        if error := _foreign_command(typed.argv[typed.word_indexes[0] :]):
            return error
        unexpected, hint = (
            _stray_value(typed)
            or _repeated_argument(typed, expected)
            or _misplaced_picture(words, expected)
            or _misplaced_model(typed, expected)
            or _undashed_option(words, expected, known)
            or _undashed_value(words, expected)
            or (unexpected, _quoting_hint(words[max(expected - 1, 0) :]))
        )
    return UsageError(f"unexpected argument {quoted(unexpected)}", hint=hint)


def is_model(word: str) -> bool:
    """Return True for ``demo``, a reference or short name of Hugging Face, or a model file."""
    from gpustack_draw.request.known_models import parse_local_reference
    from gpustack_draw.request.model_reference import HubModel

    if word == "demo" or word.lower().endswith(_MODEL_SUFFIXES):
        return True
    try:
        return isinstance(parse_local_reference(word), HubModel)
    except UsageError:
        return False


def _stray_value(typed: CommandLine) -> Finding | None:
    """Find a value after a switch, or the second side of a size."""
    argv = ["", "", *typed.argv]
    for index in typed.word_indexes:
        before, last, word, *after = argv[index : index + 4]
        if index - 1 in typed.switch_indexes and (
            word.lower() in _SWITCH_VALUES or _is_number(word)
        ):
            if last in ("--masked-only", "--hires"):
                return word, f"type its value after an equals sign: {last}={word}"
            return word, f"{last} takes no value"
        if before in _PICTURE_OPTIONS and word.lower().endswith(_PICTURE_SUFFIXES):
            return word, f"type {before} before each picture: {before} {last} {before} {word}"
        width, height = last.rstrip(",xX"), word.lstrip(",xX") or "".join(after)
        if before == "--size" and width.isdecimal() and height.isdecimal():
            return word, f"a size is one word: --size {width}x{height}"
    return None


def _repeated_argument(typed: CommandLine, expected: int) -> Finding | None:
    """Find an argument that an option already sets, or a command that does not come first."""
    first = typed.words[0]
    if expected == 0:
        return first, "options already set MODEL and PROMPT"
    if expected == 1 and "MODEL" in typed.named and is_model(first):
        return first, "an option already sets MODEL"
    if first not in COMMANDS:
        return None
    if typed.word_indexes[0] == 0:
        return first, "type it once"
    return typed.words[expected], f"the command comes first: {PROGRAM} {first} ..."


def _misplaced_picture(words: Sequence[str], expected: int) -> Finding | None:
    """Find a picture between MODEL and PROMPT."""
    if expected < 2 or len(words) != expected + 1 or not _is_picture(words[1]):
        return None
    model, picture, prompt = words
    return picture, f"to change that picture: {shell_command(model, prompt, '--image', picture)}"


def _misplaced_model(typed: CommandLine, expected: int) -> Finding | None:
    """Find a second MODEL, one after PROMPT, or a missing one."""
    words = typed.words
    first, second, last = words[0], words[min(1, len(words) - 1)], words[-1]
    prompt = "".join(mark for mark in " ".join(words) if mark not in _QUOTE_MARKS)
    rest = f"then PROMPT in quotes: {shell_command('demo', prompt)}"
    may_be_model = first[:1] not in _QUOTE_MARKS and _may_be_model(first, typed.options)
    finding: Finding | None = None
    if expected < 2:
        pass  # an option sets one of them
    elif is_model(first):
        if is_model(second):
            finding = second, "type one MODEL"
    elif is_model(second) and len(words) == expected + 1:
        finding = first, f"MODEL comes first: {shell_command(*words[1:])}"
    elif is_model(last):
        finding = (
            last,
            f"MODEL comes first: {shell_command(last, prompt.removesuffix(last).strip())}",
        )
    elif not may_be_model and typed.usual_model:
        finding = second, f"put the prompt in quotes: {shell_command(prompt)}"
    elif not may_be_model:
        finding = words[expected], f"MODEL comes first, {rest}"
    return finding


def _may_be_model(word: str, options: Sequence[str]) -> bool:
    has_server = any(option.startswith("--server=") for option in options)
    return has_server or "GPUSTACK_SERVER_URL" in os.environ or os.path.lexists(word)


def _undashed_option(
    words: Sequence[str], expected: int, known: Mapping[str, str]
) -> Finding | None:
    """Find ``seed=7`` or, after a prompt in quotes, ``seed 7``."""
    word = words[expected]
    name, equals, value = word.lstrip(DASHES).partition("=")
    option = f"--{name.lower().replace('_', '-')}"
    option = option if option in known else equivalent_option(option, known)
    if not option:
        return None
    rest = words[expected + 1 :]
    if equals:
        return word, f"did you mean {option}={_shell_word(value)}?"
    if _is_quoted(words[expected - 1]) and len(rest) <= 1:
        return word, f"did you mean {' '.join([option, *map(_shell_word, rest)])}?"
    return None


def _undashed_value(words: Sequence[str], expected: int) -> Finding | None:
    """Find a size, a file name or a number without its option at the end."""
    word = words[expected]
    if len(words) > expected + 1:
        return None
    if size := _SIZE.fullmatch(word):
        return word, "did you mean --size {}x{}?".format(*size.groups())
    if word.lower().endswith(_PICTURE_SUFFIXES):
        if _is_picture(word):
            return word, f"to change that picture: --image {_shell_word(word)}"
        return word, f"to save the picture as that file: --output {_shell_word(word)}"
    if _is_quoted(words[expected - 1]) and _is_number(word):
        return word, f"put an option before the number: --seed {word}"
    return None


def _quoting_hint(prompt: Sequence[str]) -> str:
    """Return how to quote a prompt of several words."""
    text = " ".join(prompt)
    if any(mark in text for mark in _QUOTE_MARKS):
        text = "".join(mark for mark in text if mark not in _QUOTE_MARKS)
        return f"put the prompt in straight quotes: {_shell_word(text)}"
    if len(prompt) > 1 and _is_quoted(prompt[1]):
        return "type one PROMPT, in one pair of quotes"
    where = "one pair of quotes" if _is_quoted(prompt[0]) else "quotes"
    return f"put the prompt in {where}: {_shell_word(text)}"


def _misspelled_command(word: str) -> str:
    from difflib import get_close_matches

    lower = word.lower()[:40]
    matches = [command for command in COMMANDS if sorted(command) == sorted(lower)]  # shwo
    matches = matches or get_close_matches(lower, COMMANDS, n=1, cutoff=0.8)
    return matches[0] if matches else ""


def _is_picture(word: str) -> bool:
    return word.lower().endswith(_PICTURE_SUFFIXES) and Path(word).is_file()


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None


def _is_quoted(word: str) -> bool:
    return len(word.split()) > 1


def shell_command(*words: str) -> str:
    """Return a command line of this program, quoted for a shell."""
    return " ".join([PROGRAM, *map(_shell_word, words)])


def _shell_word(word: str) -> str:
    """Return a word quoted for a shell, shortened to 100 characters."""
    if len(word) > 100:
        word = word[:97] + "..."
    if not word.isprintable():
        word = repr(word)[1:-1]
    is_plain = word and not re.search(r"[^\w./:@%+=,-]", word)
    if is_plain:
        return word
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'
