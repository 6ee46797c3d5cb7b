"""Each sampling option changes the picture of a model that takes it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import input_files
import numpy
import pytest
from architectures import CLIP_L, all_in_one, dense, flux1, sd1_model
from option_values import option_values
from random_gguf import write_random_gguf
from random_model_files import weights, write_gguf

import gpustack_draw
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.process import EngineProcess, EngineProgressFunction
from gpustack_draw.engine.results import EngineProgress
from gpustack_draw.request.options import LOAD_OPTIONS, SAMPLING_OPTIONS, SamplingOption
from gpustack_draw.resolver.families import FAMILIES

pytestmark = pytest.mark.engine


SMALL_DECODER = 32  # width of a VAE whose encoder the engine cannot load


def small_flux1(folder: Path, zeros: str = "", base: int = SMALL_DECODER) -> Path:
    encoders = {"text_encoders.clip_l.transformer.": CLIP_L}
    tensors = all_in_one(flux1(128, 1, 1), encoders, base=base)
    return write_random_gguf(folder / "flux1.gguf", tensors, zeros=zeros)


def small_flux1_control(folder: Path) -> Path:
    encoders = {"text_encoders.clip_l.transformer.": CLIP_L}
    network = flux1(128, 1, 1) | dense("img_in", 128, 128, "Q4_0")
    return write_random_gguf(folder / "control.gguf", all_in_one(network, encoders))


def sd1(folder: Path, base: int = SMALL_DECODER) -> Path:
    return write_gguf(folder / "sd1.gguf", weights(sd1_model(base)))


CONTROL = InputBuffers(control=numpy.arange(64 * 64 * 3, dtype=numpy.uint8).reshape(64, 64, 3).data)

TORCH_PIXELS = [[116, 103, 150], [118, 107, 146], [117, 150, 73]]

ALL_STEPS = {"skip_layer_start": 0.0, "skip_layer_end": 1.0}

# By option: a model that takes it, a value that is not its default, and the settings beside it.
CASES: dict[str, tuple[Callable[[Path], Path], Any, dict[str, Any]]] = {
    "sample_steps": (small_flux1, 2, {}),
    "cfg_scale": (small_flux1, 4.0, {}),
    "guidance": (small_flux1, 30.0, {}),
    "img_cfg_scale": (small_flux1_control, 2.0, {"pictures": CONTROL}),
    "clip_skip": (sd1, 2, {}),
    "eta": (small_flux1, 0.0, {"sampler": "euler_a", "sample_steps": 2}),
    "flow_shift": (small_flux1, 3.0, {"sample_steps": 2}),
    "sigmas": (small_flux1, (1.0, 0.5, 0.0), {}),
    "skip_layers": (small_flux1, (1,), {"slg_scale": 3.0, **ALL_STEPS}),
    "slg_scale": (small_flux1, 3.0, {"skip_layers": (0,), **ALL_STEPS}),
    "skip_layer_start": (small_flux1, 1.0, {"skip_layers": (0,), "slg_scale": 3.0, **ALL_STEPS}),
    "skip_layer_end": (small_flux1, 0.0, {"skip_layers": (0,), "slg_scale": 3.0, **ALL_STEPS}),
    "cache": (small_flux1, "spectrum", {"sample_steps": 6}),
}

# Values that a UNet needs where those of CASES are for transformers.
UNET_VALUES = {"sigmas": (14.6, 3.0, 0.0), "cache": "ucache:threshold=1"}
TRANSFORMER_CACHES = ("easycache:threshold=1", "dbcache:threshold=1")


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    engine = EngineProcess()
    yield engine
    engine.close()


def draw(
    engine: EngineProcess,
    pictures: InputBuffers | None = None,
    previews: str = "none",
    on_progress: EngineProgressFunction | None = None,
    strength: float | None = None,
    **others: Any,
) -> bytes:
    texts = {"prompt": "a cat", "negative_prompt": "", "sampler": "euler", "scheduler": "discrete"}
    settings = {"width": 64, "height": 64, "seed": 7, "sample_steps": 1, "cfg_scale": 1.0}
    drawn = engine.draw(
        settings={**texts, **settings, **others},
        pictures=pictures,
        previews=previews,
        on_progress=on_progress,
        numbers=None if strength is None else {"strength": strength},
    )
    return bytes(drawn.pixels)


DRAW_OPTIONS = [option.name for option in SAMPLING_OPTIONS if option not in LOAD_OPTIONS]


@pytest.mark.parametrize("name", DRAW_OPTIONS)
def test_an_option_changes_the_picture(engine: EngineProcess, tmp_path: Path, name: str) -> None:
    make_model, value, others = CASES[name]
    path = make_model(tmp_path)
    engine.load(
        files={"model": str(path)}, threads=2, device="auto", encode_pictures="pictures" in others
    )
    path.unlink()  # one has 1.4 GB
    assert draw(engine, **others) != draw(engine, **{**others, name: value})


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    engine = EngineProcess()
    path = sd1(tmp_path_factory.mktemp("unet"), base=128)
    engine.load(files={"model": str(path)}, threads=2, device="auto", encode_pictures=True)
    path.unlink()
    yield engine
    engine.close()


@pytest.mark.parametrize("name", [name for name in FAMILIES["sd1"].options if name in DRAW_OPTIONS])
def test_an_option_of_a_unet_changes_the_picture(unet: EngineProcess, name: str) -> None:
    _model, value, others = CASES[name]
    changed = {**others, name: UNET_VALUES.get(name, value)}
    assert draw(unet, **others) != draw(unet, **changed)


def test_pictures_and_strength_change_what_a_unet_draws(unet: EngineProcess) -> None:
    image = input_files.noise(64, 64).data
    mask = numpy.repeat(numpy.uint8([[0, 255]]), 64, axis=0).repeat(32, axis=1).data
    started = InputBuffers(image=image)
    drawn = [
        draw(unet, sample_steps=4),
        *(draw(unet, started, sample_steps=4, strength=strength) for strength in (0.3, 0.6)),
        draw(unet, InputBuffers(image=image, mask=mask), sample_steps=4, strength=0.6),
    ]
    assert len(set(drawn)) == len(drawn)


def test_pictures_change_what_a_transformer_draws(engine: EngineProcess, tmp_path: Path) -> None:
    path = small_flux1(tmp_path, base=128)
    engine.load(files={"model": str(path)}, threads=2, device="auto", encode_pictures=True)
    image = input_files.noise(64, 64).data
    drawn = [
        draw(engine, sample_steps=4),
        draw(engine, InputBuffers(image=image), sample_steps=4, strength=0.6),
        draw(engine, InputBuffers(references=(image,)), sample_steps=4),
        draw(engine, InputBuffers(references=(image, image)), sample_steps=4),
    ]
    assert len(set(drawn)) == len(drawn)


def test_every_cache_of_a_transformer_changes_the_picture(
    engine: EngineProcess, tmp_path: Path
) -> None:
    engine.load(files={"model": str(small_flux1(tmp_path))}, threads=2, device="auto")
    plain = draw(engine, sample_steps=6)
    drawn = [draw(engine, sample_steps=6, cache=cache) for cache in TRANSFORMER_CACHES]
    assert plain not in drawn


@pytest.mark.parametrize("option", LOAD_OPTIONS, ids=lambda option: option.name)
def test_an_option_of_loading_changes_the_picture(option: SamplingOption) -> None:
    """The model is loaded again where it changes, and draws as before without it."""
    value = option_values(option)[-1]
    with gpustack_draw.load("demo") as model:
        plain, changed, again, same = (
            model.generate("a red circle", seed=7, size=(128, 128), sample_steps=1, **options)
            for options in ({}, {option.name: value}, {option.name: value}, {})
        )
    assert plain.tobytes() != changed.tobytes()
    assert changed.tobytes() == again.tobytes()
    assert same.tobytes() == plain.tobytes()


def test_the_noise_of_a_cpu_is_that_of_pytorch(engine: EngineProcess, tmp_path: Path) -> None:
    """A network whose output is 0 leaves the noise as it is, and the preview shows it.

    The pixels are ``torch.randn((1, 16, 8, 8), generator=torch.Generator().manual_seed(7))``,
    projected as the engine projects latents of FLUX.1 (``src/latent-preview.h``).
    """
    path = small_flux1(tmp_path, zeros="final_layer.linear.weight")
    engine.load(files={"model": str(path)}, threads=2, device="auto", numbers={"rng": 2})
    reports: list[EngineProgress] = []
    draw(engine, previews="projected", on_progress=reports.append)
    preview = next(report.preview for report in reports if report.preview is not None)
    assert (preview.width, preview.height) == (8, 8)
    pixels = numpy.frombuffer(preview.pixels, numpy.uint8).reshape(8, 8, 3)
    assert numpy.abs(pixels[0, :3] - numpy.array(TORCH_PIXELS)).max() <= 1
