"""Handlers that turn the first SIGINT, SIGTERM or SIGHUP into an exception."""

import os
import signal
import sys
import threading
import time
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Clean-up takes less time; a signal after this interrupts a clean-up that hangs.
_MAX_SECONDS_TO_CLEAN_UP = 3.0
# Long enough for the callback that lost the exception to return.
_SECONDS_TO_RESEND = 0.02

_REASONS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}


class Interruptions:
    """A context in which the first SIGINT, SIGTERM or SIGHUP raises an exception.

    The exception is raised in the main thread. Signals that follow during the clean-up are ignored,
    so that a second Ctrl-C does not interrupt it. Signals that were ignored before, as with nohup
    or in a background job, stay ignored.

    Attributes:
        exit_status: 128 plus the number of the first signal, or 0 before one.
        reason: Description of the first signal, or an empty string.
        has_begun: True after the first signal, of the last context that was entered.
    """

    has_begun = False

    def __init__(self, *, restore: bool) -> None:
        """Create the context.

        Args:
            restore: Restore the handlers at exit even after a signal. A program that is about to
                exit ignores further signals instead, to keep its exit status.
        """
        self.exit_status = 0
        self.reason = ""
        self._restore = restore
        self._time = 0.0
        self._before: dict[int, object] = {}
        self._hook_before = sys.unraisablehook
        self._timer: threading.Timer | None = None

    def __enter__(self) -> "Interruptions":  # noqa: PYI034 - Self is younger than Python 3.10
        """Install the handlers; only in the main thread, as Python requires."""
        Interruptions.has_begun = False
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in _REASONS:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        if self._before:
            sys.unraisablehook = self._resend_signal
        return self

    def __exit__(self, *_error: object) -> None:
        """Restore the previous handlers, or ignore further signals."""
        ending = self.exit_status and not self._restore
        for number, handler in self._before.items():
            # Python restores the default handlers at its end, which kill the process.
            signal.signal(number, signal.SIG_IGN if ending else handler)  # type: ignore[arg-type]
        if self._before:
            sys.unraisablehook = self._hook_before
        if self._timer is not None:
            self._timer.cancel()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.exit_status and now - self._time < _MAX_SECONDS_TO_CLEAN_UP:
            return
        Interruptions.has_begun = True
        if not self.exit_status:
            self.exit_status = 128 + number
            self.reason = _REASONS[signal.Signals(number).name]
        self._time = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.exit_status)

    def _resend_signal(self, lost: "UnraisableHookArgs") -> None:
        """Send the signal again if Python has dropped its exception.

        Python drops exceptions raised in destructors and in callbacks of weak references, and every
        import runs such a callback.
        """
        if not self.exit_status or not issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
            self._hook_before(lost)
            return
        self._time = -_MAX_SECONDS_TO_CLEAN_UP
        number = self.exit_status - 128
        self._timer = threading.Timer(_SECONDS_TO_RESEND, os.kill, (os.getpid(), number))
        self._timer.start()
