"""Delays between repeated requests to the hub."""

from gpustack_draw.hub.trouble import HubUnavailableError

MAX_TRIES = 5  # in a row without a single byte
SECONDS_BETWEEN_TRIES = 1.0  # doubled with each try


def retry_delay(error: HubUnavailableError, tries: int, max_tries: int = MAX_TRIES) -> float:
    """Return the seconds to wait before the next try.

    Args:
        error: Error of the last try.
        tries: Number of failed tries in a row.
        max_tries: Number of failed tries after which to give up.

    Raises:
        HubUnavailableError: The error itself, if it is not retryable or there were too many tries.
    """
    if not error.retryable or tries >= max_tries:
        raise error
    return max(error.wait_seconds, SECONDS_BETWEEN_TRIES * 2.0 ** (tries - 1))
