"""The step cache of a drawing, as a user chooses it.

``--help`` imports this module, so it imports nothing that takes long.
"""

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase
from gpustack_draw.request.option_types import DecimalOption, Option

FAST = "fast"
SPECTRUM = "spectrum"
# Caches of the engine; those with a threshold skip more evaluations the higher it is.
STEP_CACHES = (SPECTRUM, "easycache", "ucache", "dbcache")
_WITH_THRESHOLD = STEP_CACHES[1:]
# The engine runs the same code for these (init_cachedit_runtime() in its src/sample-cache.cpp).
_ALIASES = {"taylorseer": "dbcache", "cache-dit": "dbcache"}
_OFF = ("off", "none", "false")

_SEPARATOR = ":threshold="
_THRESHOLD = DecimalOption(
    "cache",
    title="threshold",
    minimum=0.001,
    maximum=100,
    example=phrase("{cache='easycache:threshold=0.1'}"),
    help="",
)


class CacheOption(Option):
    """A step cache: ``fast``, or one of :data:`STEP_CACHES`, some with a threshold.

    Values are text in one spelling, such as ``easycache:threshold=0.1``; ``None`` is no cache.
    """

    metavar = "MODE[:threshold=X]"

    def parse(self, text: str) -> str | None:
        """Parse a typed value.

        Raises:
            UsageError: It is no step cache, or has a setting that the cache lacks.
        """
        name, _, setting = text.strip().lower().partition(":")
        mode = _ALIASES.get(name, name)
        if mode not in (FAST, *STEP_CACHES, *_OFF):
            raise self.error(text)
        if ":" not in text:
            return None if mode in _OFF else mode
        key, _, value = setting.partition("=")
        if key != "threshold":
            raise UsageError(
                f"{quoted(text)} has something else than a threshold after the colon",
                hint=phrase("for example {cache='easycache:threshold=0.1'}"),
                argument=self.name,
            )
        if mode not in _WITH_THRESHOLD:
            raise UsageError(
                f"{quoted(text)} sets a threshold, and {mode} has none",
                hint=phrase("type {cache=}", cache=mode),
                argument=self.name,
            )
        return f"{mode}{_SEPARATOR}{_THRESHOLD.text(_THRESHOLD.parse(value))}"

    def check(self, value: object) -> str | None:
        """Check a Python value.

        Raises:
            UsageError: It is no step cache, or has a setting that the cache lacks.
        """
        if not isinstance(value, str):
            raise self.error(value)
        return self.parse(value)


def cache_parts(value: str) -> tuple[str, float | None]:
    """Split a value of :class:`CacheOption` into the cache and its threshold.

    Returns:
        ``fast`` or one of :data:`STEP_CACHES`; and the threshold, ``None`` for the engine's.
    """
    mode, separator, threshold = value.partition(_SEPARATOR)
    return mode, float(threshold) if separator else None
