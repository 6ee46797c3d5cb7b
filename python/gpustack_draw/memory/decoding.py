"""Memory of the autoencoder, which decodes the picture and encodes input pictures.

The graph of a decoder is largest in its last, full-size layers: there it holds a few feature maps
at a time, each of some channels of four bytes per pixel. With copied features, a convolution of
3x3 also holds nine copies of its input in two bytes each. The numbers of maps are those of the
engine's buffers ("vae compute buffer size: 2816.25 MB" at 1024x1024 is 22 bytes x 128 channels),
which benchmarks/memory_peaks prints.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpustack_draw.memory.attention import Attention
from gpustack_draw.memory.work import Work
from gpustack_draw.resolver.resolved_model import ResolvedModel

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class _Maps:
    """Bytes per pixel and channel of the widest full-size layers.

    Attributes:
        direct: With convolutions that read their input in place.
        copied: With convolutions that copy their input.
    """

    direct: float
    copied: float

    def bytes_with(self, *, copies: bool) -> float:
        """Return the bytes per pixel and channel."""
        return self.copied if copies else self.direct


# AutoencoderKL, by the channels of its narrowest level. Decoding ends with 256 channels in and 128
# out: input, its norm and output, beside a hole that the layer before left.
_DECODER = _Maps(22, 52)
_ENCODER = _Maps(12.2, 26.6)
# In Stable Diffusion XL the engine scales each convolution of a VAE in the model's own file, in a
# copy of its input.
_SCALED_DECODER = _Maps(30, 60)
_SCALED_ENCODER = _Maps(12.2, 30.6)
_NARROWEST = 128
# The tiny autoencoder has 64 channels at full size.
_TINY_DECODER = _Maps(898 / 64, 1922 / 64)
_TINY_ENCODER = _Maps(780 / 64, 1986 / 64)
_TINY_CHANNELS = 64
# Autoencoders for videos, per pixel, by number of latent channels: their 3D convolutions run in
# ggml's own code on every device. Measured at 64 to 1024 pixels; that with 48 channels at 64.
_VIDEO_BYTES = {16: 7_700, 48: 10_300}
# The attention of an autoencoder has one head of four times the narrowest width, over squares of
# this side in pixels.
_TOKEN_PIXELS = 8
_WIDENING = 4
# The picture beside the graph, per pixel: its numbers, once as a result and once for sums, and the
# picture into which tiles are merged.
_PICTURE_BYTES = 24
_MERGED_BYTES = 12
_DECODER_INPUT = re.compile(r"(^|\.)decoder\.conv_in\.weight$")


def decoding_bytes(work: Work) -> int:
    """Return the bytes of decoding the picture, or of encoding an input picture if that needs more.

    Args:
        work: The drawing.
    """
    drawn, tiles = work.width * work.height, work.tiles
    encoded = [] if work.pictures is None else [_pixels(each) for each in work.pictures.references]
    if work.encodes_pictures:
        encoded.append(drawn)
    largest = max([drawn, *encoded])
    numbers = largest * _PICTURE_BYTES
    if tiles is not None:
        numbers += largest * _MERGED_BYTES
        drawn = min(drawn, tiles.pixels)
        encoded = [min(each, tiles.encoded_pixels) for each in encoded]
    if work.first_size is not None:
        # Its tiles may be larger than those of the second pass, which are cut evenly.
        first = work.tiles_of(work.first_size)
        width, height = work.first_size
        drawn = max(drawn, width * height if first is None else first.pixels)
    graphs = [_graph_bytes(work, drawn, decodes=True)]
    graphs += [_graph_bytes(work, each, decodes=False) for each in encoded]
    return numbers + int(max(graphs))


def _pixels(array: "np.ndarray[Any, Any]") -> int:
    return int(array.shape[0] * array.shape[1])


def _graph_bytes(work: Work, pixels: int, *, decodes: bool) -> float:
    model, device = work.model, work.device
    family, copies = model.family, device.vae_copies_features
    if model.path_of("taesd") is not None or "vae" not in family.requires:
        maps = _TINY_DECODER if decodes else _TINY_ENCODER
        return pixels * _TINY_CHANNELS * maps.bytes_with(copies=copies)
    if family.video_vae:
        places = pixels // (family.token_pixels // 2) ** 2
        return max(pixels * _VIDEO_BYTES[family.latent_channels], 4 * places**2)
    maps = _DECODER if decodes else _ENCODER
    if "clip_g" in family.requires and family.unet and model.path_of("vae") is None:
        maps = _SCALED_DECODER if decodes else _SCALED_ENCODER
    channels, tokens = _narrowest_width(model), pixels // _TOKEN_PIXELS**2
    attention = Attention(tokens, tokens, heads=1, width=_WIDENING * channels)
    return max(
        pixels * channels * maps.bytes_with(copies=copies),
        attention.bytes(stores_scores=device.stores_scores),
    )


def _narrowest_width(model: ResolvedModel) -> int:
    """Return the channels of the decoder at full size, which distilled decoders have fewer of."""
    for component, tensor in model.tensors:
        if component == "vae" and _DECODER_INPUT.search(tensor.name) and len(tensor.shape) == 4:
            return tensor.shape[3] // _WIDENING
    return _NARROWEST
