"""Answers to too few, too many and misplaced words; imported only when there may be some.

No answer is better than a wrong one: where a slip has two readings, the hint is the plain one.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence

from gpustack_draw.cli.command_line import COMMANDS, PROGRAM, CommandLine
from gpustack_draw.cli.hints.foreign_commands import DRAW_COMMANDS, hint_for_command
from gpustack_draw.cli.hints.foreign_options import equivalent_option
from gpustack_draw.cli.hints.unknown_options import DASHES
from gpustack_draw.errors import UsageError, quoted

_MODEL_ENDINGS = (".gguf", ".safetensors", ".ckpt")
_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_QUOTE_MARKS = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"  # word processors' own
_SWITCH_VALUES = {"yes", "no", "true", "false", "on", "off"}
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SIZE = re.compile(r"(\d+)[xX\u00d7*](\d+)")

Answer = tuple[str, str]  # the surplus word, and a hint


def check_model_argument(model: str, prompt: str, *, server_is_configured: bool) -> None:
    """Check that MODEL and PROMPT are not interchanged, and that MODEL is not meant as a command.

    Args:
        model: MODEL, as typed: what only a server can have.
        prompt: PROMPT, as typed.
        server_is_configured: Whether there is a server, which may have a model of any name.

    Raises:
        UsageError: They are, or it is.
    """
    is_prompt = len(model.split()) > 1
    if server_is_configured and not is_prompt:
        return
    if error := _foreign_command([model, prompt]):
        raise error
    if command := _misspelt_command(model):
        raise UsageError(f"{quoted(model)} is not a command", hint=f"did you mean {command}?")
    if is_model(prompt):
        raise UsageError("MODEL comes before PROMPT", hint=f"type {_command(prompt, model)}")
    if server_is_configured:
        return
    if is_prompt:
        hint = f"MODEL comes first: {_command('demo', model)}"
        raise UsageError(f"{quoted(model)} is not a model", hint=hint)


def _foreign_command(words: Sequence[str]) -> UsageError | None:
    """Make the error for a line whose first word is a command of another program.

    Args:
        words: The command line, from that word on.
    """
    first, rest = words[0], list(words[1:])
    if first.lower() not in DRAW_COMMANDS.split():
        hint = hint_for_command(first)
    else:
        while rest and (rest[0] == "draw" or rest[0].lower() in DRAW_COMMANDS.split()):
            del rest[0]
        hint = f"to draw: {PROGRAM} MODEL PROMPT"
        if rest and (rest[0].startswith("-") or is_model(rest[0])):
            hint = f"leave it out: {_command(*rest)}"
    if not hint or os.path.lexists(first):
        return None
    return UsageError(f"{quoted(first)} is not a command", hint=hint)


def missing_arguments(typed: CommandLine, names: Sequence[str], example: str) -> UsageError:
    """Make the error for a command line without MODEL, PROMPT or what else it needs.

    Args:
        typed: The command line.
        names: The arguments that it lacks.
        example: A hint for where nothing better is known.
    """
    message = f"missing {' and '.join(names)}"
    if "PROMPT" in typed.named:
        return UsageError(message, hint=f"for example: {_command('demo', typed.named['PROMPT'])}")
    if names != ["PROMPT"] or not typed.words:
        return UsageError(message, hint=example)
    word = typed.words[0]
    if error := _foreign_command(typed.argv[typed.places[0] :]):
        return error
    if word in COMMANDS:
        hint = f"the command comes first: {PROGRAM} {word} ..."
    elif word.lstrip("/-").lower() in {"?", "h", "help"}:
        hint = f"for help: {PROGRAM} --help"
    elif word.lower().endswith(_PICTURE_ENDINGS):
        hint = f"to see how a picture was drawn: {_command('show', word)}"
    elif is_model(word) or os.path.lexists(word):
        hint = f"for example: {_command(word, 'a red circle')}"
    elif len(word.split()) > 1 or word[:1] in _QUOTE_MARKS:
        message = "missing MODEL"
        hint = f"MODEL comes first: {_command('demo', word.strip(_QUOTE_MARKS))}"
    elif command := _misspelt_command(word):
        message, hint = f"{quoted(word)} is not a command", f"did you mean {command}?"
    else:
        hint = example
    return UsageError(message, hint=hint)


def unexpected_argument(
    typed: CommandLine, wanted: int, known: Mapping[str, str], program: str
) -> UsageError:
    """Make the error for a command line with more words than the command takes.

    Args:
        typed: The command line.
        wanted: The number of words that it takes.
        known: The options that there are, in all their spellings.
        program: The command.
    """
    words = typed.words
    surplus, hint = words[wanted], f"see {program} --help"
    if program == PROGRAM:
        if error := _foreign_command(typed.argv[typed.places[0] :]):
            return error
        surplus, hint = (
            _stray_value(typed)
            or _named_word(typed, wanted)
            or _misplaced_model(typed, wanted)
            or _undashed_option(words, wanted, known)
            or _undashed_value(words, wanted)
            or (surplus, _quoting(words[max(wanted - 1, 0) :]))
        )
    return UsageError(f"unexpected argument {quoted(surplus)}", hint=hint)


def is_model(word: str) -> bool:
    """Check whether a word can only be a model: ``demo``, one of Hugging Face, a model's file."""
    from gpustack_draw.request.model_reference import HubModel, parse_model_reference

    if word == "demo" or word.lower().endswith(_MODEL_ENDINGS):
        return True
    try:
        return isinstance(parse_model_reference(word), HubModel)
    except UsageError:
        return False


def _stray_value(typed: CommandLine) -> Answer | None:
    """Look for a value after a switch, and for the second side of a size."""
    argv = ["", "", *typed.argv]
    for place in typed.places:
        before, last, word, *after = argv[place : place + 4]
        if place - 1 in typed.switches and (word.lower() in _SWITCH_VALUES or _is_number(word)):
            return word, f"{last} takes no value"
        width, height = last.rstrip(",xX"), word.lstrip(",xX") or "".join(after)
        if before == "--size" and width.isdecimal() and height.isdecimal():
            return word, f"a size is one word: --size {width}x{height}"
    return None


def _named_word(typed: CommandLine, wanted: int) -> Answer | None:
    """Look for a word that an option has named, and for a command that does not come first."""
    first = typed.words[0]
    if wanted == 0:
        return first, "options already set MODEL and PROMPT"
    if wanted == 1 and "MODEL" in typed.named and is_model(first):
        return first, "an option already sets MODEL"
    if first not in COMMANDS:
        return None
    if typed.places[0] == 0:
        return first, "type it once"
    return typed.words[wanted], f"the command comes first: {PROGRAM} {first} ..."


def _misplaced_model(typed: CommandLine, wanted: int) -> Answer | None:
    """Look for a second MODEL, and for one behind PROMPT or missing."""
    words = typed.words
    first, second, last = words[0], words[min(1, len(words) - 1)], words[-1]
    prompt = "".join(mark for mark in " ".join(words) if mark not in _QUOTE_MARKS)
    rest = f"then PROMPT in quotes: {_command('demo', prompt)}"
    may_be_name = first[:1] not in _QUOTE_MARKS and _may_be_model(first, typed.options)
    answer: Answer | None = None
    if wanted < 2:
        pass  # an option names one of them
    elif is_model(first):
        if is_model(second):
            answer = second, "type one MODEL"
    elif is_model(second) and len(words) == wanted + 1:
        answer = first, f"MODEL comes first: {_command(*words[1:])}"
    elif is_model(last):
        answer = last, f"MODEL comes first: {_command(last, prompt.removesuffix(last).strip())}"
    elif not may_be_name:
        answer = words[wanted], f"MODEL comes first, {rest}"
    return answer


def _may_be_model(word: str, options: Sequence[str]) -> bool:
    has_server = any(option.startswith("--server=") for option in options)
    return has_server or "GPUSTACK_SERVER_URL" in os.environ or os.path.lexists(word)


def _undashed_option(words: Sequence[str], wanted: int, known: Mapping[str, str]) -> Answer | None:
    """Look for ``seed=7`` and, after a prompt in quotes, for ``seed 7``."""
    word = words[wanted]
    name, equals, value = word.lstrip(DASHES).partition("=")
    option = f"--{name.lower().replace('_', '-')}"
    option = option if option in known else equivalent_option(option, known)
    if not option:
        return None
    rest = words[wanted + 1 :]
    if equals:
        return word, f"did you mean {option}={_shell_word(value)}?"
    if _is_quoted(words[wanted - 1]) and len(rest) <= 1:
        return word, f"did you mean {' '.join([option, *map(_shell_word, rest)])}?"
    return None


def _undashed_value(words: Sequence[str], wanted: int) -> Answer | None:
    """Look for a size, a file's name or a number, without its option, at the end."""
    word = words[wanted]
    if len(words) > wanted + 1:
        return None
    if size := _SIZE.fullmatch(word):
        return word, "did you mean --size {}x{}?".format(*size.groups())
    if word.lower().endswith(_PICTURE_ENDINGS):
        return word, f"to save the picture as that file: --output {_shell_word(word)}"
    if _is_quoted(words[wanted - 1]) and _is_number(word):
        return word, f"put an option before the number: --seed {word}"
    return None


def _quoting(prompt: Sequence[str]) -> str:
    """Write how a prompt of several words is quoted."""
    text = " ".join(prompt)
    if any(mark in text for mark in _QUOTE_MARKS):
        text = "".join(mark for mark in text if mark not in _QUOTE_MARKS)
        return f"put the prompt in straight quotes: {_shell_word(text)}"
    if len(prompt) > 1 and _is_quoted(prompt[1]):
        return "type one PROMPT, in one pair of quotes"
    where = "one pair of quotes" if _is_quoted(prompt[0]) else "quotes"
    return f"put the prompt in {where}: {_shell_word(text)}"


def _misspelt_command(word: str) -> str:
    from difflib import get_close_matches

    lower = word.lower()[:40]
    near = [command for command in COMMANDS if sorted(command) == sorted(lower)]  # shwo
    near = near or get_close_matches(lower, COMMANDS, n=1, cutoff=0.8)
    return near[0] if near else ""


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None


def _is_quoted(word: str) -> bool:
    return len(word.split()) > 1


def _command(*words: str) -> str:
    return " ".join([PROGRAM, *map(_shell_word, words)])


def _shell_word(word: str) -> str:
    """Write a word as a shell reads it, shortened when it is long."""
    if len(word) > 100:
        word = word[:97] + "..."
    if not word.isprintable():
        word = repr(word)[1:-1]
    is_plain = word and not re.search(r"[^\w./:@%+=,-]", word)
    if is_plain:
        return word
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'
