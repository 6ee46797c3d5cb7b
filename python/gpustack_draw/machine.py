"""What can compute on this machine."""

from dataclasses import dataclass

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
