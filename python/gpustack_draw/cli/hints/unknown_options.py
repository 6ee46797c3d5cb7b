"""Answers to options that do not exist; imported only when one is typed.

No answer is better than a wrong one: an option that is close to nothing gets ``see --help``.
"""

from collections.abc import Collection

from gpustack_draw.cli.command_line import ALIASES, OTHER_DASHES, PROGRAM
from gpustack_draw.cli.hints.foreign_options import equivalent_option, hint_for_option
from gpustack_draw.errors import UsageError, quoted

DASHES = "".join(OTHER_DASHES) + "-"


def check_dash(word: str, known: Collection[str]) -> None:
    """Check that a word which starts with a word processor's dash is not meant as an option.

    Raises:
        UsageError: It is.
    """
    name = word.partition("=")[0].lstrip(DASHES)
    meant = f"-{name}" if len(name) == 1 else f"--{name}"
    if meant in known or equivalent_option(meant, known) or hint_for_option(meant):
        raise UsageError(
            f"{quoted(word)} starts with U+{ord(word[0]):04X}, not with a hyphen",
            hint=f"did you mean {meant}?",
        )


def unknown_option(word: str, known: Collection[str], program: str) -> UsageError:
    """Make the error for an option that does not exist.

    Args:
        word: The option, as typed.
        known: The options that there are, in all their spellings.
        program: The command whose ``--help`` lists them.
    """
    name = word.partition("=")[0]
    meant = similar_options(name, known)
    positive = _long(name).replace("--no-", "--", 1)
    if positive in known and positive != _long(name):
        hint = f"leave {positive} out"
    elif meant:
        hint = f"did you mean {' or '.join(meant)}?"
    elif program != PROGRAM:
        hint = f"see {program} --help"
    else:
        hint = hint_for_option(name) or hint_for_option(_long(name)) or f"see {PROGRAM} --help"
        if hint.startswith("see") and not name.startswith("--"):
            hint += ", or put -- before a prompt that starts with a dash"
    return UsageError(f"{quoted(name)} is not an option", hint=hint)


def similar_options(name: str, known: Collection[str]) -> list[str]:
    """Find the options that a word without its value may have been meant as.

    Args:
        name: The word, with or without dashes in front.
        known: The options that there are, in all their spellings.
    """
    long = _long(name)
    if long in known:
        return [long]
    if spelled := equivalent_option(name, known) or equivalent_option(long, known):
        return [spelled]
    if hint_for_option(name) or hint_for_option(long):
        return []
    for option in sorted(known, key=len, reverse=True):  # --seed7, -ocat.png
        value = name[len(option) :]
        is_value = value[:1].isdigit() or (option in ALIASES and "." in value)
        if name.startswith(option) and is_value:
            return [f"{option} {value}"]
    return _near(long, known)


def _near(name: str, known: Collection[str]) -> list[str]:
    from difflib import get_close_matches

    listed = [option for option in known if option.startswith("--") and option not in ALIASES]
    parts = [option for option in listed if len(name) > 4 and name[2:] in option]
    if parts or len(name) < 4:
        return parts
    # The distance of --sead and --vea; --demo, which is not --debug, is farther away.
    near = get_close_matches(name, listed, n=1, cutoff=0.79)
    return near or get_close_matches(name, known, n=1, cutoff=0.79)


def _long(name: str) -> str:
    return "--" + name.lstrip(DASHES).lower().replace("_", "-")
