"""Guess the models that a LoRA is made for, by the names and shapes of its modules.

Widths are those of the published networks, read in the engine's source and in the configurations
of diffusers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gpustack_draw.resolver.loras.lora_file import LoraBase, LoraModule
from gpustack_draw.resolver.loras.tensor_names import plain_name

_SD1 = LoraBase("Stable Diffusion 1", ("sd1", "sd1-tiny", "sd1-inpaint", "sd1-pix2pix", "sdxs"))
_SD2 = LoraBase("Stable Diffusion 2", ("sd2", "sd2-tiny", "sd2-inpaint", "sdxs-09"))
_SDXL = LoraBase(
    "Stable Diffusion XL",
    ("sdxl", "sdxl-inpaint", "sdxl-pix2pix", "sdxl-ssd1b", "sdxl-vega"),
)
_REFINER = LoraBase("the Stable Diffusion XL refiner", ("sdxl-refiner",))
_SD3_MEDIUM = LoraBase("Stable Diffusion 3 medium", ("sd3",))
_SD3_LARGE = LoraBase("Stable Diffusion 3.5 large", ("sd3",))
_FLUX1 = LoraBase(
    "FLUX.1",
    ("flux1", "flux1-fill", "flux1-controls", "flex2", "chroma", "chroma-radiance"),
)
_FLUX2 = LoraBase("FLUX.2 dev", ("flux2",))
_KLEIN_4B = LoraBase("FLUX.2 klein 4B", ("flux2-klein",))
_KLEIN_9B = LoraBase("FLUX.2 klein 9B", ("flux2-klein",))
_DEMO = LoraBase("a small FLUX.2 klein", ("flux2-klein",))
_OVIS = LoraBase("Ovis-Image", ("ovis-image",))
_FLUX1_OR_KLEIN = LoraBase(
    "FLUX.1 or FLUX.2 klein 4B", (*_FLUX1.families, "flux2-klein", "ovis-image")
)
_QWEN = LoraBase("Qwen-Image", ("qwen-image",))
_QWEN_OR_FLUX = LoraBase(
    "Qwen-Image, FLUX.1 or FLUX.2 klein 4B", (*_QWEN.families, *_FLUX1_OR_KLEIN.families)
)
_Z_IMAGE = LoraBase("Z-Image", ("z-image",))
_LUMINA = LoraBase("Lumina 2", ("lumina-2",))
_WAN_SMALL = LoraBase("Wan 1.3B", ("wan", "wan-vace"))
_WAN_LARGE = LoraBase("Wan 14B", ("wan", "wan-i2v", "wan-vace"))
_WAN_5B = LoraBase("Wan 2.2 TI2V 5B", ("wan-ti2v",))
_ANIMA = LoraBase("Anima", ("anima",))
_ERNIE = LoraBase("ERNIE-Image", ("ernie-image",))
_HUNYUAN = LoraBase("HunyuanVideo or HunyuanImage", ("hunyuan",))
_LTX = LoraBase("LTX-Video", ("ltx-video",))
_AURAFLOW = LoraBase("AuraFlow", ("auraflow",))
_HIDREAM = LoraBase("HiDream", ("hidream",))
_PIXART = LoraBase("PixArt")


@dataclass(frozen=True)
class _Rule:
    """A pattern of plain names, and the base it stands for.

    Attributes:
        pattern: Matches the whole name of a module.
        base: The base for any width.
        by_input: The base by the number of inputs of the module, tried first.
        by_output: The base by the number of outputs, tried first.
    """

    pattern: str
    base: LoraBase | None = None
    by_input: dict[int, LoraBase] | None = None
    by_output: dict[int, LoraBase] | None = None


# The first rule that fits any module decides; so names of one family come before shared ones.
_RULES: tuple[_Rule, ...] = (
    _Rule(r"txt\.in\.individual\.token\.refiner\..*|.*\.(img|txt)\.mlp\.fc[12]", _HUNYUAN),
    _Rule(r"joint\.transformer\.blocks\..*|double\.layers\..*", _AURAFLOW),
    _Rule(r"(double|single)\.stream\.blocks\..*", _HIDREAM),
    _Rule(
        r"joint\.blocks\.\d+\..*(qkv|proj|fc1)",
        by_input={1536: _SD3_MEDIUM, 2432: _SD3_LARGE},
    ),
    _Rule(
        r"single\.transformer\.blocks\.\d+\.attn\.to\.(qkv\.mlp\.proj|out)"
        r"|transformer\.blocks\.\d+\.ff(\.context)?\.linear\.in",
        _DEMO,
        by_input={
            6144: _FLUX2,
            24576: _FLUX2,
            3072: _KLEIN_4B,
            12288: _KLEIN_4B,
            4096: _KLEIN_9B,
            16384: _KLEIN_9B,
        },
    ),
    _Rule(r"transformer\.blocks\.\d+\.(img|txt)\.(mlp\.net\.[02](\.proj)?|mod\.1)", _QWEN),
    _Rule(
        r"(noise\.refiner|context\.refiner|layers)\.\d+\.(attention\.(qkv|to\.[qkv])|feed\.forward.*)",
        by_input={3840: _Z_IMAGE, 2304: _LUMINA},
    ),
    _Rule(r"layers\.\d+\.self\.attention\..*", _ERNIE),
    _Rule(r"(net\.)?(llm\.adapter\.|blocks\.\d+\.adaln\.modulation\.).*", _ANIMA),
    _Rule(
        r"(net\.)?blocks\.\d+\.(self|cross)\.attn\.(q|k|v|output)\.proj",
        by_input={2048: _ANIMA},
    ),
    _Rule(
        r"blocks\.\d+\.((self|cross)\.attn\.[qkvo]|ffn\.0|attn[12]\.to\.[qkv]|ffn\.net\.0\.proj)",
        by_input={1536: _WAN_SMALL, 5120: _WAN_LARGE, 3072: _WAN_5B},
    ),
    _Rule(r"double\.blocks\.\d+\.(img|txt)\.mlp\.(gate|up|down)\.proj", _OVIS),
    # A gated MLP follows in FLUX.2 where FLUX.1 has a plain one.
    _Rule(
        r"double\.blocks\.\d+\.(img|txt)\.mlp\.0",
        by_output={12288: _FLUX1, 18432: _KLEIN_4B, 24576: _KLEIN_9B, 36864: _FLUX2},
    ),
    _Rule(
        r"single\.blocks\.\d+\.linear1",
        by_output={21504: _FLUX1, 27648: _KLEIN_4B, 36864: _KLEIN_9B, 55296: _FLUX2},
    ),
    _Rule(
        r"single\.blocks\.\d+\.linear2",
        by_input={15360: _FLUX1, 12288: _KLEIN_4B, 16384: _KLEIN_9B, 24576: _FLUX2},
    ),
    _Rule(r"(double|single)\.blocks\.\d+\..*\.lin", _FLUX1),  # FLUX.2 shares its modulations
    _Rule(
        r"double\.blocks\.\d+\.(img|txt)\.attn\.(qkv|proj)",
        _DEMO,
        by_input={6144: _FLUX2, 4096: _KLEIN_9B, 3072: _FLUX1_OR_KLEIN},
    ),
    _Rule(r"(double|single)\.blocks\.\d+\..*", _DEMO),
    _Rule(r"single\.transformer\.blocks\.\d+\..*", by_input={3072: _FLUX1, 15360: _FLUX1}),
    _Rule(
        r"transformer\.blocks\.\d+\.(norm1|norm1\.context)\.linear",
        by_input={3072: _FLUX1, 1536: _SD3_MEDIUM, 2432: _SD3_LARGE},
    ),
    _Rule(
        r"transformer\.blocks\.\d+\.(scale\.shift\.table|attn1\.to\.[qkv])",
        by_input={2048: _LTX, 1152: _PIXART},
    ),
    # FLUX.1 has 19 of these blocks, Qwen-Image 60.
    _Rule(r"transformer\.blocks\.(19|[2-5]\d)\.attn\..*", by_input={3072: _QWEN}),
    _Rule(
        r"transformer\.blocks\.\d+\.(attn\..*|ff(\.context)?\.net\.0\.proj)",
        by_input={
            1536: _SD3_MEDIUM,
            2432: _SD3_LARGE,
            6144: _FLUX2,
            4096: _KLEIN_9B,
            3072: _QWEN_OR_FLUX,
        },
    ),
    # The text that a UNet attends to has another width in each family.
    _Rule(
        r".*\.attn2\.to\.[kv]",
        by_input={768: _SD1, 1024: _SD2, 2048: _SDXL, 1280: _REFINER},
    ),
    _Rule(r"(te2|text\.encoder\.2)\..*", _SDXL),
    _Rule(r"(down|input)\.blocks\..*\.transformer\.blocks\.[1-9]\..*|add\.embedding\..*", _SDXL),
    _Rule(r"down\.blocks\.0\.attentions\..*|input\.blocks\.[12]\.1\..*", _SD1),
    _Rule(
        r"(te1?|text\.encoder)\.(text\.model\.)?encoder\.layers\.\d+\.self\.attn\.[qkv]\.proj",
        by_input={768: _SD1, 1024: _SD2},
    ),
)
_COMPILED = tuple((re.compile(rule.pattern), rule) for rule in _RULES)

BASES: tuple[LoraBase, ...] = tuple(
    {
        base.title: base
        for rule in _RULES
        for base in (
            rule.base,
            *(rule.by_input or {}).values(),
            *(rule.by_output or {}).values(),
        )
        if base is not None
    }.values()
)


# Texts that decide between bases of the same names and shapes.
_STATED: tuple[tuple[str, LoraBase], ...] = (
    (r"klein", _KLEIN_4B),
    (r"qwen", _QWEN),
    (r"flux[ ._-]?1|schnell|kontext", _FLUX1),
)


def guess_base(modules: Iterable[LoraModule], stated: str = "") -> LoraBase | None:
    """Return the models that modules are made for; ``None`` if their names are unknown.

    Args:
        modules: The modules.
        stated: The base that the metadata names, which counts where names and shapes leave a
            choice.
    """
    names = [(plain_name(module.name), module) for module in modules]
    for pattern, rule in _COMPILED:
        for name, module in names:
            if pattern.fullmatch(name) and (base := _base_of(rule, module)):
                return _narrowed(base, stated)
    return None


def _narrowed(base: LoraBase, stated: str) -> LoraBase:
    named = (each for pattern, each in _STATED if re.search(pattern, stated.lower()))
    found = next(named, base)
    return found if set(found.families) < set(base.families) else base


def _base_of(rule: _Rule, module: LoraModule) -> LoraBase | None:
    inputs, outputs = _sides_of(module)
    by_size = (rule.by_input or {}).get(inputs) or (rule.by_output or {}).get(outputs)
    return by_size or rule.base


def _sides_of(module: LoraModule) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of the weight that a module changes."""
    shapes = {role: tensor.shape for role, tensor in module.tensors.items()}
    if module.type == "LoRA":
        down, up = shapes.get("down", (0,)), shapes.get("up", (0,))
        return (down[2] if len(down) == 4 else down[0]), up[-1]
    if module.type == "LoHa":
        return shapes.get("hada_w1_b", (0,))[0], shapes.get("hada_w1_a", (0,))[-1]
    if module.type == "LoKr":
        first = shapes.get("lokr_w1") or _product(shapes, "lokr_w1")
        second = shapes.get("lokr_w2") or _product(shapes, "lokr_w2")
        if len(second) == 4:
            second = second[2:]
        return first[0] * second[0], first[-1] * second[-1]
    whole = shapes.get("diff", (0,))
    return (whole[2] if len(whole) == 4 else whole[0]), whole[-1]


def _product(shapes: dict[str, tuple[int, ...]], role: str) -> tuple[int, int]:
    return shapes.get(f"{role}_b", (0,))[0], shapes.get(f"{role}_a", (0,))[-1]
