"""A model that needs no engine, for tests of the command."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sample_picture import make_picture

import gpustack_draw
from gpustack_draw.pictures.picture import Picture
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest


class StandIn:
    """A substitute for gpustack_draw.load and its result."""

    def __init__(self) -> None:
        self.model = ""
        self.options: dict[str, Any] = {}
        self.requests: list[DrawRequest] = []
        self.notes: tuple[str, ...] = ()
        self.error: BaseException | None = None
        self.errors: dict[str, BaseException] = {}  # by the prompt
        self.closed = 0
        self.resolved = SimpleNamespace(source="demo")

    def load(self, model: str, **options: Any) -> "StandIn":
        self.model, self.options = model, options
        return self

    def __enter__(self) -> "StandIn":  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def check(self, _request: DrawRequest) -> tuple[str, ...]:
        return self.notes

    def fetch(self, _on_progress: Any) -> tuple[str, ...]:
        return ()

    def draw(
        self, request: DrawRequest, on_progress: Any, *, preview: bool = False
    ) -> Iterator[Picture]:
        self.requests.append(request)
        failure = self.errors.get(request.prompt, self.error)
        for number in range(1, request.count + 1):
            if self.options["on_log"]:
                self.options["on_log"]("info", "a line of the engine's log\n")
            for phase, total in (("load", 3), ("encode", 1), ("sample", 4), ("decode", 1)):
                for step in range(total + 1):
                    on_progress(Progress(phase, step, total, step / 2, number, request.count))
                if failure is not None and phase == "sample":
                    raise failure
            seed = (7 if request.seed is None else request.seed) + number - 1
            yield make_picture(seed=seed, prompt=request.prompt)


def install_stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> StandIn:
    """Make the command draw with a substitute, in a folder."""
    monkeypatch.chdir(folder)
    made = StandIn()
    monkeypatch.setattr(gpustack_draw, "load", made.load)
    monkeypatch.setattr(gpustack_draw, "build_info", lambda: {"ggml": "0.9.8", "optimized": "yes"})
    return made


def forbid_engine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Fail the test if the engine is started, and change to a folder."""
    from gpustack_draw.engine.process import EngineProcess

    def start(_process: object) -> None:
        raise AssertionError("the engine was started")

    monkeypatch.setattr(EngineProcess, "_start", start)
    monkeypatch.chdir(folder)


def files() -> list[str]:
    """Return the names of the files in the current folder."""
    return sorted(os.listdir())
