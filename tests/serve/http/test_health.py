"""Tests of /health and /metrics."""

import re
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import pytest
from asgi_calls import Reply, call
from served import ServedProcess
from starlette.applications import Starlette

from gpustack_draw.serve.http import health
from gpustack_draw.serve.http.metrics import metrics_text
from gpustack_draw.serve.http.request_counts import RequestCounts, RequestKind
from gpustack_draw.serve.studio import LoadState, Statistics


def ask_health(state: LoadState) -> Reply:
    context: Any = SimpleNamespace(studio=SimpleNamespace(load_state=lambda: state))
    return call(Starlette(routes=health.routes(context)), "GET", "/health")


def test_a_server_that_can_draw_is_healthy() -> None:
    reply = ask_health(LoadState("ready"))
    assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_a_server_that_loads_is_not_yet_healthy() -> None:
    reply = ask_health(LoadState("loading"))
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    assert (reply.error["message"], reply.error["code"]) == (
        "the server loads its first model",
        "loading",
    )


def test_why_a_model_cannot_be_loaded_is_not_public() -> None:
    reply = ask_health(LoadState("failed", error=OSError("/srv/secret.gguf")))
    assert (reply.status, reply.error["message"]) == (503, "the first model cannot be loaded")
    assert b"secret" not in reply.body


STATISTICS = Statistics(
    queue_length=3,
    is_drawing=True,
    requests={"drawn": 5, "canceled": 1, "refused": 2},
    pictures=7,
    phase_seconds={"sample": 1.25, "decode": 0.3333333},
    engine_restarts=1,
    loaded_models=("demo",),
)


def test_metrics_are_in_prometheus_format() -> None:
    counts = RequestCounts()
    counts.add(RequestKind('/v1/"\n\\', "GET", 404))
    for _ in range(2):
        counts.add(RequestKind("/health", "GET", 200))
    text = metrics_text(STATISTICS, counts)
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [
        "gpustack_draw_queue_length 3",
        "gpustack_draw_drawing 1",
        "gpustack_draw_loaded_models 1",
        'gpustack_draw_drawings_total{outcome="drawn"} 5',
        'gpustack_draw_drawings_total{outcome="failed"} 0',
        'gpustack_draw_drawings_total{outcome="canceled"} 1',
        'gpustack_draw_drawings_total{outcome="refused"} 2',
        "gpustack_draw_pictures_total 7",
        'gpustack_draw_drawing_seconds_total{phase="sample"} 1.25',
        'gpustack_draw_drawing_seconds_total{phase="decode"} 0.333',
        "gpustack_draw_engine_restarts_total 1",
        r'gpustack_draw_http_requests_total{route="/v1/\"\n\\",method="GET",status="404"} 1',
        'gpustack_draw_http_requests_total{route="/health",method="GET",status="200"} 2',
    ]


def test_each_metric_has_its_type() -> None:
    text = metrics_text(STATISTICS, RequestCounts())
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helped = set(re.findall(r"^# HELP (\S+) .+\.$", text, re.MULTILINE))
    assert helped == set(types)
    assert all((kind == "counter") == name.endswith("_total") for name, kind in types.items())
    assert text.endswith("\n")


@pytest.mark.engine
def test_a_server_answers_both(demo_server: ServedProcess) -> None:
    assert demo_server.status("/health") == 200
    with urlopen(f"{demo_server.url}/metrics") as response:
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b'gpustack_draw_drawings_total{outcome="drawn"}' in response.read()
