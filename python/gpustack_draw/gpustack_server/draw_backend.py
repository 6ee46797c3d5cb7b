"""The inference backend of a GPUStack 2.x server that runs ``gpustack-draw serve``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpustack_draw.untrusted import clean

NAME = "gpustack-draw"
_CPU = "cpu"


@dataclass(frozen=True)
class DrawBackend:
    """A backend that an administrator has added, in the version that fits the cluster.

    Attributes:
        name: Its name, such as ``gpustack-draw-custom``.
        version: Its version to deploy; empty for the server's choice.
        environment: Environment variables of the version.
    """

    name: str
    version: str
    environment: Mapping[str, str]


def choose_backend(backends: Iterable[Mapping[str, Any]], gpus: set[str]) -> DrawBackend | None:
    """Return the first enabled backend of gpustack-draw; ``None`` without one.

    Args:
        backends: The backends, as the server lists them.
        gpus: Kinds of the cluster's GPUs, such as ``cuda``.
    """
    for backend in backends:
        name = _text(backend.get("backend_name"))
        if name.startswith(NAME) and backend.get("enabled", True):
            version, configuration = _choose_version(backend, gpus)
            variables = {**_object(backend, "default_env"), **_object(configuration, "env")}
            environment = {key: value for key, value in variables.items() if isinstance(value, str)}
            return DrawBackend(name, version, environment)
    return None


def _choose_version(backend: Mapping[str, Any], gpus: set[str]) -> tuple[str, Mapping[str, Any]]:
    """Return a version for the cluster's GPUs, else one for CPUs, else the backend's default.

    Of several versions the backend's default comes first, then the one that was added last.
    """
    default = _text(backend.get("default_version"))
    versions = _object(backend, "built_in_version_configs") | _object(backend, "version_configs")
    known = {name: one for name, one in versions.items() if isinstance(one, dict)}
    for wanted in (gpus - {_CPU}, {_CPU}):
        fitting = [name for name, one in known.items() if wanted & _frameworks(one)]
        if fitting:
            version = default if default in fitting else fitting[-1]
            return _text(version), known[version]
    return default, known.get(default, {})


def _frameworks(version: Mapping[str, Any]) -> set[str]:
    built_in = version.get("built_in_frameworks")
    names = [version.get("custom_framework"), *(built_in if isinstance(built_in, list) else [])]
    return {name for name in names if isinstance(name, str)}


def _object(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return clean(str(value or ""))
