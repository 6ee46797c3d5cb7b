"""Formats of quantized weights that the engine does not read, recognized by tensor names.

The engine would load such a file completely, and then miss weights or draw noise.
Facts from the public source of each tool, read 2026-11-29.
"""

from collections.abc import Mapping

from gpustack_draw.errors import ModelFileError, quoted

PLAIN_TYPE_HINT = "use a GGUF file, or a safetensors file in F16, BF16 or F32, of the same model"

# Formats by suffixes of tensor names, all of which must occur. The first match decides, so a format
# precedes those that share suffixes with it.
_FORMATS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("SVDQuant (Nunchaku)", (".smooth_factor",)),
    ("SVDQuant (Nunchaku)", (".wscales",)),
    ("GPTQ", (".qweight", ".qzeros", ".g_idx")),
    ("AWQ", (".qweight", ".qzeros")),
    ("GPTQ", (".qweight",)),
    ("bitsandbytes NF4", (".bitsandbytes__nf4",)),
    ("bitsandbytes FP4", (".bitsandbytes__fp4",)),
    ("bitsandbytes 4-bit", (".absmax", ".quant_map")),
    ("bitsandbytes INT8", (".SCB",)),
    ("Quanto", ("._data", "._scale")),
    ("HQQ", (".W_q",)),
    ("DFloat11", (".encoded_exponent", ".sign_mantissa")),
    ("SDNQ", (".svd_up", ".svd_down")),
    ("compressed-tensors", (".weight_packed",)),
    ("NVFP4", (".weight_scale", ".weight_scale_2")),
    ("ComfyUI mixed-precision", (".comfy_quant",)),
    ("MLX", (".scales", ".biases")),
)
# Scales of weights that are stored in 8 bits; the engine reads the weights and ignores the scales.
_SCALES = (".scale_weight", ".weight_scale", ".weight_scale_inv")
_MARK_OF_SCALED_FP8 = ".scaled_fp8"
_EIGHT_BIT_INTEGERS = frozenset(("I8", "U8"))


def check_weight_format(types: Mapping[str, str], label: str) -> None:
    """Raise if weights are quantized in a format that the engine does not read.

    Args:
        types: Type of each tensor, by name.
        label: Name of the file in messages.

    Raises:
        ModelFileError: The engine does not read the format.
    """
    title = _format_of(types)
    if title:
        raise ModelFileError(
            f"{quoted(label)} is quantized in the {title} format, which the engine does not read",
            hint=PLAIN_TYPE_HINT,
        )


def _format_of(types: Mapping[str, str]) -> str:
    endings = {"." + name.rpartition(".")[2] for name in types}
    for title, needed in _FORMATS:
        if endings.issuperset(needed):
            return title
    for scale in _SCALES:
        scaled = [name.removesuffix(scale) for name in types if name.endswith(scale)]
        if scaled:
            weight = types.get(f"{scaled[0]}.weight", "")
            return "scaled INT8" if weight in _EIGHT_BIT_INTEGERS else "scaled FP8"
    return "scaled FP8" if _MARK_OF_SCALED_FP8 in endings else ""
