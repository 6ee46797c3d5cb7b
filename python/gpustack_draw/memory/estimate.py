"""Estimated memory of a drawing, phase by phase."""

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.memory_plan import PhaseBytes
from gpustack_draw.memory.work import Work
from gpustack_draw.resolver.families import Family
from gpustack_draw.resolver.resolved_model import ResolvedModel

# Bytes that the engine allocates beside the weights, mostly as its log reports them ("compute
# buffer size: 1922.00 MB" at 1024x1024).
# Decoder, per pixel: feature maps and im2col copies of its last, full-size layers. Measured for
# TAESD at 128 to 1024 pixels; estimated for the VAE.
VAE_BYTES_PER_PIXEL = 6_500
TINY_VAE_BYTES_PER_PIXEL = 1_925
# Decoder of Wan models, per pixel, by number of latent channels. Measured at 64 (and 256) pixels.
VIDEO_VAE_BYTES_PER_PIXEL = {16: 7_600, 48: 10_300}
# Attention scores of one layer without flash attention, per pair of tokens and head.
SCORE_BYTES = 4
# Everything else in a layer, per token and hidden channel.
TOKEN_BYTES = 60
# The same on the device FastCPU, which copies no feature maps and stores no scores. Measured at
# 256, 512 and 1024 pixels with SD 1.5, FLUX.2 and TAESD ("vae compute buffer size: 2820.00 MB" at
# 1024x1024).
FAST_VAE_BYTES_PER_PIXEL = 2_850
FAST_TINY_VAE_BYTES_PER_PIXEL = 950
FAST_TOKEN_BYTES = 90
# A ControlNet, per token and hidden channel: its layers, and what it adds to those of the UNet.
CONTROL_TOKEN_BYTES = 120
# The picture into which tiles are merged, per pixel: its numbers, and its bytes.
MERGED_BYTES_PER_PIXEL = 30
# An input picture, per pixel: its bytes in both processes, and the numbers that the engine makes of
# them.
INPUT_BYTES_PER_PIXEL = 60
# Tokens of the prompt, in addition to those of the picture.
PROMPT_TOKENS = 512
# The program itself, its buffers and the picture.
BASE_BYTES = 100_000_000
# The attention layer of the VAE has one token per square of this side, in pixels.
_VAE_TOKEN_PIXELS = 8


def estimate(work: Work) -> PhaseBytes:
    """Estimate the memory of loading a model and drawing one picture, on the device that computes.

    The weights stay in memory, and so do the input pictures. Encoding them, sampling and decoding
    follow each other. Encoding a picture needs as much as decoding one of the same size (measured
    with TAESD at 512x512: 205 instead of 237 MB on FastCPU; at 256x256: 130 instead of 126 MB on
    the CPU).

    Args:
        work: The drawing.
    """
    pictures = work.pictures or EnginePictures()
    references = [int(array.shape[0] * array.shape[1]) for array in pictures.references]
    sized = sum(array is not None for array in (pictures.mask, pictures.control))
    sized += work.starts_from_picture or pictures.image is not None
    pixels = work.width * work.height
    return PhaseBytes(
        base=BASE_BYTES,
        weights=work.model.weight_bytes + work.addition_bytes,
        inputs=(sized * pixels + sum(references)) * INPUT_BYTES_PER_PIXEL,
        sampling=_sampling_bytes(work, pixels + sum(references), pictures),
        decoding=_tiled_bytes(work, max([pixels, *references])),
    )


def estimate_host(work: Work) -> PhaseBytes:
    """Estimate the memory of the machine that a drawing on a GPU needs, beside that of the GPU.

    Args:
        work: The drawing.
    """
    needed = estimate(work)
    return PhaseBytes(
        base=needed.base,
        weights=needed.weights if work.choices.offload else 0,
        inputs=needed.inputs,
    )


def _tiled_bytes(work: Work, pixels: int) -> int:
    copies, tiles = work.device.copies_features, work.tiles
    if tiles is None:
        return _decoding_bytes(work.model, pixels, copies=copies)
    tile_pixels = tiles.encoded_pixels if work.encodes_pictures else tiles.pixels
    of_tile = _decoding_bytes(work.model, min(tile_pixels, pixels), copies=copies)
    return of_tile + pixels * MERGED_BYTES_PER_PIXEL


def _sampling_bytes(work: Work, pixels: int, pictures: EnginePictures) -> int:
    family = work.model.family
    tokens = pixels // family.token_pixels**2
    tokens += 0 if family.unet else PROMPT_TOKENS
    token_bytes = TOKEN_BYTES if work.device.copies_features else FAST_TOKEN_BYTES
    needed = tokens * family.hidden * token_bytes
    if work.device.stores_scores:
        needed += tokens**2 * family.heads * SCORE_BYTES
    if pictures.control is not None and family.pictures.control_net:
        needed += _control_net_bytes(family, tokens)
    return needed


def _control_net_bytes(family: Family, tokens: int) -> int:
    """Return the bytes of a ControlNet beside its weights; it has no flash attention anywhere."""
    return tokens * family.hidden * CONTROL_TOKEN_BYTES + tokens**2 * family.heads * SCORE_BYTES


def _decoding_bytes(model: ResolvedModel, pixels: int, *, copies: bool) -> int:
    family = model.family
    if model.path_of("taesd") is not None or "vae" not in family.requires:
        return pixels * (TINY_VAE_BYTES_PER_PIXEL if copies else FAST_TINY_VAE_BYTES_PER_PIXEL)
    if family.video_vae:  # its 3D convolutions run in ggml's own code on every device
        latent_pixels = pixels // (family.token_pixels // 2) ** 2
        bytes_per_pixel = VIDEO_VAE_BYTES_PER_PIXEL[family.latent_channels]
        return pixels * bytes_per_pixel + latent_pixels**2 * SCORE_BYTES
    if not copies:
        return pixels * FAST_VAE_BYTES_PER_PIXEL
    return pixels * VAE_BYTES_PER_PIXEL + (pixels // _VAE_TOKEN_PIXELS**2) ** 2 * SCORE_BYTES
