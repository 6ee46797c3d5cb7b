"""The one thread that draws."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gpustack_draw import NotEnlargedError
from gpustack_draw.errors import EngineCrashed
from gpustack_draw.serve.log import LOGGER
from gpustack_draw.serve.studio.counts import Counts
from gpustack_draw.serve.studio.jobs import Job, JobQueue, Pause


class DrawingThread:
    """Runs the jobs of a queue, one at a time, and ends the one that runs.

    Attributes:
        queue: The jobs that wait.
    """

    def __init__(self, queue: JobQueue, counts: Counts, first: Callable[[], None]) -> None:
        """Create the thread; :meth:`start` starts it.

        Args:
            queue: The jobs that wait.
            counts: Takes each job that has ended.
            first: Called first, in the thread.
        """
        self.queue = queue
        self._counts = counts
        self._first = first
        self._lock = threading.Lock()
        self._running: Job | Pause | None = None
        self._thread = threading.Thread(target=self._run, name="gpustack-draw drawing", daemon=True)
        # Ends work: the system may need a moment to end a process.
        self._ending = ThreadPoolExecutor(1, thread_name_prefix="gpustack-draw ending")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def job(self) -> Job | None:
        """The job that runs; ``None`` without one."""
        running = self._running
        return running if isinstance(running, Job) else None

    def add(self, job: Job) -> None:
        """Add a job to the queue; it ends a pause in which another model is loaded."""
        self.queue.add(job)
        running = self._running
        if isinstance(running, Pause) and running.label != job.label:
            self._ending.submit(self._end_running, running)
        elif running is not None:
            self.queue.tell_position(job)

    def end(self, job: Job, error: BaseException) -> None:
        """End a job, from any thread; one that has ended stays as it is.

        Args:
            job: The job.
            error: The error that its client gets.
        """
        job.error = error
        if self.queue.remove(job):
            self._finish(job, error)
        else:
            self._ending.submit(self._end_running, job)

    def close(self, error: BaseException) -> None:
        """End the waiting jobs, and the thread after the job that runs."""
        for job in self.queue.close():
            job.error = error
            self._finish(job, error)

    def end_all(self, error: BaseException) -> None:
        """End whatever runs."""
        running = self._running
        if isinstance(running, Job):
            self.end(running, error)
        elif running is not None:
            self._ending.submit(self._end_running, running)

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end of the thread; return whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _end_running(self, work: Job | Pause) -> None:
        with self._lock:  # so that the next job is not ended instead
            if self._running is work:
                work.end()

    def _run(self) -> None:
        self._first()
        while (work := self.queue.take()) is not None:
            with self._lock:
                self._running = work
            error: BaseException | None = None
            try:
                if isinstance(work, Job):
                    work.check()
                    work.work(work)
                else:
                    work.work()
            except BaseException as caught:  # noqa: BLE001, RUF100 - the client gets it
                error = caught
            with self._lock:
                self._running = None
            if isinstance(work, Job):
                self._finish(work, error)
        self._ending.shutdown()

    def _finish(self, job: Job, error: BaseException | None) -> None:
        """Count a job that has ended, and close its channel."""
        if error is None:
            outcome = "drawn"
        elif job.error is not None:
            outcome = "canceled"
        else:
            outcome = "failed"
        reason = error.__cause__ if isinstance(error, NotEnlargedError) else error
        if isinstance(reason, EngineCrashed) and job.error is None:
            self._counts.engine_restarts += 1
            LOGGER.warning("the engine of %s has ended; it is started again", job.label)
        self._counts.add_job(job, outcome)
        job.channel.close(None if error is None else job.error or error)
