"""Run GPUStack's own server or worker on this machine, without containers and without downloads.

The server, its scheduler and proxies, and the worker are GPUStack's code. Replaced are the
deployer, which starts a process instead of a container, and the programs that GPUStack downloads,
which read the headers of GGUF files and information about the system.

usage, with the Python of an environment that has gpustack installed:
    python node.py [options of 'gpustack start']

Variables:
    RIG_STATE     folder for the plan, the log and the process of each started container
    RIG_COMMANDS  JSON object: program and arguments in place of the entry point of each image
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from gpustack.config.config import Config
from gpustack.detectors.detector_factory import DetectorFactory
from gpustack.schemas.workers import SystemInfo
from gpustack.worker.tools_manager import ToolsManager
from gpustack_runtime import deployer
from gpustack_runtime.deployer.__types__ import (
    Deployer,
    WorkloadStatus,
    WorkloadStatusStateEnum,
)

STATE = Path(os.environ.get("RIG_STATE", "."))
COMMANDS: dict[str, list[str]] = json.loads(os.environ.get("RIG_COMMANDS", "{}"))
_SECONDS_TO_END = 10.0


class ProcessDeployer(Deployer):  # type: ignore[misc]
    """Starts the command of a container as a process of this machine.

    The worker creates and watches a workload in different processes, so that its state is in files.
    """

    allowed_mig_devices = None

    def __init__(self) -> None:
        super().__init__("process")

    @staticmethod
    def is_supported() -> bool:
        """Return that this deployer works here."""
        return True

    def _create(self, workload: Any) -> None:
        container = workload.containers[0]
        execution = container.execution
        command = execution.command or COMMANDS[container.image]
        arguments = [*command, *(execution.args or [])]
        variables = {each.name: each.value for each in container.envs or []}
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        plan = {
            "image": container.image,
            "arguments": arguments,
            "environment": variables,
            "mounts": [mount.path for mount in container.mounts or []],
            "user": execution.run_as_user,
        }
        _file(workload.name, "plan").write_text(json.dumps(plan, indent=1))
        with _file(workload.name, "log").open("ab") as log:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=kept | variables,
                start_new_session=True,
            )
        record = {
            "pid": process.pid,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "labels": workload.labels or {},
        }
        _file(workload.name, "state").write_text(json.dumps(record))

    def _get(self, name: str, namespace: str | None = None) -> WorkloadStatus | None:
        try:
            record = json.loads(_file(name, "state").read_text())
        except (OSError, ValueError):
            return None
        is_running = _is_running(record["pid"])
        states = WorkloadStatusStateEnum
        return WorkloadStatus(
            name=name,
            namespace=namespace,
            created_at=record["created"],
            labels=record["labels"],
            state=states.RUNNING if is_running else states.FAILED,
        )

    def _delete(self, name: str, *_: object, **__: object) -> WorkloadStatus | None:
        status = self._get(name)
        if status is not None:
            _end(json.loads(_file(name, "state").read_text())["pid"])
            _file(name, "state").unlink(missing_ok=True)
        return status

    def _list(
        self, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[WorkloadStatus]:
        names = [path.name.removesuffix(".state.json") for path in STATE.glob("*.state.json")]
        found = [status for name in names if (status := self._get(name, namespace))]
        wanted = (labels or {}).items()
        return [each for each in found if all(each.labels.get(k) == v for k, v in wanted)]

    def _logs(
        self,
        name: str,
        namespace: str | None = None,  # noqa: ARG002
        token: str | None = None,  # noqa: ARG002
        timestamps: bool = False,  # noqa: ARG002
        tail: int | None = None,  # noqa: ARG002
        since: int | None = None,  # noqa: ARG002
        follow: bool = False,
    ) -> object:
        return self._follow_log(name) if follow else _file(name, "log").read_bytes()

    def _follow_log(self, name: str) -> Iterator[bytes]:
        with _file(name, "log").open("rb") as log:
            is_running = True
            while is_running:
                status = self._get(name)
                is_running = status is not None and status.state == WorkloadStatusStateEnum.RUNNING
                yield from log
                time.sleep(0.2)

    def _exec(self, *_: object, **__: object) -> None:
        raise deployer.UnsupportedError("processes take no commands")

    def _inspect(self, name: str, *_: object) -> str:
        return _file(name, "plan").read_text()


def _file(name: str, content: str) -> Path:
    return STATE / f"{name}.{content}{'' if content == 'log' else '.json'}"


def _is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):  # it may be the child of another process of the worker
        os.waitpid(pid, os.WNOHANG)
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + _SECONDS_TO_END
        try:
            os.killpg(pid, number)
        except OSError:
            return
        while time.monotonic() < end:
            if not _is_running(pid):
                return
            time.sleep(0.1)


def _system_info(_: DetectorFactory) -> SystemInfo:
    memory, disk, system = psutil.virtual_memory(), psutil.disk_usage("/"), os.uname()
    return SystemInfo.model_validate(
        {
            "cpu": {"total": os.cpu_count(), "utilization_rate": 10.0},
            "memory": {
                "total": memory.total,
                "used": memory.used,
                "utilization_rate": memory.percent,
                "is_unified_memory": False,
                "allocated": 0,
            },
            "swap": {"total": 0, "used": 0, "utilization_rate": 0.0},
            "filesystem": [
                {
                    "name": "/",
                    "mount_point": "/",
                    "mount_from": "/dev/root",
                    "total": disk.total,
                    "used": disk.used,
                    "free": disk.free,
                    "available": disk.free,
                }
            ],
            "os": {"name": system.sysname, "version": system.release},
            "kernel": {
                "name": system.sysname,
                "release": system.release,
                "version": system.version,
                "architecture": system.machine,
            },
            "uptime": {
                "uptime": time.time() - psutil.boot_time(),
                "boot_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(psutil.boot_time())),
            },
        }
    )


_configure = uvicorn.Config.__init__


def _configure_loopback(self: uvicorn.Config, *arguments: Any, **options: Any) -> None:
    _configure(self, *arguments, **{**options, "host": "127.0.0.1"})


def _listen_on_loopback(_: Config, default: str = "") -> str:  # noqa: ARG001
    return "127.0.0.1"


def _prepare_no_tools(_: ToolsManager) -> None:
    return None


# At the level of the module, because GPUStack's child processes import it again.
deployer._DEPLOYERS[:] = [ProcessDeployer()]  # noqa: SLF001
deployer._DEPLOYERS_MAP.clear()  # noqa: SLF001
deployer._DEPLOYERS_MAP["process"] = deployer._DEPLOYERS[0]  # noqa: SLF001
Config.get_proxy_listen_address = _listen_on_loopback
ToolsManager.prepare_tools = _prepare_no_tools
DetectorFactory.detect_system_info = _system_info
uvicorn.Config.__init__ = _configure_loopback  # type: ignore[method-assign]

if __name__ == "__main__":
    from gpustack.main import main

    sys.argv = ["gpustack", "start", *sys.argv[1:]]
    sys.exit(main())
