"""The engine loads the numbered text encoders of llama-box, so the prompt has an effect."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from architectures import CLIP_G, CLIP_L, T5_XXL, Named, all_in_one, flux1, sd3
from model_files import write_sparse_gguf
from random_gguf import write_random_gguf

from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.memory.available import available_memory

pytestmark = pytest.mark.engine

LLAMA_BOX_SD3 = {
    "cond_stage_model.transformer.": CLIP_L,
    "cond_stage_model.1.transformer.": CLIP_G,
    "cond_stage_model.2.transformer.": T5_XXL,
}
LLAMA_BOX_FLUX1 = {
    "cond_stage_model.transformer.": CLIP_L,
    "cond_stage_model.1.transformer.": T5_XXL,
}
# The engine fixes the encoders' sizes and SD 3's minimum depth, so only FLUX.1 can be smaller.
WHOLE_MODELS = {
    "sd3.5-medium": all_in_one(sd3(24, dual=13, positions=384), LLAMA_BOX_SD3),
    "flux1-of-two-blocks": all_in_one(flux1(3072, 1, 1), LLAMA_BOX_FLUX1),
}


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    engine = EngineProcess()
    yield engine
    engine.close()


@pytest.mark.parametrize("tensors", WHOLE_MODELS.values(), ids=WHOLE_MODELS)
def test_every_tensor_of_a_whole_model_is_loaded(
    tensors: Named, engine: EngineProcess, tmp_path: Path
) -> None:
    path = write_sparse_gguf(tmp_path / "model.gguf", tensors)
    needed, available = path.stat().st_size * 1.3, available_memory()
    if available is not None and available < needed:
        pytest.skip(f"needs {needed / 1e9:.1f} GB of memory")
    log: list[tuple[str, str]] = []
    # Loading fails if a tensor is missing or has another shape.
    engine.load(
        files={"model": str(path)},
        threads=2,
        device="auto",
        on_log=lambda level, text: log.append((level, text)),
    )
    problems = [
        text for level, text in log if level in {"warning", "error"} or "unknown tensor" in text
    ]
    assert problems == []
    assert any("loading tensors completed" in text for _, text in log)


def test_prompt_has_the_same_effect_as_with_the_library_names(
    engine: EngineProcess, tmp_path: Path
) -> None:
    pictures = []
    for prefix in ("cond_stage_model.transformer.", "text_encoders.clip_l.transformer."):
        tensors = all_in_one(flux1(128, 1, 1), {prefix: CLIP_L}, base=32)
        path = write_random_gguf(tmp_path / "model.gguf", tensors)
        engine.load(files={"model": str(path)}, threads=2, device="auto")
        pictures.append([draw(engine, prompt) for prompt in ("a cat", "a dog at the sea")])
    numbered, named = pictures
    assert numbered[0] != numbered[1]
    assert numbered == named


def draw(engine: EngineProcess, prompt: str) -> bytes:
    numbers = {"width": 64, "height": 64, "seed": 7, "sample_steps": 2}
    prompts = {"prompt": prompt, "negative_prompt": "", "cfg_scale": 1.0}
    names = {"sampler": "euler", "scheduler": "discrete"}
    return bytes(engine.draw(settings=prompts | names | numbers).pixels)
