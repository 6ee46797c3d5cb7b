"""Files that are no usable LoRAs are refused by their headers, with one sentence and a hint."""

import struct
from pathlib import Path

import model_files as files
import pytest
from lora_files import LABEL, convolution, factors

from gpustack_draw.errors import ModelFileError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.resolver.loras.read_lora import read_lora

ANOTHER = "use another file of the same LoRA"
AGAIN = "download or copy it again"
ORDINARY = "use a version of it that was saved as an ordinary LoRA"
A = "diffusion_model.double_blocks.0.img_attn.proj"
ONE = factors(A)
UNKNOWN_NAMES = "is a LoRA with names that the engine does not know"
F16 = "F16"


def refused(kind: str) -> str:
    return f"'{LABEL}' is {kind}, which the engine does not apply"


def no_lora(what: str) -> str:
    return f"'{LABEL}' is {what}, not a LoRA"


def unused(what: str) -> str:
    return f"'{LABEL}' is {what}, which this version does not use"


def damaged(module: str, problem: str) -> str:
    return f"'{LABEL}' is damaged: module '{module}' {problem}"


def with_ending(ending: str, shape: files.Shape = (64,)) -> files.Tensors:
    return {**ONE, f"{A}.{ending}": (shape, F16)}


# Tensors, message and hint.
UNUSABLE: dict[str, tuple[files.Tensors, str, str]] = {
    "DoRA": (with_ending("dora_scale"), refused("a DoRA"), ORDINARY),
    "DoRA of PEFT": (with_ending("lora_magnitude_vector"), refused("a DoRA"), ORDINARY),
    "XLabs": (
        {
            "double_blocks.0.processor.qkv_lora1.down.weight": ((64, 4), F16),
            "double_blocks.0.processor.qkv_lora1.up.weight": ((4, 64), F16),
        },
        refused("a LoRA in XLabs' format"),
        ORDINARY,
    ),
    "XLabs, whose names end as those of diffusers": (
        {
            "single_blocks.0.processor.qkv_lora.down.weight": ((64, 4), F16),
            "single_blocks.0.processor.qkv_lora.up.weight": ((4, 64), F16),
        },
        refused("a LoRA in XLabs' format"),
        ORDINARY,
    ),
    "OFT": ({f"{A}.oft_blocks": ((4, 4, 8), F16)}, refused("an OFT adapter"), ORDINARY),
    "(IA)3": ({f"{A}.on_input": ((1,), F16)}, refused("an (IA)³ adapter"), ORDINARY),
    "GLoRA": ({f"{A}.a1.weight": ((64, 4), F16)}, refused("a GLoRA"), ORDINARY),
    "VeRA": ({f"{A}.vera_lambda_b": ((64,), F16)}, refused("a VeRA adapter"), ORDINARY),
    "LoKr with a core": (
        with_ending("lokr_t2", (3, 3, 4, 4)),
        refused("a LoKr with a Tucker core"),
        ORDINARY,
    ),
    "a LoRA of llama.cpp": (
        {
            "blk.0.attn_q.weight.lora_a": ((64, 4), F16),
            "blk.0.attn_q.weight.lora_b": ((4, 64), F16),
        },
        refused("a LoRA for a language model of llama.cpp"),
        ORDINARY,
    ),
    "unknown names of factors": (
        {f"{A}.lokr_w1.weight": ((8, 8), F16), f"{A}.lokr_w2.weight": ((8, 8), F16)},
        f"'{LABEL}' {UNKNOWN_NAMES}, for example '{A}.lokr_w1.weight'",
        ORDINARY,
    ),
    "two adapters": (
        {
            f"{A}.lora_{factor}.{name}.weight": (shape, F16)
            for name in ("one", "two")
            for factor, shape in (("A", (64, 4)), ("B", (4, 64)))
        },
        f"'{LABEL}' has the same factor twice: '{A}.lora_A.one.weight' and '{A}.lora_A.two.weight'",
        ANOTHER,
    ),
    "a model": (files.SD3, no_lora("a model (Stable Diffusion 3)"), "name it as the model"),
    "a model that the engine lacks": (
        {"patchify_proj.weight": ((64, 64), F16)},
        no_lora("a model (LTX-Video)"),
        "name it as the model",
    ),
    "a VAE": (
        files.VAE_16,
        no_lora("a VAE (which turns the result into pixels)"),
        "name it with vae",
    ),
    "a text encoder": (files.T5, no_lora("the T5-XXL text encoder"), "name it with t5xxl"),
    "a textual inversion": (
        {"emb_params": ((768, 2), "F32")},
        no_lora("a textual inversion"),
        "name it with embeddings",
    ),
    "a ControlNet": (
        {"control_model.input_hint_block.0.weight": ((3, 3, 3, 16), F16)},
        no_lora("a ControlNet"),
        "name it with control_net",
    ),
    "an upscaler": (
        {"body.0.rdb1.conv1.weight": ((3, 3, 64, 32), F16)},
        no_lora("an upscaler"),
        "name it with upscale",
    ),
    "a Control-LoRA": (
        {**ONE, "lora_controlnet": ((1,), "F32")},
        unused("a Control-LoRA"),
        "name a LoRA",
    ),
    "an IP-Adapter": (
        {"image_proj.proj.weight": ((64, 64), F16), "ip_adapter.1.to_k_ip.weight": ((4, 4), F16)},
        unused("an IP-Adapter"),
        "name a LoRA",
    ),
    "something else": (
        {"weights": ((64, 64), F16)},
        f"'{LABEL}' is not a LoRA: it has no tensor of one",
        "name a LoRA",
    ),
    "alphas alone": (
        {"proj.alpha": ((), "F32")},
        f"'{LABEL}' is not a LoRA: it has no tensor of one",
        "name a LoRA",
    ),
    "a down without its up": (
        {f"{A}.lora_A.weight": ((64, 4), F16)},
        f"'{LABEL}' is incomplete: it has '{A}.lora_A.weight' without its factor 'up'",
        ANOTHER,
    ),
    "an up without its down": (
        {f"{A}.lora_up.weight": ((4, 64), F16), **factors("b")},
        f"'{LABEL}' is incomplete: it has '{A}.lora_up.weight' without its factor 'down'",
        ANOTHER,
    ),
    "half a LoHa": (
        {f"{A}.hada_w1_a": ((4, 64), F16), f"{A}.hada_w1_b": ((64, 4), F16)},
        f"'{LABEL}' is incomplete: it has '{A}.hada_w1_a' without its factor 'hada_w2_a'",
        ANOTHER,
    ),
    "half a LoKr": (
        {f"{A}.lokr_w1": ((8, 8), F16), f"{A}.lokr_w2_a": ((2, 8), F16)},
        f"'{LABEL}' is incomplete: it has '{A}.lokr_w1' without its factor 'lokr_w2_b'",
        ANOTHER,
    ),
    "two ranks": (
        {f"{A}.lora_A.weight": ((64, 4), F16), f"{A}.lora_B.weight": ((8, 64), F16)},
        damaged(A, "has factors of the ranks 4 and 8"),
        ANOTHER,
    ),
    "two ranks of a convolution": (
        {
            "a.lora_down.weight": ((3, 3, 8, 4), F16),
            "a.lora_up.weight": ((1, 1, 2, 16), F16),
        },
        damaged("a", "has factors of the ranks 4 and 2"),
        ANOTHER,
    ),
    "an absurd rank": (
        factors(A, 2, 2, 1_000_000),
        damaged(A, "has the rank 1,000,000, more than 4,096"),
        ANOTHER,
    ),
    "a factor of one dimension": (
        {f"{A}.lora_A.weight": ((64,), F16), f"{A}.lora_B.weight": ((1, 64), F16)},
        damaged(A, "has a factor of 1 dimensions"),
        ANOTHER,
    ),
    "a core of another rank": (
        {**convolution("a"), "a.lora_mid.weight": ((3, 3, 2, 2), F16)},
        damaged("a", "has a core of 3x3x2x2 numbers for the rank 4"),
        ANOTHER,
    ),
    "an alpha of many numbers": (
        with_ending("alpha", (64,)),
        damaged(A, "has 64 numbers as its alpha"),
        ANOTHER,
    ),
    "the same factor twice": (
        {**ONE, f"{A}.lora_down.weight": ((64, 4), F16)},
        f"'{LABEL}' has the same factor twice: '{A}.lora_A.weight' and '{A}.lora_down.weight'",
        ANOTHER,
    ),
}


def error_of(path: Path) -> tuple[str, str]:
    with pytest.raises(ModelFileError) as caught:
        read_lora(read_model_header(path, label=LABEL), LABEL)
    return str(caught.value.message), str(caught.value.hint)


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_files(case: str, tmp_path: Path) -> None:
    tensors, message, hint = UNUSABLE[case]
    path = tmp_path / LABEL
    path.write_bytes(files.safetensors_bytes(tensors))
    assert error_of(path) == (message, hint)


def header(table: object) -> bytes:
    return files.safetensors_header(table)


def entry(shape: list[object], begin: int = 0, end: int = 512, kind: str = F16) -> object:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


DOWN = f"{A}.lora_A.weight"
BAD_NAME = f"'{LABEL}' is damaged: it has a tensor whose name is not plain text: "
WHOLE = files.safetensors_bytes(ONE)
# Bytes of a file, message and hint.
INVALID: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", f"'{LABEL}' is empty", AGAIN),
    "truncated in its header": (
        WHOLE[:40],
        f"'{LABEL}' is truncated: it ends inside its header, after 40 bytes",
        AGAIN,
    ),
    "truncated in its weights": (
        WHOLE[:-1],
        f"'{LABEL}' is truncated: it has {len(WHOLE) - 1:,} of {len(WHOLE):,} bytes",
        AGAIN,
    ),
    "a huge length": (
        struct.pack("<Q", 2**39) + b"{}",
        f"'{LABEL}' is truncated: it ends inside its header, after 10 bytes",
        AGAIN,
    ),
    "no JSON": (header(b"{]"), f"'{LABEL}' is damaged: its header is not JSON", AGAIN),
    "deep JSON": (
        header(b'{"__metadata__": ' + b"[" * 100_000 + b"}"),
        f"'{LABEL}' is damaged: its header is not JSON",
        AGAIN,
    ),
    "metadata of another type": (
        header({"__metadata__": [1], DOWN: entry([4, 64])}) + bytes(512),
        f"'{LABEL}' is damaged: its metadata is not a JSON object",
        AGAIN,
    ),
    "two entries of one name": (
        header(b'{"a.lora_A.weight": {}, "a.lora_A.weight": {}}'),
        f"'{LABEL}' is damaged: it has two entries 'a.lora_A.weight'",
        AGAIN,
    ),
    "a rank of 0": (
        header({DOWN: entry([0, 64], 0, 0)}),
        f"'{LABEL}' is damaged: tensor '{DOWN}' has a dimension of 0: 0x64",
        AGAIN,
    ),
    "a negative rank": (
        header({DOWN: entry([-4, 64])}) + bytes(512),
        f"'{LABEL}' is damaged: tensor '{DOWN}' has a negative dimension: -4x64",
        AGAIN,
    ),
    "a rank that is no number": (
        header({DOWN: entry(["4", 64])}) + bytes(512),
        f"'{LABEL}' is damaged: tensor '{DOWN}' has no valid type, shape or offsets",
        AGAIN,
    ),
    "offsets of another size": (
        header({DOWN: entry([4, 64], 0, 8)}) + bytes(512),
        f"'{LABEL}' is damaged: tensor '{DOWN}' takes 512 bytes, but its offsets span 8",
        AGAIN,
    ),
    "a format string as its name": (
        header({"%s.lora_A.weight": entry([4, 64])}) + bytes(512),
        BAD_NAME + "'%s.lora_A.weight'",
        AGAIN,
    ),
    "control characters in a name": (
        header({"\x1b[2J.lora_A.weight": entry([4, 64])}) + bytes(512),
        BAD_NAME + "'\\x1b[2J.lora_A.weight'",
        AGAIN,
    ),
    "a huge number in a name": (
        header({"blocks.99999999999.lora_A.weight": entry([4, 64])}) + bytes(512),
        f"'{LABEL}' is damaged: no model has a tensor 'blocks.99999999999.lora_A.weight'",
        AGAIN,
    ),
    "8-bit weights": (
        header({DOWN: entry([4, 64], 0, 256, "U8")}) + bytes(256),
        f"'{LABEL}' stores '{DOWN}' as U8, which the engine cannot draw with",
        "use a GGUF file, or a safetensors file in F16, BF16 or F32, of the same model",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_files(case: str, tmp_path: Path) -> None:
    data, message, hint = INVALID[case]
    path = tmp_path / LABEL
    path.write_bytes(data)
    assert error_of(path) == (message, hint)
