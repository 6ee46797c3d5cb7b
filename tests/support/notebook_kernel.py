"""Run cells in a real Jupyter kernel and record their output."""

import os
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel


class Output:
    """The output of a cell: its final state and the messages that led to it."""

    def __init__(self) -> None:
        self.displayed: list[dict[str, Any]] = []  # data by MIME type, in order
        self.updates: list[dict[str, str]] = []  # every state of updated displays
        self.error = ""
        self.traceback: list[str] = []  # the traceback as printed
        self.text = ""  # stdout and stderr
        self._places: dict[str, int] = {}

    def add(self, message: str, content: dict[str, Any]) -> None:
        if message == "stream":
            self.text += content["text"]
        elif message == "error":
            self.error = f"{content['ename']}: {content['evalue']}"
            self.traceback = content["traceback"]
        elif message in {"display_data", "execute_result"}:
            name = content.get("transient", {}).get("display_id")
            if name is not None:
                self._places[name] = len(self.displayed)
                self.updates.append(content["data"])
            self.displayed.append(content["data"])
        elif message == "update_display_data":
            self.displayed[self._places[content["transient"]["display_id"]]] = content["data"]
            self.updates.append(content["data"])


class Kernel:
    """A kernel of this Python."""

    def __init__(self, folder: Path) -> None:
        self._manager, self._client = start_new_kernel(kernel_name="python3", cwd=str(folder))

    def run(
        self, code: str, *, when: str = "", then: Callable[["Kernel"], object] = lambda _: None
    ) -> Output:
        """Run a cell.

        Args:
            code: The cell.
            when: Text of an updated display that triggers ``then``.
            then: Function that is called once with the kernel.
        """
        output = Output()
        request = self._client.execute(code)
        end = time.monotonic() + 120
        waits = bool(when)
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                assert time.monotonic() < end, f"the cell hangs: {output.updates[-1:]}"
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                assert not waits, f"{when!r} was never displayed: {output.error} {output.updates}"
                return output
            output.add(message["msg_type"], content)
            if waits and output.updates and when in output.updates[-1]["text/plain"]:
                waits = False
                then(self)

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        self._manager.interrupt_kernel()

    @property
    def is_alive(self) -> bool:
        return bool(self._manager.is_alive())

    def children(self) -> list[int]:
        """Return the processes that the kernel has started."""
        folder = Path(f"/proc/{self._manager.provisioner.process.pid}/task")
        return [
            int(child)
            for task in os.listdir(folder)
            for child in (folder / task / "children").read_text().split()
        ]

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
