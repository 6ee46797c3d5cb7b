"""Tests of the models in memory: which are unloaded, and when."""

from typing import Any

import pytest
from stub_models import StubModels, running_stubs, running_studio

from gpustack_draw.errors import NotEnoughMemoryError
from gpustack_draw.serve.options import KeepLoaded
from gpustack_draw.serve.studio import Drawn


def loads(log: list[str]) -> list[str]:
    return [line for line in log if line.startswith(("unload", "load"))]


def test_models_stay_in_memory_without_a_limit() -> None:
    stubs = StubModels("a", "b", "c")
    with running_stubs(stubs) as studio:
        for name in "abcab":
            studio.draw(model=name)
        assert studio.studio.statistics().loaded_models == ("c", "a", "b")
        assert loads(stubs.log) == ["load a"]


@pytest.mark.parametrize(
    ("keep", "unloaded"),
    [
        (KeepLoaded(models=1), ["unload a", "unload b", "unload c"]),
        (KeepLoaded(models=2), ["unload a", "unload b"]),
        (KeepLoaded(bytes=250), ["unload a", "unload b"]),
        (KeepLoaded(bytes=99), ["unload a", "unload b", "unload c"]),
    ],
)
def test_the_least_recently_used_model_is_unloaded_beyond_the_limit(
    keep: KeepLoaded, unloaded: list[str]
) -> None:
    stubs = StubModels("a", "b", "c")
    with running_stubs(stubs, keep_loaded=keep) as studio:
        for name in "abca":
            studio.draw(model=name)
        assert loads(stubs.log)[1:] == unloaded


def test_models_are_unloaded_one_by_one_until_a_picture_fits() -> None:
    stubs = StubModels("a", "b", "c")
    stubs["c"].needs = {"a", "b"}
    with running_stubs(stubs) as studio:
        studio.draw(model="b")
        studio.draw(model="a")
        assert isinstance(studio.draw(model="c")[-1], Drawn)
        assert loads(stubs.log) == ["load a", "unload b", "unload a"]
        assert studio.studio.statistics().loaded_models == ("c",)


def test_a_picture_that_never_fits_is_refused_after_all_others_are_unloaded() -> None:
    stubs = StubModels("a", "b")
    stubs["b"].needs = {"b"}
    with running_stubs(stubs) as studio:
        with pytest.raises(NotEnoughMemoryError):
            studio.draw(model="b")
        assert "unload a" in stubs.log


def test_a_model_that_requests_wait_for_is_unloaded_last() -> None:
    stubs = StubModels("a", "b", "c")
    with running_stubs(stubs, keep_loaded=KeepLoaded(models=2)) as studio:
        studio.draw(model="b")
        stubs["b"].gate.clear()
        # Least recently used is a, which a request waits for: so b makes place for c.
        requests: list[Any] = [studio.begin(model=name) for name in "bca"]
        stubs["b"].gate.set()
        for request in requests:
            request.result()
        assert loads(stubs.log) == ["load a", "unload b"]


def test_models_that_clients_name_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.serve.studio.model_pool._MAX_OPEN", 2)
    names = [f"hf.co/owner/repo{number}" for number in range(5)]
    stubs = StubModels("a", *names)
    options = stubs.options(models=stubs.options().models[:1], allow_fetch=True)
    with running_studio(options, stubs.load) as studio:
        for name in names:
            studio.draw(model=name)
            studio.studio._pool._loaded.clear()  # as if another drawing had taken the memory
        open_models = [served.name for served in studio.studio._pool._entries]
        assert open_models == ["a", *names[-2:]]
