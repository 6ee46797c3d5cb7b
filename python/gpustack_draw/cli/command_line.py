"""A command line split into options and words, and the spellings of options.

Imports nothing that ``--help`` does not need.
"""

from collections.abc import Sequence

from gpustack_draw.errors import UsageError, quoted

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
            raise UsageError(  # sd-cli has it so
                f"{quoted(value)} is not a number of pictures",
                hint="-n means --count; type --negative-prompt for text to avoid",
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
