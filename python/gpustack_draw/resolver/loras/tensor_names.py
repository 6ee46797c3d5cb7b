"""Names of tensors in LoRA files: the module, the role, and the program that writes such names.

The endings are those of the engine (``convert_tensor_name()`` in its ``src/name_conversion.cpp``)
and of ``cpp/engine/lora_names.cpp``.
"""

import re
from collections.abc import Iterable

# Roles by the ending of a name.
ROLES: dict[str, str] = {
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    ".lora_up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.mid.weight": "mid",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.mid.weight": "mid",
    "_lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_linear": "alpha",
    ".alpha": "alpha",
    ".scale": "scale",
    ".diff": "diff",
    ".diff_b": "diff_b",
    ".hada_w1_a": "hada_w1_a",
    ".hada_w1_b": "hada_w1_b",
    ".hada_w2_a": "hada_w2_a",
    ".hada_w2_b": "hada_w2_b",
    ".hada_t1": "hada_t1",
    ".hada_t2": "hada_t2",
    ".lokr_w1": "lokr_w1",
    ".lokr_w1_a": "lokr_w1_a",
    ".lokr_w1_b": "lokr_w1_b",
    ".lokr_w2": "lokr_w2",
    ".lokr_w2_a": "lokr_w2_a",
    ".lokr_w2_b": "lokr_w2_b",
}
# Roles that other tensors than a LoRA's have, too: FLUX.1 has norms that end in ".scale".
WEAK_ROLES = frozenset(("alpha", "scale"))
_ENDING = re.compile("({})$".format("|".join(map(re.escape, sorted(ROLES, key=len, reverse=True)))))
# PEFT writes the name of the adapter, often "default", between the factor and ".weight".
_ADAPTER = re.compile(r"(?<=\.lora_[AB])\.[^.]+(?=\.weight$)")

# Namings by a pattern of a module's name, in order.
_NAMINGS: tuple[tuple[str, str], ...] = (
    (r"base_model\.model\.", "PEFT"),
    (r"lycoris[_.]", "LyCORIS"),
    (r"lora[_.](unet|te[0-9]*|transformer|prior|vae)_", "kohya"),
    (r"(model\.)?diffusion_model\.", "ComfyUI"),
    (r"(unet|transformer|text_encoder(_[0-9])?|te[0-9]?|vae)\.", "diffusers"),
)
_BARE_NAMING = "original"
_PREFIXES = re.compile(
    r"^(base_model\.model\.|lora[_.]|lycoris[_.]|model\.|diffusion_model[_.]|unet[_.]"
    r"|transformer\.|transformer_(?!blocks))+"
)


def split_name(name: str) -> tuple[str, str]:
    """Split the name of a tensor into its module and its role; the role is empty if unknown."""
    name = _ADAPTER.sub("", name)
    ending = _ENDING.search(name)
    return (name[: ending.start()], ROLES[ending[0]]) if ending else (name, "")


def naming_of(modules: Iterable[str]) -> str:
    """Return the program or library whose names most modules have."""
    counts: dict[str, int] = {}
    for module in modules:
        known = (title for pattern, title in _NAMINGS if re.match(pattern, module))
        naming = next(known, _BARE_NAMING)
        counts[naming] = counts.get(naming, 0) + 1
    return max(counts, key=lambda naming: counts[naming])


def plain_name(module: str) -> str:
    """Return the name of a module without prefixes, and with dots in place of underscores.

    So the namings agree: ``lora_unet_double_blocks_0_img_attn_proj`` and
    ``diffusion_model.double_blocks.0.img_attn.proj`` become ``double.blocks.0.img.attn.proj``.
    """
    return _PREFIXES.sub("", module).replace("_", ".")


def module_of(name: str) -> str:
    """Return the module of a tensor; its whole name if the role is unknown."""
    return split_name(name)[0]
