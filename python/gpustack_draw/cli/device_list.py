"""The command ``devices``."""

from collections.abc import Callable

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.units import format_bytes_of


def show_devices(arguments: Arguments, write: Callable[[bytes], None], reporter: Reporter) -> int:
    """Print the devices of this machine.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.
        reporter: Writes notes about installed backends that are not used, and for ``--debug`` the
            log of all backends.

    Returns:
        The exit status.

    Raises:
        EngineCrashed: A driver crashed.
    """
    from dataclasses import asdict

    from gpustack_draw import devices

    def on_log(level: str, text: str) -> None:
        if level == "note":
            reporter.note(text)
        elif arguments.debug:
            reporter.log(level, text)

    found = devices(on_log=on_log)
    if arguments.json:
        import json

        write("".join(json.dumps(asdict(device)) + "\n" for device in found).encode())
        return 0
    rows = [("", "NAME", "TYPE", "MEMORY", "DESCRIPTION")]
    for device in found:
        free, total = device.memory_free, device.memory_total
        memory = f"{format_bytes_of(free, total, ' of ')} free" if total else "unknown"
        mark = "*" if device.used else ""
        rows.append((mark, device.name, device.type, memory, device.description))
    from gpustack_draw.cli.plan import table

    write(table(rows))
    return 0
