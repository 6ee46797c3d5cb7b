"""An argument parser that raises the errors of this command."""

import argparse
import os
import sys
from collections.abc import Sequence

from gpustack_draw.cli.command_line import ALIASES, PROGRAM, TYPOGRAPHIC_DASHES, CommandLine
from gpustack_draw.errors import UsageError, quoted

TYPE_CHECKING = False  # importing typing would double the time of --help
if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    _Arguments = TypeVar("_Arguments", bound=argparse.Namespace)


_CONFIG_HELP = (
    "configuration file, with defaults of these options; --no-NAME turns off a switch that it sets"
    " (default: GPUSTACK_DRAW_CONFIG, else ~/.config/gpustack-draw/config.toml, if it exists)"
)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are UsageErrors with a hint."""

    def __init__(
        self, *, usage: str, description: str, prog: str = PROGRAM, epilog: str | None = None
    ) -> None:
        """Create a parser without options."""
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            add_help=False,
            allow_abbrev=False,
            formatter_class=_formatter,
        )
        self.color = False  # Python 3.14 imports much for colors, and --help is used without them

    def add_version_and_help(self, *, config: bool = False) -> None:
        """Add the options that every command has.

        Args:
            config: Add ``--config``, for a command with defaults in the configuration file.
        """
        group = self.add_argument_group("general")
        if config:
            group.add_argument("--config", metavar="FILE", help=_CONFIG_HELP)
        group.add_argument("-h", "--help", action="help", help="show this help and exit")
        group.add_argument("-V", "--version", action=_Version, help="show the version and exit")

    def parse_options(self, argv: Sequence[str], arguments: "_Arguments") -> CommandLine:
        """Parse the options of a command line into a namespace with type annotations.

        Args:
            argv: The arguments, without the name of the command.
            arguments: The namespace to fill.

        Returns:
            The command line, for :meth:`assign_words`.

        Raises:
            UsageError: An option is unknown or lacks its value.
        """
        typed = self._split(argv)
        self.parse_known_args(typed.options, arguments)
        return typed

    def assign_words(self, typed: CommandLine, arguments: "_Arguments") -> "_Arguments":
        """Set the positional arguments of a command line in a namespace.

        Args:
            typed: The command line.
            arguments: The namespace to fill.

        Raises:
            UsageError: An argument is missing or unexpected.
        """
        expected = []
        for action in self._get_positional_actions():
            if action.metavar in typed.named:
                value = typed.named[str(action.metavar)]
                setattr(arguments, action.dest, [value] if action.nargs == "*" else value)
            else:
                expected.append(action)
        last = expected[-1] if expected and expected[-1].nargs == "*" else None
        is_optional = last is not None and last.default is not None
        if last is not None and len(typed.words) >= len(expected) - is_optional:
            expected.pop()
            setattr(arguments, last.dest, typed.words[len(expected) :])
            typed.word_indexes = typed.word_indexes[: len(expected)]
        for action, word in zip(expected, typed.words, strict=False):
            setattr(arguments, action.dest, word)
        surplus = len(typed.words) - len(expected)
        if surplus > 0:
            from gpustack_draw.cli.hints.positional_arguments import unexpected_argument

            raise unexpected_argument(typed, len(expected), self.spellings(), self.prog)
        if surplus == -1 and getattr(arguments, "prompts", None) is not None:
            surplus = 0  # PROMPT
        if surplus < 0 and getattr(arguments, "from_picture", None) is None:
            from gpustack_draw.cli.hints.positional_arguments import missing_arguments

            names = [str(action.metavar) for action in expected[len(typed.words) :]]
            raise missing_arguments(typed, names, self.epilog or "")
        return arguments

    def error(self, message: str) -> "NoReturn":
        """Raise an error of argparse as a UsageError."""
        option, _, problem = message.removeprefix("argument ").partition(": ")
        if problem.startswith("ignored explicit argument"):
            option = option.rpartition("/")[2]
            raise UsageError(f"{option} takes no value", hint=f"type {option} alone")
        raise UsageError(message, hint=f"see {self.prog} --help")

    def write(self, text: str) -> None:
        """Write to standard output.

        Raises:
            OSError: Standard output cannot be written.
        """
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()

    def _print_message(self, message: str, _file: object = None) -> None:
        self.write(message)  # argparse would ignore an error

    def attributes_set(self, typed: CommandLine) -> set[str]:
        """Return the names of the attributes that the options of a command line set."""
        actions = self._option_string_actions
        found: set[str] = set()
        for option in typed.options:
            name = option.partition("=")[0]
            spellings = [name] if name in actions else [f"-{letter}" for letter in name[1:]]
            found.update(actions[spelling].dest for spelling in spellings)
        return found

    def parse_option(self, option: str, words: Sequence[str]) -> tuple[str, object]:
        """Parse an option alone.

        Args:
            option: The option.
            words: A command line that sets it; empty for its default.

        Returns:
            The name of its attribute, and its value.
        """
        attribute = self._option_string_actions[option].dest
        return attribute, getattr(self.parse_known_args(words, argparse.Namespace())[0], attribute)

    def _split(self, argv: Sequence[str]) -> "CommandLine":
        """Separate options from positional arguments, and join each option with its value.

        argparse takes the value in ``--size -1x5`` for an option, and its versions differ on
        optional positional arguments between options and after ``--``.

        Raises:
            UsageError: An option does not exist or lacks its value.
        """
        known = self.spellings()
        typed = CommandLine(argv)
        words = iter(enumerate(argv))
        for index, word in words:
            if word == "--":
                typed.word_indexes += [following for following, _ in words]
            elif not self._is_option(word, known):
                typed.word_indexes.append(index)
            else:
                name, value = _name_and_value(word, known)
                if name not in known or not self.takes_value(known[name]):
                    typed.options.append(word)
                    typed.switch_indexes.append(index)
                    continue
                if value is None:
                    _, value = next(words, (0, "--"))
                    if value == "--" or value in known:
                        raise UsageError(f"{name} needs a value", hint=f"see {self.prog} --help")
                typed.add(known[name], name, value)
        typed.join_sides()
        return typed

    def arguments(self) -> list[str]:
        """Return the names of the positional arguments, in order."""
        return [str(action.metavar) for action in self._get_positional_actions()]

    @property
    def repeats_last_argument(self) -> bool:
        """True if the last positional argument may be typed several times."""
        actions = self._get_positional_actions()
        return bool(actions) and actions[-1].nargs == "*"

    def options(self) -> list[argparse.Action]:
        """Return the options listed by ``--help``."""
        return [action for action in self._get_optional_actions() if action.help]

    def spellings(self) -> dict[str, str]:
        """Map every spelling of an option to the option or argument that it sets."""
        own = {
            option: action.option_strings[-1]
            for option, action in self._option_string_actions.items()
        }
        targets = {*own, *self.arguments()}
        if "--size" in own:
            targets |= {"WIDTH", "HEIGHT"}
        return {alias: target for alias, target in ALIASES.items() if target in targets} | own

    def takes_value(self, target: str) -> bool:
        """Check whether what :meth:`spellings` maps to is followed by a value."""
        action = self._option_string_actions.get(target)
        return action is None or action.nargs is None  # MODEL, PROMPT, WIDTH and HEIGHT are values

    def is_switch(self, option: str) -> bool:
        """Check whether an option is true or false."""
        return self._option_string_actions[option].nargs == 0

    def _is_option(self, word: str, known: dict[str, str]) -> bool:
        """Check whether a word is an option.

        Raises:
            UsageError: It was meant as one, and is none.
        """
        if word[:1] in TYPOGRAPHIC_DASHES:
            from gpustack_draw.cli.hints.unknown_options import check_dash

            check_dash(word, known)
            return False
        if not word.startswith("-") or word == "-" or self._negative_number_matcher.match(word):
            return False
        if _name_and_value(word, known)[0] in known or self._add_negation(word, known):
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

    def _add_negation(self, word: str, known: dict[str, str]) -> bool:
        """Add the option that a word is if it turns a switch off, such as ``--no-show``."""
        switch = "--" + word.removeprefix("--no-")
        action = self._option_string_actions.get(known.get(switch, ""))
        if not word.startswith("--no-") or action is None or action.const is not True:
            return False
        add_negation(self, word, action, help=argparse.SUPPRESS)
        known[word] = word
        return True


def add_negation(
    group: "argparse._ActionsContainer",
    name: str,
    option: argparse.Action,
    *,
    help: str,  # noqa: A002 - argparse's name
) -> None:
    """Add an option that turns another one off.

    Each switch has one that is not listed; this lists one where off is not the default.

    Args:
        group: The parser, or a group of its options.
        name: Its spelling, such as ``--no-hires``.
        option: The other option.
        help: Its help text.
    """
    group.add_argument(
        name,
        dest=option.dest,
        action="store_const",
        const=False,
        default=option.default,
        help=help,
    )


def _name_and_value(word: str, known: dict[str, str]) -> tuple[str, str | None]:
    """Split ``--seed=7`` and ``-s7`` into name and value; the short form takes numbers only."""
    name, equals, value = word.partition("=")
    if equals:
        return name, value
    if word[:2] in known and not word.startswith("--") and word[2:].isdecimal():
        return word[:2], word[2:]
    return word, None


class _Version(argparse.Action):
    """The action of ``--version``, which reads the version only when asked: reading is slow."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> "NoReturn":
        from gpustack_draw.pictures.parameters import package_version

        assert isinstance(parser, Parser)
        parser.write(f"{PROGRAM} {package_version()}\n")
        parser.exit()


def _formatter(prog: str) -> argparse.HelpFormatter:
    # Without a width, argparse imports shutil, a fifth of the time of --help.
    try:
        columns = int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        try:
            columns = os.get_terminal_size().columns or 80
        except OSError:
            columns = 80
    return _Formatter(prog, max_help_position=28, width=max(40, min(columns, 100) - 2))


class _Formatter(argparse.HelpFormatter):
    """Writes an optional value as it is typed: ``--masked-only[=PADDING]``."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        text = super()._format_action_invocation(action)
        return text.replace(" [", "[=") if action.nargs == "?" and action.option_strings else text
