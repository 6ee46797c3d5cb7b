"""One hub serves a model from its resolution to the download, and shares nothing with others."""

from pathlib import Path

import model_files as files
import pytest
from hub_steps import get
from loopback_hub import LoopbackHub

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.hub import Hub
from gpustack_draw.hub.client import HubClient

REQUEST = gpustack_draw.DrawRequest(prompt="an owl")
FIRST_STEP = 64 * 1024
# Larger than the first range of a header.
FLUX = files.gguf_bytes(files.FLUX1)
COMPONENTS = {
    "ae.safetensors": files.safetensors_bytes(files.VAE_16),
    "clip_l.safetensors": files.safetensors_bytes(files.CLIP_L),
    "t5xxl-Q8_0.gguf": files.gguf_bytes(files.T5),
}


@pytest.fixture
def opened(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[HubClient]:
    """Return the list of the clients that are created from now on."""
    clients: list[HubClient] = []
    create = HubClient.__init__

    def record(client: HubClient, *, offline: bool = False) -> None:
        clients.append(client)
        create(client, offline=offline)

    monkeypatch.setattr(HubClient, "__init__", record)
    return clients


def plan_and_fetch(reference: str, **components: str) -> None:
    with gpustack_draw.load(reference, device="CPU", **components) as model:
        model.plan(REQUEST)
        model.check(REQUEST)
        model.fetch()


@pytest.mark.engine
def test_a_model_is_loaded_planned_and_fetched_with_one_hub(
    server: LoopbackHub, opened: list[HubClient]
) -> None:
    server.add("acme/flux", {"flux-Q4_0.gguf": FLUX, **COMPONENTS})
    plan_and_fetch("hf.co/acme/flux", vae="hf.co/acme/flux:ae.safetensors")
    ranges = [(request.path.rpartition("/")[2], request.range) for request in server.requests]
    sizes = {name: len(data) for name, data in COMPONENTS.items()}
    assert sorted(ranges) == sorted(
        [
            *[("flux", "")] * 2,
            ("flux-Q4_0.gguf", f"bytes=0-{FIRST_STEP - 1}"),
            ("flux-Q4_0.gguf", f"bytes={FIRST_STEP}-"),
            *((name, f"bytes=0-{size - 1}") for name, size in sizes.items()),
        ]
    )
    assert len(opened) == 1


@pytest.mark.engine
def test_local_models_with_their_components_open_no_hub(
    opened: list[HubClient], tmp_path: Path
) -> None:
    for name, tensors in {
        "flux.gguf": files.FLUX1,
        "ae.safetensors": files.VAE_16,
        "clip_l.safetensors": files.CLIP_L,
        "t5.gguf": files.T5,
    }.items():
        files.write_model(tmp_path / name, tensors)
    plan_and_fetch(str(tmp_path / "flux.gguf"))
    plan_and_fetch("demo")
    assert opened == []


def test_rm_opens_one_hub(
    server: LoopbackHub, opened: list[HubClient], capsys: pytest.CaptureFixture[str]
) -> None:
    server.add("acme/flux", {"flux-Q4_0.gguf": FLUX, **COMPONENTS})
    assert main(["pull", "hf.co/acme/flux"]) == 0
    opened.clear()
    assert main(["rm", "--yes", "hf.co/acme/flux"]) == 0
    assert len(opened) == 1


def test_another_hub_does_not_use_the_first_bytes(server: LoopbackHub, hub: Hub) -> None:
    server.add("acme/flux", {"flux-Q4_0.gguf": FLUX})
    file = get(hub, "flux-Q4_0.gguf", "acme/flux")
    hub.read_header(file)
    server.requests.clear()
    Hub().fetch([file])
    assert [request.range for request in server.requests] == [""]
