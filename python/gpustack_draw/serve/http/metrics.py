"""``/metrics``: numbers about a running server in Prometheus' text format."""

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.request_counts import RequestCounts
from gpustack_draw.serve.studio import Statistics

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# All are there from the start: a rate of a series that appears later misses its first count.
_OUTCOMES = ("drawn", "failed", "canceled", "refused")
_PREFIX = "gpustack_draw_"
_Sample = tuple[Mapping[str, str], float]


def routes(context: Context) -> list[BaseRoute]:
    """Return the route ``/metrics``."""

    async def show_metrics(_request: Request) -> Response:
        text = metrics_text(context.studio.statistics(), context.request_counts)
        return Response(text, media_type=MEDIA_TYPE)

    return [Route("/metrics", show_metrics)]


def metrics_text(statistics: Statistics, counts: RequestCounts) -> str:
    """Return numbers in Prometheus' text format, version 0.0.4.

    Args:
        statistics: Numbers of the studio.
        counts: Numbers of requests.
    """
    requests = [
        ({"route": kind.route, "method": kind.method, "status": str(kind.status)}, count)
        for kind, count in counts.all().items()
    ]
    outcomes = dict.fromkeys(_OUTCOMES, 0) | dict(statistics.requests)
    phases = ((name, round(seconds, 3)) for name, seconds in statistics.phase_seconds.items())
    families = (
        _gauge("queue_length", "Requests that wait.", statistics.queue_length),
        _gauge("drawing", "1 while a picture is drawn.", int(statistics.is_drawing)),
        _gauge("loaded_models", "Models in memory.", len(statistics.loaded_models)),
        _counter("drawings", "Requests to draw, by outcome.", _by("outcome", outcomes)),
        _counter("pictures", "Drawn pictures.", [({}, statistics.pictures)]),
        _counter("drawing_seconds", "Seconds of drawings, by phase.", _by("phase", dict(phases))),
        _counter("engine_restarts", "Crashes of an engine.", [({}, statistics.engine_restarts)]),
        _counter("http_requests", "Requests, by route and status.", requests),
    )
    return "".join(families)


def _by(label: str, values: Mapping[str, float]) -> Iterable[_Sample]:
    return (({label: name}, value) for name, value in values.items())


def _gauge(name: str, text: str, value: float) -> str:
    return _family(name, "gauge", text, [({}, value)])


def _counter(name: str, text: str, samples: Iterable[_Sample]) -> str:
    return _family(f"{name}_total", "counter", text, samples)


def _family(name: str, kind: str, text: str, samples: Iterable[_Sample]) -> str:
    lines = [f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"]
    lines += [f"{_PREFIX}{name}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    texts = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{texts}}}" if texts else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
