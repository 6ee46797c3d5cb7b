"""Read the fields of a request as the web UI reads them.

Its models (pydantic 1) take numbers that are written as text, cut the fraction off a number where
they need a whole one, and treat null as an absent field. Clients depend on each of these.
"""

import math
import re
from collections.abc import Mapping

from gpustack_draw.errors import UsageError, quoted

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off", ""}


class Body:
    """The fields of a JSON object.

    Attributes:
        values: The fields that are not null.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        """Store the fields of a JSON object."""
        self.values = {name: value for name, value in values.items() if value is not None}

    def text(self, name: str, default: str = "") -> str:
        """Read a text.

        Raises:
            UsageError: The field is not a text.
        """
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise _error(value, "a text", name)
        return value

    def number(self, name: str) -> float | None:
        """Read a number, which may be written as text; ``None`` if it is absent.

        Raises:
            UsageError: The field is not a finite number.
        """
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _error(value, "a number", name)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise _error(value, "a number", name) from None
        if not math.isfinite(number):
            raise _error(value, "a number", name)
        return value if isinstance(value, int) else number  # as typed, for messages

    def whole(self, name: str) -> int | None:
        """Read a whole number; a fraction is cut off. ``None`` if it is absent.

        Raises:
            UsageError: The field is not a finite number.
        """
        value = self.values.get(name)
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value  # a seed has more digits than a float
        number = self.number(name)
        return None if number is None else int(number)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Read a truth value, which may be 0, 1 or a text.

        Raises:
            UsageError: The field is no truth value.
        """
        value = self.values.get(name, default)
        if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
            return value.strip().lower() in _TRUE
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        raise _error(value, "true or false", name)

    def items(self, name: str) -> list[object]:
        """Read a list; empty if it is absent.

        Raises:
            UsageError: The field is not a list.
        """
        value = self.values.get(name, [])
        if not isinstance(value, list):
            raise _error(value, "a list", name)
        return value

    def part(self, name: str) -> "Body":
        """Read an object; empty if it is absent.

        Raises:
            UsageError: The field is not an object.
        """
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            raise _error(value, "an object", name)
        return Body(value)


def _error(value: object, title: str, name: str) -> UsageError:
    return UsageError(f"{quoted(value)} is not {title}", argument=name)
