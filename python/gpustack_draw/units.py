"""Numbers with their units, as people read them."""


def size_text(count: int) -> str:
    """Write a number of bytes as people read it."""
    if count >= 100_000_000:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def memory_text(count: int) -> str:
    """Write an amount of memory, as precisely as it can be estimated."""
    return f"{count / 1e9:.1f} GB" if count >= 1_000_000_000 else f"{count / 1e6:.0f} MB"
