"""The settings of LoRAs that were trained to draw in few steps: data, and a search by name.

The values are those of the model cards named beside them, read on the hub on 2026-11-29. Where a
card turns guidance off with a scale of 0, the value here is 1, as in the engine.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gpustack_draw.resolver.loras.lora_file import Distillation, LoraBase


@dataclass(frozen=True)
class _Method:
    """A method of distillation, for some families.

    Attributes:
        pattern: Matches a part of a name in lower case, with hyphens in place of other characters.
        families: Names of the families that it was published for.
        settings: Its settings; a number of steps in the name replaces theirs.
    """

    pattern: str
    families: tuple[str, ...]
    settings: Distillation


_WAN = ("wan", "wan-i2v", "wan-vace", "wan-ti2v")
_STEPS = r"[0-9]{1,2}-?steps?(?![a-z])"


def _hyper_sd3(steps: int, cfg_scale: float) -> _Method:
    settings = Distillation(title="Hyper-SD", sample_steps=steps, cfg_scale=cfg_scale, weight=0.125)
    return _Method(rf"hyper-sd3-{steps}-?steps", ("sd3",), settings)


# The first one that fits counts.
METHODS: tuple[_Method, ...] = (
    # ByteDance/SDXL-Lightning: the sampler Euler with the scheduler sgm_uniform.
    _Method(
        rf"sdxl-lightning|lightning.*{_STEPS}",
        ("sdxl",),
        Distillation(
            title="SDXL-Lightning",
            sample_steps=4,
            cfg_scale=1.0,
            sampler="euler",
            scheduler="sgm_uniform",
        ),
    ),
    # ByteDance/Hyper-SD: LoRAs named CFG keep the model's own guidance (5 to 8), those of SD3 need
    # 3, 5 and 7 for 4, 8 and 16 steps; those of SD3 and FLUX.1 were trained for a weight of 0.125.
    *(_hyper_sd3(steps, cfg) for steps, cfg in ((4, 3.0), (8, 5.0), (16, 7.0))),
    _Method(
        r"hyper-flux",
        ("flux1",),
        Distillation(title="Hyper-SD", sample_steps=8, cfg_scale=1.0, guidance=3.5, weight=0.125),
    ),
    _Method(
        r"hyper-sd.*-cfg(?![a-z])",
        ("sd1", "sdxl"),
        Distillation(title="Hyper-SD", sample_steps=8, sampler="ddim_trailing"),
    ),
    _Method(
        r"hyper-sd",
        ("sd1", "sdxl"),
        Distillation(title="Hyper-SD", sample_steps=4, cfg_scale=1.0, sampler="ddim_trailing"),
    ),
    # tianweiy/DMD2: LCM sampling at the timesteps 999, 749, 499 and 249.
    _Method(
        r"(?<![a-z])dmd2?(?![a-z])",
        ("sdxl",),
        Distillation(
            title="DMD2", sample_steps=4, cfg_scale=1.0, sampler="lcm", scheduler="sgm_uniform"
        ),
    ),
    # latent-consistency/lcm-lora-sdv1-5 and -sdxl: 2 to 8 steps, guidance off.
    _Method(
        r"(?<![a-z])lcm(?![a-z])",
        ("sd1", "sd2", "sdxl"),
        Distillation(title="LCM", sample_steps=4, cfg_scale=1.0, sampler="lcm", scheduler="lcm"),
    ),
    # lightx2v/Qwen-Image-Lightning: 4 or 8 steps, no guidance, the shift 3 of the model itself.
    _Method(
        r"lightning",
        ("qwen-image",),
        Distillation(title="Qwen-Image-Lightning", sample_steps=8, cfg_scale=1.0),
    ),
    # lightx2v/Wan2.1-T2V-14B-StepDistill-CfgDistill, lightx2v/Wan2.2-Lightning.
    _Method(
        rf"lightx2v|(step|cfg)-?distill|lightning.*{_STEPS}|wan.*lightning",
        _WAN,
        Distillation(title="LightX2V", sample_steps=4, cfg_scale=1.0),
    ),
    # alimama-creative/FLUX.1-Turbo-Alpha: 8 steps, guidance 3.5, weight 1.
    _Method(
        r"flux-1-turbo|turbo-alpha",
        ("flux1",),
        Distillation(title="FLUX.1-Turbo-Alpha", sample_steps=8, cfg_scale=1.0, guidance=3.5),
    ),
    # Differences between FLUX.1 schnell and dev; others are LoRAs for schnell itself.
    _Method(
        rf"schnell.*{_STEPS}|{_STEPS}.*schnell",
        ("flux1",),
        Distillation(title="FLUX.1 schnell", sample_steps=4, cfg_scale=1.0),
    ),
    # fal/FLUX.2-dev-Turbo: 8 steps.
    _Method(
        r"flux-2-(dev-)?turbo",
        ("flux2",),
        Distillation(title="FLUX.2 dev Turbo", sample_steps=8, cfg_scale=1.0),
    ),
    # alibaba-pai/Z-Image-Fun-Lora-Distill: distills the steps and the guidance.
    _Method(
        r"distill",
        ("z-image",),
        Distillation(title="Z-Image Distill", sample_steps=8, cfg_scale=1.0),
    ),
)
_STEPS_IN_NAME = re.compile(r"(?<![0-9])([0-9]{1,2})-?steps?(?![a-z])")


def distillation_of(base: LoraBase | None, *names: str) -> Distillation | None:
    """Return the settings that a LoRA asks for; ``None`` for an ordinary LoRA.

    Args:
        base: The models that it is made for; ``None`` if unknown.
        names: Names of the LoRA: of its file, its repository, its title.
    """
    if base is None:
        return None
    plain = [re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in names]
    for method in METHODS:
        fits_base = not set(method.families).isdisjoint(base.families)
        if fits_base and any(re.search(method.pattern, name) for name in plain):
            steps = _steps_in(plain) or method.settings.sample_steps
            return replace(method.settings, sample_steps=steps)
    return None


def _steps_in(names: Iterable[str]) -> int:
    found = next(filter(None, map(_STEPS_IN_NAME.search, names)), None)
    return int(found[1]) if found else 0
