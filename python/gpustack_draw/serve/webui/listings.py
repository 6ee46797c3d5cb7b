"""The lists that clients fill their menus from, as the web UI writes them."""

from collections.abc import Iterable
from typing import Any

from gpustack_draw import HIRES_UPSCALER_TITLES, SAMPLER_TITLES, SCHEDULER_TITLES, Model

# Upscalers of every web UI; they resize without a model.
NO_UPSCALER = "None"
PIXEL_UPSCALERS = ("Lanczos", "Nearest")
_LATENT = "Latent"


def models(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the models; their names stand for file names, which stay private."""
    return [
        {
            "title": name,
            "model_name": name,
            "hash": None,
            "sha256": None,
            "filename": name,
            "config": None,
        }
        for name in names
    ]


def samplers() -> list[dict[str, Any]]:
    """Return the samplers."""
    return [
        {"name": title, "aliases": [name], "options": {}} for name, title in SAMPLER_TITLES.items()
    ]


def schedulers() -> list[dict[str, Any]]:
    """Return the schedulers, first the one that leaves the choice to the model."""
    return [
        {
            "name": name,
            "label": title,
            "aliases": None,
            "default_rho": -1.0,
            "need_inner_model": False,
        }
        for name, title in {"automatic": "Automatic", **SCHEDULER_TITLES}.items()
    ]


def upscalers(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the upscalers of pixels.

    Args:
        names: Names of the upscaling models.
    """
    return [
        {
            "name": name,
            "model_name": None if name in (NO_UPSCALER, *PIXEL_UPSCALERS) else name,
            "model_path": None,
            "model_url": None,
            "scale": 4,
        }
        for name in (NO_UPSCALER, *PIXEL_UPSCALERS, *names)
    ]


def latent_upscale_modes() -> list[dict[str, Any]]:
    """Return the upscalers of a second pass that enlarge the latent."""
    titles = HIRES_UPSCALER_TITLES.values()
    return [{"name": title} for title in titles if title.startswith(_LATENT)]


def loras(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the LoRAs that prompts can name."""
    return [{"name": name, "alias": name, "path": name, "metadata": {}} for name in names]


def embeddings(model: Model) -> dict[str, Any]:
    """Return the embeddings that prompts for a model can name."""
    found = () if model.resolved is None else model.resolved.embeddings
    loaded = {
        each.name: {
            "step": None,
            "sd_checkpoint": None,
            "sd_checkpoint_name": None,
            "shape": each.width,
            "vectors": each.vectors,
        }
        for each in found
    }
    return {"loaded": loaded, "skipped": {}}


def options(model: str) -> dict[str, Any]:
    """Return the settings that clients read.

    Args:
        model: Name of the current model.
    """
    return {
        "sd_model_checkpoint": model,
        "sd_checkpoint_hash": "",
        "sd_vae": "Automatic",
        "CLIP_stop_at_last_layers": 1,
        "samples_format": "png",
        "img2img_fix_steps": False,
        "show_progress_every_n_steps": 1,
        "live_previews_enable": True,
    }
