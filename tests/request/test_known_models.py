"""Short names of models: their data, where they stand for a model, and names that are near."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import model_files as files
import pytest
from loopback_gpustack import LoopbackGpustack
from loopback_hub import LoopbackHub

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import ModelNotFoundError
from gpustack_draw.request.known_models import (
    KNOWN_MODELS,
    KnownModel,
    known_model,
    near_names_hint,
    parse_local_reference,
)
from gpustack_draw.request.model_reference import HubModel, LocalModel, parse_model_reference

TURBO = "gpustack/stable-diffusion-xl-1.0-turbo-GGUF"


@pytest.mark.parametrize("model", KNOWN_MODELS, ids=lambda model: model.name)
def test_every_short_name_stands_for_a_file_of_hugging_face(model: KnownModel) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9.-]+", model.name)
    reference = parse_local_reference(model.name)
    assert isinstance(reference, HubModel)
    assert (reference.text, reference.has_explicit_tag) == (model.reference, True)
    assert model.tasks
    assert set(model.tasks) <= {"draw", "edit", "inpaint"}
    assert model.title
    assert model.license


def test_short_names_differ() -> None:
    assert len({model.name for model in KNOWN_MODELS}) == len(KNOWN_MODELS)


def test_case_does_not_matter() -> None:
    assert parse_local_reference("SDXL-Turbo") == parse_local_reference("sdxl-turbo")


def test_a_local_file_comes_first(empty_folder: None) -> None:
    Path("sdxl").write_bytes(b"")
    assert isinstance(parse_local_reference("sdxl"), LocalModel)


def test_other_names_stand_for_no_model() -> None:
    assert known_model(parse_model_reference("acme-sd")) is None
    assert known_model(parse_model_reference("demo")) is None


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("sdxl_turbo", "did you mean sdxl-turbo?"),
        ("SD-trubo", "did you mean sd-turbo or sdxl-turbo?"),
        ("flux", "did you mean flux1-schnell, flux1-dev or flux1-fill?"),
        ("qwen", "did you mean qwen-image or qwen-image-edit?"),
        ("deom", "did you mean demo?"),
        ("sd", ""),
        ("acme/sd", ""),
        ("x" * 100_000, ""),
    ],
)
def test_names_near_an_unknown_one(typed: str, hint: str) -> None:
    assert near_names_hint(typed) == hint


def test_the_short_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--known"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "TASKS", "LICENSE", "MODEL"]
    assert lines[1].split() == [
        *("sd1.5", "draw", "CreativeML", "OpenRAIL-M"),
        "hf.co/gpustack/stable-diffusion-v1-5-GGUF:Q8_0",
    ]
    assert len(lines) == 1 + len(KNOWN_MODELS)
    assert main(["models", "--known", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[4] == {
        "name": "sdxl-turbo",
        "title": "SDXL-Turbo",
        "reference": f"hf.co/{TURBO}:Q8_0",
        "tasks": ["draw"],
        "license": "Stability AI Non-Commercial",
    }
    assert gpustack_draw.known_models() == list(KNOWN_MODELS)


@pytest.fixture
def turbo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_folder: None
) -> Iterator[LoopbackHub]:
    """A hub with three quantizations of the model of a short name."""
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    hub.add(
        TURBO,
        {
            f"stable-diffusion-xl-1.0-turbo-{tag}.gguf": files.gguf_bytes(files.SDXL_ALL)
            for tag in ("Q4_0", "Q8_0", "pure-Q8_0")
        },
    )
    yield hub
    hub.close()


FILE = "stable-diffusion-xl-1.0-turbo-Q8_0.gguf"


def drawn_file(model: gpustack_draw.Model) -> str:
    """Return the name of the main file of a model on this machine."""
    assert model.resolved is not None
    return model.resolved.files[0].path.name


@pytest.mark.parametrize("place", ["auto", "local"])
def test_a_short_name_is_loaded_from_the_hub(turbo: LoopbackHub, place: str) -> None:
    model = gpustack_draw.load("sdxl-turbo", on=place)
    assert drawn_file(model) == FILE
    assert model.resolved is not None
    assert model.resolved.portable_reference == f"hf.co/{TURBO}:Q8_0"


def test_a_short_name_is_pulled_described_and_removed(
    turbo: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pull", "sdxl-turbo", "-q"]) == 0
    assert capsys.readouterr().out.endswith(f"{FILE}\n")
    assert main(["models", "--info", "sdxl-turbo"]) == 0
    assert main(["rm", "sdxl-turbo", "--yes", "-q"]) == 0
    assert gpustack_draw.models()[1:] == []


def test_a_model_of_a_configured_server_comes_first(
    turbo: LoopbackHub, old: LoopbackGpustack
) -> None:
    old.add("sdxl-turbo")
    assert gpustack_draw.load("sdxl-turbo").resolved is None
    assert drawn_file(gpustack_draw.load("sdxl-turbo", on="local")) == FILE


def test_a_configured_server_without_a_model_of_that_name(
    turbo: LoopbackHub, old: LoopbackGpustack
) -> None:
    assert drawn_file(gpustack_draw.load("sdxl-turbo")) == FILE
    deployed = gpustack_draw.load("sdxl-turbo", on="server")
    (note,) = deployed.plan(gpustack_draw.DrawRequest(prompt="")).notes
    assert note.startswith(f"hf.co/{TURBO} ({FILE}) would be deployed as ")


def test_an_unknown_name_on_this_machine(empty_folder: None) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        gpustack_draw.load("sdxl-trubo", on="local")
    assert (caught.value.message, caught.value.hint) == (
        "no model named 'sdxl-trubo' on this machine, and on='local' uses no server",
        "did you mean sdxl-turbo or sd-turbo?",
    )


def test_a_prompt_before_a_short_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a cat", "sdxl-turbo"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "gpustack-draw: MODEL comes before PROMPT",
        'gpustack-draw: type gpustack-draw sdxl-turbo "a cat"',
    ]
