"""Flash attention on GPUs, except where it breaks the pictures."""

import pytest

from gpustack_draw.memory.flash_attention import has_flash_attention
from gpustack_draw.memory.work import DeviceTraits
from gpustack_draw.resolver.families import FAMILIES


@pytest.mark.parametrize(
    ("device", "is_gpu", "broken"),
    [
        ("CUDA0", True, {"chroma", "chroma-radiance"}),
        ("Vulkan1", True, {"chroma", "chroma-radiance", "anima", "ernie-image"}),
        ("FastCPU", False, set(FAMILIES)),
    ],
)
def test_families_without_flash_attention(device: str, is_gpu: bool, broken: set[str]) -> None:
    traits = DeviceTraits(name=device, is_gpu=is_gpu)
    without = {name for name, each in FAMILIES.items() if not has_flash_attention(each, traits)}
    assert without == broken
