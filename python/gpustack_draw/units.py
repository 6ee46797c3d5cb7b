"""Byte counts as text, and rounding to multiples."""

_BYTE_UNITS = ("kB", "MB", "GB", "TB")


def format_bytes(count: int) -> str:
    """Return a number of bytes in a decimal unit, rounded to three digits: ``6.79 GB``, ``150 MB``.

    Fewer than 1,000 bytes are exact: ``288 B``.
    """
    divisor, digits, unit = _byte_unit(count)
    return f"{count / divisor:.{digits}f} {unit}"


def format_bytes_of(part: int, total: int, separator: str = "/") -> str:
    """Return a part of a number of bytes, and the whole, in the unit and digits of the whole.

    Args:
        part: Number of bytes.
        total: Number of bytes, rounded as by :func:`format_bytes`.
        separator: Text between the two: ``1.50/6.00 GB``.
    """
    divisor, digits, unit = _byte_unit(total)
    return f"{part / divisor:.{digits}f}{separator}{total / divisor:.{digits}f} {unit}"


def round_up(number: int, multiple: int) -> int:
    """Return the smallest multiple of ``multiple`` that is not below ``number``."""
    return -(-number // multiple) * multiple


def _byte_unit(count: int) -> tuple[int, int, str]:
    """Return the divisor, the number of decimals and the name of a count's unit."""
    divisor, unit = 1, "B"
    for larger in _BYTE_UNITS:
        if count / divisor < 999.5:  # which rounds to 1,000
            break
        divisor, unit = divisor * 1000, larger
    value = count / divisor
    digits = 0 if divisor == 1 or value >= 99.95 else 1 if value >= 9.995 else 2
    return divisor, digits, unit
