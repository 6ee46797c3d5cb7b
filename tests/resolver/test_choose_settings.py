"""The model completes the settings that the user left open."""

from dataclasses import replace
from typing import Any

import pytest
from resolved_models import model

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.request.options import SKIP_LAYER_SHARES
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.families import Defaults
from gpustack_draw.resolver.resolved_model import ResolvedModel


def choose(of: ResolvedModel, **options: Any) -> tuple[DrawSettings, tuple[str, ...]]:
    chosen, notes = choose_settings(DrawRequest(prompt="a cat", seed=7, **options), of)
    assert len(chosen) == 1
    return chosen[0], notes


def test_the_model_fills_in_what_is_open() -> None:
    settings, notes = choose(model("sdxl"))
    assert settings == DrawSettings(
        prompt="a cat",
        negative_prompt="",
        width=512,
        height=512,
        sampler="euler",
        scheduler="karras",
        sample_steps=25,
        cfg_scale=5.0,
        seed=7,
    )
    assert notes == (
        "this model was trained for 1024x1024, so 512x512 can look wrong: try size='native'",
    )


def test_the_user_decides() -> None:
    settings, notes = choose(
        model("sdxl"),
        size=(1024, 768),
        sampler="dpm++2m",
        scheduler="simple",
        sample_steps=3,
        cfg_scale=0.0,
        negative_prompt="a dog",
    )
    assert settings == DrawSettings(
        prompt="a cat",
        negative_prompt="a dog",
        width=1024,
        height=768,
        sampler="dpm++2m",
        scheduler="simple",
        sample_steps=3,
        cfg_scale=0.0,
        seed=7,
    )
    assert notes == ()


@pytest.mark.parametrize("size", ["native", " Native "])
def test_the_native_size(size: str) -> None:
    settings, notes = choose(model("sdxl"), size=size)
    assert (settings.width, settings.height) == (1024, 1024)
    assert notes == ()


def test_demo_draws_at_its_own_size() -> None:
    settings, notes = choose(model(source="demo"))
    assert (settings.width, settings.height, settings.sample_steps) == (256, 256, 8)
    assert notes == ()


@pytest.mark.parametrize(
    ("family", "size", "drawn", "multiple"),
    [
        ("flux2-klein", (513, 511), (528, 512), 16),
        ("flux2-klein", (1, 1), (16, 16), 16),
        ("sd1", (513, 511), (576, 512), 64),
        ("flux1", (1001, 1000), (1008, 1000), 8),
    ],
)
def test_size_is_rounded_up_with_a_note(
    family: str, size: tuple[int, int], drawn: tuple[int, int], multiple: int
) -> None:
    settings, notes = choose(model(family), size=size)
    assert (settings.width, settings.height) == drawn
    assert notes[0] == (
        f"{size[0]}x{size[1]} was rounded up to {drawn[0]}x{drawn[1]}:"
        f" this model needs multiples of {multiple}"
    )


def test_size_beyond_what_the_engine_survives() -> None:
    with pytest.raises(UsageError) as caught:
        choose(model("sd3"), size=(3073, 512))
    assert caught.value.message == (
        "'3073x512' (3080x512) is too large for this model: a side can have 3072 pixels at most"
    )
    assert caught.value.hint == "for example size='1024x1024'"
    assert choose(model("sd3"), size=(3072, 512))[0].width == 3072


def test_distilled_guidance() -> None:
    settings, notes = choose(model("flux1"), size="native", guidance=2)
    assert (settings.guidance, notes) == (2.0, ())
    assert choose(model("flux1"))[0].guidance == 3.5
    settings, notes = choose(model("sdxl"), size="native", guidance=2)
    assert settings.guidance is None
    assert notes == ("guidance has no effect: Stable Diffusion XL does not take it",)


@pytest.mark.parametrize("family", ["flux1", "chroma", "sd3", "qwen-image", "z-image", "wan"])
def test_flow_shift(family: str) -> None:
    assert choose(model(family), size="native")[0].flow_shift is None
    settings, notes = choose(model(family), size="native", flow_shift=2)
    assert (settings.flow_shift, notes) == (2.0, ())


@pytest.mark.parametrize("family", ["flux2", "flux2-klein", "sd1", "sd2", "sdxl"])
def test_flow_shift_where_the_engine_ignores_it(family: str) -> None:
    of = model(family)
    settings, notes = choose(of, size="native", flow_shift=2)
    assert settings.flow_shift is None
    assert notes == (f"flow_shift has no effect: {of.family.title} does not take it",)


def test_noise_levels() -> None:
    settings, notes = choose(model("flux1"), size="native", sigmas=(1, 0.5, 0))
    assert (settings.sigmas, settings.sample_steps, settings.scheduler) == ((1, 0.5, 0), 2, None)
    assert notes == ()
    assert choose(model("sd1"), sigmas=(14.6, 0))[0].sample_steps == 1


def test_noise_levels_above_all_noise() -> None:
    with pytest.raises(UsageError) as caught:
        choose(model("flux1"), sigmas=(14.6, 1, 0))
    assert caught.value.message == (
        "the noise levels start at 14.6, and those of FLUX.1 are at most 1, which is all noise"
    )
    assert with_options(caught.value.hint) == "for example --sigmas 1,0.75,0.5,0.25,0"


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1", "chroma", "qwen-image", "z-image"])
def test_seamless(family: str) -> None:
    settings, notes = choose(model(family), size="native", tile="x")
    assert (settings.tile, notes) == ("x", ())


@pytest.mark.parametrize("family", ["sd3", "anima", "wan", "wan-ti2v"])
def test_seamless_where_the_engine_joins_the_edges_in_the_vae_only(family: str) -> None:
    of = model(family)
    with pytest.raises(UsageError) as caught:
        choose(of, tile="both")
    assert (caught.value.message, with_options(caught.value.hint), caught.value.argument) == (
        f"{of.family.title} cannot draw seamless pictures: only its VAE joins the edges",
        "leave --tile out, or use another model",
        "tile",
    )


def test_seamless_with_the_demo_model() -> None:
    note = "with tile, the demo model can deform what it draws, or leave it out"
    assert note in choose(model(source="demo"), tile="both")[1]


def of_layers(family: str, layers: int) -> ResolvedModel:
    found = model(family)
    return replace(found, family=replace(found.family, layers=layers))


@pytest.mark.parametrize("family", ["sd3", "flux1", "flux2", "chroma", "ovis-image"])
def test_skip_layer_guidance(family: str) -> None:
    settings, notes = choose(of_layers(family, 24), size="native", skip_layers=(7, 23))
    assert (settings.skip_layers, settings.slg_scale, notes) == ((7, 23), 2.5, ())
    assert (settings.skip_layer_start, settings.skip_layer_end) == (None, None)


@pytest.mark.parametrize("family", ["sd1", "qwen-image", "z-image", "wan"])
def test_skip_layer_guidance_where_the_engine_ignores_it(family: str) -> None:
    settings, notes = choose(model(family), size="native", skip_layers="7", slg_scale=3)
    assert (settings.skip_layers, settings.slg_scale) == (None, None)
    title = model(family).family.title
    assert notes == tuple(
        f"{name} has no effect: {title} does not take it" for name in ("skip_layers", "slg_scale")
    )


def test_a_layer_that_the_model_lacks() -> None:
    with pytest.raises(UsageError) as caught:
        choose(of_layers("sd3", 24), skip_layers=(7, 24))
    assert (caught.value.message, with_options(caught.value.hint), caught.value.argument) == (
        "layer 24 does not exist: this model has the layers 0 to 23",
        "name others with --skip-layers",
        "skip_layers",
    )


@pytest.mark.parametrize(
    ("steps", "options", "is_guided"),
    [
        (9, {}, True),
        (8, {}, False),
        (8, {"skip_layer_end": 0.9}, True),
        (1, {"skip_layer_start": 0, "skip_layer_end": 1}, True),
        (20, {"skip_layer_start": 0.5}, False),
    ],
)
def test_steps_without_skip_layer_guidance(
    steps: int, options: dict[str, float], is_guided: bool
) -> None:
    of = of_layers("flux1", 57)
    settings, notes = choose(of, size="native", sample_steps=steps, skip_layers="7", **options)
    assert (settings.skip_layers, settings.slg_scale) == (
        ((7,), 2.5) if is_guided else (None, None)
    )
    start, end = (options.get(name, share) for name, share in SKIP_LAYER_SHARES.items())
    note = (
        f"skip_layers has no effect: it guides none of {steps} steps with skip_layer_start={start}"
        f" and skip_layer_end={end}"
    )
    assert notes == (() if is_guided else (note,))


def test_image_guidance() -> None:
    assert choose(model("sd1-pix2pix"))[0].img_cfg_scale == 1.5
    assert choose(model("sd1-inpaint"))[0].img_cfg_scale is None
    assert choose(model("flux1-controls"), img_cfg_scale=2)[0].img_cfg_scale == 2.0
    settings, notes = choose(model("sd1"), img_cfg_scale=2)
    assert settings.img_cfg_scale is None
    assert notes == ("img_cfg_scale has no effect: Stable Diffusion 1 does not take it",)


def test_image_guidance_alone_uses_the_negative_prompt() -> None:
    of, note = model("sd1-pix2pix"), "negative_prompt has no effect with cfg_scale=1"
    assert choose(of, negative_prompt="a dog", cfg_scale=1)[1] == ()
    settings = {"negative_prompt": "a dog", "cfg_scale": 1, "img_cfg_scale": 1}
    assert choose(of, **settings)[1] == (note,)


def test_guidance_of_a_variant_that_ignores_it() -> None:
    of = replace(model("flux1"), variant="schnell")
    options = tuple(name for name in of.family.options if name != "guidance")
    of = replace(of, family=replace(of.family, options=options))
    settings, notes = choose(of, size="native", guidance=2)
    assert settings.guidance is None
    assert notes == ("guidance has no effect: FLUX.1 (schnell) does not take it",)


def test_negative_prompt_without_guidance_has_no_effect() -> None:
    note = "negative_prompt has no effect with cfg_scale=1"
    assert note in choose(model(), negative_prompt="a dog")[1]
    assert note in choose(model("sd1"), negative_prompt="a dog", cfg_scale=1)[1]
    assert note not in choose(model(), negative_prompt="a dog", cfg_scale=1.5)[1]
    assert note not in choose(model())[1]


PLAIN = "drawn as plain words: this version loads no hypernetworks; leave"


@pytest.mark.parametrize(
    ("prompt", "note"),
    [
        ("<HyperNet:a b:1>, a cat", f"'<HyperNet:a b:1>' is {PLAIN} it out"),
        ("a cat <hypernet:anime:0.4>", f"'<hypernet:anime:0.4>' is {PLAIN} it out"),
        (
            "a cat, embedding:easynegative, wet",
            "'embedding:easynegative' is drawn as plain words: load it with embeddings",
        ),
        (
            "<ti:a> <embedding:b>",
            "'<ti:a>', '<embedding:b>' are drawn as plain words: load them with embeddings",
        ),
        (
            "<loha:a:1><loha:b:1> a cat <loha:a:1>",
            f"'<loha:a:1>', '<loha:b:1>' are {PLAIN} them out",
        ),
        (
            "".join(f"<loha:{name}:1>" for name in "abcde"),
            f"'<loha:a:1>', '<loha:b:1>', '<loha:c:1>' and 2 more are {PLAIN} them out",
        ),
    ],
)
def test_additions_in_a_prompt_are_words(prompt: str, note: str) -> None:
    settings, notes = choose_settings(DrawRequest(prompt=prompt), model())
    assert (settings[0].prompt, notes[-1]) == (prompt, note)
    assert choose(model("sd1"), negative_prompt=prompt)[1][-1] == note
    # Without guidance nobody reads the negative prompt.
    assert not any(PLAIN in note for note in choose(model(), negative_prompt=prompt)[1])


@pytest.mark.parametrize(
    "prompt", ["a <b> c", "lora:x:1", "<lora>", "2 < 3: 4 > 1", "<ti:" * 999, "<lora:x:1>"]
)
def test_a_prompt_without_additions_has_no_note(prompt: str) -> None:
    assert not any(
        PLAIN in note for note in choose_settings(DrawRequest(prompt=prompt), model())[1]
    )


@pytest.mark.parametrize(
    ("size", "noted"),
    [((512, 512), True), ((1024, 1024), False), ((768, 1024), False), ((2048, 2048), True)],
)
def test_size_far_from_the_training_is_noted(size: tuple[int, int], noted: bool) -> None:
    notes = choose(model(), size=size)[1]
    assert any("was trained for" in note for note in notes) is noted


def test_seeds_count_up() -> None:
    chosen, _ = choose_settings(DrawRequest(prompt="a cat", seed=7, count=3), model())
    assert [settings.seed for settings in chosen] == [7, 8, 9]


def test_random_seeds_differ_and_are_short() -> None:
    request = DrawRequest(prompt="a cat")
    seeds = {choose_settings(request, model())[0][0].seed for _ in range(20)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(("size", "noted"), [((128, 128), False), ((64, 64), True)])
def test_a_model_trained_for_several_sizes_is_right_at_each(
    size: tuple[int, int], noted: bool
) -> None:
    demo = replace(
        model(source="demo"),
        defaults=Defaults(8, 1.0, native_size=(256, 256), smallest_size=(128, 128)),
    )
    notes = choose(demo, size=size)[1]
    assert any("was trained for" in note for note in notes) is noted


def test_ays_is_for_the_families_it_has_noise_levels_for() -> None:
    with pytest.raises(UsageError) as caught:
        choose(model("flux2-klein"), scheduler="ays")
    assert caught.value.message == (
        "scheduler 'ays' does not fit this model, which is FLUX.2 klein:"
        " it is for Stable Diffusion 1 and XL"
    )
    assert caught.value.hint == "leave scheduler out, or type scheduler='discrete'"
    assert choose(model("sd1"), scheduler="ays")[0].scheduler == "ays"
    assert choose(model("sdxl"), scheduler="ays")[0].scheduler == "ays"


@pytest.mark.parametrize("scheduler", ["gits", "karras", "exponential"])
def test_schedulers_that_the_engine_fails_at_in_one_step(scheduler: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(model("sd1"), scheduler=scheduler, sample_steps=1)
    assert caught.value.message == f"scheduler '{scheduler}' cannot draw in one step"
    assert caught.value.hint == "type sample_steps=2 or more, or another scheduler"
    assert choose(model("sd1"), scheduler=scheduler, sample_steps=2)[0].sample_steps == 2
