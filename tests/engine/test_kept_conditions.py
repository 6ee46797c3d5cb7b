"""A prompt is encoded once, and pictures stay the same to the last bit."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from architectures import CLIP_L, all_in_one, flux1
from lora_namings import write_weights
from random_gguf import write_random_gguf

from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import DrawResult, EngineLora, EngineProgress

pytestmark = pytest.mark.engine

KEPT = "the prompt is encoded already"
SETTINGS = {
    "width": 64,
    "height": 64,
    "sample_steps": 1,
    "cfg_scale": 2.0,
    "sampler": "euler",
    "scheduler": "discrete",
}


class Engine:
    """An engine with a small model, and the lines of its log that matter here."""

    def __init__(self, model: Path) -> None:
        self.process = EngineProcess()
        self.model = model
        self.kept = 0
        self.load()

    def load(self) -> None:
        self.process.load(files={"model": str(self.model)}, threads=2, device="auto")

    def draw(self, prompt: str, negative: str, seed: int, *loras: EngineLora) -> DrawResult:
        texts = {"prompt": prompt, "negative_prompt": negative}
        settings = {**SETTINGS, **texts, "seed": seed}
        return self.process.draw(settings=settings, loras=loras, on_log=self._count)

    def _count(self, _level: str, text: str) -> None:
        self.kept += KEPT in text


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    encoders = {"text_encoders.clip_l.transformer.": CLIP_L}
    tensors = all_in_one(flux1(128, 1, 1), encoders, base=32)
    path = write_random_gguf(tmp_path_factory.mktemp("model") / "flux1.gguf", tensors)
    yield path
    path.unlink()


@pytest.fixture
def engine(model: Path) -> Iterator[Engine]:
    made = Engine(model)
    yield made
    made.process.close()


def test_pictures_do_not_depend_on_what_is_kept(engine: Engine, model: Path) -> None:
    drawings = [("a cat", "", 7), ("a cat", "", 8), ("a dog", "a cat", 7), ("a cat", "", 7)]
    first = [bytes(engine.draw(*each).pixels) for each in drawings]
    # Both prompts of the second and of the last picture, and the negative one of the third.
    assert engine.kept == 5
    other = Engine(model)
    try:
        assert [bytes(other.draw(*each).pixels) for each in reversed(drawings)] == first[::-1]
    finally:
        other.process.close()
    assert len(set(first)) == 3


def test_the_last_four_are_kept(engine: Engine) -> None:
    for prompt in ("one", "two", "three", "four"):
        engine.draw(prompt, "", 7)
    assert engine.kept == 3  # the negative prompt
    engine.draw("two", "", 7)
    assert engine.kept == 5
    engine.draw("one", "", 7)
    assert engine.kept == 6


def test_a_lora_of_the_text_encoder_encodes_again(engine: Engine, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    name = "lora_te1_text_model_encoder_layers_0_mlp_fc1"
    factors = {
        f"{name}.lora_down.weight": random.normal(0, 1, (4, 768)).astype(np.float32),
        f"{name}.lora_up.weight": random.normal(0, 1, (3072, 4)).astype(np.float32),
    }
    lora = EngineLora(str(write_weights(tmp_path / "lora.safetensors", factors)))
    plain = bytes(engine.draw("a cat", "", 7).pixels)
    with_lora = engine.draw("a cat", "", 7, lora)
    assert with_lora.lora_tensors == (2, 2)
    assert bytes(with_lora.pixels) != plain
    assert bytes(engine.draw("a cat", "", 7, lora).pixels) == bytes(with_lora.pixels)
    assert engine.kept == 0
    assert bytes(engine.draw("a cat", "", 7).pixels) == plain
    assert engine.kept == 2


class StoppedError(Exception):
    """Raised by the test's progress callback."""


def test_a_canceled_drawing_keeps_nothing(engine: Engine, model: Path) -> None:
    """A canceled text encoder returns meaningless numbers."""
    texts = {"prompt": "a cat", "negative_prompt": ""}
    for phase in ("encode", "sample"):

        def stop(progress: EngineProgress, phase: str = phase) -> None:
            if progress.phase == phase:
                raise StoppedError

        with pytest.raises(StoppedError):
            engine.process.draw(settings={**SETTINGS, **texts, "seed": 7}, on_progress=stop)
        if not engine.process.is_loaded:
            engine.load()
    picture = bytes(engine.draw("a cat", "", 7).pixels)
    assert engine.kept == 0
    other = Engine(model)
    try:
        assert bytes(other.draw("a cat", "", 7).pixels) == picture
    finally:
        other.process.close()
