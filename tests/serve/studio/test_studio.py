"""Tests of the studio: the queue, its limits, cancellation, errors, the start and the end.

The models are stand-ins, so that a test decides how long a drawing takes.
"""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from sample_picture import make_picture
from stub_models import RunningStudio, StubModels, running_stubs, wait_until

from gpustack_draw import NotEnlargedError, Picture, PictureOptions, Progress
from gpustack_draw.errors import (
    DrawError,
    EngineCrashed,
    ModelNotFoundError,
    NotEnoughMemoryError,
    UsageError,
)
from gpustack_draw.serve.options import NamedModel
from gpustack_draw.serve.studio import (
    Accepted,
    Drawn,
    InterruptedDrawingError,
    NotLoadedError,
    Queued,
    QueueFullError,
    StoppingError,
    TimeLimitError,
    model_pool,
)
from gpustack_draw.serve.studio.jobs import Job


@pytest.fixture
def stubs() -> StubModels:
    return StubModels("a", "b")


@pytest.fixture
def studio(stubs: StubModels) -> Iterator[RunningStudio]:
    with running_stubs(stubs, queue=2) as running:
        yield running
        for model in stubs.by_name.values():
            model.gate.set()


def kinds(events: list[object]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_request_is_accepted_with_its_seeds_and_drawn_with_them(studio: RunningStudio) -> None:
    events = studio.draw(count=2)
    assert kinds(events) == ["Accepted", "Progress", "Drawn", "Progress", "Drawn"]
    accepted, drawn = events[0], [event for event in events if isinstance(event, Drawn)]
    assert isinstance(accepted, Accepted)
    seeds = [settings.seed for settings in accepted.settings]
    assert seeds[1] == seeds[0] + 1
    assert [event.picture.settings.seed for event in drawn] == seeds
    assert [event.index for event in drawn] == [0, 1]


def test_the_progress_of_a_drawing_can_be_left_out(
    studio: RunningStudio, stubs: StubModels
) -> None:
    stubs["a"].gate.clear()
    request = studio.begin(progress=False)
    wait_until(lambda: (current := studio.studio.current()) is not None and current.progress)
    stubs["a"].gate.set()
    assert kinds(request.result()) == ["Accepted", "Drawn"]


def test_requests_wait_in_their_order_and_learn_their_position(
    studio: RunningStudio, stubs: StubModels
) -> None:
    stubs["a"].gate.clear()
    requests = [studio.begin("1"), studio.begin("2"), studio.begin("3")]
    requests[2].wait_for(2)
    assert studio.studio.queue_length == 2
    stubs["a"].gate.set()
    events = [request.result() for request in requests]
    assert [Queued(1) in each for each in events] == [False, True, True]
    positions = [event.position for event in events[2] if isinstance(event, Queued)]
    assert positions == [2, 1]
    assert stubs.log[-3:] == ["draw a: 1", "draw a: 2", "draw a: 3"]


def test_a_full_queue_refuses_a_request_and_a_free_place_accepts_one(
    studio: RunningStudio, stubs: StubModels
) -> None:
    stubs["a"].gate.clear()
    requests = [studio.begin("1"), studio.begin("2"), studio.begin("3")]
    with pytest.raises(QueueFullError) as caught:
        studio.draw("4")
    assert (caught.value.message, caught.value.hint) == (
        "the queue is full: 2 requests wait",
        "ask again later",
    )
    assert caught.value.retry_after >= 1
    requests[1].cancel()
    wait_until(lambda: studio.studio.queue_length == 1)
    fifth = studio.begin("5")
    stubs["a"].gate.set()
    assert isinstance(fifth.result()[-1], Drawn)
    assert "draw a: 2" not in stubs.log


def test_a_client_that_goes_away_ends_its_drawing_at_once_and_a_pause_loads_the_model(
    studio: RunningStudio, stubs: StubModels
) -> None:
    stubs["a"].gate.clear()
    request = studio.begin("1")
    request.wait_for(2)
    request.cancel()
    wait_until(lambda: "cancel a" in stubs.log)
    stubs["a"].gate.set()
    wait_until(lambda: stubs.log[-1] == "load a")
    assert isinstance(studio.draw("2")[-1], Drawn)
    wait_until(lambda: studio.studio.statistics().requests == {"canceled": 1, "drawn": 1})


def test_a_request_for_another_model_ends_the_loading_in_a_pause(
    studio: RunningStudio, stubs: StubModels
) -> None:
    stubs["a"].gate.clear()
    request = studio.begin("1")
    request.wait_for(2)
    request.cancel()
    wait_until(lambda: stubs.log[-1] == "load a")  # waits for the gate
    assert isinstance(studio.draw("2", "b")[-1], Drawn)
    assert stubs.log[-3:] == ["load a", "cancel a", "draw b: 2"]


def test_interrupt_ends_the_drawing_that_runs_and_no_other(
    studio: RunningStudio, stubs: StubModels
) -> None:
    stubs["a"].gate.clear()
    first, second = studio.begin("1"), studio.begin("2")
    first.wait_for(2)
    current = studio.studio.current()
    assert current is not None
    assert current.model == "a"
    assert current.progress == Progress("sample", 0, 1, 0.0, 1, 1)
    assert studio.studio.interrupt()
    error = first.error()
    assert isinstance(error, InterruptedDrawingError)
    assert error.message == "the drawing was interrupted"
    stubs["a"].gate.set()
    assert isinstance(second.result()[-1], Drawn)
    assert not studio.studio.interrupt()
    assert studio.studio.current() is None


def test_an_interrupted_drawing_has_its_last_preview_and_none_of_another_picture() -> None:
    first, second = make_picture(), make_picture(seed=8)
    job = Job("a", lambda _: None, SimpleNamespace(send=lambda _: None), lambda: None)
    job.report(Progress("sample", 1, 4, 0.0, 1, 2, preview=first))
    job.report(Progress("sample", 2, 4, 0.0, 1, 2))
    assert job.preview is first
    job.report(Progress("encode", 0, 1, 0.0, 2, 2))
    assert job.preview is None
    job.report(Progress("sample", 1, 4, 0.0, 2, 2, preview=second))
    assert job.preview is second


def test_a_request_that_takes_too_long_ends(stubs: StubModels) -> None:
    with running_stubs(stubs, request_seconds=0) as studio:
        stubs["a"].gate.clear()
        error = studio.begin("1").error()
        assert isinstance(error, TimeLimitError)
        assert (error.message, error.hint) == (
            "the request took longer than 0 seconds",
            "draw a smaller picture, or fewer pictures or steps",
        )
        stubs["a"].gate.set()


def test_a_crash_costs_one_answer(studio: RunningStudio, stubs: StubModels) -> None:
    stubs["a"].error = EngineCrashed("the engine crashed")
    with pytest.raises(EngineCrashed):
        studio.draw("1")
    assert isinstance(studio.draw("2")[-1], Drawn)
    assert studio.studio.statistics().engine_restarts == 1


def not_enlarged(picture: Picture, cause: DrawError) -> NotEnlargedError:
    error = NotEnlargedError("not enlarged", picture=picture)
    error.__cause__ = cause
    return error


def test_a_picture_that_could_not_be_enlarged_is_delivered(stubs: StubModels) -> None:
    drawn, kept = make_picture(), []
    stubs["a"].error = not_enlarged(drawn, EngineCrashed("the engine crashed"))
    with running_stubs(stubs) as studio:
        studio.studio.listeners.add(kept.append)
        request = studio.begin(count=2)
        assert isinstance(request.error(), NotEnlargedError)
        studio.studio.listeners.settle()
        assert [each.picture for each in request.events if isinstance(each, Drawn)] == [drawn]
        assert kept == [drawn]
        statistics = studio.studio.statistics()
        assert (statistics.pictures, statistics.engine_restarts) == (1, 1)


def test_other_models_make_room_for_enlarging(studio: RunningStudio, stubs: StubModels) -> None:
    studio.draw("1", "b")
    stubs["a"].error = not_enlarged(make_picture(), NotEnoughMemoryError("it does not fit"))
    events = studio.draw("2", "a")
    assert stubs.log[-4:] == ["draw b: 1", "draw a: 2", "unload b", "draw a: 2"]
    assert kinds(events)[-1] == "Drawn"
    assert kinds(events).count("Drawn") == 1


def test_an_unexpected_error_costs_one_answer(studio: RunningStudio, stubs: StubModels) -> None:
    stubs["a"].error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        studio.draw("1")
    assert isinstance(studio.draw("2")[-1], Drawn)


def test_a_server_that_is_ready_knows_how_its_first_model_uses_pictures(
    stubs: StubModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPUStack asks as soon as the server is ready, once, and waits for a second."""
    with running_stubs(stubs) as studio:
        monkeypatch.setattr(model_pool, "find_uses", lambda _: pytest.fail("it was not known"))
        uses = studio.run(studio.studio.uses(studio.studio.find("a")))
    assert (uses.image_use, uses.size_multiple) == ("reference", 16)
    assert uses.modes == ("txt2img", "edit", "img2img", "inpaint")


def test_statistics_count_pictures_and_their_seconds(studio: RunningStudio) -> None:
    studio.draw(count=2)
    with pytest.raises(UsageError):
        studio.draw(size=(4096, 64))
    statistics = studio.studio.statistics()
    assert statistics.pictures == 2
    assert statistics.phase_seconds == {"sample": 2}
    assert statistics.requests == {"drawn": 1, "refused": 1}
    assert statistics.loaded_models == ("a",)
    assert (statistics.queue_length, statistics.is_drawing) == (0, False)


def test_each_picture_reaches_the_listeners_even_if_one_fails(studio: RunningStudio) -> None:
    received: list[Picture] = []

    def fail(picture: Picture) -> None:
        received.append(picture)
        raise OSError("the disk is full")

    studio.studio.listeners.add(fail)
    drawn = [event.picture for event in studio.draw(count=6) if isinstance(event, Drawn)]
    studio.studio.listeners.settle()
    assert received == drawn


@pytest.mark.parametrize(
    ("fields", "argument", "message", "hint"),
    [
        (
            {"size": (2049, 64)},
            "size",
            "2064x64 is larger than this server draws",
            "the largest size is 2048x2048",
        ),
        (
            {"size": (1024, 1024), "hires": 4},
            "hires",
            "4096x4096 is larger than this server draws",
            "the largest size is 2048x2048",
        ),
        (
            {"loras": "x"},
            "loras",
            "there is no LoRA 'x' on this server",
            "this server has no LoRA",
        ),
        (
            {"upscale": "/etc/passwd"},
            "upscale",
            "there is no upscaling model '/etc/passwd' on this server",
            "this server has no upscaling model",
        ),
    ],
)
def test_a_wrong_value_is_refused_while_another_picture_is_drawn(
    studio: RunningStudio,
    stubs: StubModels,
    fields: dict[str, object],
    argument: str,
    message: str,
    hint: str,
) -> None:
    stubs["a"].gate.clear()
    studio.begin("1")
    with pytest.raises(UsageError) as caught:
        studio.draw(**fields)  # type: ignore[arg-type]
    error = caught.value
    assert (error.argument, error.message, error.hint) == (argument, message, hint)


@pytest.mark.parametrize(
    "pictures",
    [{"image": "/etc/passwd"}, {"ref_image": ["x.png"]}, {"image": b"", "mask": "/etc/passwd"}],
)
def test_a_path_as_input_picture_is_never_read(
    studio: RunningStudio, pictures: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match="an input picture of a client is a path"):
        studio.draw(pictures=PictureOptions(**pictures))  # type: ignore[arg-type]


def test_a_name_is_found_as_typed_and_another_one_lists_them(studio: RunningStudio) -> None:
    assert studio.studio.find(None).name == "a"
    assert studio.studio.find("b").name == "b"
    with pytest.raises(ModelNotFoundError) as caught:
        studio.studio.find("c")
    assert (caught.value.message, caught.value.hint) == (
        "there is no model 'c' on this server",
        "choose one of: a, b",
    )


def test_a_single_model_answers_to_every_name() -> None:
    with running_stubs(StubModels("a")) as studio:
        assert studio.studio.find("anything").name == "a"
        with pytest.raises(ModelNotFoundError):  # GPUStack gives no model such a name
            studio.studio.find("hf.co/owner/repo:Q4_0")


@pytest.mark.parametrize("name", ["hf.co/../x", "../x", "/etc/passwd", "hf.co/a/b:../c", "x/y"])
def test_only_references_of_hugging_face_are_fetched(name: str) -> None:
    with running_stubs(StubModels("a", "b"), allow_fetch=True) as studio:
        assert studio.studio.find("hf.co/owner/repo:Q4_0").reference == "hf.co/owner/repo:Q4_0"
        with pytest.raises(ModelNotFoundError):
            studio.studio.find(name)


def test_no_request_is_accepted_before_the_first_model_is_loaded(stubs: StubModels) -> None:
    stubs["a"].gate.clear()
    with running_stubs(stubs, ready=False) as studio:
        wait_until(lambda: stubs.log == ["load a"])
        assert studio.studio.load_state().name == "loading"
        with pytest.raises(NotLoadedError) as caught:
            studio.draw()
        assert (caught.value.message, caught.value.hint, caught.value.retry_after) == (
            "the server loads its first model",
            "ask again in a moment",
            5,
        )
        stubs["a"].gate.set()
        assert studio.run(studio.studio.ready()).name == "ready"


def test_the_end_does_not_wait_for_the_loading(stubs: StubModels) -> None:
    stubs["a"].gate.clear()
    with running_stubs(stubs, ready=False):
        wait_until(lambda: stubs.log == ["load a"])
    assert stubs.log == ["load a", "cancel a"]


def test_an_error_of_the_first_loading_is_the_state(stubs: StubModels) -> None:
    error = DrawError("the file is damaged")

    def load(*_: object) -> None:
        raise error

    stubs["a"].load = load  # type: ignore[assignment,method-assign]
    with running_stubs(stubs, ready=False) as studio:
        state = studio.run(studio.studio.ready())
    assert (state.name, state.error) == ("failed", error)


def test_the_end_gives_the_drawing_time_and_refuses_those_who_wait(stubs: StubModels) -> None:
    with running_stubs(stubs) as studio:
        stubs["a"].gate.clear()
        first, second = studio.begin("1"), studio.begin("2")
        first.wait_for(2)
        closing = asyncio.run_coroutine_threadsafe(studio.studio.close(20), studio.loop)
        assert isinstance(second.error(), StoppingError)
        with pytest.raises(StoppingError) as caught:
            studio.draw("3")
        assert caught.value.message == "the server stops"
        stubs["a"].gate.set()
        assert isinstance(first.result()[-1], Drawn)
        closing.result(20)


def test_the_end_without_time_ends_the_drawing(stubs: StubModels) -> None:
    with running_stubs(stubs) as studio:
        stubs["a"].gate.clear()
        request = studio.begin("1")
        request.wait_for(2)
        studio.run(studio.studio.close())
        assert isinstance(request.error(), StoppingError)
    assert stubs.log[-1] == "cancel a"


# --- downloads ------------------------------------------------------------------------------------


def test_a_download_does_not_keep_another_model_from_drawing(stubs: StubModels) -> None:
    stubs["b"].missing = 2
    with running_stubs(stubs) as studio:
        stubs["b"].gate.clear()
        fetching, sharing = studio.begin("1", "b"), studio.begin("2", "b")
        fetching.wait_for(2)
        sharing.wait_for(2)
        assert isinstance(studio.draw("3")[-1], Drawn)
        stubs["b"].gate.set()
        for request in (fetching, sharing):
            events = request.result()
            assert any(isinstance(each, Progress) and each.phase == "fetch" for each in events)
            assert isinstance(events[-1], Drawn)
    assert stubs.log.count("fetch b") == 1


def test_a_download_for_nobody_ends(stubs: StubModels) -> None:
    stubs["b"].missing = 1000
    with running_stubs(stubs) as studio:
        stubs["b"].gate.clear()
        request = studio.begin("1", "b")
        request.wait_for(2)
        request.cancel()
        wait_until(lambda: studio.studio.queue_length == 0)
        stubs["b"].gate.set()
        wait_until(lambda: not studio.studio._fetches._running)
    assert stubs["b"].missing == 1000


def test_a_model_of_this_machine_is_not_completed_without_leave(stubs: StubModels) -> None:
    stubs["b"].missing = 1
    models = (NamedModel("a", "a"), NamedModel("b", "b", is_typed=False))
    with running_stubs(stubs, models=models) as studio, pytest.raises(DrawError) as caught:
        studio.draw("1", "b")
    assert (caught.value.message, caught.value.hint) == (
        "'b' is not complete on this machine",
        "download it with: gpustack-draw pull b",
    )
