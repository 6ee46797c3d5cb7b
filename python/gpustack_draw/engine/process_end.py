"""How the engine's process ended, in words."""

import signal
import sys

from gpustack_draw.errors import EngineError

_MORE = "the next drawing starts it again; --debug shows all it said"
_ENDS = {
    "SIGABRT": ("gave up on a failed check (SIGABRT)", _MORE),
    "SIGKILL": (
        "was killed (SIGKILL), as the system does when memory runs out",
        "a smaller --size or a smaller quantisation needs less memory",
    ),
    **{
        name: (f"was told to end ({name})", _MORE)
        for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT")
    },
}


def closed_while_drawing() -> EngineError:
    """Make the error of a drawing whose model was closed."""
    return EngineError(
        "the model was closed while it drew", hint="close it when its drawings have ended"
    )


def how_it_ended(status: int) -> tuple[str, str]:
    """Describe the end of a process of ours that has been waited for.

    Args:
        status: As ``Popen.returncode`` has it.

    Returns:
        A phrase that follows "the engine", and a hint.
    """
    if status >= 0:
        return f"ended unexpectedly with status {status}", _MORE
    if -status not in set(signal.Signals):
        return f"was ended by signal {-status}", _MORE
    name = signal.Signals(-status).name
    limit = _spent_cpu_limit() if name in {"SIGKILL", "SIGXCPU"} else 0
    if limit:
        return (
            f"was ended ({name}) at the limit of {limit} seconds of CPU time",
            "raise the limit with ulimit -t, or draw with fewer --sample-steps",
        )
    return _ENDS.get(name, (f"crashed ({name})", _MORE))


def _spent_cpu_limit() -> int:
    """Return the limit of CPU seconds of a process; 0 where our processes have not spent it."""
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    limits = [
        limit
        for limit in resource.getrlimit(resource.RLIMIT_CPU)
        if limit != resource.RLIM_INFINITY and used.ru_utime + used.ru_stime > limit - 1
    ]
    return min(limits, default=0)
