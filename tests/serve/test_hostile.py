"""Hostile requests to a real server: each has a right answer, and nothing else happens.

``benchmarks/serve_hostile.py`` sends thousands of them, these tests a small part.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice

import hostile_requests as hostile
import pytest
from hostile_run import HostileRun, hostile_run
from hypothesis import HealthCheck, given, settings

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="watches files with inotify"),
]
EXAMPLES = settings(
    max_examples=30,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileRun]:
    folder = tmp_path_factory.mktemp("hostile")
    with hostile_run(folder, "demo", "--max-size", hostile.SIZE) as started:
        yield started


@pytest.fixture(autouse=True)
def _check(run: HostileRun) -> Iterator[None]:
    yield
    run.check()
    problems, run.findings.problems = run.findings.problems, []
    assert problems == []


def send_each(run: HostileRun, requests: Iterable[hostile.HostileRequest], step: int) -> None:
    count = run.findings.count
    for request in islice(requests, 0, None, step):
        run.send(request)
    assert run.findings.count > count + 5


def test_bodies_that_are_not_json(run: HostileRun) -> None:
    send_each(run, hostile.body_requests(), 3)


def test_unusual_headers(run: HostileRun) -> None:
    send_each(run, hostile.header_requests(), 3)


def test_paths_out_of_the_folders_of_pages(run: HostileRun) -> None:
    send_each(run, hostile.path_requests(run.canary), 5)


def test_names_of_files(run: HostileRun) -> None:
    send_each(run, hostile.name_requests(run.canary), 17)


def test_pictures_that_are_small_files_and_large_in_memory(run: HostileRun) -> None:
    send_each(run, hostile.picture_requests(), 11)


def test_odd_values_in_json(run: HostileRun) -> None:
    @EXAMPLES
    @given(hostile.json_requests())
    def send(request: hostile.HostileRequest) -> None:
        run.send(request)

    send()


def test_odd_values_in_forms(run: HostileRun) -> None:
    @EXAMPLES
    @given(hostile.form_requests())
    def send(request: hostile.HostileRequest) -> None:
        run.send(request)

    send()


def test_the_watch_sees_a_file_that_is_opened(run: HostileRun) -> None:
    run.canary.read_bytes()
    run.check()
    problems, run.findings.problems = run.findings.problems, []
    assert problems == [f"{run.canary} was opened"]
