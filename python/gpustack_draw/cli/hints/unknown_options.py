"""Errors for options that do not exist; imported only when one is typed.

A wrong suggestion is worse than none: without a close match the hint is ``see --help``.
"""

from collections.abc import Collection

from gpustack_draw.cli.command_line import ALIASES, PROGRAM, TYPOGRAPHIC_DASHES
from gpustack_draw.cli.hints.foreign_options import equivalent_option, hint_for_option
from gpustack_draw.errors import UsageError, quoted

DASHES = "".join(TYPOGRAPHIC_DASHES) + "-"


def check_dash(word: str, known: Collection[str]) -> None:
    """Check that a word which starts with a typographic dash is not meant as an option.

    Raises:
        UsageError: Its name is an option of this or another program.
    """
    name = word.partition("=")[0].lstrip(DASHES)
    option = f"-{name}" if len(name) == 1 else f"--{name}"
    if option in known or equivalent_option(option, known) or hint_for_option(option):
        raise UsageError(
            f"{quoted(word)} starts with U+{ord(word[0]):04X}, not with a hyphen",
            hint=f"did you mean {option}?",
        )


def unknown_option(word: str, known: Collection[str], program: str) -> UsageError:
    """Return the error for an option that does not exist.

    Args:
        word: The option, as typed.
        known: All spellings of the options of this command.
        program: Name of the command, as in ``gpustack-draw show``.
    """
    name = word.partition("=")[0]
    similar = similar_options(name, known)
    positive = _long(name).replace("--no-", "--", 1)
    if positive in known and positive != _long(name):
        hint = f"leave {positive} out"
    elif similar:
        hint = f"did you mean {' or '.join(similar)}?"
    elif program != PROGRAM:
        hint = f"see {program} --help"
    else:
        hint = hint_for_option(name) or hint_for_option(_long(name)) or f"see {PROGRAM} --help"
        if hint.startswith("see") and not name.startswith("--"):
            hint += ", or put -- before a prompt that starts with a dash"
    return UsageError(f"{quoted(name)} is not an option", hint=hint)


def similar_options(name: str, known: Collection[str]) -> list[str]:
    """Find the options that a misspelled one most likely stands for.

    Args:
        name: The option as typed, without its value, with or without leading dashes.
        known: All spellings of the options of this command.
    """
    long = _long(name)
    if long in known:
        return [long]
    if equivalent := equivalent_option(name, known) or equivalent_option(long, known):
        return [equivalent]
    if hint_for_option(name) or hint_for_option(long):
        return []
    for option in sorted(known, key=len, reverse=True):  # --seed7, -ocat.png
        value = name[len(option) :]
        is_value = value[:1].isdigit() or (option in ALIASES and "." in value)
        if name.startswith(option) and is_value:
            return [f"{option} {value}"]
    return _close_matches(long, known)


def _close_matches(name: str, known: Collection[str]) -> list[str]:
    from difflib import get_close_matches

    listed = [option for option in known if option.startswith("--") and option not in ALIASES]
    containing = [option for option in listed if len(name) > 4 and name[2:] in option]
    if containing or len(name) < 4:
        return containing
    # The cutoff accepts --sead for --seed and --vea for --vae, but not --demo for --debug.
    matches = get_close_matches(name, listed, n=1, cutoff=0.79)
    return matches or get_close_matches(name, known, n=1, cutoff=0.79)


def _long(name: str) -> str:
    return "--" + name.lstrip(DASHES).lower().replace("_", "-")
