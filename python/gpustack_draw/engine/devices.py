"""What can compute on this machine."""

from dataclasses import dataclass
from types import MappingProxyType

from gpustack_draw.display import Listing
from gpustack_draw.engine.local_engine import list_devices
from gpustack_draw.units import format_bytes_of


@dataclass(frozen=True)
class Device:
    """Something that can compute.

    Attributes:
        name: What the ``device`` argument takes, such as ``FastCPU`` or ``CUDA0``.
        description: The maker's name for it.
        type: Device type: ``cpu``, ``gpu``, ``igpu`` or ``accel``.
        memory_free: Bytes; 0 where the driver does not tell.
        memory_total: Bytes; 0 where the driver does not tell.
        used: ``auto`` means this one.
    """

    name: str
    description: str
    type: str
    memory_free: int
    memory_total: int
    used: bool


class _Devices(Listing[Device]):
    columns = MappingProxyType(
        {
            "device": lambda device: device.name,
            "type": lambda device: device.type,
            "memory": lambda device: (
                f"{format_bytes_of(device.memory_free, device.memory_total, ' of ')} free"
                if device.memory_total
                else "unknown"
            ),
            "description": lambda device: device.description,
            "": lambda device: "used by default" if device.used else "",
        }
    )


def devices() -> list[Device]:
    """List what can compute on this machine.

    Raises:
        EngineCrashed: A driver failed.
    """
    return _Devices(Device(**values) for values in list_devices())
