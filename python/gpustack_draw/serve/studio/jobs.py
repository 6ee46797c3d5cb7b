"""The jobs of the drawing thread, and the queue in which they wait."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpustack_draw import Progress, Raster
from gpustack_draw.serve.studio.channel import Channel
from gpustack_draw.serve.studio.events import Queued


class CanceledError(Exception):
    """The job's client is gone, or another one has interrupted it. Never leaves the studio."""


@dataclass(eq=False)
class Job:
    """The work of one request in the drawing thread.

    Attributes:
        label: Name of its model.
        work: Draws; called in the drawing thread.
        channel: Takes its events.
        end: Ends the work at once, from another thread.
        sends_progress: Whether the client gets the progress.
        error: The error that its client gets because it was ended; ``None`` while it may go on.
        progress: The last progress.
        preview: The last preview of the picture that is drawn.
        begun: When it began to run, as of :func:`time.monotonic`; 0 before.
    """

    label: str
    work: Callable[["Job"], None]
    channel: Channel[Any]
    end: Callable[[], None]
    sends_progress: bool = True
    error: BaseException | None = None
    progress: Progress | None = None
    preview: Raster | None = None
    begun: float = 0.0

    def report(self, progress: Progress) -> None:
        """Note the progress, and pass it on to a client that gets it.

        Raises:
            CanceledError: The job was ended.
        """
        self.check()
        if self.progress is None or progress.picture != self.progress.picture:
            self.preview = None
        self.progress = progress
        if progress.preview is not None:
            self.preview = progress.preview
        if self.sends_progress:
            self.channel.send(progress)

    def check(self) -> None:
        """Check that the job may go on.

        Raises:
            CanceledError: It was ended.
        """
        if self.error is not None:
            raise CanceledError


@dataclass(eq=False)
class Pause:
    """Work for the time in which no job waits; a job ends it.

    Attributes:
        work: Called in the drawing thread.
        label: Name of its model, for whose jobs it goes on.
        end: Ends the work at once, from another thread.
    """

    work: Callable[[], None]
    label: str
    end: Callable[[], None]


@dataclass
class JobQueue:
    """Jobs in the order in which they came. Thread-safe.

    Attributes:
        condition: Notified of every change.
    """

    condition: threading.Condition = field(default_factory=threading.Condition)
    _waiting: list[Job] = field(default_factory=list)
    _pause: Pause | None = None
    _is_closed: bool = False

    def __len__(self) -> int:
        """Return the number of jobs that wait."""
        return len(self._waiting)

    def labels(self) -> set[str]:
        """Return the names of the models that jobs wait for."""
        with self.condition:
            return {job.label for job in self._waiting}

    def add(self, job: Job) -> None:
        """Add a job at the end."""
        with self.condition:
            self._waiting.append(job)
            self.condition.notify_all()

    def remove(self, job: Job) -> bool:
        """Remove a job; return whether it waited."""
        with self.condition:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            self._tell_positions()
            return True

    def set_pause(self, pause: Pause) -> None:
        """Set the work for the time without jobs."""
        with self.condition:
            self._pause = pause
            self.condition.notify_all()

    def take(self) -> Job | Pause | None:
        """Wait for work, and remove it.

        Returns:
            The first job; without one the pause; ``None`` once the queue is closed and empty.
        """
        with self.condition:
            while not self._waiting and self._pause is None and not self._is_closed:
                self.condition.wait()
            if self._waiting:
                job = self._waiting.pop(0)
                job.begun = time.monotonic()
                self._tell_positions()
                return job
            pause, self._pause = self._pause, None
            return None if self._is_closed else pause

    def tell_position(self, job: Job) -> None:
        """Send a job its position, if it waits."""
        with self.condition:
            if job in self._waiting:
                job.channel.send(Queued(self._waiting.index(job) + 1))

    def close(self) -> list[Job]:
        """Take no more work, and return the jobs that waited."""
        with self.condition:
            self._is_closed = True
            waiting, self._waiting = self._waiting, []
            self.condition.notify_all()
            return waiting

    def _tell_positions(self) -> None:
        for position, job in enumerate(self._waiting, start=1):
            job.channel.send(Queued(position))
