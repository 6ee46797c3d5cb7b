"""The kinds of options that a user can choose: numbers, lists of numbers, names.

``--help`` imports this module, so it imports nothing that takes long.
"""

import math
import operator
import re

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

# Compiling these takes long, so they are compiled when the first value is read.
_INTEGER = r"[+-]?[0-9]+"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"

_MOST_IN_SUMMARY = 6  # numbers of a list


class Option:
    """An option of a drawing.

    Attributes:
        name: Keyword of the library, and field of DrawRequest.
        title: Noun for messages, such as ``seed``.
        help: Text for ``--help``.
        parameter: Name in the parameters text of pictures; empty for an option that it lacks.
        summary: Format of its values in summaries, such as ``cfg {}``.
        server_fields: Names in requests to a server: each backend reads one and ignores the others.
            Empty for an option that no backend has.
        samplers: Samplers that it has an effect on; empty for all.
        fixed_schedulers: Schedulers that it has no effect on.
        needs: Name of the option without which it has no effect; empty for none.
    """

    metavar = "X"

    def __init__(
        self,
        name: str,
        *,
        title: str,
        example: str,
        help: str,  # noqa: A002 - as argparse names it
        parameter: str = "",
        summary: str = "{}",
        server_fields: "tuple[str, ...]" = (),
        samplers: "tuple[str, ...]" = (),
        fixed_schedulers: "tuple[str, ...]" = (),
        needs: str = "",
    ) -> None:
        """Declare an option; hints contain ``example``."""
        self.name = name
        self.title = title
        self.help = help
        self.parameter = parameter
        self.summary = summary
        self.server_fields = server_fields
        self.samplers = samplers
        self.fixed_schedulers = fixed_schedulers
        self.needs = needs
        self._example = example

    def text(self, value: "Any") -> str:
        """Return a value as the parameters of a picture hold it."""
        return str(value)

    def describe(self, value: "Any") -> str:
        """Return a value as a summary shows it, such as ``cfg 4.5``."""
        return self.summary.format(self.text(value))

    def error(self, value: object) -> UsageError:
        """Build the error for a value that is not allowed."""
        return UsageError(
            f"{quoted(value)} is not {self.title}",
            hint=phrase("for example {}", self._example),
            argument=self.name,
        )


class NumberOption(Option):
    """A number that a user can choose.

    Attributes:
        minimum: Smallest value.
        maximum: Largest value.
    """

    metavar = "N"

    def __init__(self, name: str, *, minimum: float, maximum: float, **facts: "Any") -> None:
        """Declare an option with a range; the other facts are those of :class:`Option`."""
        super().__init__(name, **facts)
        self.minimum = minimum
        self.maximum = maximum

    def text(self, value: float) -> str:
        """Return a number without a zero fraction, such as 7 or 4.5."""
        return str(int(value)) if value == int(value) else repr(value)

    def describe(self, value: float) -> str:
        """Return a value as a summary shows it, such as ``cfg 4.5``."""
        return self.summary.format(f"{value:g}")

    def error(self, value: object) -> UsageError:
        """Build the error for a value that is not allowed."""
        title = f"{'an' if self.title[:1] in 'aeiou' else 'a'} {self.title}"
        return UsageError(
            f"{quoted(value)} is not {title} from {self.minimum} to {self.maximum}",
            hint=phrase("for example {}", self._example),
            argument=self.name,
        )


class IntegerOption(NumberOption):
    """A whole number."""

    def parse(self, text: str) -> int:
        """Parse a typed value.

        Raises:
            UsageError: It is not a whole number in the option's range.
        """
        return _parse_integer(self, text)

    def check(self, value: object) -> int:
        """Check a Python value; integers of other libraries become ``int``.

        Raises:
            UsageError: It is not a whole number in the option's range.
        """
        return _check_integer(self, value)


class StepsOption(IntegerOption):
    """A number of steps, which a summary shows as ``20 steps``."""

    def describe(self, value: float) -> str:
        """Return a value as a summary shows it."""
        return "1 step" if value == 1 else super().describe(value)


class SeedOption(NumberOption):
    """A seed; -1 stands for a random one, which is ``None``."""

    def parse(self, text: str) -> int | None:
        """Parse a typed value.

        Raises:
            UsageError: It is neither -1 nor a seed.
        """
        return None if text.strip() == "-1" else _parse_integer(self, text)

    def check(self, value: object) -> int | None:
        """Check a Python value; integers of other libraries become ``int``.

        Raises:
            UsageError: It is neither -1 nor a seed.
        """
        try:
            if not isinstance(value, bool) and operator.index(value) == -1:  # type: ignore[arg-type]
                return None
        except TypeError:
            pass  # the check raises the error
        return _check_integer(self, value)


class DecimalOption(NumberOption):
    """A finite number."""

    metavar = "X"

    def parse(self, text: str) -> float:
        """Parse a typed value.

        Raises:
            UsageError: It is not a number in the option's range; NaN and infinity never are.
        """
        stripped = text.strip()
        # No value needs more characters, and the pattern takes long for many digits.
        if len(stripped) > 40 or not re.fullmatch(_DECIMAL, stripped):
            raise self.error(text)
        return self._in_range(float(stripped), text)

    def check(self, value: object) -> float:
        """Check a Python value; numbers of other libraries become ``float``.

        Raises:
            UsageError: It is not a number in the option's range; NaN and infinity never are.
        """
        if isinstance(value, bool | str | bytes):
            raise self.error(value)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise self.error(value) from None
        return self._in_range(number, value)

    def _in_range(self, number: float, original: object) -> float:
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            raise self.error(original)
        return number + 0.0  # -0.0 becomes 0.0


class FactorOption(DecimalOption):
    """A factor by which something grows: more than the minimum."""

    def error(self, value: object) -> UsageError:
        """Build the error for a value that is not allowed."""
        return UsageError(
            f"{quoted(value)} is not a {self.title} above {self.minimum} and up to {self.maximum}",
            hint=phrase("for example {}", self._example),
            argument=self.name,
        )

    def _in_range(self, number: float, original: object) -> float:
        if number == self.minimum:
            raise self.error(original)
        return super()._in_range(number, original)


class ListOption(Option):
    """A list of numbers, which becomes a tuple."""

    metavar = "N,N,..."

    def __init__(
        self,
        name: str,
        *,
        element: "IntegerOption | DecimalOption",
        most: int,
        is_allowed: "Callable[[tuple[Any, ...]], bool]",
        **facts: "Any",
    ) -> None:
        """Declare an option.

        Args:
            name: Keyword of the library.
            element: The range of each number.
            most: Numbers that a list can have.
            is_allowed: Returns whether the numbers, each in its range, are a valid list.
            facts: As for :class:`Option`.
        """
        super().__init__(name, **facts)
        self._element = element
        self._most = most
        self._is_allowed = is_allowed

    def parse(self, text: str) -> "tuple[Any, ...]":
        """Parse numbers with commas between them.

        Raises:
            UsageError: They are no list that is allowed.
        """
        numbers = text.strip()
        if numbers[:1] == "[" and numbers[-1:] == "]":  # as sd-cli writes them: [7, 8, 9, ]
            numbers = numbers[1:-1].rstrip(", ")
        return self._checked(numbers.split(",", self._most), self._element.parse, text)

    def check(self, value: object) -> "tuple[Any, ...]":
        """Check a Python value: numbers, or text as for :meth:`parse`.

        Raises:
            UsageError: It is no list that is allowed.
        """
        if isinstance(value, str):
            return self.parse(value)
        from itertools import islice

        try:
            numbers = list(islice(value, self._most + 1))  # type: ignore[call-overload]
        except TypeError:
            raise self.error(value) from None
        return self._checked(numbers, self._element.check, value)

    def text(self, value: "Sequence[float]") -> str:
        """Return the numbers with commas between them."""
        return ",".join(map(self._element.text, value))

    def describe(self, value: "Sequence[float]") -> str:
        """Return the numbers as a summary shows them; of many, the first ones and the last."""
        if len(value) > _MOST_IN_SUMMARY:
            start, end = value[: _MOST_IN_SUMMARY - 1], value[-1:]
            return self.summary.format(f"{self.text(start)},...,{self.text(end)}")
        return super().describe(value)

    def _checked(
        self, values: "list[Any]", check: "Callable[[Any], Any]", original: object
    ) -> "tuple[Any, ...]":
        try:
            numbers = tuple(map(check, values))
        except UsageError:
            raise self.error(original) from None
        if len(numbers) > self._most or not self._is_allowed(numbers):
            raise self.error(original)
        return numbers


class ChoiceOption(Option):
    """One of a few names."""

    metavar = "NAME"

    def __init__(
        self,
        name: str,
        *,
        texts: "Mapping[str, str]",
        aliases: "Mapping[str, str | None]",
        **facts: "Any",
    ) -> None:
        """Declare an option.

        Args:
            name: Keyword of the library.
            texts: By value, its text in the parameters of a picture.
            aliases: Other spellings of values, in lower case; ``None`` is the default.
            facts: As for :class:`Option`.
        """
        super().__init__(name, **facts)
        self._texts = texts
        self._aliases = aliases

    def parse(self, text: str) -> str | None:
        """Parse a typed value.

        Raises:
            UsageError: It is none of the names.
        """
        typed = text.strip().lower()
        if typed in self._texts:
            return typed
        if typed in self._aliases:
            return self._aliases[typed]
        raise self.error(text)

    def check(self, value: object) -> str | None:
        """Check a Python value.

        Raises:
            UsageError: It is none of the names.
        """
        if not isinstance(value, str):
            raise self.error(value)
        return self.parse(value)

    def text(self, value: str) -> str:
        """Return a value as the parameters of a picture hold it."""
        return self._texts[value]

    def describe(self, value: str) -> str:
        """Return a value as a summary shows it."""
        return self.summary.format(value)


def _parse_integer(option: NumberOption, text: str) -> int:
    stripped = text.strip()
    # No range has numbers of more than 20 digits, and int() takes long for many digits.
    if not re.fullmatch(_INTEGER, stripped) or len(stripped) > 20:
        raise option.error(text)
    number = int(stripped)
    if not option.minimum <= number <= option.maximum:
        raise option.error(text)
    return number


def _check_integer(option: NumberOption, value: object) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise option.error(value) from None
    if isinstance(value, bool) or not option.minimum <= number <= option.maximum:
        raise option.error(value)
    return number
