"""How a picture was drawn, in the words of Stable Diffusion web UIs."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpustack_draw.picture import Picture

# The names that the Stable Diffusion web UI (modules/sd_samplers*.py) and its forks write. A reader
# there knows the first ones; the others are spelled the way it would.
SAMPLER_TITLES = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "dpm++2s_a": "DPM++ 2S a",
    "dpm++2m": "DPM++ 2M",
    "lcm": "LCM",
    "dpm++2mv2": "DPM++ 2M v2",
    "ipndm": "IPNDM",
    "ipndm_v": "IPNDM V",
    "ddim_trailing": "DDIM trailing",
    "tcd": "TCD",
    "res_multistep": "Res Multistep",
    "res_2s": "Res 2S",
    "er_sde": "ER SDE",
}

# Likewise (modules/sd_schedulers.py). The engine's "discrete" is the web UI's "Uniform": its
# "Automatic" would be Karras for some samplers.
SCHEDULER_TITLES = {
    "discrete": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "ays": "Align Your Steps",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "kl_optimal": "KL Optimal",
    "gits": "GITS",
    "smoothstep": "Smoothstep",
    "lcm": "LCM",
    "bong_tangent": "Bong Tangent",
}

# Families that take the distilled guidance as an input. Forge names it as below.
GUIDED_FAMILIES = ("flux1", "flux1-fill", "flux1-controls", "flex2", "flux2")


def parameters_text(picture: "Picture") -> str:
    """Write how a picture was drawn in the form Stable Diffusion web UIs write and read.

    The prompt, then ``Negative prompt: ...`` if there is one, then a line of ``Name: value`` pairs,
    as ``create_infotext`` in modules/processing.py of AUTOMATIC1111's web UI puts it (read
    2026-11-22). Its reader takes the last line for the pairs, so prompts may have several lines.
    """
    settings = picture.settings
    lines = [settings.prompt]
    if settings.negative_prompt:
        lines.append(f"Negative prompt: {settings.negative_prompt}")
    lines.append(settings_line(picture))
    return "\n".join(lines).strip()


def settings_line(picture: "Picture") -> str:
    """Write the last line of the parameters: everything but the prompts."""
    settings = picture.settings
    pairs: dict[str, object] = {
        "Steps": settings.sample_steps,
        "Sampler": settings.sampler and SAMPLER_TITLES.get(settings.sampler, settings.sampler),
        "Schedule type": (
            settings.scheduler and SCHEDULER_TITLES.get(settings.scheduler, settings.scheduler)
        ),
        "CFG scale": _number(settings.cfg_scale),
        "Distilled CFG Scale": _number(settings.guidance),
        "Seed": settings.seed,
        "Size": f"{picture.width}x{picture.height}",
        "Model": picture.model,
        "Version": f"gpustack-draw {package_version()}",
    }
    if picture.family not in GUIDED_FAMILIES:
        del pairs["Distilled CFG Scale"]
    known = {name: value for name, value in pairs.items() if value is not None}
    return ", ".join(f"{name}: {_quote(str(value))}" for name, value in known.items())


def _number(value: float | None) -> str | None:
    if value is None:
        return None
    return str(int(value)) if value == int(value) else repr(value)


def _quote(value: str) -> str:
    # The web UI's own rule (modules/infotext_utils.py, quote).
    if not any(mark in value for mark in ',:\n"'):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


@cache
def package_version() -> str:
    """Give this package's version, as installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gpustack-draw")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"
