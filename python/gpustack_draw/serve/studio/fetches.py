"""Downloads of models, LoRAs and upscaling models, beside the drawings."""

import threading
from collections.abc import Callable, Hashable
from typing import Any

from gpustack_draw import Progress
from gpustack_draw.serve.studio.channel import Channel

Report = Callable[[Progress], None]


class AbandonedError(Exception):
    """Nobody waits for a download any more. Never leaves its thread."""


class Fetches:
    """Runs each download in a thread of its own; requests for the same files share it."""

    def __init__(self) -> None:
        """Start without any download."""
        self._lock = threading.Lock()
        self._running: dict[Hashable, _Fetch] = {}

    def join(self, key: Hashable, work: Callable[[Report], None], channel: Channel[Any]) -> None:
        """Take part in a download, which is started if it does not run.

        Args:
            key: Identifies its files.
            work: Downloads them; called in a thread of its own, with a function that takes the
                progress.
            channel: Takes the progress, and is closed at the end of the download.
        """
        with self._lock:
            running = self._running.get(key)
            if running is not None and running.add(channel):
                return
            fetch = self._running[key] = _Fetch(work, channel)
        threading.Thread(
            target=self._run, args=(key, fetch), name="gpustack-draw fetch", daemon=True
        ).start()

    def leave(self, key: Hashable, channel: Channel[Any]) -> None:
        """Wait no longer; a download that nobody waits for ends, and a later one resumes it."""
        with self._lock:
            running = self._running.get(key)
        if running is not None:
            running.remove(channel)

    def close(self) -> None:
        """End all downloads."""
        with self._lock:
            for fetch in self._running.values():
                fetch.abandon()

    def _run(self, key: Hashable, fetch: "_Fetch") -> None:
        try:
            fetch.run()
        finally:
            with self._lock:
                if self._running.get(key) is fetch:
                    del self._running[key]


class _Fetch:
    """A download, and the channels of the requests that wait for it."""

    def __init__(self, work: Callable[[Report], None], channel: Channel[Any]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._channels = [channel]
        self._last: Progress | None = None
        self._is_over = False

    def add(self, channel: Channel[Any]) -> bool:
        """Add a channel and send it the last progress; return False if the download has ended."""
        with self._lock:
            if self._is_over or not self._channels:
                return False
            self._channels.append(channel)
            if self._last is not None:
                channel.send(self._last)
            return True

    def remove(self, channel: Channel[Any]) -> None:
        with self._lock:
            if channel in self._channels:
                self._channels.remove(channel)

    def abandon(self) -> None:
        with self._lock:
            self._channels.clear()

    def run(self) -> None:
        error: BaseException | None = None
        try:
            self._work(self._report)
        except AbandonedError:
            pass
        except BaseException as caught:  # noqa: BLE001, RUF100 - its clients get it
            error = caught
        with self._lock:
            self._is_over = True
            channels = tuple(self._channels)
        for channel in channels:
            channel.close(error)

    def _report(self, progress: Progress) -> None:
        with self._lock:
            channels = tuple(self._channels)
            self._last = progress
        if not channels:
            raise AbandonedError
        for channel in channels:
            channel.send(progress)
