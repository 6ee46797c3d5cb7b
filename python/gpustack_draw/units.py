"""Byte counts and durations as text, and rounding to multiples."""

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


def format_seconds(seconds: float) -> str:
    """Return a duration rounded to two digits: ``0.35 s``, ``41 s``, ``3.5 min``, ``2.0 h``."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.65 * length:
            value = seconds / length
            return f"{value:.{0 if value >= 9.95 else 1}f} {unit}"
    digits = sum(seconds < limit for limit in (9.95, 0.995, 0.0995))
    return f"{seconds:.{digits}f} s"


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
