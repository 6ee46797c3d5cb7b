"""--on server deploys a Hugging Face model, waits until it runs, and draws with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_gpustack import NEW, OLD, LoopbackGpustack
from loopback_hub import LoopbackHub

import gpustack_draw
from gpustack_draw import Progress
from gpustack_draw.cli.main import main

PROMPT = "a lovely cat"
TURBO = "acme/stable-diffusion-v3-5-large-turbo-GGUF"
FILES = {"sd3.5-Q4_0.gguf": b"", "sd3.5-FP16.gguf": b"", "README.md": b""}


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.POLL_DELAY", 0.02)
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path / "home")
    hub.add(TURBO, FILES)
    hub.add("Qwen/Qwen-Image", {"model_index.json": b"{}", "vae/x.safetensors": b""})
    yield hub
    hub.close()


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackGpustack]:
    yield from serve(OLD, monkeypatch)


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackGpustack]:
    yield from serve(NEW, monkeypatch)


def serve(release: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackGpustack]:
    server = LoopbackGpustack(release)
    server.states = [
        [],
        [{"state": "pending", "state_message": ""}],
        [{"state": "downloading", "download_progress": 12.5}],
        [{"state": "downloading", "download_progress": 80}],
        [{"state": "running", "download_progress": 100}],
    ]
    monkeypatch.setenv("GPUSTACK_SERVER_URL", server.url)
    monkeypatch.setenv("GPUSTACK_API_KEY", server.ADMIN)
    yield server
    server.close()


def draw(*arguments: str) -> int:
    options = ["--on", "server", "--size", "256x256", "--output", "cat.png"]
    return main([arguments[0], PROMPT, *options, *arguments[1:]])


def error_of(capsys: pytest.CaptureFixture[str], server: LoopbackGpustack) -> list[str]:
    output = capsys.readouterr()
    assert output.out == ""
    assert not Path("cat.png").exists()
    lines = output.err.replace(server.url, "URL").splitlines()[-2:]
    return [line.removeprefix("gpustack-draw: ") for line in lines]


def created(server: LoopbackGpustack) -> list[dict[str, Any]]:
    return [
        each.body
        for each in server.requests
        if each.method == "POST" and each.path.endswith("/models")
    ]


def test_a_llama_box_server_receives_the_original_commands_request(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(f"hf.co/{TURBO}") == 0
    assert created(old) == [
        {
            "name": "stable-diffusion-v3-5-large-turbo-Q4_0",
            "source": "huggingface",
            "huggingface_repo_id": TURBO,
            "huggingface_filename": "sd3.5-Q4_0.gguf",
            "cpu_offloading": True,
            "distributed_inference_across_workers": True,
            "categories": ["image"],
            "backend": "llama-box",
            "backend_parameters": ["--no-warmup", "--seed=42", "--image-cfg-scale=1.0"],
        }
    ]
    (body,) = old.drawings()
    assert body["model"] == "stable-diffusion-v3-5-large-turbo-Q4_0"
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert "deploying the model\n" in output.err
    assert (
        f"deployed on GPUStack 0.7.1 at 127.0.0.1:{old.port} as"
        " 'stable-diffusion-v3-5-large-turbo-Q4_0'" in output.err
    )


def test_each_tag_is_a_separate_model(old: LoopbackGpustack) -> None:
    assert draw(f"hf.co/{TURBO}", "-q") == 0
    assert draw(f"hf.co/{TURBO}:FP16", "-q") == 0
    names = [body["name"] for body in created(old)]
    assert names == [
        "stable-diffusion-v3-5-large-turbo-Q4_0",
        "stable-diffusion-v3-5-large-turbo-FP16",
    ]
    assert [body["huggingface_filename"] for body in created(old)][1] == "sd3.5-FP16.gguf"


@pytest.mark.parametrize(
    ("file", "name"),
    [("sd3.5-Q4_K_M.gguf", "medium-Q4_K_M"), ("sd3.5_mx3.gguf", "medium-sd3.5_mx3")],
)
def test_a_model_without_the_default_tag_is_named_after_its_file(
    old: LoopbackGpustack, hub: LoopbackHub, file: str, name: str
) -> None:
    hub.add("acme/medium-GGUF", {file: b""})
    assert draw("hf.co/acme/medium-GGUF", "-q") == 0
    (body,) = created(old)
    assert (body["name"], body["huggingface_filename"]) == (name, file)


@pytest.mark.parametrize("file", ["*Q4_0*", "sd3.5-Q4_0.gguf"])
def test_a_deployed_model_is_used_under_any_name(old: LoopbackGpustack, file: str) -> None:
    for number in range(120):  # on the second page
        old.add(f"other-{number}")
    source = {"source": "huggingface", "huggingface_repo_id": TURBO, "huggingface_filename": file}
    old.add("stable-diffusion-v3-5-large-turbo", more=source)
    assert draw(f"hf.co/{TURBO}", "-q") == 0
    assert created(old) == []
    assert old.drawings()[0]["model"] == "stable-diffusion-v3-5-large-turbo"


def test_a_used_name(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    old.add("stable-diffusion-v3-5-large-turbo-Q4_0")
    assert draw(f"hf.co/{TURBO}", "-q") == 0
    assert created(old)[0]["name"] == "acme-stable-diffusion-v3-5-large-turbo-Q4_0"
    old.models["acme-stable-diffusion-v3-5-large-turbo-Q4_0"].more = {}
    capsys.readouterr()
    Path("cat.png").unlink()
    assert draw(f"hf.co/{TURBO}", "-q") == 1
    assert error_of(capsys, old) == [
        (
            "the names 'stable-diffusion-v3-5-large-turbo-Q4_0' and"
            " 'acme-stable-diffusion-v3-5-large-turbo-Q4_0' belong to other models on URL"
        ),
        "rename or delete one on the server's web page",
    ]


def test_an_unknown_tag(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    assert draw(f"hf.co/{TURBO}:Q8_0", "-q") == 3
    assert error_of(capsys, old)[0].startswith(f"hf.co/{TURBO} has no tag 'Q8_0'; it has F16, Q4_0")
    assert created(old) == []


def test_a_hub_that_only_the_server_can_reach(
    old: LoopbackGpustack, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fail("/api/", status=500)
    assert draw(f"hf.co/{TURBO}:FP16") == 0
    assert created(old)[0]["huggingface_filename"] == "*FP16*"
    assert (
        "; the server will look the file up itself, and the tag 'FP16' was not checked\n"
        in capsys.readouterr().err
    )


def test_a_new_server_runs_diffusers_repositories_with_vllm(new: LoopbackGpustack) -> None:
    assert draw("hf.co/Qwen/Qwen-Image", "-q") == 0
    assert created(new) == [
        {
            "name": "Qwen-Image",
            "source": "huggingface",
            "huggingface_repo_id": "Qwen/Qwen-Image",
            "replicas": 1,
            "categories": ["image"],
            "backend": "vLLM",
            "backend_parameters": ["--omni"],
            "enable_model_route": True,
            "cluster_id": 7,
        }
    ]
    assert new.drawings()[0]["model"] == "Qwen-Image"


@pytest.mark.parametrize(
    "backends",
    [
        [],
        None,
        [{"backend_name": "gpustack-draw-custom", "enabled": False}],
        [{"backend_name": "my-gpustack-draw-custom", "enabled": True}],
    ],
)
def test_a_new_server_without_a_backend_for_gguf_models(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], backends: list[dict[str, Any]] | None
) -> None:
    new.backends = backends
    assert draw(f"hf.co/{TURBO}", "-q") == 3
    assert error_of(capsys, new) == [
        f"GPUStack 2.3.0 at URL has no backend for GGUF image models such as hf.co/{TURBO}",
        (
            "an administrator adds it on the server's web page: Inference Backends > Add Backend >"
            " YAML, with the output of 'gpustack-draw serve --gpustack-backend'; or leave --on"
            " server out to draw on this machine"
        ),
    ]
    assert new.paths() == ["GET /version", "GET /v2/inference-backends"]


def test_a_new_server_without_a_cluster(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    new.clusters = []
    assert draw("hf.co/Qwen/Qwen-Image", "-q") == 1
    assert error_of(capsys, new) == [
        "URL has no cluster to deploy on",
        "add one on the server's web page",
    ]


@pytest.mark.parametrize(
    ("release", "message", "hint"),
    [
        (
            OLD,
            "the API key is not permitted to deploy models on URL: No permission to access",
            "set GPUSTACK_API_KEY to the key of an administrator",
        ),
        (
            NEW,
            (
                "the API key is not permitted to deploy models on URL: API key does not have"
                " permission to access management features"
            ),
            "set GPUSTACK_API_KEY to a key with the scopes 'management' and 'inference'",
        ),
    ],
)
def test_a_key_that_may_only_draw(
    release: str,
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for server in serve(release, monkeypatch):
        monkeypatch.setenv("GPUSTACK_API_KEY", server.USER)
        for name in [TURBO] if release == OLD else [TURBO, "Qwen/Qwen-Image"]:
            assert draw(f"hf.co/{name}", "-q") == 1
            assert error_of(capsys, server) == [message, hint]


def test_a_rejected_deployment(old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"code": 400, "reason": "BadRequest", "message": "No such file"}'
    old.fail("/v1/models", times=1, seconds=0)  # the list succeeds
    old.fail("/v1/models", status=400, body=body)
    assert draw(f"hf.co/{TURBO}", "-q") == 1
    assert error_of(capsys, old) == [
        f"URL rejects the deployment of hf.co/{TURBO} (400): No such file",
        "deploy it on the server's web page, and draw with its name there",
    ]


@pytest.mark.parametrize(
    ("log", "end"),
    [
        (b"", ""),
        (
            b"loading\n'-x' is not an option\nsee \x1b[1mhelp\n\n \n",
            "; its log ends with: '-x' is not an option; see [1mhelp",
        ),
        (b"\xff" * 70_000, "; its log ends with: " + "\ufffd" * 297 + "..."),
        (b"\n" * 10, ""),
        (b"A=b\n2026-11-30 01:04:28 - gpustack.worker.serve_manager - INFO - Finished\n", ""),
        (
            b"2026-11-30 01:04:28 - gpustack.worker.serve_manager - INFO - Finished\nno space\n",
            "; its log ends with: no space",
        ),
    ],
)
def test_a_model_that_fails_to_start(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], log: bytes, end: str
) -> None:
    old.states = [[{"state": "error", "state_message": "Inference server exited."}]]
    old.log = log
    assert draw(f"hf.co/{TURBO}", "-q") == 1
    assert error_of(capsys, old) == [
        f"hf.co/{TURBO} failed to start on URL: error: Inference server exited{end}",
        "check its instances on the server's web page",
    ]


@pytest.mark.parametrize("beats", [0.05, 0.0])
def test_a_deployment_without_progress_times_out(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], beats: float
) -> None:
    """With heartbeats, and with a server that ends the stream again and again."""
    old.states = [[{"state": "pending", "state_message": "No available workers"}]]
    old.fail("/model-instances", seconds=beats)
    start = time.monotonic()
    assert draw(f"hf.co/{TURBO}", "-q", "--timeout", "0.4") == 1
    assert time.monotonic() - start < 3
    assert error_of(capsys, old) == [
        (
            f"the deployment of hf.co/{TURBO} on URL made no progress for 0.4 seconds: pending: No"
            " available workers"
        ),
        (
            "the server's workers may lack resources for it; the model stays deployed, and"
            " --timeout SECONDS waits longer"
        ),
    ]


def test_a_deployed_model_without_replicas(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"source": "huggingface", "huggingface_repo_id": TURBO, "replicas": 0}
    old.add("mine", running=False, more={**source, "huggingface_filename": "*Q4_0*"})
    assert draw(f"hf.co/{TURBO}", "-q") == 1
    assert error_of(capsys, old) == [
        "'mine' is deployed on URL without replicas",
        "start it on the server's web page",
    ]


def test_the_library_deploys_with_progress(old: LoopbackGpustack) -> None:
    reports: list[Progress] = []
    with gpustack_draw.load(f"hf.co/{TURBO}", on="server") as model:
        assert created(old) == []
        image = model.generate(PROMPT, size=(256, 256), on_progress=reports.append)
    assert image.size == (256, 256)
    deployed = [(each.step, each.total) for each in reports if each.phase == "deploy"]
    assert (12, 100) in deployed
    assert (80, 100) in deployed
    assert [each.phase for each in reports if each.phase != "deploy"] == ["wait"] + ["sample"] * 4


def test_fetch_deploys_a_model_once(old: LoopbackGpustack) -> None:
    name, device = (
        "stable-diffusion-v3-5-large-turbo-Q4_0",
        f"GPUStack 0.7.1 at 127.0.0.1:{old.port}",
    )
    request = gpustack_draw.DrawRequest(prompt=PROMPT)
    with gpustack_draw.load(f"hf.co/{TURBO}", on="server") as model:
        assert model.plan(request).notes[-1].endswith(f"as '{name}', where it is not there yet")
        assert model.fetch() == (f"deployed on {device} as '{name}'",)
        assert model.fetch() == ()
        assert model.plan(request).notes == ()
        assert repr(model) == f"<Model {name} on {device}>"
    assert len(created(old)) == 1


def test_a_dry_run_deploys_nothing(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw("hf.co/acme/none", "--dry-run") == 3
    capsys.readouterr()
    assert draw(f"hf.co/{TURBO}@v1:FP16", "--dry-run") == 0
    assert capsys.readouterr().out == (
        f"model:     hf.co/{TURBO}@v1:FP16\n"
        "settings:  20 steps, euler, 256x256\n"
        f"device:    GPUStack 0.7.1 at 127.0.0.1:{old.port}\n"
        "note:      the server uses the main branch, not @v1\n"
        f"note:      hf.co/{TURBO} (sd3.5-FP16.gguf) would be deployed as"
        " 'stable-diffusion-v3-5-large-turbo-FP16', where it is not there yet\n"
    )
    assert created(old) == []


def test_ctrl_c_ends_the_wait(old: LoopbackGpustack, hub: LoopbackHub, tmp_path: Path) -> None:
    old.states = [[{"state": "pending", "state_message": "No available workers"}]]
    old.fail("/model-instances", seconds=5.0)
    command = [sys.executable, "-m", "gpustack_draw", f"hf.co/{TURBO}", PROMPT, "--on", "server"]
    process = subprocess.Popen(
        command,
        env={**os.environ, **hub.environment(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 20
    while not any("instances" in path for path in old.paths()):
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, error = process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - start < 2
    assert error.endswith(b"gpustack-draw: interrupted\n")


def test_the_download_rate_starts_at_the_first_percent(old: LoopbackGpustack) -> None:
    """A wait in a queue and an earlier download do not count."""
    reports: list[Progress] = []
    with gpustack_draw.load(f"hf.co/{TURBO}", on="server") as model:
        model.generate(PROMPT, size=(256, 256), on_progress=reports.append)
    percents = [each for each in reports if each.phase == "deploy" and each.total]
    assert [(each.step, each.resumed) for each in percents] == [(12, 12), (80, 12)]
    assert [each.started for each in percents] == [percents[0].seconds] * 2
