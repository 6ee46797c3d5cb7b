"""Floating-point operations of a model's networks, from the shapes in its headers."""

import re

from gpustack_draw.headers.tensor_table import TensorInfo
from gpustack_draw.resolver.resolved_model import ResolvedModel

# Prefixes of the diffusion model in an all-in-one file.
_MODEL_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.")
_ENCODERS = ("clip_l", "clip_g", "t5xxl", "llm")

# Multiplying and adding a weight.
_PER_WEIGHT = 2
# Scores of attention, and their product with the values: two operations each per channel.
_PER_PAIR = 4

# Tokens of a prompt, as CLIP and as other text encoders pad them.
_CLIP_TOKENS = 77
_PROMPT_TOKENS = 512
_UNET_TOKEN_PIXELS = 8

# Decoders, per pixel of the picture: counted from the layers of the VAE of SD and FLUX, and of
# TAESD. The VAE has one attention layer, with a token per square of this side.
_VAE_PER_PIXEL = 10_400_000
_TINY_VAE_PER_PIXEL = 540_000
_VAE_TOKEN_PIXELS = 8
_VAE_WIDTH = 512

_UNET_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.")
_UNET_BLOCKS_PER_LEVEL = 3
_UPSAMPLING = re.compile(r"output_blocks\.\d+\.\d+\.conv\.")
_ONCE_PER_UNET = re.compile(r"emb|attn2\.to_[kv]\.")  # and for the tokens of the prompt

_BLOCK = re.compile(r"(?:^|\.)((?:double_|single_|joint_|transformer_)?(?:blocks|layers)\.\d+)\.")
_ONCE_PER_BLOCK = re.compile(r"mod|adaLN|embed|norm")
_OF_PROMPT = re.compile(r"txt|context_block|\.add_|to_add_out|cross_attn\.[kv]\.")
_OF_PICTURE = re.compile(r"img|x_block|transformer_blocks")
_EMBEDDING_TABLE = re.compile(r"token_emb|embed_tokens|position_emb|shared\.weight")


def network_tensors(model: ResolvedModel) -> dict[str, TensorInfo]:
    """Return the tensors of the diffusion model by their names without prefix; empty if unknown."""
    found = {}
    for component, tensor in model.tensors:
        prefix = next((each for each in _MODEL_PREFIXES if tensor.name.startswith(each)), "")
        if component == "diffusion_model" or (prefix and not component):
            found[tensor.name.removeprefix(prefix)] = tensor
    return found


def network_bytes(model: ResolvedModel) -> int:
    """Return the bytes of the diffusion model in its file; of all files if they are unknown."""
    return sum(tensor.bytes for tensor in network_tensors(model).values()) or model.weight_bytes


def evaluation_operations(model: ResolvedModel, pixels: int, reference_pixels: int = 0) -> float:
    """Return the operations of one evaluation of the diffusion model.

    Args:
        model: The model.
        pixels: Pixels of the picture.
        reference_pixels: Pixels of the pictures that the model looks at.
    """
    tensors, family = network_tensors(model), model.family
    if family.unet:
        operations = _unet_operations(tensors, pixels / _UNET_TOKEN_PIXELS**2)
    else:
        tokens = (pixels + reference_pixels) / family.token_pixels**2
        operations = _transformer_operations(tensors, tokens, family.hidden)
    if operations:
        return operations
    tokens = pixels / family.token_pixels**2
    return _PER_WEIGHT * model.weight_bytes * tokens  # about a byte per weight


def _unet_operations(tensors: dict[str, TensorInfo], latent_pixels: float) -> float:
    numbers = [int(found[2]) for name in tensors if (found := _UNET_BLOCK.match(name))]
    lowest = max(numbers, default=0) // _UNET_BLOCKS_PER_LEVEL
    operations = 0.0
    for name, tensor in tensors.items():
        if len(tensor.shape) < 2 or _ONCE_PER_UNET.search(name):
            continue
        tokens = latent_pixels / 4 ** _unet_level(name, lowest)
        operations += _PER_WEIGHT * tensor.elements * tokens
        if name.endswith("attn1.to_q.weight"):
            operations += _PER_PAIR * tokens**2 * tensor.shape[-1]
    return operations


def _unet_level(name: str, lowest: int) -> int:
    """Return how often the latent is halved before a tensor is used."""
    found = _UNET_BLOCK.match(name)
    if found is None:
        return lowest if name.startswith("middle_block.") else 0
    level = int(found[2]) // _UNET_BLOCKS_PER_LEVEL
    if found[1] == "input":
        return level
    return lowest - level - (1 if _UPSAMPLING.match(name) else 0)


def _transformer_operations(tensors: dict[str, TensorInfo], tokens: float, hidden: int) -> float:
    operations, blocks = 0.0, set()
    for name, tensor in tensors.items():
        block = _BLOCK.search(name)
        if block is None or len(tensor.shape) < 2 or _ONCE_PER_BLOCK.search(name):
            continue
        blocks.add(block[1])
        if _OF_PROMPT.search(name):
            used = float(_PROMPT_TOKENS)
        else:
            used = tokens + (0 if _OF_PICTURE.search(name) else _PROMPT_TOKENS)
        operations += _PER_WEIGHT * tensor.elements * used
    return operations + len(blocks) * _PER_PAIR * (tokens + _PROMPT_TOKENS) ** 2 * hidden


def prompt_operations(model: ResolvedModel) -> tuple[float, int]:
    """Return the operations of encoding one prompt, and the bytes of the text encoders."""
    operations, size = 0.0, 0
    for component, tensor in model.tensors:
        if component in _ENCODERS:
            size += tensor.bytes
            if not _EMBEDDING_TABLE.search(tensor.name):
                operations += _PER_WEIGHT * tensor.elements * _tokens_of(component)
    for file in model.files:
        tensors = () if file.header is None else file.header.tensors.values()
        if file.component in _ENCODERS and not any(tensor.bytes for tensor in tensors):
            size += file.bytes
            # About a byte per weight.
            operations += _PER_WEIGHT * file.bytes * _tokens_of(file.component)
    return operations, size


def _tokens_of(encoder: str) -> int:
    return _CLIP_TOKENS if encoder.startswith("clip") else _PROMPT_TOKENS


def decoding_operations(model: ResolvedModel, pixels: int) -> tuple[float, str]:
    """Return the operations of decoding a picture, and the kind of decoder."""
    if model.path_of("taesd") is not None or "vae" not in model.family.requires:
        return float(_TINY_VAE_PER_PIXEL * pixels), "taesd"
    kind = "video" if model.family.video_vae else "vae"
    tokens = pixels / _VAE_TOKEN_PIXELS**2
    return _VAE_PER_PIXEL * pixels + _PER_PAIR * tokens**2 * _VAE_WIDTH, kind
