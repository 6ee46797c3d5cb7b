"""Quantization formats that the engine does not read are refused by name."""

import json
from pathlib import Path

import model_files as files
import pytest
from loopback_hub import LoopbackHub

from gpustack_draw.cli.main import main
from gpustack_draw.errors import ModelFileError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.resolve import resolve_model

HINT = "use a GGUF file, or a safetensors file in F16, BF16 or F32, of the same model"
LAYER = "transformer_blocks.0.attn.to_q"
BNB = {"weight": "U8", "weight.absmax": "U8", "weight.quant_map": "F32"}
# Type of each tensor of a layer, as written by the named tool.
FORMATS: dict[str, tuple[str, dict[str, str]]] = {
    "Nunchaku": (
        "SVDQuant (Nunchaku)",
        {
            "qweight": "I8",
            "wscales": "BF16",
            "smooth_factor": "BF16",
            "smooth_factor_orig": "BF16",
            "proj_down": "BF16",
            "proj_up": "BF16",
        },
    ),
    "Nunchaku, older": (
        "SVDQuant (Nunchaku)",
        {"qweight": "I8", "wscales": "BF16", "lora_down": "BF16", "lora_up": "BF16"},
    ),
    "Nunchaku, AWQ layers": (
        "SVDQuant (Nunchaku)",
        {"qweight": "I32", "wscales": "BF16", "wzeros": "BF16"},
    ),
    "GPTQ": ("GPTQ", {"qweight": "I32", "qzeros": "I32", "scales": "F16", "g_idx": "I32"}),
    "GPTQ, symmetric": ("GPTQ", {"qweight": "I32", "scales": "F16"}),
    "AWQ": ("AWQ", {"qweight": "I32", "qzeros": "I32", "scales": "F16"}),
    "NF4": ("bitsandbytes NF4", {**BNB, "weight.quant_state.bitsandbytes__nf4": "U8"}),
    "FP4": ("bitsandbytes FP4", {**BNB, "weight.quant_state.bitsandbytes__fp4": "U8"}),
    "4-bit without its state": ("bitsandbytes 4-bit", BNB),
    "LLM.int8": ("bitsandbytes INT8", {"weight": "I8", "SCB": "F32", "weight_format": "U8"}),
    "Quanto": (
        "Quanto",
        {"weight._data": "I8", "weight._scale": "BF16", "input_scale": "F32"},
    ),
    "HQQ": ("HQQ", {"W_q": "U8", "scale": "F16", "zero": "F16", "group_size": "I32"}),
    "DFloat11": (
        "DFloat11",
        {"encoded_exponent": "U8", "sign_mantissa": "U8", "luts": "U8", "gaps": "U8"},
    ),
    "SDNQ": (
        "SDNQ",
        {"weight": "U8", "scale": "F32", "zero_point": "F32", "svd_up": "F32", "svd_down": "F32"},
    ),
    "compressed-tensors": (
        "compressed-tensors",
        {"weight_packed": "I32", "weight_scale": "BF16", "weight_shape": "I64"},
    ),
    "ModelOpt": (
        "NVFP4",
        {"weight": "U8", "weight_scale": "F8_E4M3", "weight_scale_2": "F32"},
    ),
    "MLX": ("MLX", {"weight": "U32", "scales": "F16", "biases": "F16"}),
    "ComfyUI": (
        "ComfyUI mixed-precision",
        {"weight": "F8_E4M3", "weight_scale": "F32", "comfy_quant": "U8"},
    ),
    "ComfyUI, older": ("scaled FP8", {"weight": "F8_E4M3", "scale_weight": "F32"}),
    "blocks of FP8": ("scaled FP8", {"weight": "F8_E4M3", "weight_scale_inv": "F32"}),
    "INT8 with scales": ("scaled INT8", {"weight": "I8", "weight_scale": "F32"}),
}
BYTES = {**files.SAFETENSORS_BYTES, "I8": 1, "I32": 4, "U32": 4}


def safetensors(types: dict[str, str]) -> bytes:
    """Write a file of one layer; each tensor has 32x32 elements."""
    table, place = {}, 0
    for name, kind in types.items():
        end = place + 32 * 32 * BYTES[kind]
        table[f"{LAYER}.{name}"] = {"dtype": kind, "shape": [32, 32], "data_offsets": [place, end]}
        place = end
    return files.safetensors_header(table) + bytes(place)


@pytest.mark.parametrize(("title", "types"), FORMATS.values(), ids=FORMATS)
def test_a_format_is_refused_by_name(title: str, types: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors(types))
    with pytest.raises(ModelFileError) as caught:
        read_model_header(path, label="x.safetensors")
    assert (caught.value.message, caught.value.hint) == (
        f"'x.safetensors' is quantized in the {title} format, which the engine does not read",
        HINT,
    )


def test_the_marker_of_scaled_weights_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(files.safetensors_bytes({"scaled_fp8": ((1,), "F8_E4M3")}))
    with pytest.raises(ModelFileError, match="in the scaled FP8 format"):
        read_model_header(path)


def test_weights_in_plain_fp8_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors({"weight": "F8_E4M3", "bias": "F16", "scale": "F32"}))
    assert len(read_model_header(path).tensors) == 3


def test_a_model_on_the_hub_is_refused_before_it_is_fetched(
    server: LoopbackHub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.use(monkeypatch, tmp_path)
    title, types = FORMATS["Nunchaku"]
    weights = safetensors(types) + bytes(3_000_000)
    server.add("acme/svdq", {"svdq-int4.safetensors": weights})
    reference = "hf.co/acme/svdq:svdq-int4.safetensors"
    assert main([reference, "a cat", "--dry-run"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        (
            f"gpustack-draw: '{reference}' is quantized in the {title} format, which the engine"
            " does not read"
        ),
        f"gpustack-draw: {HINT}",
    ]
    assert server.bytes_sent < 2_000_000


FILES: dict[str, tuple[str, bytes, str]] = {
    "ONNX": ("model.onnx", b"\x08\x08\x12\x07pytorch:" + bytes(99), "an ONNX model"),
    "TensorRT": ("unet.plan", b"ftrt" + bytes(99), "a TensorRT engine"),
    "TensorRT under another name": ("unet.bin", b"ptrt" + bytes(99), "a TensorRT engine"),
    "TensorRT behind metadata": ("x.engine", b"\x10\0\0\0{}" + bytes(99), "a TensorRT engine"),
    "Core ML": ("x.mlmodel", b"\x08\x04\x12\x05" + bytes(99), "a Core ML model"),
    "TensorFlow Lite": ("x.tflite", b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model"),
    "OpenVINO": (
        "openvino_model.xml",
        b'<?xml version="1.0"?>\n<net name="Model0" version="11">',
        "an OpenVINO model",
    ),
}


@pytest.mark.parametrize(("name", "data", "kind"), FILES.values(), ids=FILES)
def test_the_message_names_the_format_of_another_program(
    name: str, data: bytes, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        read_model_header(path, label=name)
    assert (caught.value.message, caught.value.hint) == (f"'{name}' is {kind}", HINT)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("unet/model.onnx", "an ONNX model"),
        ("transformer/openvino_model.xml", "an OpenVINO model"),
        ("unet.mlmodelc/model.mil", "a Core ML model"),
        ("unet.engine", "a TensorRT engine"),
    ],
)
def test_the_message_names_the_format_of_a_folder(
    file: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("sd15") / file
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({}))
    with pytest.raises(ModelFileError) as caught:
        resolve_model(parse_model_reference("sd15"))
    assert (caught.value.message, caught.value.hint) == (f"'sd15' is a folder of {kind}", HINT)
