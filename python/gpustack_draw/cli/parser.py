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
COMMANDS = ("draw", "show", "devices", "models", "pull", "rm", "completion")
# Spellings that other programs have taught people; --help does not list them. They hold where the
# command has the option or the argument on the right; WIDTH and HEIGHT make up --size.
ALIASES = {
    "-o": "--output",
    "-n": "--count",
    "-s": "--seed",
    "--steps": "--sample-steps",
    "--cfg": "--cfg-scale",
    "-m": "MODEL",
    "--model": "MODEL",
    "-p": "PROMPT",
    "--prompt": "PROMPT",
    "-W": "WIDTH",
    "--width": "WIDTH",
    "-H": "HEIGHT",
    "--height": "HEIGHT",
}
OTHER_DASHES = tuple("\u2010\u2011\u2012\u2013\u2014\u2015\u2212")  # word processors' own


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
            from gpustack_draw.cli.word_slips import too_many_words

            raise too_many_words(typed, len(wanted), self.spellings(), self.prog)
        if surplus < 0 and getattr(arguments, "from_picture", None) is None:
            from gpustack_draw.cli.word_slips import missing_words

            names = [str(action.metavar) for action in wanted[len(typed.words) :]]
            raise missing_words(typed, names, self.epilog or "")
        return arguments

    def error(self, message: str) -> "NoReturn":
        """Raise what argparse found wrong, in the words of this command."""
        what, _, problem = message.removeprefix("argument ").partition(": ")
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
                        raise _usage_error(f"{name} needs a value", f"see {self.prog} --help")
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
            from gpustack_draw.cli.option_slips import check_dash

            check_dash(word, known)
            return False
        if not word.startswith("-") or word == "-" or self._negative_number_matcher.match(word):
            return False
        if _name_and_value(word, known)[0] in known:
            return True
        if len(word.split()) > 1:
            if word[:2] in known:
                raise _usage_error(
                    f"{_quoted(word)} starts with a dash",
                    "put -- before a prompt that starts with a dash",
                )
            return False
        letters = [f"-{letter}" for letter in word[1:]]
        if all(letter in known and not self.takes_value(known[letter]) for letter in letters):
            return True
        from gpustack_draw.cli.option_slips import unknown_option

        raise unknown_option(word, known, self.prog)


class CommandLine:
    """A command line whose options have been separated from its words.

    Attributes:
        argv: The command line.
        options: Its options, as argparse reads them.
        places: Where in ``argv`` its words are.
        switches: Where in ``argv`` its options without a value are.
        named: The values of MODEL, PROMPT, WIDTH and HEIGHT that came as options.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Begin with nothing read."""
        self.argv = list(argv)
        self.options: list[str] = []
        self.places: list[int] = []
        self.switches: list[int] = []
        self.named: dict[str, str] = {}
        self._names: dict[str, str] = {}

    @property
    def words(self) -> list[str]:
        """All that is neither an option nor its value."""
        return [self.argv[place] for place in self.places]

    def add(self, target: str, name: str, value: str) -> None:
        """Add an option with a value.

        Raises:
            UsageError: It is the value of another program's option of that name.
        """
        if name == "-n" and not value.strip().lstrip("+-").isdecimal():
            raise _usage_error(  # sd-cli has it so
                f"{_quoted(value)} is not a number of pictures",
                "-n is --count; --negative-prompt says what to avoid",
            )
        self._names[target] = name
        if target.startswith("-"):
            self.options.append(f"{target}={value}")
        else:
            self.named[target] = value

    def join_sides(self) -> None:
        """Turn width and height into a size.

        Raises:
            UsageError: One is missing or is no number, or there is a size, too.
        """
        sides = [side for side in ("WIDTH", "HEIGHT") if side in self.named]
        for side in sides:
            name, value = self._names[side], self.named[side]
            if not value.strip().isdecimal():
                raise _usage_error(
                    f"{_quoted(value)} is not a {side.lower()} in pixels", f"for example {name} 512"
                )
            if "--size" in self._names:
                raise _usage_error(f"--size and {name} exclude each other", "type --size alone")
        if len(sides) == 1:
            missing = "height" if sides == ["WIDTH"] else "width"
            length = self.named[sides[0]].strip()
            raise _usage_error(
                f"{self._names[sides[0]]} needs a {missing}, too",
                f"for a square picture: --size {length}x{length}",
            )
        if sides:
            width, height = (self.named.pop(side).strip() for side in sides)
            self.options.append(f"--size={width}x{height}")


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
