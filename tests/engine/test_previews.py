"""Previews of models with a tiny decoder: decoded in full size, if the memory suffices."""

import shutil
from pathlib import Path

import pytest

import gpustack_draw
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.engine.pass_memory import can_decode_previews
from gpustack_draw.memory.memory_plan import MemoryPlan, PhaseBytes
from gpustack_draw.memory.work import MemoryChoices
from gpustack_draw.progress.progress import Progress
from gpustack_draw.request.draw_request import DrawRequest

NEEDED = PhaseBytes(base=1, weights=2, inputs=3, text=100, sampling=10, decoding=20)


@pytest.mark.parametrize(
    ("free", "tile", "expected"),
    [(36, None, True), (35, None, False), (None, None, True), (36, 256, False)],
)
def test_sampling_and_decoding_need_memory_at_once(
    free: int | None, tile: int | None, expected: bool
) -> None:
    memory = MemoryPlan(needed=NEEDED, free_bytes=free, choices=MemoryChoices(vae_tile=tile))
    assert can_decode_previews(memory) is expected


@pytest.mark.engine
def test_a_tiny_decoder_decodes_the_previews(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo model under another name; its latents are 4x4 cells, which are projected to 8x8."""
    file = tmp_path / "klein.gguf"
    shutil.copy(DEMO_FILE, file)
    sizes = []

    def add_size(progress: Progress) -> None:
        if progress.preview is not None:
            sizes.append((progress.preview.width, progress.preview.height))

    request = DrawRequest(prompt="a cat", size=(64, 64), sample_steps=1, seed=1)
    with gpustack_draw.load(str(file)) as model:
        list(model.draw(request, add_size, preview=True))
        monkeypatch.setattr(
            "gpustack_draw.engine.local_engine.can_decode_previews", lambda _memory: False
        )
        list(model.draw(request, add_size, preview=True))
    assert sizes == [(64, 64), (8, 8)]
