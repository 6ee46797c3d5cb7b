"""Errors of calls that did not end as they should."""

import signal
import sys
from collections.abc import Sequence

from gpustack_draw.engine.out_of_memory import is_out_of_memory, memory_error
from gpustack_draw.errors import EngineCrashed, EngineError
from gpustack_draw.phrases import phrase

_RESTART_HINT = phrase("the next drawing starts it again; {on_log=print} prints the engine's log")
_KILLED = "was killed (SIGKILL)"
_LAST_WORDS = 5  # lines in which a lack of memory is the cause of the end
_ENDS = {
    "SIGABRT": ("aborted on a failed assertion (SIGABRT)", _RESTART_HINT),
    "SIGKILL": (_KILLED, _RESTART_HINT),
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


def ended_error(
    status: int, last_lines: Sequence[str], *, phase: str, was_oom_kill: bool | None
) -> EngineError:
    """Return the error of a call whose process has ended and has been waited for.

    Args:
        status: Exit status, or the negative signal number, as in ``Popen.returncode``.
        last_lines: The last lines that it wrote, oldest first.
        phase: The phase in which it was; empty before the first.
        was_oom_kill: Whether the system has killed a process meanwhile because memory ran out;
            ``None`` if the system does not count such kills.
    """
    end, hint = _describe_end(status)
    if end == _KILLED and was_oom_kill:
        return memory_error("the system ended the engine", phase)
    if end == _KILLED and was_oom_kill is None:
        return memory_error("the engine was killed (SIGKILL)", phase, is_certain=False)
    words = next((line for line in last_lines[-_LAST_WORDS:] if is_out_of_memory(line)), None)
    if words is not None:
        return memory_error(f"the engine {end}: {words}", phase)
    cause = f": {last_lines[-1]}" if last_lines else ""
    return EngineCrashed(f"the engine {end}{cause}", hint=hint, last_lines=tuple(last_lines))


def _describe_end(status: int) -> tuple[str, str]:
    """Return a phrase to follow "the engine", and a hint."""
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
