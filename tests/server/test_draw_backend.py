"""--on server deploys a GGUF model on the backend of gpustack-draw that a 2.x server has."""

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import model_files as files
import pytest
from loopback_gpustack import NEW, LoopbackGpustack
from loopback_hub import LoopbackHub

from gpustack_draw.cli.main import main
from gpustack_draw.gpustack_server.draw_backend import choose_backend

MODEL = "acme/flux1-schnell-GGUF"
FILE = "flux1-schnell-Q4_0.gguf"
COMPONENTS = {
    "vae": ("Comfy-Org/z_image_turbo", "split_files/vae/ae.safetensors", files.VAE_16),
    "clip-l": ("comfyanonymous/flux_text_encoders", "clip_l.safetensors", files.CLIP_L),
    "t5xxl": ("second-state/stable-diffusion-3.5-medium-GGUF", "t5xxl-Q8_0.gguf", files.T5),
}
BACKEND: dict[str, Any] = {
    "backend_name": "gpustack-draw-custom",
    "enabled": True,
    "default_version": "0.2.0-cuda",
    "default_env": {"HF_HOME": "{{model_path}}.components", "HF_ENDPOINT": "https://mirror"},
    "version_configs": {
        "0.2.0-cuda": {"image_name": "a:cuda", "custom_framework": "cuda", "env": None},
        "0.2.0-cpu": {"image_name": "a:cpu", "custom_framework": "cpu", "env": {"A": "b"}},
    },
}


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.POLL_DELAY", 0.02)
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path / "home")
    model = files.gguf_bytes(files.FLUX1)
    hub.add(MODEL, {FILE: model, "flux1[x]-Q8_0.gguf": model, "flux1-Q5_0.gguf": b"damaged"})
    for repository, path, tensors in COMPONENTS.values():
        write = files.gguf_bytes if path.endswith(".gguf") else files.safetensors_bytes
        hub.add(repository, {path: write(tensors)})
    yield hub
    hub.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackGpustack]:
    server = LoopbackGpustack(NEW)
    server.backends = [{"backend_name": "vLLM", "enabled": True}, BACKEND]
    server.states = [[{"state": "running"}]]
    monkeypatch.setenv("GPUSTACK_SERVER_URL", server.url)
    monkeypatch.setenv("GPUSTACK_API_KEY", server.ADMIN)
    yield server
    server.close()


def draw(*options: str, model: str = f"hf.co/{MODEL}") -> int:
    arguments = ["--on", "server", "--size", "256x256", "--output", "cat.png", *options]
    return main([model, "a lovely cat", *arguments])


def created(server: LoopbackGpustack) -> list[dict[str, Any]]:
    paths = ("POST", "/v2/models")
    return [each.body for each in server.requests if (each.method, each.path) == paths]


def test_a_split_model_is_deployed_with_its_components_and_memory(
    server: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    server.gpus = [{"type": "cuda", "cluster_id": 7}, {"type": "rocm", "cluster_id": 1}]
    assert draw() == 0
    (body,) = created(server)
    memory = int(body["env"].pop("GPUSTACK_MODEL_VRAM_CLAIM"))
    # FLUX.1's file names more weights than it has here.
    assert 10**9 < memory < 10**11
    assert body == {
        "name": "flux1-schnell-Q4_0",
        "source": "huggingface",
        "huggingface_repo_id": MODEL,
        "huggingface_filename": "flux1-schnell-Q4_0.ggu[f]",
        "backend": "gpustack-draw-custom",
        "backend_version": "0.2.0-cuda",
        "backend_parameters": [
            f"--{option}=hf.co/{repository}:{path}"
            for option, (repository, path, _) in COMPONENTS.items()
        ],
        "categories": ["image"],
        "replicas": 1,
        "cpu_offloading": True,
        "enable_model_route": True,
        "cluster_id": 7,
        "env": BACKEND["default_env"],
    }
    assert server.drawings()[0]["model"] == "flux1-schnell-Q4_0"
    assert capsys.readouterr().out == "cat.png\n"


def test_a_cluster_without_gpus_runs_the_version_for_cpus(server: LoopbackGpustack) -> None:
    server.gpus = [{"type": "cuda", "cluster_id": 1}]  # of another cluster
    assert draw("-q") == 0
    (body,) = created(server)
    assert body["backend_version"] == "0.2.0-cpu"
    assert body["env"]["A"] == "b"


@pytest.mark.parametrize("deployed", [FILE, "flux1-schnell-Q4_0.ggu[f]", "*Q4_0*"])
def test_a_deployed_model_is_used(server: LoopbackGpustack, deployed: str) -> None:
    source = {"source": "huggingface", "huggingface_repo_id": MODEL}
    server.add("pictures", more={**source, "huggingface_filename": deployed})
    assert draw("-q") == 0
    assert created(server) == []
    assert server.drawings()[0]["model"] == "pictures"


def test_a_dry_run_names_the_backend_and_the_memory(
    server: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw("--dry-run") == 0
    note = capsys.readouterr().out.splitlines()[-1]
    assert note.startswith(
        f"note:      hf.co/{MODEL} ({FILE}) would be deployed as 'flux1-schnell-Q4_0' with the"
        " backend gpustack-draw-custom 0.2.0-cpu and "
    )
    assert note.endswith(" GB of memory, where it is not there yet")
    assert created(server) == []


def test_a_model_that_cannot_be_drawn_with_is_not_deployed(
    server: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw("-q", model=f"hf.co/{MODEL}:Q5_0") == 3
    assert capsys.readouterr().err == (
        f"gpustack-draw: 'hf.co/{MODEL}:Q5_0' is text, not a model file\n"
        "gpustack-draw: a model file is GGUF, safetensors or a PyTorch checkpoint (.ckpt)\n"
    )
    assert created(server) == []


def test_the_pattern_for_a_file_matches_no_other(server: LoopbackGpustack) -> None:
    assert draw("-q", model=f"hf.co/{MODEL}:Q8_0") == 0
    pattern = created(server)[0]["huggingface_filename"]
    names = ("flux1[x]-Q8_0.gguf", "flux1x-Q8_0.gguf", "flux1[x]-Q8_0.ggu")
    assert [fnmatch(name, pattern) for name in names] == [True, False, False]


@pytest.mark.parametrize(
    ("reference", "pattern"),
    [
        (f"hf.co/{MODEL}", "*Q4_0*.ggu[f]"),
        (f"hf.co/{MODEL}:FP16", "*FP16*.ggu[f]"),
        (f"hf.co/{MODEL}:{FILE}", "*flux1-schnell-Q4_0*.ggu[f]"),
    ],
)
def test_a_hub_that_only_the_server_can_reach(
    server: LoopbackGpustack, hub: LoopbackHub, reference: str, pattern: str
) -> None:
    hub.fail("/api/", status=500)
    assert draw("-q", model=reference) == 0
    (body,) = created(server)
    assert body["huggingface_filename"] == pattern
    assert body["backend_parameters"] == []
    assert body["env"] == {**BACKEND["default_env"], "A": "b"}
    assert len(hub.requests) == 1  # a single try, because the server may reach the hub


@pytest.mark.parametrize(
    ("versions", "default", "gpus", "expected"),
    [
        ({"1-cuda": "cuda", "2-cuda": "cuda", "2-cpu": "cpu"}, "1-cuda", {"cuda"}, "1-cuda"),
        ({"1-cuda": "cuda", "2-cuda": "cuda", "2-cpu": "cpu"}, "2-cpu", {"cuda"}, "2-cuda"),
        ({"1-cuda": "cuda", "1-cpu": "cpu"}, "1-cuda", {"rocm"}, "1-cpu"),
        ({"1-cuda": "cuda"}, "1-cuda", set(), "1-cuda"),
        ({"mine": None}, "mine", {"cuda"}, "mine"),
        ({}, None, {"cuda"}, ""),
    ],
)
def test_the_version_of_a_backend(
    versions: dict[str, str | None], default: str | None, gpus: set[str], expected: str
) -> None:
    configurations = {name: {"custom_framework": kind} for name, kind in versions.items()}
    backend = {**BACKEND, "default_version": default, "version_configs": configurations}
    found = choose_backend([backend], gpus)
    assert found is not None
    assert found.version == expected


@pytest.mark.parametrize("value", [None, 1, "text", ["list"], {"x": 1}])
def test_a_backend_with_values_of_other_types(value: object) -> None:
    broken = dict.fromkeys(("version_configs", "built_in_version_configs", "default_env"), value)
    found = choose_backend([{**BACKEND, **broken}], {"cuda"})
    assert found is not None
    assert (found.version, found.environment) == ("0.2.0-cuda", {})
