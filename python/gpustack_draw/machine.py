"""What can compute on this machine."""

import contextlib
import threading
from dataclasses import dataclass

from gpustack_draw.core_engine import no_such_device
from gpustack_draw.errors import DrawError
from gpustack_draw.local_engine import list_devices


@dataclass(frozen=True)
class Device:
    """Something that can compute.

    Attributes:
        name: What the ``device`` argument takes, such as ``FastCPU`` or ``CUDA0``.
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
        """Begin to ask."""
        self._name = name
        self._devices: list[Device] | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """Its name; waits for the answer. As it was typed where there is none.

        Raises:
            UsageError: There is no such device.
        """
        self._thread.join()
        if self._devices is None:
            return self._name
        if self._name == "auto":
            return next((device.name for device in self._devices if device.used), "auto")
        for device in self._devices:
            if device.name.lower() == self._name.lower():
                return device.name
        raise no_such_device(self._name, [device.name for device in self._devices])

    def _ask(self) -> None:
        with contextlib.suppress(DrawError):
            self._devices = devices()
