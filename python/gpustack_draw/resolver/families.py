"""The model families: what each needs, and how it draws best. Data, not code.

Defaults are from stable-diffusion.cpp's documentation, GPUStack 0.7.1's documentation and model
cards, as gathered on 2026-11-22; sizes of networks from the engine's source. Where those name no
scheduler, it is the one the engine takes by itself, ``discrete``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Defaults:
    """How a model draws best when the user says nothing.

    Attributes:
        sample_steps: Sampling steps.
        cfg_scale: Classifier-free guidance; 1 is off, which distilled models need.
        scheduler: One of :data:`gpustack_draw.SCHEDULERS`.
        guidance: Distilled guidance, for families that take it as an input.
        native_size: Width and height the model was trained for, in pixels.
        smallest_size: The smallest size it was trained for too; the native one when ``None``.
    """

    sample_steps: int
    cfg_scale: float
    scheduler: str = "discrete"
    guidance: float = 3.5
    native_size: tuple[int, int] = (1024, 1024)
    smallest_size: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of models.

    Attributes:
        name: Short and stable, as it is stored in pictures: ``sd1``, ``flux2-klein``.
        title: What people call it.
        defaults: For a model whose name says nothing more.
        variants: Defaults by variant, for the variants that differ.
        requires: Components (see ``COMPONENTS``) without which it cannot
            draw, in the model's file or beside it.
        optional: Components that it draws without, but worse.
        size_multiple: Pixels that both sides must be a multiple of; the engine rounds up.
        max_side: The most pixels a side can have, where the engine ends the process beyond.
        unet: Whether it is a UNet, which the engine recognizes by its text encoders.
        latent_channels: Numbers that stand for a place of the picture before decoding.
        token_pixels: Side, in pixels, of a token of the largest attention.
        heads: Attention heads over those tokens.
        hidden: Numbers a token has there.
        text_input: Tensor whose rows must fit the LLM's width; empty when that is not known.
        vocabulary: Tokens the LLM's embedding must have, or the engine ends the process.
        clip_title: What people call its first CLIP encoder; ``clip_width`` is that one's width.
        t5_title: What people call the T5 encoder it was trained with.
        t5_tokens: Tokens of that one.
        video_vae: Whether its VAE is of Wan's kind, made for videos.
        note: What a user should know who draws with it; empty where there is nothing.
        variant_notes: The same for one variant.
        why_not: Why this version cannot draw with it; empty when it can.
        why_not_variant: Why not with one variant.
        instead: What to do about that.
    """

    name: str
    title: str
    defaults: Defaults
    variants: Mapping[str, Defaults] = field(default_factory=dict)
    requires: tuple[str, ...] = ("vae", "llm")
    optional: tuple[str, ...] = ()
    size_multiple: int = 8
    max_side: int = 8192
    unet: bool = False
    latent_channels: int = 16
    token_pixels: int = 16
    heads: int = 24
    hidden: int = 3072
    text_input: str = ""
    vocabulary: int = 0
    clip_title: str = "the CLIP-L text encoder"
    clip_width: int = 768
    t5_title: str = "the T5-XXL text encoder"
    t5_tokens: int = 32_128
    video_vae: bool = False
    note: str = ""
    variant_notes: Mapping[str, str] = field(default_factory=dict)
    why_not: str = ""
    why_not_variant: Mapping[str, str] = field(default_factory=dict)
    instead: str = "use a text-to-image model"


_512 = (512, 512)
_SD1 = Defaults(20, 7.0, native_size=_512)
_SDXS = Defaults(1, 1.0, native_size=_512)
_INPAINT = Defaults(50, 7.0, native_size=_512)
_LCM = Defaults(4, 1.0, "lcm")
_LCM_512 = Defaults(4, 1.0, "lcm", native_size=_512)
_QWEN_VOCABULARY = 151_669  # the engine's Qwen tokenizer gives tokens up to 151668
_NEEDS_A_PICTURE = "it changes a given picture, which this version cannot pass to it"
_WITHOUT_A_PICTURE = (
    "this model was trained to work on a given picture; here it draws from the prompt alone"
)
_WAN_SIZE = (832, 480)
_OTHER_WAN = "use a text-to-video model of Wan, which draws single pictures, or a text-to-image one"
_FROM_A_PICTURE = "it makes videos of a given picture, which this version cannot pass to it"

_sd1 = Family(
    name="sd1",
    title="Stable Diffusion 1",
    defaults=_SD1,
    variants={
        "turbo": Defaults(4, 1.0, native_size=_512),
        "lightning": Defaults(4, 1.0, "sgm_uniform", native_size=_512),
        "hyper": Defaults(4, 1.0, "sgm_uniform", native_size=_512),
        "lcm": _LCM_512,
    },
    requires=("vae", "clip_l"),
    size_multiple=64,
    unet=True,
    latent_channels=4,
    token_pixels=8,
    heads=8,
    hidden=320,
)
_sd2 = replace(
    _sd1,
    name="sd2",
    title="Stable Diffusion 2",
    defaults=replace(_SD1, native_size=(768, 768)),
    variants={"turbo": Defaults(6, 1.0, native_size=_512), "base": _SD1, "lcm": _LCM_512},
    heads=5,
    clip_title="the OpenCLIP-H text encoder",
    clip_width=1024,
)
_sdxl = replace(
    _sd1,
    name="sdxl",
    title="Stable Diffusion XL",
    defaults=Defaults(25, 5.0, "karras"),
    variants={
        "turbo": Defaults(4, 1.0, native_size=_512),
        "lightning": Defaults(4, 1.0, "sgm_uniform"),
        "hyper": Defaults(4, 1.0, "sgm_uniform"),
        "lcm": _LCM,
    },
    requires=("vae", "clip_l", "clip_g"),
    token_pixels=16,
    heads=10,
    hidden=640,
)
_flux1 = Family(
    name="flux1",
    title="FLUX.1",
    defaults=Defaults(20, 1.0),
    variants={
        "schnell": Defaults(4, 1.0),
        "kontext": Defaults(24, 1.0, guidance=2.5),
        "turbo": Defaults(8, 1.0),
        "hyper": Defaults(8, 1.0),
    },
    requires=("vae", "clip_l", "t5xxl"),
    variant_notes={"kontext": _WITHOUT_A_PICTURE},
)
_chroma = replace(
    _flux1,
    name="chroma",
    title="Chroma",
    defaults=Defaults(40, 4.0, guidance=0.0),
    variants={},
    requires=("vae", "t5xxl"),
)
_flux2 = Family(
    name="flux2",
    title="FLUX.2 dev",
    defaults=Defaults(24, 1.0, guidance=4.0),
    variants={"turbo": Defaults(8, 1.0, guidance=4.0)},
    size_multiple=16,
    latent_channels=32,
    heads=48,
    hidden=6144,
    text_input="txt_in.weight",
)
_wan = Family(
    name="wan",
    title="Wan",
    defaults=Defaults(20, 6.0, native_size=_WAN_SIZE),
    variants={"lownoise": Defaults(20, 3.5, native_size=_WAN_SIZE)},
    requires=("vae", "t5xxl"),
    size_multiple=16,
    heads=40,
    hidden=5120,
    t5_title="the UMT5-XXL text encoder",
    t5_tokens=256_384,
    video_vae=True,
    variant_notes={
        "lownoise": "this is the second half of a pair, made to finish what the first half"
        " (HighNoise) began; here it draws alone"
    },
    why_not_variant={
        "highnoise": "it is the first half of a pair and leaves its pictures unfinished,"
        " and this version loads one model at a time"
    },
    instead="use the second half (LowNoise), which draws alone, or a Wan 2.1 text-to-video model",
)

_UNKNOWN_TO_THE_ENGINE = {
    "hunyuan": "HunyuanVideo or HunyuanImage",
    "ltx-video": "LTX-Video",
    "auraflow": "AuraFlow",
    "hidream": "HiDream",
    "lumina-2": "Lumina 2",
    "cosmos": "Cosmos",
}

_ALL = (
    _sd1,
    replace(_sd1, name="sd1-tiny", title="Stable Diffusion 1, small"),
    replace(
        _sd1,
        name="sd1-inpaint",
        title="Stable Diffusion 1 inpainting",
        defaults=_INPAINT,
        note=_WITHOUT_A_PICTURE,
    ),
    replace(_sd1, name="sd1-pix2pix", title="InstructPix2Pix", why_not=_NEEDS_A_PICTURE),
    replace(_sd1, name="sdxs", title="SDXS", defaults=_SDXS, requires=("taesd", "clip_l")),
    _sd2,
    replace(_sd2, name="sd2-tiny", title="Stable Diffusion 2, small", defaults=_SD1),
    replace(
        _sd2,
        name="sd2-inpaint",
        title="Stable Diffusion 2 inpainting",
        defaults=_INPAINT,
        note=_WITHOUT_A_PICTURE,
    ),
    replace(_sd2, name="sdxs-09", title="SDXS 0.9", defaults=_SDXS, requires=("taesd", "clip_l")),
    _sdxl,
    replace(
        _sdxl,
        name="sdxl-inpaint",
        title="Stable Diffusion XL inpainting",
        defaults=Defaults(50, 5.0, "karras"),
        note=_WITHOUT_A_PICTURE,
    ),
    replace(_sdxl, name="sdxl-pix2pix", title="SDXL InstructPix2Pix", why_not=_NEEDS_A_PICTURE),
    replace(_sdxl, name="sdxl-ssd1b", title="SSD-1B"),
    replace(_sdxl, name="sdxl-vega", title="Segmind Vega"),
    replace(
        _sdxl,
        name="sdxl-refiner",
        title="Stable Diffusion XL refiner",
        why_not="it refines pictures of another model, and the engine does not know it",
    ),
    replace(_sdxl, name="svd", title="Stable Video Diffusion", why_not=_FROM_A_PICTURE),
    Family(
        name="sd3",
        title="Stable Diffusion 3",
        defaults=Defaults(28, 4.5),
        variants={
            "turbo": Defaults(5, 1.0),
            "large": Defaults(25, 4.5),
            "medium": Defaults(28, 4.5),
            "3.0 medium": Defaults(25, 4.0),
        },
        requires=("vae", "clip_l", "clip_g"),
        optional=("t5xxl",),
        max_side=192 * 16,  # the engine's table of positions, twice as large for 3.5 medium
        heads=38,
        hidden=2432,
    ),
    _flux1,
    replace(
        _flux1,
        name="flux1-fill",
        title="FLUX.1 Fill",
        defaults=Defaults(20, 1.0, guidance=30.0),
        variants={},
        note=_WITHOUT_A_PICTURE,
    ),
    replace(
        _flux1,
        name="flux1-controls",
        title="FLUX.1 with a control picture",
        variants={},
        note=_WITHOUT_A_PICTURE,
    ),
    replace(_flux1, name="flex2", title="Flex.2", defaults=Defaults(25, 1.0), variants={}),
    _chroma,
    replace(
        _chroma,
        name="chroma-radiance",
        title="Chroma Radiance",
        defaults=Defaults(30, 4.0, guidance=0.0),
        requires=("t5xxl",),
        size_multiple=16,  # the engine takes any size, the network works on pieces of 16 pixels
        latent_channels=3,
    ),
    _flux2,
    replace(
        _flux2,
        name="flux2-klein",
        title="FLUX.2 klein",
        defaults=Defaults(4, 1.0),
        variants={"base": Defaults(20, 4.0)},
        heads=32,
        hidden=4096,
        vocabulary=_QWEN_VOCABULARY,
    ),
    Family(
        name="qwen-image",
        title="Qwen-Image",
        defaults=Defaults(20, 2.5),
        variants={"lightning": Defaults(8, 1.0), "edit": Defaults(20, 2.5)},
        variant_notes={"edit": _WITHOUT_A_PICTURE},
        text_input="txt_norm.weight",
        vocabulary=_QWEN_VOCABULARY,
        video_vae=True,
    ),
    Family(
        name="z-image",
        title="Z-Image",
        defaults=Defaults(20, 4.0),
        variants={"turbo": Defaults(8, 1.0)},
        heads=30,
        hidden=3840,
        text_input="cap_embedder.0.weight",
        vocabulary=_QWEN_VOCABULARY,
    ),
    Family(
        name="ovis-image",
        title="Ovis-Image",
        defaults=Defaults(50, 5.0),
        text_input="txt_in.weight",
        vocabulary=_QWEN_VOCABULARY,
    ),
    Family(
        name="anima",
        title="Anima",
        defaults=Defaults(30, 5.0),
        heads=16,
        hidden=2048,
        text_input="llm_adapter.blocks.0.cross_attn.k_proj.weight",
        vocabulary=_QWEN_VOCABULARY,
        video_vae=True,
    ),
    Family(
        name="ernie-image",
        title="ERNIE-Image",
        defaults=Defaults(50, 4.5),
        variants={"turbo": Defaults(8, 1.0)},
        size_multiple=16,
        latent_channels=32,
        heads=32,
        hidden=4096,
        text_input="text_proj.weight",
    ),
    _wan,
    replace(
        _wan,
        name="wan-ti2v",
        title="Wan 2.2 TI2V",
        defaults=Defaults(20, 6.0, native_size=(1280, 704), smallest_size=_WAN_SIZE),
        variants={},
        size_multiple=32,
        latent_channels=48,
        token_pixels=32,
        heads=24,
        hidden=3072,
        variant_notes={},
        why_not_variant={},
    ),
    replace(
        _wan,
        name="wan-i2v",
        title="Wan image-to-video",
        why_not=_FROM_A_PICTURE,
        instead=_OTHER_WAN,
    ),
    replace(
        _wan,
        name="wan-vace",
        title="Wan VACE",
        why_not="it changes given pictures and videos, which this version cannot pass to it",
        instead=_OTHER_WAN,
    ),
    *(
        Family(
            name=name,
            title=title,
            defaults=Defaults(20, 1.0),
            why_not="the engine does not know it",
        )
        for name, title in _UNKNOWN_TO_THE_ENGINE.items()
    ),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
