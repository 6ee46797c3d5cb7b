"""A call of the engine's process, and its cancellation."""

import threading
from collections.abc import Callable
from typing import IO

from gpustack_draw.engine.messages import Message, read_message, write_message

# How long a canceled call may take at least until its process is ended. A step on a GPU cannot be
# interrupted, and most take less.
CANCEL_SECONDS = 2.0
_MAX_CANCEL_SECONDS = 30.0
# Calls that the engine can stop; others end with the process.
_CANCELABLE = frozenset({"draw", "upscale"})


class ProcessCall:
    """A call that another thread may cancel.

    Attributes:
        is_canceled: True once it is canceled; its answer then counts for nothing.
    """

    def __init__(
        self, name: str, end_process: Callable[[], object], load_seconds: float = 0.0
    ) -> None:
        """Create a call that is not sent yet.

        Args:
            name: Name of its message.
            end_process: Ends the process, from any thread.
            load_seconds: How long the engine took to load its model. Ending the process costs as
                much, so a canceled call may take as long.
        """
        self._seconds = max(CANCEL_SECONDS, min(load_seconds, _MAX_CANCEL_SECONDS))
        self.is_canceled = False
        self._is_cancelable = name in _CANCELABLE
        self._end_process = end_process
        self._lock = threading.Lock()
        self._requests: IO[bytes] | None = None  # while an answer is awaited
        self._timer: threading.Timer | None = None

    @property
    def can_stop(self) -> bool:
        """True if its answer is awaited, and the engine can stop its work."""
        return self._is_cancelable and self._requests is not None

    def send(self, stream: IO[bytes], request: Callable[[], None]) -> bool:
        """Send the request; return False without sending it if the call is canceled already.

        Args:
            stream: Where requests are written to.
            request: Writes it.
        """
        with self._lock:
            if self.is_canceled:
                return False
            request()
            self._requests = stream
            return True

    def cancel(self) -> None:
        """Cancel the call, from any thread; ends the process where nothing else is possible."""
        if not self._is_cancelable or not self._lock.acquire(timeout=CANCEL_SECONDS):
            self._end_process()
            return
        try:
            if self.is_canceled:
                return
            self.is_canceled = True
            if self._requests is not None:
                write_message(self._requests, "cancel")
                self._timer = threading.Timer(self._seconds, self._end_late)
                self._timer.daemon = True
                self._timer.start()
        except (OSError, ValueError):  # the process has ended
            pass
        finally:
            self._lock.release()

    def finish(self) -> None:
        """Call when the answer is here, or will not come."""
        with self._lock:
            self._requests = None
            if self._timer is not None:
                self._timer.cancel()

    def _end_late(self) -> None:
        with self._lock:  # so that no later call is ended instead
            if self._requests is not None:
                self._end_process()


class AbandonedCall:
    """The rest of a canceled call, for whose answer the caller has not waited."""

    def __init__(self, call: ProcessCall, answers: IO[bytes]) -> None:
        """Wait for its answer in a thread.

        Args:
            call: The call, canceled.
            answers: The process's answers, at the beginning of a message.
        """
        self._answer: Message | None = None
        self._thread = threading.Thread(target=self._run, args=(call, answers), daemon=True)
        self._thread.start()

    def wait(self) -> Message | None:
        """Wait for the answer, at most as long as a canceled call may take.

        Returns:
            The answer; ``None`` if the process has ended.
        """
        self._thread.join()
        return self._answer

    def _run(self, call: ProcessCall, answers: IO[bytes]) -> None:
        try:
            while (message := read_message(answers)) is not None:
                if message.name in {"done", "failed"}:
                    self._answer = message
                    break
        except ValueError:
            pass  # closed
        finally:
            call.finish()
