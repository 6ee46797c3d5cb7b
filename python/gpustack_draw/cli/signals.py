"""Ctrl-C and other requests to stop, turned into exceptions once."""

import os
import signal
import sys
import threading
import time
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Cleaning up takes less; who still waits after this may interrupt that, too.
_SECONDS_TO_CLEAN_UP = 3.0
# Long enough for what swallowed the exception to be over.
_SECONDS_TO_TRY_AGAIN = 0.02

_REASONS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}


class Interruptions:
    """While it lasts, the first SIGINT, SIGTERM or SIGHUP raises an exception in the main thread.

    What follows while that exception is on its way is ignored, so that a second Ctrl-C does not
    stop the clean-up. Signals that were ignored before (nohup, a shell's background job) stay so.

    Attributes:
        exit_status: 128 and the signal's number once one has come, else 0.
        reason: In words what has come.
    """

    def __init__(self, *, restore: bool) -> None:
        """Prepare.

        Args:
            restore: Put the handlers back at the end even after an interruption. A program that
                is about to end ignores what still comes, so that its exit status is right.
        """
        self.exit_status = 0
        self.reason = ""
        self._restore = restore
        self._time = 0.0
        self._before: dict[int, object] = {}
        self._hook_before = sys.unraisablehook
        self._again: threading.Timer | None = None

    def __enter__(self) -> "Interruptions":  # noqa: PYI034 - Self is younger than Python 3.10
        """Start to listen; in the main thread only, as Python demands."""
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in _REASONS:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        if self._before:
            sys.unraisablehook = self._try_again
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop listening."""
        ending = self.exit_status and not self._restore
        for number, handler in self._before.items():
            # Python itself would put the system's handlers back at its end: sudden death.
            signal.signal(number, signal.SIG_IGN if ending else handler)  # type: ignore[arg-type]
        if self._before:
            sys.unraisablehook = self._hook_before
        if self._again is not None:
            self._again.cancel()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.exit_status and now - self._time < _SECONDS_TO_CLEAN_UP:
            return
        if not self.exit_status:
            self.exit_status = 128 + number
            self.reason = _REASONS[signal.Signals(number).name]
        self._time = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.exit_status)

    def _try_again(self, lost: "UnraisableHookArgs") -> None:
        """Send the signal once more where its exception could not go on its way.

        Python drops what is raised in a destructor or in a weak reference's callback, and every
        import has such a callback.
        """
        if not self.exit_status or not issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
            self._hook_before(lost)
            return
        self._time = -_SECONDS_TO_CLEAN_UP
        number = self.exit_status - 128
        self._again = threading.Timer(_SECONDS_TO_TRY_AGAIN, os.kill, (os.getpid(), number))
        self._again.start()
