"""Upscaling models on the loopback hub are files of the drawing: planned, and checked to fit."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub
from upscaling_models import old_names, random_weights, write_weights

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.engine import local_engine
from gpustack_draw.units import format_bytes

DRAW = ["demo", "a red circle", "--size", "128x128", "--dry-run"]
UPSCALE = ["--upscale", "hf.co/acme/up:soft"]
HIRES = ["--hires=2", "--hires-upscaler", "hf.co/acme/up:hard"]


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    models = {
        name: write_weights(tmp_path / name, old_names(random_weights(1, 2, seed))).read_bytes()
        for seed, name in enumerate(["soft.pth", "hard.pth"])
    }
    hub.add("acme/up", models)
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.close()


def size_of(reference: str) -> int:
    return Path(f"{reference.rpartition(':')[2]}.pth").stat().st_size


def plan_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main([*DRAW, *words, "--json"]) == 0
    record: dict = json.loads(capsys.readouterr().out)
    return record


def test_upscaling_models_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    soft, hard = size_of("acme/up:soft"), size_of("acme/up:hard")
    plan = plan_of(capsys, *UPSCALE, *HIRES)
    planned = [file for file in plan["files"] if file["component"] == "upscaler"]
    assert [
        (file["repository"], file["path"], file["bytes"], file["cached"], file["origin"])
        for file in planned
    ] == [
        ("acme/up", "hard.pth", hard, False, "named"),
        ("acme/up", "soft.pth", soft, False, "named"),
    ]
    assert plan["fetch_bytes"] == soft + hard
    # The same file for both is downloaded once.
    plan = plan_of(capsys, "--hires=2", "--hires-upscaler", UPSCALE[1], *UPSCALE)
    assert plan["fetch_bytes"] == soft
    # A file of the user is listed, and not downloaded.
    plan = plan_of(capsys, "--upscale", "soft.pth")
    assert (plan["files"][-1]["path"], plan["fetch_bytes"]) == ("soft.pth", 0)
    assert main([*DRAW, *UPSCALE]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("  upscaler "))
    assert line.endswith("  no      hf.co/acme/up:soft.pth")


@pytest.mark.parametrize("words", [UPSCALE, HIRES], ids=["after", "between"])
def test_an_upscaling_model_that_does_not_fit_on_the_disk(
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("gpustack_draw.hub.cache.HubCache.free_bytes", lambda _cache: 1000)
    assert main([*DRAW, *words]) == 3
    output = capsys.readouterr()
    shortage = (
        f"the download needs {format_bytes(size_of(words[-1]))}, but the disk of the cache"
        f" '{tmp_path / 'hub'}' has only 1.00 kB free"
    )
    assert f"note:      {shortage}\n" in output.out
    assert output.err.splitlines()[-2:] == [
        f"gpustack-draw: {shortage}",
        "gpustack-draw: free disk space, or set HF_HOME to a folder on another disk",
    ]


def test_a_check_plans_the_drawing_once(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = []
    plan_drawing = local_engine.plan_drawing

    def record(request: gpustack_draw.DrawRequest, *rest: object) -> object:
        planned.append(request)
        return plan_drawing(request, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(local_engine, "plan_drawing", record)
    request = gpustack_draw.DrawRequest(prompt="red", size=(128, 128), upscale=UPSCALE[1])
    with gpustack_draw.load("demo") as model:
        notes = model.check(request)
        assert (notes, len(planned)) == ((), 1)
        headers = [each for each in server.requests if each.path.endswith("soft.pth")]
        model.plan(request)
        assert len(planned) == 1
    assert len({each.range for each in headers}) == len(headers)
