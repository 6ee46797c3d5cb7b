"""The server's process: its address, its signals, its end, and the engine beside it."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from processes import running_process, running_processes
from served import ServedProcess, served

from gpustack_draw.demo import DEMO_FILE

pytestmark = pytest.mark.engine


def engines_of(server: ServedProcess) -> list[int]:
    return [process.pid for process in running_processes() if process.parent == server.pid]


def test_health_answers_at_once_while_the_model_is_loaded_and_sigterm_ends_all(
    tmp_path: Path,
) -> None:
    with served("demo", folder=tmp_path, ready=False) as server:
        statuses = {server.status() for _ in range(20)}
        assert statuses <= {200, 503}
        server.wait_until_ready()
        engines = engines_of(server)
        assert len(engines) == 1
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
        assert [running_process(pid) for pid in engines] == [None]
    assert "gpustack-draw: ready" in server.log.read_text()


def test_ctrl_c_ends_the_server_while_it_loads(tmp_path: Path) -> None:
    with served("demo", folder=tmp_path, ready=False) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(15) == 130
        assert engines_of(server) == []
    assert "Traceback" not in server.log.read_text()


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    data = DEMO_FILE.read_bytes()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(data[: len(data) // 2] + b"\xff" * (len(data) - len(data) // 2))
    with served(str(broken), folder=tmp_path, ready=False) as server:
        assert server.process.wait(120) == 3
    assert "NaN" in server.log.read_text()


def test_sigterm_ends_a_long_drawing_and_answers_its_client(tmp_path: Path) -> None:
    environment = {"GPUSTACK_DRAW_API_KEY": "the-secret-key"}
    with (
        served("demo", folder=tmp_path, **environment) as server,
        ThreadPoolExecutor(1) as client,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        http.headers["Authorization"] = "Bearer the-secret-key"
        body = {"prompt": "a very secret circle", "size": "64x64", "steps": 10_000}
        answer = client.submit(http.post, "/v1/images/generations", json=body)
        while "gpustack_draw_drawing 1" not in http.get("/metrics").text:
            assert not answer.done(), answer.result().text
        assert server.status() == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
        assert answer.result().status_code == 503
        assert answer.result().json()["error"]["message"] == "the server stops"
        assert engines_of(server) == []
    log = server.log.read_text()
    assert "secret" not in log
    assert "POST /v1/images/generations 503" in log
