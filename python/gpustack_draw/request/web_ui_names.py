"""Translate between the engine's samplers and schedulers and their names in other programs."""

import re
from dataclasses import dataclass

# Names in the Stable Diffusion web UI (modules/sd_samplers*.py) and its forks. The web UI lacks the
# last ones, which follow its spelling.
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

# The same for schedulers (modules/sd_schedulers.py). "discrete" is the web UI's "Uniform", as its
# "Automatic" is Karras for some samplers.
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

# The same for the upscalers of its "Hires. fix" (modules/shared_items.py); the engine has the names
# of the latent ones, too.
HIRES_UPSCALER_TITLES = {
    "lanczos": "Lanczos",
    "nearest": "Nearest",
    "latent": "Latent",
    "latent-antialiased": "Latent (antialiased)",
    "latent-bicubic": "Latent (bicubic)",
    "latent-bicubic-antialiased": "Latent (bicubic antialiased)",
    "latent-nearest": "Latent (nearest)",
    "latent-nearest-exact": "Latent (nearest-exact)",
}

# Samplers whose "Automatic" schedule is Karras (modules/sd_samplers_kdiffusion.py).
_AUTOMATIC_KARRAS = ("dpm++2m", "dpm++2s_a", "dpm2")

# Names that programs write if no sampler or schedule was chosen.
_UNSPECIFIED = {
    *("", "auto", "automatic", "default", "native", "none", "null", "undefined", "unknown"),
}


@dataclass(frozen=True)
class Sampling:
    """A sampler and a scheduler.

    Attributes:
        sampler: The engine's name; the other program's name if the engine lacks the sampler; empty
            if none was specified.
        scheduler: The same for the scheduler.
    """

    sampler: str
    scheduler: str


def sampling_named(sampler_title: str, schedule_title: str = "") -> Sampling:
    """Translate the names of a sampler and a schedule into the engine's names.

    Reads the engine's names and those of web UIs (``DPM++ 2M Karras``), ComfyUI
    (``dpmpp_2m``), InvokeAI (``dpmpp_2m_k``), NovelAI and AI Horde (``k_dpmpp_2m``), in any case.

    Args:
        sampler_title: The sampler's name, which may end in the name of a schedule.
        schedule_title: The schedule's name; it has precedence over the one in the sampler's name.
    """
    named = _sampler_named(sampler_title)
    squeezed = _squeezed(schedule_title)
    if squeezed in _UNSPECIFIED:
        by_itself = squeezed == "automatic" and named.sampler in _AUTOMATIC_KARRAS
        return Sampling(named.sampler, named.scheduler or ("karras" if by_itself else ""))
    return Sampling(named.sampler, _SCHEDULERS.get(squeezed, schedule_title))


def hires_upscaler_named(title: str) -> str:
    """Return the name of an upscaler that is spelled as here or in web UIs; empty if unknown."""
    squeezed = _squeezed_upscaler(title)
    names = (name for name in HIRES_UPSCALER_TITLES if _squeezed_upscaler(name) == squeezed)
    return next(names, "")


def _squeezed_upscaler(title: str) -> str:
    return "".join(mark for mark in title.lower() if mark not in " _-()")


def names_scheduler(sampler: object) -> bool:
    """Return whether the name of a sampler includes a scheduler, as ``DPM++ 2M Karras`` does."""
    return isinstance(sampler, str) and bool(sampling_named(sampler).scheduler)


def _sampler_named(title: str) -> Sampling:
    sampler = _known_sampler(title)
    if sampler is not None:
        return Sampling(sampler, "")
    for ending in _ENDING.finditer(title):
        rest, squeezed = title[: ending.start()], _squeezed(ending[1])
        scheduler = _SCHEDULERS.get(squeezed, ending[1] if squeezed in _LACKING else "")
        if squeezed == "k":  # InvokeAI
            scheduler = "karras"
        if scheduler and rest:
            sampler = _known_sampler(rest)
            return Sampling(rest if sampler is None else sampler, scheduler)
    return Sampling(title, "")


def _known_sampler(title: str) -> str | None:
    """Return the engine's name of a sampler; empty if none was specified, ``None`` if unknown."""
    squeezed = _squeezed(title)
    if squeezed in _UNSPECIFIED:
        return ""
    # Names of k-diffusion start with "k".
    return _SAMPLERS.get(squeezed) or _SAMPLERS.get(squeezed.removeprefix("k"))


def _squeezed(title: str) -> str:
    name = title.lower().replace("dpmpp", "dpm++").replace("ancestral", "a")
    squeezed = "".join(mark for mark in name if mark not in " _-")
    # Forge appends a number of steps: "Align Your Steps 32".
    return re.sub(r"^(alignyoursteps|ays)[0-9]+$", r"\1", squeezed)


def _by_spelling(titles: dict[str, str]) -> dict[str, str]:
    return {_squeezed(spelling): name for name in titles for spelling in (name, titles[name])}


_SAMPLERS = _by_spelling(SAMPLER_TITLES)
_SCHEDULERS = _by_spelling(SCHEDULER_TITLES) | {
    "normal": "discrete",  # ComfyUI, Forge
    "alignyourstepsgits": "gits",  # Forge
}
# Schedules that the engine lacks and that can end a sampler's name.
_LACKING = {"beta", "beta57", "ddimuniform", "linearquadratic", "polyexponential", "turbo"}
# One or more words at the end of a name.
_ENDING = re.compile(r"[ _-](?=((?:[^ _-]+[ _-]){0,3}[^ _-]+)$)")
