"""Where a GPU attends without storing its scores, which is faster and needs less memory.

The library asks the backend for each attention, and stores the scores where it has no kernel: CUDA
has none for heads of 160 numbers, for example. FastCPU chooses by itself.
"""

from gpustack_draw.memory.work import DeviceTraits
from gpustack_draw.resolver.families import Family

# Families whose pictures it breaks, and the start of the names of the devices; empty for all.
# Chroma: the library pads the keys, but not the mask over them. Anima and ERNIE-Image: Vulkan sums
# up in 16 bits, and their values overflow; the library scales those of other families down.
_BROKEN = {"chroma": "", "chroma-radiance": "", "anima": "Vulkan", "ernie-image": "Vulkan"}


def has_flash_attention(family: Family, device: DeviceTraits) -> bool:
    """Return True if models of a family use flash attention on a GPU.

    Args:
        family: Family of the model.
        device: Where it draws.
    """
    broken = _BROKEN.get(family.name)
    return device.is_gpu and (broken is None or not device.name.startswith(broken))
