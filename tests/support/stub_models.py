"""Models that draw when a test lets them, and a studio with them in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from functools import cache
from typing import Any, TypeVar

import gpustack_draw
from gpustack_draw import (
    DrawRequest,
    DrawSettings,
    Model,
    ModelPlan,
    Picture,
    PlannedFile,
    Progress,
)
from gpustack_draw.errors import EngineError, NotEnoughMemoryError
from gpustack_draw.serve.options import NamedModel, ServeOptions
from gpustack_draw.serve.studio import Studio

T = TypeVar("T")
SECONDS = 30.0  # longer than any step of a test takes


@cache
def _demo() -> Model:
    return gpustack_draw.load("demo")


class StubModel:
    """A model with the methods that a studio calls.

    Attributes:
        gate: A drawing waits for it, step by step.
        log: What was done, in order; shared by the models of a test.
        error: Raised by the next drawing.
        needs: Names of models that must not be loaded while this one draws, because of memory.
    """

    def __init__(self, name: str, log: list[str], *, size: int = 100, missing: int = 0) -> None:
        self.name, self.log, self.size, self.missing = name, log, size, missing
        self.gate = threading.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.loaded: set[str] = set()  # shared
        self.needs: set[str] = set()
        self._canceled = threading.Event()

    def plan(self, request: DrawRequest) -> ModelPlan:
        settings = self.settings(request)[0]
        file = PlannedFile("model", None, None, self.name, self.size, True, "named")
        return ModelPlan(
            model=self.name,
            source="local",
            family="stub",
            variant="",
            files=(file,),
            fetch_bytes=self.missing,
            memory_bytes=self.size,
            memory_free_bytes=None,
            fits=None,
            defaults=settings.planned(),
            native_size=(64, 64),
            device="CPU",
            notes=(),
        )

    def settings(self, request: DrawRequest) -> tuple[DrawSettings, ...]:
        return _demo().settings(request)

    def fetch(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        request: DrawRequest | None = None,
    ) -> tuple[str, ...]:
        if self.missing:
            self.log.append(f"fetch {self.name}")
            for step in range(self.missing + 1):
                assert on_progress is not None
                on_progress(Progress("fetch", step, self.missing, 0.0))
                self._wait()
            self.missing = 0
        return ()

    def load(
        self,
        request: DrawRequest | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        if self.name not in self.loaded:
            self.log.append(f"load {self.name}")
            self._wait()
            self.loaded.add(self.name)

    def draw(
        self,
        request: DrawRequest,
        on_progress: Callable[[Progress], None],
        *,
        preview: bool = False,
    ) -> Iterator[Picture]:
        if self.needs & {self.name, *self.loaded}:
            raise NotEnoughMemoryError(f"{self.name} does not fit", argument="size")
        self.loaded.add(self.name)
        self.log.append(f"draw {self.name}: {request.prompt}")
        for number, settings in enumerate(self.settings(request), start=1):
            on_progress(Progress("sample", 0, 1, 0.0, number, request.count))
            self._wait()
            if self.error is not None:
                error, self.error = self.error, None
                self.loaded.discard(self.name)
                raise error
            pixels = bytes([number]) * (settings.width * settings.height * 3)
            yield Picture(
                pixels,
                settings,
                model=self.name,
                family="stub",
                device="CPU",
                seconds={"sample": 1},
            )

    def _wait(self) -> None:
        while not self.gate.wait(0.005):
            if self._canceled.is_set():
                self._canceled.clear()
                self.loaded.discard(self.name)
                self.log.append(f"cancel {self.name}")
                raise EngineError("the drawing was canceled")

    def cancel(self) -> None:
        self._canceled.set()

    def close(self) -> None:
        if self.name in self.loaded:
            self.log.append(f"unload {self.name}")
            self.loaded.discard(self.name)


class StubModels:
    """The models of a test, by name."""

    def __init__(self, *names: str, **sizes: int) -> None:
        self.log: list[str] = []
        loaded: set[str] = set()
        self.by_name = {
            name: StubModel(name, self.log, size=sizes.get(name, 100)) for name in names
        }
        for model in self.by_name.values():
            model.loaded = loaded

    def __getitem__(self, name: str) -> StubModel:
        return self.by_name[name]

    def load(self, reference: str, **_options: object) -> Any:
        return self.by_name[reference]

    def options(self, **options: Any) -> ServeOptions:
        """Return options that serve the models."""
        models = tuple(NamedModel(name, name) for name in self.by_name)
        return ServeOptions(**{"models": models, **options})


class RunningStudio:
    """A studio and its event loop, in a thread of its own."""

    def __init__(self, studio: Studio, loop: asyncio.AbstractEventLoop) -> None:
        self.studio = studio
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    def draw(self, prompt: str = "a cat", model: str | None = None, **fields: Any) -> list[Any]:
        """Return the events of a request."""
        return self.run(self._events(prompt, model, fields))

    def begin(self, prompt: str = "a cat", model: str | None = None, **fields: Any) -> "Begun":
        """Begin a request, and return it once it is accepted."""
        begun = Begun(self, self._collect, prompt, model, fields)
        begun.wait_for(1)
        return begun

    async def _events(self, prompt: str, model: str | None, fields: dict[str, Any]) -> list[Any]:
        events: list[Any] = []
        await self._collect(events, prompt, model, fields)
        return events

    async def _collect(
        self, events: list[Any], prompt: str, model: str | None, fields: dict[str, Any]
    ) -> None:
        progress = fields.pop("progress", True)
        request = DrawRequest(**{"prompt": prompt, "size": (64, 64), "sample_steps": 1, **fields})
        served = self.studio.find(model)
        async with aclosing(self.studio.draw(served, request, progress=progress)) as drawing:
            async for event in drawing:
                events.append(event)  # noqa: PERF401 - a test looks at them meanwhile


class Begun:
    """A request that runs; ``events`` grows."""

    def __init__(self, running: RunningStudio, collect: Any, *arguments: Any) -> None:
        self.events: list[Any] = []
        self._future = asyncio.run_coroutine_threadsafe(
            collect(self.events, *arguments), running.loop
        )

    def wait_for(self, count: int) -> None:
        """Wait until there are as many events, or the request has ended."""
        wait_until(lambda: len(self.events) >= count or self._future.done())

    def result(self) -> list[Any]:
        """Wait for the end; return the events."""
        self._future.result(SECONDS)
        return self.events

    def cancel(self) -> None:
        """Go away, as a client does."""
        self._future.cancel()

    def error(self) -> BaseException | None:
        """Wait for the end; return its error."""
        return self._future.exception(SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, and fail if it never is."""
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never happened")


@contextmanager
def running_studio(
    options: ServeOptions, load: Any = gpustack_draw.load, *, ready: bool = True
) -> Iterator[RunningStudio]:
    """Run a studio in a thread with an event loop, and end it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    studio = Studio(options, load=load)
    running = RunningStudio(studio, loop)
    try:
        studio.check_models()
        running.run(studio.__aenter__())
        if ready:
            assert running.run(studio.ready()).name == "ready"
        yield running
        running.run(studio.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def running_stubs(
    stubs: StubModels, *, ready: bool = True, **options: Any
) -> Iterator[RunningStudio]:
    """Run a studio with stub models."""
    with running_studio(stubs.options(**options), stubs.load, ready=ready) as running:
        yield running
