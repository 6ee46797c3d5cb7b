"""Descriptions of how the engine's process ended."""

import signal
import sys

from gpustack_draw.errors import EngineError
from gpustack_draw.phrases import phrase

_RESTART_HINT = phrase("the next drawing starts it again; {on_log=print} prints the engine's log")
_ENDS = {
    "SIGABRT": ("aborted on a failed assertion (SIGABRT)", _RESTART_HINT),
    "SIGKILL": (
        "was killed (SIGKILL), as the system does when memory runs out",
        phrase("a smaller {size} or a smaller quantization needs less memory"),
    ),
    **{
        name: (f"was terminated ({name})", _RESTART_HINT)
        for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT")
    },
}


def closed_while_drawing() -> EngineError:
    """Return the error of a drawing whose model was closed."""
    return EngineError(
        "the model was closed while it drew", hint="close it after its drawings have ended"
    )


def drawing_canceled() -> EngineError:
    """Return the error of a drawing that another thread has canceled."""
    return EngineError("the drawing was canceled")


def describe_end(status: int) -> tuple[str, str]:
    """Describe the end of a child process that has been waited for.

    Args:
        status: Exit status, or the negative signal number, as in ``Popen.returncode``.

    Returns:
        A phrase to follow "the engine", and a hint.
    """
    if status >= 0:
        return f"ended unexpectedly with status {status}", _RESTART_HINT
    if -status not in set(signal.Signals):
        return f"was ended by signal {-status}", _RESTART_HINT
    name = signal.Signals(-status).name
    limit = _exhausted_cpu_limit() if name in {"SIGKILL", "SIGXCPU"} else 0
    if limit:
        return (
            f"was ended ({name}) at the limit of {limit} seconds of CPU time",
            phrase("raise the limit with ulimit -t, or draw with fewer {sample_steps}"),
        )
    return _ENDS.get(name, (f"crashed ({name})", _RESTART_HINT))


def _exhausted_cpu_limit() -> int:
    """Return the limit of CPU seconds per process; 0 if child processes have not used it up."""
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
