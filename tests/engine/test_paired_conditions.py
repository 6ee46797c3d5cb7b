"""Both conditions of a step of a UNet are evaluated at once, with the results of one at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from architectures import sd1_model
from random_model_files import weights, write_gguf

from gpustack_draw.engine.process import EngineProcess

pytestmark = pytest.mark.engine

LONG = "a cat and a dog " * 30  # more tokens than one chunk of the text encoder has


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, EngineProcess]]:
    """Engines with the same UNet: FastCPU evaluates pairs, the plain CPU does not."""
    path = write_gguf(
        tmp_path_factory.mktemp("unet") / "sd1.gguf", weights(sd1_model(weight_type="F16"))
    )
    engines = {device: EngineProcess() for device in ("FastCPU", "CPU")}
    for device, engine in engines.items():
        engine.load(files={"model": str(path)}, threads=2, device=device)
    path.unlink()
    yield engines
    for engine in engines.values():
        engine.close()


def draw(engine: EngineProcess, **others: Any) -> "np.ndarray[Any, np.dtype[np.int_]]":
    settings = {
        "prompt": "a cat",
        "negative_prompt": "dark",
        "width": 64,
        "height": 64,
        "seed": 7,
        "sampler": "euler",
        "scheduler": "discrete",
        "sample_steps": 3,
        "cfg_scale": 5.0,
    }
    on_log = others.pop("on_log", None)
    drawn = engine.draw(settings={**settings, **others}, previews="none", on_log=on_log)
    return np.frombuffer(drawn.pixels, np.uint8).astype(int)


def evaluates_pairs(engine: EngineProcess, **others: Any) -> bool:
    lines: list[str] = []
    draw(engine, on_log=lambda _level, text: lines.append(text), **others)
    return any("evaluated in pairs" in line for line in lines)


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"sampler": "heun"},
        {"cfg_scale": 1.0},
        {"prompt": LONG},
        {"prompt": "dark"},
        {"cache": "ucache:threshold=1", "sample_steps": 6},
        {"width": 448, "height": 64, "sample_steps": 2},
    ],
    ids=["plain", "heun", "no guidance", "longer prompt", "equal prompts", "cache", "wide"],
)
def test_pairs_change_no_picture(engines: dict[str, EngineProcess], others: dict[str, Any]) -> None:
    paired, plain = (draw(engines[device], **others) for device in ("FastCPU", "CPU"))
    differences = np.abs(paired - plain)
    assert differences.max() <= 3
    assert differences.mean() < 0.3


def test_a_drawing_does_not_depend_on_earlier_ones(engines: dict[str, EngineProcess]) -> None:
    """A drawing without guidance must not evaluate the negative prompt of the one before."""
    engine = engines["FastCPU"]
    first = draw(engine, cfg_scale=1.0)
    guided = draw(engine)
    assert (draw(engine, cfg_scale=1.0) == first).all()
    assert (draw(engine) == guided).all()


def test_pairs_are_evaluated_where_that_is_faster(engines: dict[str, EngineProcess]) -> None:
    """Large pictures use the weights often enough, and would need twice the memory."""
    engine = engines["FastCPU"]
    assert evaluates_pairs(engine)
    assert not evaluates_pairs(engine, cfg_scale=1.0)
    assert not evaluates_pairs(engine, width=512, height=320, sample_steps=1)
    assert not evaluates_pairs(engines["CPU"])
