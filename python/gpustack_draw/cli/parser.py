"""An argument parser that speaks as the rest of the command does."""

import argparse
import os
import sys
from collections.abc import Sequence

from gpustack_draw.cli.command_line import ALIASES, OTHER_DASHES, PROGRAM, CommandLine
from gpustack_draw.errors import UsageError, quoted

TYPE_CHECKING = False  # as in typing, whose import would take as long as the rest here
if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    _Arguments = TypeVar("_Arguments", bound=argparse.Namespace)


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
        group = self.add_argument_group("general")
        group.add_argument("-h", "--help", action="help", help="show this help and exit")
        group.add_argument("-V", "--version", action=_Version, help="show the version and exit")

    def parse_typed(self, argv: Sequence[str], arguments: "_Arguments") -> "_Arguments":
        """Read a command line into typed arguments.

        Raises:
            UsageError: It is wrong.
        """
        typed = self._split(argv)
        self.parse_known_args(typed.options, arguments)
        wanted = []
        for action in self._get_positional_actions():
            if action.metavar in typed.named:
                setattr(arguments, action.dest, typed.named[str(action.metavar)])
            else:
                wanted.append(action)
        for action, word in zip(wanted, typed.words, strict=False):
            setattr(arguments, action.dest, word)
        surplus = len(typed.words) - len(wanted)
        if surplus > 0:
            from gpustack_draw.cli.hints.positional_arguments import unexpected_argument

            raise unexpected_argument(typed, len(wanted), self.spellings(), self.prog)
        if surplus < 0 and getattr(arguments, "from_picture", None) is None:
            from gpustack_draw.cli.hints.positional_arguments import missing_arguments

            names = [str(action.metavar) for action in wanted[len(typed.words) :]]
            raise missing_arguments(typed, names, self.epilog or "")
        return arguments

    def error(self, message: str) -> "NoReturn":
        """Raise what argparse found wrong, in the words of this command."""
        what, _, problem = message.removeprefix("argument ").partition(": ")
        if problem.startswith("ignored explicit argument"):
            what = what.rpartition("/")[2]
            raise UsageError(f"{what} takes no value", hint=f"type {what} alone")
        raise UsageError(message, hint=f"see {self.prog} --help")

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

    def _split(self, argv: Sequence[str]) -> "CommandLine":
        """Separate options from words, and turn ``--size -1x5`` into ``--size=-1x5``.

        argparse takes ``-1x5`` for an option, and its releases disagree about words that may be
        left out, between options and after ``--``.

        Raises:
            UsageError: An option does not exist, or lacks its value.
        """
        known = self.spellings()
        typed = CommandLine(argv)
        words = iter(enumerate(argv))
        for place, word in words:
            if word == "--":
                typed.places += [after for after, _ in words]
            elif not self._is_option(word, known):
                typed.places.append(place)
            else:
                name, value = _name_and_value(word, known)
                if name not in known or not self.takes_value(known[name]):
                    typed.options.append(word)
                    typed.switches.append(place)
                    continue
                if value is None:
                    _, value = next(words, (0, "--"))
                    if value == "--" or value in known:
                        raise UsageError(f"{name} needs a value", hint=f"see {self.prog} --help")
                typed.add(known[name], name, value)
        typed.join_sides()
        return typed

    def arguments(self) -> list[str]:
        """List the names of the words that are no options, in their order."""
        return [str(action.metavar) for action in self._get_positional_actions()]

    def options(self) -> list[argparse.Action]:
        """List the options that ``--help`` lists."""
        return [action for action in self._get_optional_actions() if action.help]

    def spellings(self) -> dict[str, str]:
        """Map every option, in each of its spellings, to the option or argument that it sets."""
        there = {option: option for option in self._option_string_actions}
        targets = {*there, *self.arguments()}
        if "--size" in there:
            targets |= {"WIDTH", "HEIGHT"}
        return {alias: target for alias, target in ALIASES.items() if target in targets} | there

    def takes_value(self, target: str) -> bool:
        """Check whether what :meth:`spellings` maps to is followed by a value."""
        action = self._option_string_actions.get(target)
        return action is None or action.nargs is None  # MODEL, PROMPT, WIDTH and HEIGHT are values

    def _is_option(self, word: str, known: dict[str, str]) -> bool:
        """Check whether a word is an option.

        Raises:
            UsageError: It was meant as one, and is none.
        """
        if word[:1] in OTHER_DASHES:
            from gpustack_draw.cli.hints.unknown_options import check_dash

            check_dash(word, known)
            return False
        if not word.startswith("-") or word == "-" or self._negative_number_matcher.match(word):
            return False
        if _name_and_value(word, known)[0] in known:
            return True
        if len(word.split()) > 1:
            if word[:2] in known:
                raise UsageError(
                    f"{quoted(word)} starts with a dash",
                    hint="put -- before a prompt that starts with a dash",
                )
            return False
        letters = [f"-{letter}" for letter in word[1:]]
        if all(letter in known and not self.takes_value(known[letter]) for letter in letters):
            return True
        from gpustack_draw.cli.hints.unknown_options import unknown_option

        raise unknown_option(word, known, self.prog)


def _name_and_value(word: str, known: dict[str, str]) -> tuple[str, str | None]:
    """Split ``--seed=7`` and ``-s7``; of the latter kind, only numbers are read."""
    name, equals, value = word.partition("=")
    if equals:
        return name, value
    if word[:2] in known and not word.startswith("--") and word[2:].isdecimal():
        return word[:2], word[2:]
    return word, None


class _Version(argparse.Action):
    """Answers ``--version``; reading the version takes longer than everything else here."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> "NoReturn":
        from gpustack_draw.pictures.parameters import package_version

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
