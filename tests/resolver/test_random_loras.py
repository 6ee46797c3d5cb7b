"""Whatever a LoRA contains and however the engine names it, only a ModelFileError is raised."""

import contextlib
import random

import pytest

from gpustack_draw.errors import ModelFileError
from gpustack_draw.headers.header import ModelHeader, TensorInfo
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.loras.fit import Shape
from gpustack_draw.resolver.loras.lora_file import LoraFile
from gpustack_draw.resolver.loras.match_lora import check_match, match_lora
from gpustack_draw.resolver.loras.read_lora import read_lora
from gpustack_draw.resolver.loras.tensor_names import ROLES

MODULES = (
    "a",
    "x.weight.1",
    "double_blocks.0.img_attn.qkv",
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k",
    "blocks.0.self_attn.q",
)
ENDINGS = (*ROLES, ".dora_scale", ".weight", ".lora_A.x.weight", "")
FACTORS = ("lora_down", "lora_up", "lora_mid", "alpha", "diff", "hada_w1_a", "hada_w1_b", "hada_t1")
FACTORS += ("lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w2_a", "lokr_w2_b", "other")


def random_shape(chance: random.Random) -> Shape:
    return tuple(chance.choice((1, 2, 4, 64)) for _ in range(chance.choice((1, 2, 2, 2, 3, 4))))


def random_lora(chance: random.Random) -> LoraFile:
    """Return a LoRA with a valid module and random tensors; most are refused."""
    rank = chance.choice((1, 4))
    shapes: dict[str, Shape] = {
        chance.choice(MODULES) + chance.choice(ENDINGS): random_shape(chance)
        for _ in range(chance.randint(0, 4))
    }
    shapes |= {"m.lora_down.weight": (64, rank), "m.lora_up.weight": (rank, 64)}
    tensors = {name: TensorInfo(name, shape, "F16", 2) for name, shape in shapes.items()}
    return read_lora(ModelHeader("safetensors", tensors), "x")


@pytest.mark.parametrize("seed", range(4))
def test_random_loras(seed: int) -> None:
    chance = random.Random(seed)
    read = 0
    for _ in range(500):
        with contextlib.suppress(ModelFileError):
            lora = random_lora(chance)
            read += 1
            model = {f"{name}.weight": random_shape(chance) for name in "ab"}
            engine_names = [
                f"lora.{weight}{part}.{factor}"
                for weight in model
                for part in ("", ".1", ".2")
                for factor in FACTORS
            ]
            names = {name: chance.choice(["", "lora.", *engine_names]) for name in lora.tensors}
            match = match_lora(lora, model, names)
            check_match(lora, match, chance.choice(list(FAMILIES.values())))
    assert read > 100
