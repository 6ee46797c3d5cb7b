"""The evaluations of a model that a step cache skipped, as notes for the user."""

# Skipped evaluations, and sampling steps; None without a cache.
Counts = tuple[int, int] | None


def sum_of_passes(first: Counts, second: Counts) -> Counts:
    """Return the counts of two passes together."""
    if first is None or second is None:
        return first or second
    return first[0] + second[0], first[1] + second[1]


def notes_on_skipped(counts: Counts) -> tuple[str, ...]:
    """Return a note on a cache; empty without one."""
    if counts is None:
        return ()
    skipped, steps = counts
    number, plural = skipped or "no", "" if skipped < 2 else "s"
    of_steps = "1 step" if steps == 1 else f"{steps} steps"
    return (f"the cache skipped {number} evaluation{plural} of the model in {of_steps}",)
