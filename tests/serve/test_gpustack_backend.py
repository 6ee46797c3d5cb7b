"""The backend definition for GPUStack 2.x, and the container images that it names."""

import re
import shlex
from typing import Any

import pytest
import yaml
from build_tools import SOURCE

import gpustack_draw
from gpustack_draw.cli.arguments import parse_arguments
from gpustack_draw.cli.main import main
from gpustack_draw.cli.serve import read_options
from gpustack_draw.gpustack_server.draw_backend import choose_backend
from gpustack_draw.serve.gpustack_backend import backend_definition

VERSION = gpustack_draw.__version__
# Keys that GPUStack 2.3.0 reads (gpustack/routes/inference_backend.py); it ignores others.
KEYS = {
    *("backend_name", "version_configs", "default_version", "default_backend_param"),
    *("default_run_command", "default_entrypoint", "health_check_path", "description"),
    *("default_env", "parameter_format", "common_parameters"),
}
VERSION_KEYS = {"image_name", "run_command", "entrypoint", "custom_framework", "env"}
PLACEHOLDERS = {
    "model_path": "/cache/acme/model-Q4_0.gguf",
    "worker_ip": "10.0.0.7",
    "port": "40123",
    "model_name": "model-Q4_0",
}


def definition(image: str = "") -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(backend_definition(image))
    return parsed


def test_the_definition_is_one_that_gpustack_accepts() -> None:
    found = definition()
    assert found.keys() <= KEYS
    assert found["backend_name"].endswith("-custom")
    assert found["health_check_path"] == "/health"
    assert found["parameter_format"] == "space"
    assert found["default_version"] in found["version_configs"]
    for version in found["version_configs"].values():
        assert version.keys() <= VERSION_KEYS
    assert all(isinstance(value, str) for value in found["default_env"].values())
    assert found["default_env"]["HF_HOME"].startswith("{{model_path}}")  # inside the mount


def test_the_command_of_the_definition_is_one_that_the_parser_accepts() -> None:
    command = definition()["default_run_command"]
    assert set(re.findall(r"\{\{(\w+)\}\}", command)) == PLACEHOLDERS.keys()
    for name, value in PLACEHOLDERS.items():
        command = command.replace(f"{{{{{name}}}}}", value)
    options = read_options(parse_arguments(shlex.split(command)))
    assert (options.host, options.port, options.no_auth) == ("10.0.0.7", 40123, True)
    (model,) = options.models
    assert (model.name, model.reference) == ("model-Q4_0", PLACEHOLDERS["model_path"])


def test_the_suggested_options_exist() -> None:
    values = {"--device": "cpu", "--threads": "2", "--max-size": "512x512", "--queue": "4"}
    for option in definition()["common_parameters"]:
        typed = ["serve", "demo", option, values.get(option, "hf.co/acme/extra:file.safetensors")]
        read_options(parse_arguments(typed))


def test_the_command_finds_the_backend_that_the_definition_adds() -> None:
    found = choose_backend([{**definition(), "enabled": True}], {"cuda"})
    assert found is not None
    assert found.version == f"{VERSION}-cuda"
    assert found.environment == definition()["default_env"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("", "gpustack-draw"),
        (
            "registry.example.com:5000/ai/gpustack-draw",
            "registry.example.com:5000/ai/gpustack-draw",
        ),
        ("acme/draw", "acme/draw"),
    ],
)
def test_the_names_of_the_images(image: str, expected: str) -> None:
    versions = definition(image)["version_configs"]
    assert [version["image_name"] for version in versions.values()] == [
        f"{expected}:{VERSION}-cuda",
        f"{expected}:{VERSION}-cpu",
    ]


def test_the_version_of_a_build_between_releases_is_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "gpustack_draw.serve.gpustack_backend.version"
    monkeypatch.setattr(module, lambda _: "1.0.dev3+g1a2b")
    images = [each["image_name"] for each in definition()["version_configs"].values()]
    assert images == ["gpustack-draw:1.0.dev3-g1a2b-cuda", "gpustack-draw:1.0.dev3-g1a2b-cpu"]


@pytest.mark.parametrize(
    "image", ["acme/draw:1.0", "acme/draw@sha256:00", "a b", "Acme/Draw/", "'x"]
)
def test_a_wrong_name_of_an_image(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"--gpustack-backend={image}"]) == 2
    assert capsys.readouterr().err == (
        f"gpustack-draw: {image!r} is not the name of a container image without its tag\n"
        "gpustack-draw: type it as registry.example.com/gpustack-draw;"
        f" {VERSION}-cuda and {VERSION}-cpu are appended as tags\n"
    )


@pytest.mark.parametrize("option", ["--gpustack-backend", "--gpustack-backend=acme/draw"])
def test_the_command_prints_the_definition(
    option: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["serve", option]) == 0
    printed = capsysbinary.readouterr().out.decode()
    assert printed == backend_definition(option.partition("=")[2])


def test_every_image_has_a_target_without_a_health_check() -> None:
    """GPUStack takes a container whose health check has not passed yet for one that has failed."""
    stages = re.split(r"^FROM ", (SOURCE / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    targets = {stage.split()[2]: stage for stage in stages}
    for target in ("cpu", "vulkan", "cuda"):
        base = targets.get(targets[target].split()[0], "")
        assert "HEALTHCHECK --interval" in targets[target] + base
        assert "\nUSER 10001\n" in targets[target]
        for_gpustack = targets[f"gpustack-{target}"]
        assert for_gpustack.startswith(f"{target} AS gpustack-{target}\nHEALTHCHECK NONE\n")


def test_what_the_images_are_built_from_is_sent_to_the_builder() -> None:
    used = re.findall(
        r"/source/(\w+)|^COPY (\w+)/", (SOURCE / "Dockerfile").read_text(), re.MULTILINE
    )
    sent = (SOURCE / ".dockerignore").read_text().splitlines()
    assert {f"!{source or copied}" for source, copied in used} == {"!backends", "!docker"} & {*sent}


@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("python gpustack-draw serve demo --host 0.0.0.0 --port 80", "http://127.0.0.1:80/health"),
        ("gpustack-draw serve demo --host=10.0.0.7 --port=81", "http://10.0.0.7:81/health"),
        ("gpustack-draw serve --port 1 --port 2 demo --host ::", "http://[::1]:2/health"),
        ("gpustack-draw serve demo", "http://127.0.0.1:1234/health"),
        ("gpustack-draw demo cat", ""),
    ],
)
def test_the_health_check_of_the_images_asks_the_server(command: str, url: str) -> None:
    scope: dict[str, Any] = {"__name__": "health"}
    exec((SOURCE / "docker" / "health.py").read_text(), scope)
    assert scope["health_url"](command.split()) == url
