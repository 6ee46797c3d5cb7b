"""Memory of a sampling step: one run of the diffusion network.

The buffer of a network is as large as its largest layer. That is a feed-forward layer, whose maps
are several times as wide as a token, or for large pictures the attention, whose scores grow with
the square of the tokens. A guided step runs the network twice in the same buffer, or both at once.

Maps are counted as numbers of four bytes per token and channel. They are those of the engine's
buffers ("unet compute buffer size: 420.48 MB" at 1024x1024 is 16384 tokens x 320 channels x 21
maps), which benchmarks/memory_peaks prints.
"""

from dataclasses import dataclass

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.attention import Attention
from gpustack_draw.memory.work import Work
from gpustack_draw.resolver.families import Family


@dataclass(frozen=True, kw_only=True)
class _Layers:
    """Maps of the layers of a network, per token and channel.

    Attributes:
        feed_forward: Maps of the largest layer without attention.
        copied: The same with convolutions that copy their input; 0 for as many.
        copied_with_flash: Maps of the largest convolution that copies its input, where no layer
            stores its scores, as on GPUs.
        flash: Maps around flash attention.
        scores: Maps around attention that stores its scores.
        positions: Numbers per token of its position, of any width.
        fixed_bytes: Bytes at any size: the embedding of the time, and the deeper levels of a UNet.
        copied_bytes: Bytes that copied features add at any size.
        prompt_tokens: Tokens of the prompt beside those of the picture.
    """

    feed_forward: float
    flash: float
    scores: float
    copied: float = 0
    copied_with_flash: float = 0
    fixed_bytes: int = 2_000_000
    copied_bytes: int = 0
    positions: int = 0
    prompt_tokens: int = 0


# The first level of a UNet: 14 maps of a feed-forward layer and the maps that skip to the output.
# Its convolutions need as much, with or without copied features.
_UNET = _Layers(feed_forward=22, copied_with_flash=24.8, flash=8, scores=14, copied_bytes=7_000_000)
# Without attention at the first level, its convolutions count, per token of the second level.
_DEEP_UNET = _Layers(
    feed_forward=27.5,
    copied=34,
    copied_with_flash=49.5,
    flash=14,
    scores=23,
    copied_bytes=48_000_000,
)
_MMDIT = _Layers(feed_forward=9.8, flash=4.8, scores=8, prompt_tokens=2 * 77)
_FLUX1 = _Layers(feed_forward=15.4, flash=15.4, scores=14, fixed_bytes=6_000_000, prompt_tokens=256)
_FLUX2 = _Layers(
    feed_forward=19.7, flash=19.5, scores=16, fixed_bytes=0, positions=400, prompt_tokens=512
)
# The prompt has an attention of its own.
_WAN = _Layers(feed_forward=9, flash=6, scores=7.5, fixed_bytes=14_000_000)
# Not measured: the networks of other families, which are similar.
_OTHERS = _FLUX2
# The products of a LoRA are added to those of the matrices that it changes, not in the largest
# layer of a UNet.
_LORA_SHARE = 0.07
# Pixels up to which a UNet evaluates both conditions at once, 48 x 48 latent pixels:
# cpp/engine/paired_unet.h.
_PAIRED_PIXELS = (48 * 8) ** 2
# A ControlNet, per token and channel: its layers, and what it adds to those of the UNet.
_CONTROL_MAPS = 30


def sampling_bytes(work: Work) -> int:
    """Return the bytes of a sampling step beside the weights.

    Args:
        work: The drawing.
    """
    family, layers = work.model.family, _layers_of(work.model.family)
    pictures = work.pictures or EnginePictures()
    pixels = work.width * work.height
    if not family.unet:  # which reads a reference beside the latent
        pixels += sum(int(array.shape[0] * array.shape[1]) for array in pictures.references)
    places = -(-pixels // family.token_pixels**2)
    tokens = places + layers.prompt_tokens
    stores_scores = work.device.stores_scores and not work.choices.flash_attention
    copies = work.device.copies_features
    maps = layers.copied if copies and layers.copied else layers.feed_forward
    needed = max(
        int(4 * tokens * (maps * family.hidden + layers.positions)),
        _attention(family, tokens, layers.scores if stores_scores else layers.flash).bytes(
            stores_scores=stores_scores, masks_padding=work.device.is_gpu
        ),
    )
    if work.addition_bytes and not family.unet:
        needed += int(needed * _LORA_SHARE)
    needed += layers.fixed_bytes + layers.copied_bytes * copies
    if family.unet and work.device.evaluates_pairs and pixels <= _PAIRED_PIXELS:
        needed *= 2
    if copies and not stores_scores:
        needed = max(needed, int(4 * tokens * layers.copied_with_flash * family.hidden))
    if pictures.control is not None and family.pictures.control_net:
        # It has no flash attention anywhere, and keeps its buffer while the UNet runs.
        needed += _attention(family, tokens, _CONTROL_MAPS).bytes(stores_scores=True)
    return needed


def _attention(family: Family, tokens: int, maps: float) -> Attention:
    return Attention(tokens, tokens, heads=family.heads, width=family.hidden, maps=maps)


def _layers_of(family: Family) -> _Layers:
    if family.unet:
        return _UNET if family.token_pixels == 8 else _DEEP_UNET
    if family.network == "wan":
        return _WAN
    if family.network == "mmdit":
        return _MMDIT
    if family.network == "flux":
        return _FLUX1 if family.latent_channels == 16 else _FLUX2
    return _OTHERS
