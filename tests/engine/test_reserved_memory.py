"""The engine reserves the memory that the estimate expects."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from architectures import klein, vae
from cpu_targets import cpus
from model_files import prefixed, write_sparse_gguf

import gpustack_draw
from gpustack_draw.engine.pass_memory import device_traits
from gpustack_draw.engine.results import FAST_CPU
from gpustack_draw.errors import BlankPictureError
from gpustack_draw.memory.estimate import estimate
from gpustack_draw.memory.weights import weights_of
from gpustack_draw.memory.work import Work
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.resolve import resolve_model

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

MIB = 2**20
HUGE_PAGE = 2 * MIB  # FastCPU rounds its buffers up to whole ones
DEVICES = [device.name for device in cpus()]
BUFFER = re.compile(r"(\w+) (params backend|compute) buffer size[:=]? *=? *([\d.]+) MB")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a narrow FLUX.2 with a VAE of full width, whose weights are zeros."""
    tensors = {
        **prefixed("model.diffusion_model.", klein(256, 1, 1, context=64)),
        "text_encoders.llm.model.embed_tokens.weight": ((64, 151_669), "F16"),
        "text_encoders.llm.model.norm.weight": ((64,), "F32"),
        **prefixed("first_stage_model.", vae(latent=32, quant=True)),
    }
    path = write_sparse_gguf(tmp_path_factory.mktemp("flux") / "flux.gguf", tensors)
    yield path
    path.unlink()


def check(model_path: str, device: str, side: int) -> None:
    """Draw a small picture and a larger one, and compare the engine's buffers with the estimate.

    Only the first drawing reserves its own buffer for sampling, and only the larger picture one for
    decoding: FastCPU keeps the last buffer and reuses it if it is large enough.
    """
    lines: list[str] = []
    resolved = resolve_model(parse_model_reference(model_path))
    traits = next(device_traits(each) for each in cpus() if each.name == device)
    small = Work(model=resolved, width=64, height=64, device=traits)
    large = replace(small, width=side, height=side)
    with gpustack_draw.load(
        model_path, device=device, threads=2, on_log=lambda _level, text: lines.append(text)
    ) as model:
        for work in (small, large):
            with suppress(BlankPictureError):
                size = (work.width, work.height)
                model.generate("a cat", size=size, sample_steps=1, cfg_scale=1.0)
            if work is small:
                check_loaded(small, reserved(lines))
                lines.clear()
    buffers = reserved(lines)
    decoder = buffers.get("vae", buffers.get("taesd", 0))
    assert decoder - HUGE_PAGE <= estimate(large).decoding <= 1.1 * decoder + HUGE_PAGE


def reserved(lines: list[str]) -> dict[str, float]:
    """Return the bytes of the largest buffers in the engine's log, by network.

    Those of the weights have the name ``weights`` and are summed.
    """
    found: dict[str, float] = {"weights": 0}
    for line in lines:
        buffer = BUFFER.search(line)
        if buffer is not None:
            name, kind, count = buffer[1], buffer[2], float(buffer[3]) * MIB
            if kind == "compute":
                found[name] = max(count, found.get(name, 0))
            else:
                found["weights"] += count
    return found


def check_loaded(work: Work, buffers: dict[str, float]) -> None:
    needed, weights = estimate(work), weights_of(work).total
    assert buffers["qwen3"] <= needed.text
    assert buffers["flux"] - HUGE_PAGE <= needed.sampling <= 1.6 * buffers["flux"]
    assert weights <= buffers["weights"] * 1.01 <= weights * 1.02 + 3 * HUGE_PAGE


@pytest.mark.parametrize("device", DEVICES)
def test_the_embedded_model(device: str) -> None:
    check("demo", device, 192)


@pytest.mark.parametrize("device", DEVICES)
def test_flux2_with_a_vae(device: str, flux: Path) -> None:
    check(str(flux), device, 128)


@pytest.mark.skipif(FAST_CPU not in DEVICES, reason="needs FastCPU")
def test_attention_to_any_number_of_tokens_needs_no_mask() -> None:
    """With padded tokens and a mask that hides them, the buffer had 1.5 times the size."""
    lines: list[str] = []
    with gpustack_draw.load(
        "demo", device=FAST_CPU, on_log=lambda _level, text: lines.append(text)
    ) as model:
        model.generate("a red circle", size=(520, 520), sample_steps=1)
    traits = next(device_traits(each) for each in cpus() if each.name == FAST_CPU)
    resolved = resolve_model(parse_model_reference("demo"))
    work = Work(model=resolved, width=520, height=520, device=traits)
    assert reserved(lines)["flux"] - HUGE_PAGE <= estimate(work).sampling
