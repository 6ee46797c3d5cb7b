"""Each sampling option changes the picture of a model that takes it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from architectures import CLIP_L, all_in_one, flux1
from random_gguf import write_random_gguf

from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.request.options import SAMPLING_OPTIONS

pytestmark = pytest.mark.engine


def small_flux1(folder: Path) -> Path:
    encoders = {"text_encoders.clip_l.transformer.": CLIP_L}
    return write_random_gguf(folder / "flux1.gguf", all_in_one(flux1(128, 1, 1), encoders, base=32))


# By option: a model that takes it, and a value that is not its default.
CASES: dict[str, tuple[Callable[[Path], Path], float]] = {
    "sample_steps": (small_flux1, 2),
    "cfg_scale": (small_flux1, 4.0),
    "guidance": (small_flux1, 30.0),
}


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    engine = EngineProcess()
    yield engine
    engine.close()


def draw(engine: EngineProcess, **numbers: float) -> bytes:
    texts = {"prompt": "a cat", "negative_prompt": "", "sampler": "euler", "scheduler": "discrete"}
    settings = {"width": 64, "height": 64, "seed": 7, "sample_steps": 1, "cfg_scale": 1.0}
    return bytes(engine.draw(settings={**texts, **settings, **numbers}).pixels)


@pytest.mark.parametrize("name", [option.name for option in SAMPLING_OPTIONS])
def test_an_option_changes_the_picture(engine: EngineProcess, tmp_path: Path, name: str) -> None:
    make_model, value = CASES[name]
    engine.load(files={"model": str(make_model(tmp_path))}, threads=2, device="auto")
    first, changed, second = draw(engine), draw(engine, **{name: value}), draw(engine)
    assert first == second
    assert changed != first
