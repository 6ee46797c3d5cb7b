"""Pictures of a GPUStack server: streams, many at once, cancellation, logs."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fake_models import png
from loopback_gpustack import NEW, OLD, LoopbackGpustack
from server_commands import NAME, PROMPT, parameters, serve

import gpustack_draw
from gpustack_draw import DrawRequest, Progress
from gpustack_draw.cli.main import main

pytestmark = pytest.mark.usefixtures("empty_folder")

# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_stream_in_pieces_of_any_size(old: LoopbackGpustack, piece: int) -> None:
    old.fail("/images/", piece=piece, picture=png(8, 8, text="\N{CAT FACE}\nSteps: 9"))
    with gpustack_draw.load(NAME) as model:
        (picture,) = model.draw(DrawRequest(prompt="\N{CAT FACE}"))
    assert (picture.width, picture.settings.sample_steps) == (8, 9)


def test_a_picture_of_megabytes_in_one_line(old: LoopbackGpustack) -> None:
    file = png(1024, 1024, noise=True)
    assert len(file) > 3 * 2**20
    old.fail("/images/", picture=file)
    start = time.monotonic()
    image = gpustack_draw.load(NAME).generate(PROMPT, size=(1024, 1024))
    assert image.size == (1024, 1024)
    assert time.monotonic() - start < 3


def test_a_backend_without_streaming(old: LoopbackGpustack) -> None:
    """0.7.1 answers with status 200 and no body; the request is repeated without a stream."""
    old.ignores_stream = True
    assert gpustack_draw.load(NAME).generate(PROMPT, size=(256, 256)).size == (256, 256)
    assert [body.get("stream") for body in old.drawings()] == [True, None]


def test_an_object_instead_of_a_stream(old: LoopbackGpustack) -> None:
    import base64

    text = base64.b64encode(png()).decode()
    body = json.dumps({"created": 1, "data": [{"b64_json": text}]}).encode()
    old.fail("/images/", status=200, body=body)
    assert gpustack_draw.load(NAME).generate(PROMPT).size == (64, 64)
    assert len(old.drawings()) == 1


# --- many pictures --------------------------------------------------------------------------------


def test_twenty_pictures_in_parallel_arrive_in_order(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.steps = 1
    old.fail("/images/", seconds=1.0)
    start = time.monotonic()
    options = "--count 20 --seed 100 --size 256x256 --output cat.png --json"
    assert main([NAME, PROMPT, *options.split()]) == 0
    assert time.monotonic() - start < 4
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["seed"] for record in records] == list(range(100, 120))
    assert [record["path"] for record in records] == [f"cat-{n}.png" for n in range(1, 21)]
    for record in records:
        assert f"Seed: {record['seed']}," in parameters(record["path"])
    assert old.max_in_flight == 20
    assert sorted(body["seed"] for body in old.drawings()) == list(range(100, 120))


def test_refused_requests_wait_while_the_server_draws_others(
    new: LoopbackGpustack, short_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.ACCEPTED_SECONDS", 0.2)
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.BUSY_DELAYS", (0.15, 0.15))
    new.capacity = 2
    new.fail("/images/", seconds=0.6)
    options = "--count 6 --size 256x256 --output cat.png -q"
    assert main([NAME, PROMPT, *options.split()]) == 0
    assert len(list(Path().glob("cat-*.png"))) == 6
    assert new.max_in_flight == 2


def test_a_server_that_refuses_all_requests_is_retried_a_few_times(
    new: LoopbackGpustack, short_waits: None, capsys: pytest.CaptureFixture[str]
) -> None:
    new.capacity = 0
    options = "--count 6 --size 256x256 --output cat.png -q"
    assert main([NAME, PROMPT, *options.split()]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"gpustack-draw: {new.url} has too many requests (429): Too many requests",
        "gpustack-draw: try again later, or with fewer pictures",
    ]
    assert len(new.drawings()) == 6 * 3


def test_at_most_twenty_pictures_are_undelivered(old: LoopbackGpustack) -> None:
    old.steps = 1
    with gpustack_draw.load(NAME) as model:
        pictures = model.draw(DrawRequest(prompt=PROMPT, size=(256, 256), count=60))
        next(pictures)
        wait_until(lambda: len(old.drawings()) >= 20)
        time.sleep(0.2)
        assert len(old.drawings()) == 20
        next(pictures)
        wait_until(lambda: len(old.drawings()) >= 21)
        time.sleep(0.2)
        assert len(old.drawings()) == 21
        pictures.close()  # type: ignore[attr-defined]
    assert len(old.drawings()) == 21


def test_finished_pictures_survive_a_crash_of_the_server(
    old: LoopbackGpustack,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.REFUSED_DELAYS", (0.01,))
    old.steps = 1
    # The third picture is unfinished when the server ends.
    old.fail("/images/", times=2)
    old.fail("/images/", times=1, seconds=30.0)
    killer = threading.Timer(1.0, old.die)
    killer.start()
    options = "--count 6 --seed 1 --size 256x256 --output cat.png"
    assert main([NAME, PROMPT, *options.split()]) == 1
    killer.join()
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 5
    assert len(list(Path().glob("cat-*.png"))) == 5
    # The third request to arrive, without an answer so far, was repeated.
    assert re.sub(r"seed [1-6]$", "seed N", output.err.rstrip()).splitlines()[-2:] == [
        f"gpustack-draw: no GPUStack server answers at {old.url}: connection refused",
        (
            "gpustack-draw: check --server or GPUSTACK_SERVER_URL, and that the server is running;"
            " 1 of 6 pictures is missing: seed N"
        ),
    ]


def test_an_error_in_on_progress_cancels_the_drawing(old: LoopbackGpustack) -> None:
    old.fail("/images/", seconds=0.2)

    def stop(progress: Progress) -> None:
        if progress.phase == "sample":
            raise LookupError("enough")

    with gpustack_draw.load(NAME) as model, pytest.raises(LookupError, match="enough"):
        model.generate(PROMPT, on_progress=stop)
    wait_until(lambda: old.disconnected == 1)


def wait_until(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("release", [OLD, NEW])
def test_ctrl_c_closes_the_requests(
    release: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for server in serve(release, monkeypatch):
        server.fail("/images/", seconds=0.3 if release == OLD else 3.0)
        server.steps = 100
        command = [sys.executable, "-m", "gpustack_draw", NAME, PROMPT, "--count", "3"]
        process = subprocess.Popen(
            command, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        wait_until(lambda server=server: server.in_flight == 3)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        output, error = process.communicate(timeout=10)
        assert process.returncode == 130
        assert time.monotonic() - start < 2
        assert output == b""
        assert error.endswith(b"gpustack-draw: interrupted\n")
        if release == OLD:
            wait_until(lambda server=server: server.disconnected == 3)
        assert os.listdir() == []


def test_ctrl_c_with_a_silent_server(old: LoopbackGpustack, tmp_path: Path) -> None:
    old.fail("/version", status=200, seconds=5.0)
    command = [sys.executable, "-m", "gpustack_draw", NAME, PROMPT]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: old.requests)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, error = process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - start < 2
    assert error == b"gpustack-draw: interrupted\n"


def test_progress_continues_without_reported_steps(new: LoopbackGpustack) -> None:
    reported = threading.Event()
    new.fail("/images/", until=reported)
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if len(reports) == 3:
            reported.set()

    gpustack_draw.load(NAME).generate(PROMPT, on_progress=report)
    assert {(each.phase, each.step, each.total) for each in reports} == {("wait", 0, 0)}
    # Machines under load report more rarely, and never more often.
    seconds = [each.seconds for each in reports]
    assert all(later - earlier > 0.49 for earlier, later in itertools.pairwise(seconds))
    assert len(seconds) >= 3


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses_to_list_models_draws(new: LoopbackGpustack, status: int) -> None:
    new.fail("/v1/models", status=status)
    assert main([NAME, PROMPT, "-q"]) == 0


# --- logs -----------------------------------------------------------------------------------------


def test_logs_contain_no_key_no_picture_and_the_prompt_only_with_debug(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([NAME, "a secret prompt", "--output", "cat.png"]) == 0
    error = capsys.readouterr().err
    assert "secret" not in error
    monkeypatch.setattr(gpustack_draw, "build_info", dict)
    assert main([NAME, "a secret prompt", "--output", "cat.png", "-d"]) == 0
    error = capsys.readouterr().err
    assert "debug: POST " in error
    assert "a secret prompt" in error
    assert new.USER not in error
    assert "iVBOR" not in error
    assert new.USER not in repr(gpustack_draw.load(NAME))
