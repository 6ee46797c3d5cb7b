"""A command line split into options and positional arguments, and the aliases of options.

Imports nothing that ``--help`` does not need.
"""

from collections.abc import Sequence

from gpustack_draw.errors import UsageError, quoted

PROGRAM = "gpustack-draw"
COMMANDS = ("draw", "upscale", "serve", "show", "devices", "models", "pull", "rm", "completion")
# Names from other programs, accepted where the command has the option or argument on the right, and
# not listed by --help. WIDTH and HEIGHT make up --size.
ALIASES = {
    "-o": "--output",
    "-n": "--count",
    "-s": "--seed",
    "--steps": "--sample-steps",
    "--cfg": "--cfg-scale",
    "--init-img": "--image",
    "--init-image": "--image",
    "-m": "MODEL",
    "--model": "MODEL",
    "-p": "PROMPT",
    "--prompt": "PROMPT",
    "-W": "WIDTH",
    "--width": "WIDTH",
    "-H": "HEIGHT",
    "--height": "HEIGHT",
}
TYPOGRAPHIC_DASHES = tuple("\u2010\u2011\u2012\u2013\u2014\u2015\u2212")


class CommandLine:
    """A command line whose options are separated from its positional arguments.

    Attributes:
        argv: The command line.
        options: Its options, as argparse reads them.
        word_indexes: Indexes in ``argv`` of the positional arguments, here called words.
        switch_indexes: Indexes in ``argv`` of the options without a value.
        named: Values of MODEL, PROMPT, WIDTH and HEIGHT that were set by options.
        usual_model: The model of the configuration file; empty for none.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start without any option or word."""
        self.argv = list(argv)
        self.options: list[str] = []
        self.word_indexes: list[int] = []
        self.switch_indexes: list[int] = []
        self.named: dict[str, str] = {}
        self.usual_model = ""
        self._names: dict[str, str] = {}

    @property
    def words(self) -> list[str]:
        """Positional arguments."""
        return [self.argv[index] for index in self.word_indexes]

    def put_first(self, words: Sequence[str]) -> None:
        """Insert positional arguments before the typed ones."""
        start = len(self.argv)
        self.argv += words
        self.word_indexes = [*range(start, len(self.argv)), *self.word_indexes]

    def add(self, target: str, name: str, value: str) -> None:
        """Add an option with a value.

        Raises:
            UsageError: ``-n`` has a negative prompt as its value, as in sd-cli.
        """
        if name == "-n" and not value.strip().lstrip("+-").isdecimal():
            raise UsageError(
                f"{quoted(value)} is not a number of pictures",
                hint="-n means --count; type --negative-prompt for text to avoid",
            )
        self._names[target] = name
        if target.startswith("-"):
            self.options.append(f"{target}={value}")
        else:
            self.named[target] = value

    def join_sides(self) -> None:
        """Combine width and height into ``--size``.

        Raises:
            UsageError: One is missing or not a number, or ``--size`` is present too.
        """
        sides = [side for side in ("WIDTH", "HEIGHT") if side in self.named]
        for side in sides:
            name, value = self._names[side], self.named[side]
            if not value.strip().isdecimal():
                raise UsageError(
                    f"{quoted(value)} is not a {side.lower()} in pixels",
                    hint=f"for example {name} 512",
                )
            if "--size" in self._names:
                raise UsageError(f"--size and {name} exclude each other", hint="type --size alone")
        if len(sides) == 1:
            missing = "height" if sides == ["WIDTH"] else "width"
            length = self.named[sides[0]].strip()
            raise UsageError(
                f"{self._names[sides[0]]} needs a {missing}",
                hint=f"for a square picture: --size {length}x{length}",
            )
        if sides:
            width, height = (self.named.pop(side).strip() for side in sides)
            self.options.append(f"--size={width}x{height}")
