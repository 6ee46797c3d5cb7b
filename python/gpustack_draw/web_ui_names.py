"""What Stable Diffusion web UIs call the engine's samplers and schedulers, both ways."""

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

# For these the web UI's "Automatic" is Karras (modules/sd_samplers_kdiffusion.py).
_KARRAS_BY_ITSELF = ("dpm++2m", "dpm++2s_a", "dpm2")


def sampler_named(title: str) -> tuple[str, str]:
    """Read a sampler's name as web UIs write it.

    Until 1.8 the web UI had the scheduler in it (``DPM++ 2M Karras``). ComfyUI's names
    (``dpmpp_2m``) and the engine's own are understood too.

    Returns:
        The engine's name of the sampler, or the title itself where the engine has none of that
        name; and of the scheduler, empty where the title names none.
    """
    name = _squeezed(title)
    if name in _SAMPLERS:
        return _SAMPLERS[name], ""
    for ending, scheduler in _SCHEDULERS.items():
        if name.endswith(ending) and name.removesuffix(ending) in _SAMPLERS:
            return _SAMPLERS[name.removesuffix(ending)], scheduler
    return title, ""


def scheduler_named(title: str, sampler: str) -> str:
    """Read a schedule type as web UIs write it.

    Args:
        title: The schedule type.
        sampler: The engine's name of the sampler it is for.

    Returns:
        The engine's name, or the title itself where the engine has none of that name; empty where
        it is left to the model.
    """
    name = _squeezed(title)
    if name == "automatic":
        return "karras" if sampler in _KARRAS_BY_ITSELF else ""
    return _SCHEDULERS.get(name, title)


def _squeezed(title: str) -> str:
    name = title.lower().replace("dpmpp", "dpm++").replace("ancestral", "a")
    return "".join(mark for mark in name if mark not in " _-")


def _by_spelling(titles: dict[str, str]) -> dict[str, str]:
    return {_squeezed(spelling): name for name in titles for spelling in (name, titles[name])}


_SAMPLERS = _by_spelling(SAMPLER_TITLES)
_SCHEDULERS = _by_spelling(SCHEDULER_TITLES)
