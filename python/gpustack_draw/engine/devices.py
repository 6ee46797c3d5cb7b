"""The public list of this machine's devices."""

from dataclasses import replace
from types import MappingProxyType

from gpustack_draw.display import Listing
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import Device
from gpustack_draw.memory.available import available_memory
from gpustack_draw.progress.callbacks import LogFunction
from gpustack_draw.units import format_bytes_of

__all__ = ["Device", "devices"]


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


def devices(*, on_log: LogFunction | None = None) -> list[Device]:
    """List the devices of this machine that can compute.

    Args:
        on_log: Called with level and text of each line of the log of the GPU backends; the level of
            a line about an installed backend that is not used is ``note``.

    Raises:
        EngineCrashed: A driver failed.
    """
    return _Devices(_list_devices(on_log))


def _list_devices(on_log: LogFunction | None) -> list[Device]:
    """List the devices of this machine, in a separate process, because drivers may crash."""
    engine = EngineProcess()
    try:
        devices = engine.devices(on_log=on_log)
    finally:
        engine.close()
    # The engine reports all memory of a CPU as free.
    return [
        replace(device, memory_free=available_memory() or device.memory_free)
        if device.type == "cpu"
        else device
        for device in devices
    ]
