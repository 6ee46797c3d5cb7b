"""LoRAs for few steps bring the settings that their authors publish, read from their names."""

import pytest

from gpustack_draw.request.names import SAMPLERS, SCHEDULERS
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.loras.distilled import METHODS, distillation_of
from gpustack_draw.resolver.loras.lora_file import LoraBase


def base(family: str) -> LoraBase:
    return LoraBase(family, (family,))


# Names as published, the base, and: steps, cfg_scale, guidance, sampler, scheduler, weight.
CASES: tuple[tuple[tuple[str, ...], str, tuple[object, ...]], ...] = (
    (
        ("sdxl_lightning_4step_lora", "SDXL-Lightning"),
        "sdxl",
        (4, 1.0, None, "euler", "sgm_uniform", 1.0),
    ),
    (("sdxl_lightning_8step_lora",), "sdxl", (8, 1.0, None, "euler", "sgm_uniform", 1.0)),
    (("Hyper-SDXL-2steps-lora",), "sdxl", (2, 1.0, None, "ddim_trailing", None, 1.0)),
    (("Hyper-SDXL-8steps-CFG-lora",), "sdxl", (8, None, None, "ddim_trailing", None, 1.0)),
    (("Hyper-SD15-12steps-CFG-lora",), "sd1", (12, None, None, "ddim_trailing", None, 1.0)),
    (("Hyper-SD3-4steps-CFG-lora",), "sd3", (4, 3.0, None, None, None, 0.125)),
    (("Hyper-SD3-16steps-CFG-lora",), "sd3", (16, 7.0, None, None, None, 0.125)),
    (("Hyper-FLUX.1-dev-8steps-lora",), "flux1", (8, 1.0, 3.5, None, None, 0.125)),
    (("Hyper-FLUX.1-dev-16steps-lora",), "flux1", (16, 1.0, 3.5, None, None, 0.125)),
    (("dmd2_sdxl_4step_lora_fp16",), "sdxl", (4, 1.0, None, "lcm", "sgm_uniform", 1.0)),
    (("pytorch_lora_weights", "lcm-lora-sdv1-5"), "sd1", (4, 1.0, None, "lcm", "lcm", 1.0)),
    (("Qwen-Image-Lightning-4steps-V1.0",), "qwen-image", (4, 1.0, None, None, None, 1.0)),
    (("Qwen-Image-Lightning-8steps-V2.0",), "qwen-image", (8, 1.0, None, None, None, 1.0)),
    (
        ("wan2.1_t2v_14b_lora_rank64_lightx2v_4step",),
        "wan",
        (4, 1.0, None, None, None, 1.0),
    ),
    (
        ("Wan21_T2V_14B_lightx2v_cfg_step_distill_lora_rank64",),
        "wan",
        (4, 1.0, None, None, None, 1.0),
    ),
    (
        ("diffusion_pytorch_model", "FLUX.1-Turbo-Alpha"),
        "flux1",
        (8, 1.0, 3.5, None, None, 1.0),
    ),
    (("flux-dev-to-schnell-4step-lora",), "flux1", (4, 1.0, None, None, None, 1.0)),
    (("flux.2-turbo-lora", "FLUX.2-dev-Turbo"), "flux2", (8, 1.0, None, None, None, 1.0)),
    (
        ("Z-Image-Fun-Lora-Distill-4-Steps-2603-ComfyUI",),
        "z-image",
        (4, 1.0, None, None, None, 1.0),
    ),
)


@pytest.mark.parametrize(("names", "family", "settings"), CASES)
def test_published_names(names: tuple[str, ...], family: str, settings: tuple[object, ...]) -> None:
    found = distillation_of(base(family), *names)
    assert found is not None
    assert settings == (
        found.sample_steps,
        found.cfg_scale,
        found.guidance,
        found.sampler,
        found.scheduler,
        found.weight,
    )


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("lightning_bolts", "sdxl"),
        ("anime-style-for-z-image-turbo", "z-image"),
        ("hyperrealism", "sdxl"),
        ("cat_flux_schnell", "flux1"),
        ("admdance", "sdxl"),
        ("calcmath", "sd1"),
        ("sdxl_lightning_4step_lora", "flux1"),  # of another base than its name
        ("100_steps_to_heaven", "sdxl"),
    ],
)
def test_ordinary_names(name: str, family: str) -> None:
    assert distillation_of(base(family), name) is None


def test_without_a_base_nothing_is_assumed() -> None:
    assert distillation_of(None, "sdxl_lightning_4step_lora") is None


@pytest.mark.parametrize("number", range(len(METHODS)))
def test_the_data_is_valid(number: int) -> None:
    method = METHODS[number]
    assert set(method.families) <= FAMILIES.keys()
    assert method.settings.sampler in {None, *SAMPLERS}
    assert method.settings.scheduler in {None, *SCHEDULERS}
    assert 1 <= (method.settings.sample_steps or 0) <= 20
