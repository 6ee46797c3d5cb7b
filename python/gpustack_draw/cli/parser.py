"""An argument parser that speaks as the rest of the command does."""

import argparse
import os
import sys
from collections.abc import Sequence

TYPE_CHECKING = False  # as in typing, whose import would take as long as the rest here
if TYPE_CHECKING:
    from typing import NoReturn

    from gpustack_draw.cli.arguments import Arguments

PROGRAM = "gpustack-draw"
COMMANDS = ("draw", "show", "devices", "models", "pull", "rm")


class Parser(argparse.ArgumentParser):
    """Reads words into arguments; what is wrong with them comes as a UsageError."""

    def __init__(
        self, *, usage: str, description: str, prog: str = PROGRAM, epilog: str | None = None
    ) -> None:
        """Make a parser without options."""
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            add_help=False,
            allow_abbrev=False,
            formatter_class=_formatter,
        )
        self.color = False  # Python 3.14's colours import a lot, and need a switch of their own

    def add_version_and_help(self) -> None:
        """Add the options that every command has."""
        group = self.add_argument_group("about this command")
        group.add_argument("-h", "--help", action="help", help="show this help")
        group.add_argument("-V", "--version", action=_Version, help="show the version")

    def parse_typed(self, argv: Sequence[str], arguments: "Arguments") -> "Arguments":
        """Read a command line into typed arguments.

        Raises:
            UsageError: It is wrong.
        """
        options, words = self._split(argv)
        _, unknown = self.parse_known_args(options, arguments)
        if unknown:
            raise self._unknown_option(unknown[0])
        wanted = self._get_positional_actions()
        for action, word in zip(wanted, words, strict=False):
            setattr(arguments, action.dest, word)
        if words[len(wanted) :]:
            raise self._too_many(words[len(wanted)], arguments)
        missing = wanted[len(words) :]
        if missing and getattr(arguments, "from_picture", None) is None:
            raise self._missing(missing, argv)
        return arguments

    def _too_many(self, word: str, arguments: "Arguments") -> Exception:
        hint = 'put the prompt in quotes: "a red circle"'
        if arguments.command != "draw":
            hint = f"see {self.prog} --help"
        elif arguments.model in COMMANDS:
            hint = f"the command comes first: {PROGRAM} {arguments.model} ..."
        return _usage_error(f"{_quoted(word)} is one word too many", hint)

    def _missing(self, actions: Sequence[argparse.Action], typed: Sequence[str]) -> Exception:
        names = " and no ".join(str(action.metavar) for action in actions)
        command = next((word for word in typed if word in COMMANDS), None)
        hint = self.epilog or ""
        if command is not None:
            hint = f"the command comes first: {PROGRAM} {command} ..."
        return _usage_error(f"there is no {names}", hint)

    def error(self, message: str) -> "NoReturn":
        """Say in our words what argparse found wrong."""
        what, _, problem = message.removeprefix("argument ").partition(": ")
        if problem == "expected one argument":
            raise _usage_error(f"{what} needs a value", f"see {self.prog} --help")
        if problem.startswith("ignored explicit argument"):
            what = what.rpartition("/")[2]
            raise _usage_error(f"{what} takes no value", f"type {what} alone")
        raise _usage_error(message, f"see {self.prog} --help")

    def tell(self, text: str) -> None:
        """Write to standard output.

        Raises:
            OSError: It cannot be written.
        """
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()

    def _print_message(self, message: str, _file: object = None) -> None:
        self.tell(message)  # argparse's own hides that nobody can read it

    def _split(self, argv: Sequence[str]) -> tuple[list[str], list[str]]:
        """Tell options from the other words, and turn ``--size -1x5`` into ``--size=-1x5``.

        argparse takes ``-1x5`` for an option, and what releases of Python do with words that may be
        left out, between options and after ``--``, differs.

        Raises:
            UsageError: There is no such option.
        """
        actions = self._option_string_actions
        options: list[str] = []
        others: list[str] = []
        words = iter(argv)
        for word in words:
            if word == "--":
                others += words
            elif self._is_option(word):
                options.append(word)
            else:
                others.append(word)
            if word in actions and actions[word].nargs is None:
                value = next(words, None)
                if value is not None and value != "--" and value not in actions:
                    options[-1] = f"{word}={value}"
                elif value is not None:
                    return [*options, value, *words], others  # argparse says what is missing
        return options, others

    def _is_option(self, word: str) -> bool:
        """Tell whether a word is, or was meant as, an option.

        Raises:
            UsageError: It cannot be told.
        """
        actions = self._option_string_actions
        if not word.startswith("-") or word == "-" or self._negative_number_matcher.match(word):
            return False
        if word.partition("=")[0] in actions:
            return True
        if " " in word and word[:2] in actions:
            raise _usage_error(
                f"{_quoted(word)} starts with a dash",
                "put -- before a prompt that starts with a dash",
            )
        if word.startswith("--") and " " not in word:
            raise self._unknown_option(word)
        return " " not in word

    def _unknown_option(self, word: str) -> Exception:
        from difflib import get_close_matches

        name = word.partition("=")[0]
        hint = f"see {self.prog} --help"
        if not word.startswith("--"):
            hint = "put -- before a prompt that starts with a dash"
        else:
            options = list(self._option_string_actions)
            # --steps is --sample-steps, whatever the spelling is closest to.
            close = [option for option in options if len(name) > 4 and name[2:] in option]
            close = close or get_close_matches(name, options, n=1)
            if close:
                hint = f"did you mean {' or '.join(close)}?"
        return _usage_error(f"{_quoted(name)} is not an option", hint)


class _Version(argparse.Action):
    """Answers ``--version``; reading the version takes longer than everything else here."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> "NoReturn":
        from gpustack_draw.parameters import package_version

        assert isinstance(parser, Parser)
        parser.tell(f"{PROGRAM} {package_version()}\n")
        parser.exit()


def _formatter(prog: str) -> argparse.HelpFormatter:
    # Left to itself, argparse imports shutil for the width: a fifth of the time of --help.
    try:
        columns = int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        try:
            columns = os.get_terminal_size().columns or 80
        except OSError:
            columns = 80
    return argparse.HelpFormatter(prog, max_help_position=28, width=max(40, min(columns, 100) - 2))


def _quoted(word: str) -> str:
    from gpustack_draw.errors import quoted

    return quoted(word)


def _usage_error(message: str, hint: str) -> Exception:
    from gpustack_draw.errors import UsageError

    return UsageError(message, hint=hint)
