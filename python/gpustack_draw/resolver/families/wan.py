"""The families of Wan, which draw single pictures here."""

from dataclasses import replace

from gpustack_draw.resolver import component_sources as sources
from gpustack_draw.resolver.families.family import FLOW_OPTIONS, Defaults, Family
from gpustack_draw.resolver.families.picture_inputs import PictureInputs
from gpustack_draw.resolver.families.shared import ANIMATES_A_PICTURE

_SIZE = (832, 480)
_OTHER_WAN = "use a text-to-video model of Wan, which draws single pictures, or a text-to-image one"

_wan = Family(
    name="wan",
    title="Wan",
    defaults=Defaults(20, 6.0, native_size=_SIZE),
    variants={"lownoise": Defaults(20, 3.5, native_size=_SIZE)},
    requires=("vae", "t5xxl"),
    sources={"vae": sources.WAN_VAE, "t5xxl": sources.UMT5XXL},
    evidence=("blocks.0.cross_attn.norm_k.weight",),  # Anima has it, too, and comes first
    size_multiple=16,
    options=FLOW_OPTIONS,
    network="wan",
    network_heads={(30, 1536): 12, (40, 5120): 40},
    heads=40,
    hidden=5120,
    t5_title="the UMT5-XXL text encoder",
    t5_tokens=256_384,
    video_vae=True,
    pictures=PictureInputs(start=False),  # drawn as a video of one frame
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

# Sizes and additional tensors distinguish the others from Wan.
FAMILIES = (
    _wan,
    replace(
        _wan,
        name="wan-ti2v",
        title="Wan 2.2 TI2V",
        defaults=Defaults(20, 6.0, native_size=(1280, 704), smallest_size=_SIZE),
        variants={},
        sources={"vae": sources.WAN22_VAE, "t5xxl": sources.UMT5XXL},
        evidence=(),
        size_multiple=32,
        latent_channels=48,
        token_pixels=32,
        network_heads={(30, 3072): 24},
        heads=24,
        hidden=3072,
        variant_notes={},
        why_not_variant={},
    ),
    replace(
        _wan,
        name="wan-i2v",
        title="Wan image-to-video",
        evidence=(),
        why_not=ANIMATES_A_PICTURE,
        instead=_OTHER_WAN,
    ),
    replace(
        _wan,
        name="wan-vace",
        title="Wan VACE",
        evidence=(),
        why_not="it changes input pictures and videos, which this version cannot pass to it",
        instead=_OTHER_WAN,
    ),
)
