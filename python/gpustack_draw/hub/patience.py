"""How often, and how soon, what a hub has not given is asked for again."""

from gpustack_draw.hub.trouble import HubUnavailableError

MOST_TRIES = 5  # in a row without a single byte
SECONDS_BETWEEN_TRIES = 1.0  # doubled with each


def seconds_before_next_try(
    error: HubUnavailableError, tries: int, most: int = MOST_TRIES
) -> float:
    """Tell how long to wait before the next try.

    Args:
        error: What the last one has ended with.
        tries: How many there were in a row.
        most: How many there can be.

    Raises:
        HubUnavailableError: The error, where another try would be in vain.
    """
    if not error.retryable or tries >= most:
        raise error
    return max(error.wait_seconds, SECONDS_BETWEEN_TRIES * 2.0 ** (tries - 1))
