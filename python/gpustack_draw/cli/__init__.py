"""The command ``gpustack-draw``."""

TYPE_CHECKING = False  # as in typing, whose import would take as long as the rest here
if TYPE_CHECKING:
    from typing import NoReturn


def run() -> "NoReturn":
    """Run the command as a program."""
    import os

    # What the module signal is made of; that one's enumerations take milliseconds to import.
    from _signal import SIG_IGN, SIGINT, getsignal, signal  # type: ignore[import-not-found]

    # Until the command listens, Ctrl-C would be a traceback out of some import.
    if getsignal(SIGINT) != SIG_IGN:
        signal(SIGINT, lambda *_: os._exit(130))
    from gpustack_draw.cli.main import run_command

    run_command()
