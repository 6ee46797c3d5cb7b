"""The model families: data, not code.

Defaults are from stable-diffusion.cpp's documentation, GPUStack 0.7.1's documentation and model
cards, as of 2026-11-22; network sizes are from the engine's source. Where those name no scheduler,
it is ``discrete``, the engine's default.
"""

from gpustack_draw.resolver.families import flux, language_model, stable_diffusion, unsupported, wan
from gpustack_draw.resolver.families.family import Defaults, Family
from gpustack_draw.resolver.families.picture_inputs import EditModel, PictureInputs

__all__ = ["FAMILIES", "Defaults", "EditModel", "Family", "PictureInputs"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for module in (stable_diffusion, flux, language_model, wan, unsupported)
    for family in module.FAMILIES
}
