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


class OtherDifferences:
    """Collects differences of weights that are no pairs of factors with a rank of four."""

    def __init__(self, weights: Weights) -> None:
        self.random = np.random.default_rng(3)
        self.weights = dict(weights)
        self.lora: Weights = {}

    def normal(self, *shape: int, spread: float = 1.0) -> np.ndarray:
        return self.random.normal(0, spread, shape).astype(np.float32)

    def add(
        self, matrix: str, difference: np.ndarray, module: str, factors: Mapping[str, np.ndarray]
    ) -> None:
        """Add a difference to the first rows of a matrix, and factors for it."""
        name = f"{PREFIX}{matrix}.weight"
        self.weights[name] = self.weights[name].copy()
        self.weights[name][: len(difference)] += difference
        self.lora.update({f"{module}.{end}": value for end, value in factors.items()})

    def check(self, engine: Engine, plain: np.ndarray, folder: Path) -> None:
        path = write_weights(folder / "lora.safetensors", self.lora)
        result = engine.draw(EngineLora(str(path)))
        picture = np.frombuffer(result.pixels, np.uint8).astype(int)
        expected = drawn_by(folder / "m.safetensors", self.weights)
        assert result.lora_tensors == (len(self.lora), len(self.lora))
        assert np.abs(picture - expected).max() <= 1
        assert np.abs(expected - plain).max() > 10


def test_loha_lokr_and_plain_differences(
    engine: Engine, weights: Weights, plain: np.ndarray, tmp_path: Path
) -> None:
    others = OtherDifferences(weights)
    normal = others.normal
    a1, b1, a2, b2 = normal(HIDDEN, 4), normal(4, HIDDEN), normal(HIDDEN, 4), normal(4, HIDDEN)
    loha = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2}
    loha["alpha"] = np.array(0.1, np.float32)
    matrix = "double_blocks.0.img_attn.proj"
    others.add(matrix, 0.1 / 4 * (a1 @ b1) * (a2 @ b2), "diffusion_model." + matrix, loha)
    w1, w2 = normal(4, 4, spread=0.1), normal(64, 64, spread=0.3)
    matrix = "double_blocks.0.txt_attn.proj"
    lokr = {"lokr_w1": w1, "lokr_w2": w2}
    others.add(matrix, np.kron(w1, w2), "diffusion_model." + matrix, lokr)
    raw = normal(HIDDEN, HIDDEN, spread=0.1)
    matrix = "double_blocks.1.img_attn.proj"
    others.add(matrix, raw, "diffusion_model." + matrix, {"diff": raw})
    others.check(engine, plain, tmp_path)


def test_what_the_library_alone_computes_wrongly(
    engine: Engine, weights: Weights, plain: np.ndarray, tmp_path: Path
) -> None:
    others = OtherDifferences(weights)
    normal = others.normal
    # Rank 1 with an alpha.
    matrix = "double_blocks.0.txt_mlp.0"
    rows = len(weights[f"{PREFIX}{matrix}.weight"])
    down, up = normal(1, HIDDEN, spread=0.1), normal(rows, 1)
    kohya = {"lora_down.weight": down, "lora_up.weight": up, "alpha": np.array(0.5, np.float16)}
    others.add(matrix, 0.5 * up @ down, "lora_unet_" + matrix.replace(".", "_"), kohya)
    # Halves of the matrices of a LoKr.
    w1, w2_a, w2_b = normal(4, 4, spread=0.2), normal(64, 8, spread=0.2), normal(8, 64)
    matrix = "double_blocks.0.img_attn.proj"
    lokr = {"lokr_w1": w1, "lokr_w2_a": w2_a, "lokr_w2_b": w2_b, "alpha": np.array(4, np.float32)}
    others.add(matrix, np.kron(w1, w2_a @ w2_b) * 4 / 8, "diffusion_model." + matrix, lokr)
    w1_a, w1_b, w2_a, w2_b = normal(4, 2), normal(2, 4), normal(64, 2), normal(2, 64)
    matrix = "double_blocks.1.img_attn.proj"
    lokr = {"lokr_w1_a": w1_a, "lokr_w1_b": w1_b, "lokr_w2_a": w2_a, "lokr_w2_b": w2_b}
    lokr["alpha"] = np.array(0.1, np.float32)
    difference = np.kron(w1_a @ w1_b, w2_a @ w2_b) * 0.1 / 2
    others.add(matrix, difference, "diffusion_model." + matrix, lokr)
    # Some parts of fused matrices only: the first, the middle one, the first and the last.
    for module, parts in (
        ("double_blocks.0.img_attn.qkv", {"to_q": 0}),
        ("double_blocks.1.img_attn.qkv", {"to_k": 1}),
        ("double_blocks.1.txt_attn.qkv", {"add_q_proj": 0, "add_v_proj": 2}),
    ):
        block = module.split(".")[1]
        for name, part in parts.items():
            down, up = normal(4, HIDDEN, spread=0.1), normal(HIDDEN, 4, spread=0.2)
            difference = np.zeros((3 * HIDDEN, HIDDEN), np.float32)
            difference[part * HIDDEN : (part + 1) * HIDDEN] = up @ down
            factors = {"lora_A.weight": down, "lora_B.weight": up}
            others.add(module, difference, f"transformer_blocks.{block}.attn.{name}", factors)
    others.check(engine, plain, tmp_path)


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
