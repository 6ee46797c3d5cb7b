"""The numbers that let the engine draw a second pass as planned."""

from dataclasses import replace

import numpy as np
import pytest
from resolved_models import model

from gpustack_draw.engine.passes import Pass, latent_options, second_pass
from gpustack_draw.engine.results import DrawResult
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.inputs.prepare_pictures import PreparedPictures
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.denoising_start import start_of_run
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.plan_drawing import plan_drawing


def settings(**options: object) -> DrawSettings:
    request = DrawRequest(prompt="a cat", hires=2, **options)  # type: ignore[arg-type]
    return plan_drawing(request, model("sd1")).settings[0]


@pytest.mark.parametrize("scheduler", ["discrete", "simple"])
@pytest.mark.parametrize("strength", [0, 0.05, 0.3, 0.5, 0.7, 1])
@pytest.mark.parametrize("steps", [1, 2, 5, 10, 33, 200])
def test_the_engine_makes_the_same_schedule_in_both_ways(
    steps: int, strength: float, scheduler: str
) -> None:
    """It computes with 32 bits; the formulas are those of its source."""
    chosen = settings(
        hires_steps=steps, hires_strength=strength, hires_upscaler="latent", scheduler=scheduler
    )
    name, numbers = latent_options(chosen)
    assert name == "Latent"
    assert (numbers["hires_width"], numbers["hires_height"]) == (1024, 1024)
    engine_strength = np.float32(numbers["hires_strength"])
    schedule = int(np.float32(numbers["hires_steps"]) / engine_strength)
    run = min(int(np.float32(schedule) * engine_strength), schedule - 1) + 1
    start = start_of_run(steps, strength, scheduler)
    assert (schedule, run) == (start.schedule_steps, start.run_steps)
    assert chosen.hires is not None
    assert run == chosen.hires.steps


def test_upscalers_of_pixels_need_no_numbers() -> None:
    assert latent_options(settings()) == ("", {})
    assert latent_options(settings(hires_upscaler="nearest")) == ("", {})


def test_the_second_pass_starts_from_the_enlarged_picture() -> None:
    first = Pass(settings=settings(seed=5, hires_steps=7, hires_strength=0.4))
    pixels = memoryview(np.zeros((512, 512, 3), np.uint8))
    family = model("sd1").family
    second = second_pass(first, DrawResult(512, 512, pixels), family)
    assert (second.settings.width, second.settings.height) == (1024, 1024)
    assert (second.settings.seed, second.settings.hires) == (5, None)
    assert second.start == start_of_run(7, 0.4, "discrete")
    assert second.pictures is not None
    assert second.pictures.engine.image is not None
    assert first.needs_encoder(family)


def test_the_engine_draws_both_passes_of_a_latent_upscaler() -> None:
    first = Pass(settings=settings(hires_upscaler="latent"))
    assert not first.is_drawn_again
    assert not first.needs_encoder(model("sd1").family)


def test_only_the_control_picture_of_a_control_net_needs_no_encoder() -> None:
    pixels = np.zeros((512, 512, 3), np.uint8)
    sd1 = FAMILIES["sd1"].with_control_net()
    for pictures, family, expected in (
        ({"control": pixels}, sd1, False),
        ({"control": pixels, "image": pixels}, sd1, True),
        ({"control": pixels, "references": (pixels,)}, sd1, True),
        ({"control": pixels}, FAMILIES["flux1-controls"], True),
    ):
        engine = EnginePictures(**pictures)  # type: ignore[arg-type]
        prepared = PreparedPictures(engine=engine, size=(512, 512))
        alone = replace(settings(), hires=None)
        assert Pass(settings=alone, pictures=prepared).needs_encoder(family) == expected


def test_the_second_pass_follows_the_edges_of_the_larger_control_picture() -> None:
    pixels = np.zeros((512, 512, 3), np.uint8)
    pictures = PreparedPictures(engine=EnginePictures(control=pixels, canny=True), size=(512, 512))
    first = Pass(settings=replace(settings(), control_strength=0.5), pictures=pictures)
    second = second_pass(first, DrawResult(512, 512, pixels.data), FAMILIES["sd1"])
    keywords = second.keywords(model("sd1"))
    assert (keywords["canny"], keywords["numbers"]["control_strength"]) == (True, 0.5)
    assert keywords["pictures"].control.shape == (1024, 1024, 3)


def test_the_second_pass_starts_from_what_an_upscaling_model_made() -> None:
    first = Pass(settings=settings(size=(64, 64)))
    plain = memoryview(np.zeros((64, 64, 3), np.uint8))
    larger = memoryview(np.full((256, 256, 3), 200, np.uint8))
    drawn, enlarged = DrawResult(64, 64, plain), DrawResult(256, 256, larger)
    second = second_pass(first, drawn, model("sd1").family, enlarged)
    assert second.pictures is not None
    assert second.pictures.engine.image is not None
    assert second.pictures.engine.image.shape == (128, 128, 3)
    assert (second.pictures.engine.image == 200).all()
