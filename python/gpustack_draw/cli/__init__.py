"""The command ``gpustack-draw``."""

TYPE_CHECKING = False  # importing typing would double the time of --help
if TYPE_CHECKING:
    from typing import NoReturn


def run() -> "NoReturn":
    """Run the command, and exit with its status."""
    import os

    # The module signal takes milliseconds to import, for its enumerations.
    from _signal import SIG_IGN, SIGINT, getsignal, signal  # type: ignore[import-not-found]

    # Ctrl-C during the imports would print a traceback; main() installs the real handlers.
    if getsignal(SIGINT) != SIG_IGN:
        signal(SIGINT, lambda *_: os._exit(130))
    from gpustack_draw.cli.main import run_command

    run_command()
