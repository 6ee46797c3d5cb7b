"""What can compute on this machine."""

import threading
from dataclasses import dataclass

from gpustack_draw.errors import DrawError
from gpustack_draw.local_engine import list_devices


@dataclass(frozen=True)
class Device:
    """Something that can compute.

    Attributes:
        name: What the ``device`` argument takes, such as ``CPU`` or ``CUDA0``.
        description: The maker's name for it.
        kind: ``cpu``, ``gpu``, ``igpu`` or ``accel``.
        memory_free: Bytes; 0 where the driver does not tell.
        memory_total: Bytes; 0 where the driver does not tell.
        used: ``auto`` means this one.
    """

    name: str
    description: str
    kind: str
    memory_free: int
    memory_total: int
    used: bool


def devices() -> list[Device]:
    """List what can compute on this machine.

    Raises:
        EngineCrashed: A driver failed.
    """
    return [Device(**values) for values in list_devices()]


class UsedDevice:
    """Finds out which device will be used, while other work goes on.

    Asking starts a process, because drivers crash too.
    """

    def __init__(self, name: str) -> None:
        """Begin to ask, where ``name`` is ``auto``."""
        self._name = name
        self._thread = threading.Thread(target=self._ask, daemon=True)
        if name == "auto":
            self._thread.start()

    @property
    def name(self) -> str:
        """Its name; waits for the answer. Still ``auto`` where there is none."""
        if self._thread.is_alive():
            self._thread.join()
        return self._name

    def _ask(self) -> None:
        try:
            used = [device.name for device in devices() if device.used]
        except DrawError:
            return
        self._name = used[0] if used else self._name
