"""A LoRA draws the picture of a model into which its weights are merged."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from lora_namings import (
    DEMO,
    HIDDEN,
    MODULES,
    NAMINGS,
    PREFIX,
    Factors,
    Weights,
    demo_weights,
    merged,
    random_factors,
    write_weights,
)

from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import DrawResult, EngineLora, EngineProgress, EngineTensor
from gpustack_draw.errors import EngineError, ModelFileError

pytestmark = pytest.mark.engine

SETTINGS = {
    "prompt": "a red circle on a blue background",
    "negative_prompt": "",
    "seed": 7,
    "width": 128,
    "height": 128,
    "sample_steps": 2,
    "cfg_scale": 1.0,
    "sampler": "euler",
    "scheduler": "discrete",
}


class Engine:
    """An engine with a model, which a test may exchange."""

    def __init__(self, model: Path) -> None:
        self.process = EngineProcess()
        files = {"model": str(model), "taesd": str(model)}
        # ggml's CPU device, which computes with 32 bits.
        self.process.load(files=files, threads=2, device="CPU")

    def draw(self, *loras: EngineLora, **options: object) -> DrawResult:
        return self.process.draw(settings=SETTINGS, loras=loras, **options)

    def picture(self, *loras: EngineLora) -> np.ndarray:
        return np.frombuffer(self.draw(*loras).pixels, np.uint8).astype(int)


def drawn_by(path: Path, weights: Weights) -> np.ndarray:
    """Return the picture of a model with these weights."""
    engine = Engine(write_weights(path, weights))
    try:
        return engine.picture()
    finally:
        engine.process.close()
        path.unlink()


@pytest.fixture(scope="module")
def weights() -> Weights:
    return demo_weights()


@pytest.fixture(scope="module")
def factors(weights: Weights) -> Factors:
    return random_factors(weights, seed=1)


@pytest.fixture(scope="module")
def engine(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("model") / "demo.safetensors"
    engine = Engine(write_weights(path, weights))
    yield engine
    engine.process.close()
    path.unlink()


@pytest.fixture(scope="module")
def plain(engine: Engine) -> np.ndarray:
    return engine.picture()


@pytest.fixture(scope="module")
def expected(
    weights: Weights, factors: Factors, tmp_path_factory: pytest.TempPathFactory
) -> np.ndarray:
    return drawn_by(tmp_path_factory.mktemp("merged") / "m.safetensors", merged(weights, factors))


@pytest.fixture
def lora(factors: Factors, tmp_path: Path) -> str:
    return str(write_weights(tmp_path / "lora.safetensors", NAMINGS["kohya"](factors)))


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_has_the_effect_of_merged_weights(
    naming: str,
    engine: Engine,
    factors: Factors,
    plain: np.ndarray,
    expected: np.ndarray,
    tmp_path: Path,
) -> None:
    tensors = NAMINGS[naming](factors)
    path = write_weights(tmp_path / "lora.safetensors", tensors)
    result = engine.draw(EngineLora(str(path)))
    picture = np.frombuffer(result.pixels, np.uint8).astype(int)
    assert result.lora_tensors == (len(tensors), len(tensors))
    assert np.abs(picture - expected).max() <= 1
    assert np.abs(expected - plain).mean() > 1  # the LoRA changes the picture


def test_a_quantized_model_draws_nearly_the_same(lora: str, expected: np.ndarray) -> None:
    engine = Engine(DEMO)
    try:
        picture = engine.picture(EngineLora(lora))
    finally:
        engine.process.close()
    assert np.abs(picture - expected).mean() <= 0.1


def test_weights_add_up(
    engine: Engine, weights: Weights, factors: Factors, lora: str, tmp_path: Path
) -> None:
    others = random_factors(weights, seed=2)
    other = str(write_weights(tmp_path / "other.safetensors", NAMINGS["diffusers"](others)))
    picture = engine.picture(EngineLora(lora, 0.5), EngineLora(other, -1), EngineLora(lora, 1.5))
    both = merged(merged(weights, factors, 2), others, -1)
    assert np.abs(picture - drawn_by(tmp_path / "m.safetensors", both)).max() <= 1


def test_without_the_lora_the_picture_is_the_plain_one(
    engine: Engine, plain: np.ndarray, lora: str
) -> None:
    progress: list[EngineProgress] = []
    log: list[str] = []
    engine.draw(
        EngineLora(lora, 0.5),
        on_progress=progress.append,
        on_log=lambda _level, text: log.append(text),
    )
    assert "load" not in {report.phase for report in progress}  # the model stayed loaded
    assert progress[0].phase == "load_loras"
    assert (engine.picture() == plain).all()
    assert (engine.picture(EngineLora(lora, 0)) == plain).all()


def test_other_kinds_of_differences(
    engine: Engine, weights: Weights, plain: np.ndarray, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    changed, lora = dict(weights), {}

    def normal(*shape: int, spread: float = 1.0) -> np.ndarray:
        return random.normal(0, spread, shape).astype(np.float32)

    def add(module: str, difference: np.ndarray, factors: Mapping[str, np.ndarray]) -> None:
        name = f"{PREFIX}{module}.weight"
        changed[name] = changed[name] + difference.reshape(changed[name].shape)
        lora.update({f"diffusion_model.{module}.{end}": value for end, value in factors.items()})

    a1, b1, a2, b2 = normal(HIDDEN, 4), normal(4, HIDDEN), normal(HIDDEN, 4), normal(4, HIDDEN)
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    loha = dict(zip(names, (a1, b1, a2, b2), strict=True)) | {"alpha": np.float32(0.1)}
    add("double_blocks.0.img_attn.proj", 0.1 / 4 * (a1 @ b1) * (a2 @ b2), loha)
    w1, w2 = normal(4, 4, spread=0.1), normal(64, 64, spread=0.3)
    add("double_blocks.0.txt_attn.proj", np.kron(w1, w2), {"lokr_w1": w1, "lokr_w2": w2})
    raw = normal(HIDDEN, HIDDEN, spread=0.1)
    add("double_blocks.1.img_attn.proj", raw, {"diff": raw})
    path = write_weights(tmp_path / "lora.safetensors", lora)
    result = engine.draw(EngineLora(str(path)))
    picture = np.frombuffer(result.pixels, np.uint8).astype(int)
    expected = drawn_by(tmp_path / "m.safetensors", changed)
    assert result.lora_tensors == (len(lora), len(lora))
    assert np.abs(picture - expected).max() <= 1
    assert np.abs(expected - plain).max() > 10


def test_tensors_without_a_counterpart_are_counted(
    engine: Engine, plain: np.ndarray, tmp_path: Path
) -> None:
    foreign = {
        f"lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_{end}.weight": np.ones(
            shape, np.float32
        )
        for end, shape in (("down", (4, 320)), ("up", (320, 4)))
    }
    path = write_weights(tmp_path / "lora.safetensors", foreign)
    result = engine.draw(EngineLora(str(path)))
    assert result.lora_tensors == (0, 2)
    assert (np.frombuffer(result.pixels, np.uint8) == plain).all()


def test_a_damaged_lora_is_an_error(factors: Factors, tmp_path: Path) -> None:
    tensors = NAMINGS["comfyui"](factors)
    tensors["diffusion_model.img_in.lora_A.weight"][0, 3] = np.nan
    path = write_weights(tmp_path / "nan.safetensors", tensors)
    engine = Engine(DEMO)
    with pytest.raises(ModelFileError) as damaged:
        engine.draw(EngineLora(str(path)))
    assert damaged.value.message == f"the LoRA '{path}' is damaged: it contains NaN or infinity"
    engine = Engine(DEMO)
    with pytest.raises(EngineError) as missing:
        engine.draw(EngineLora("/no/lora.safetensors"))
    assert str(missing.value.message).startswith("the engine could not load a LoRA: ")


def test_engine_names_of_the_demo_model(weights: Weights, factors: Factors) -> None:
    process = EngineProcess()
    tensors = [EngineTensor(name, value.shape[::-1]) for name, value in weights.items()]
    expected = {f"lora.{PREFIX}{module}.weight" for module in MODULES}
    for naming in NAMINGS.values():
        names = process.engine_names(tensors, list(naming(factors)))
        assert names.model == tuple(weights)
        modules = {name.rpartition(".")[0] for name in names.lora}
        assert {module.removesuffix(".1").removesuffix(".2") for module in modules} == expected
    process.close()
