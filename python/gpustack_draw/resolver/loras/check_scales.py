"""Check the numbers that a LoRA is multiplied with, which its header does not contain."""

import math
from pathlib import Path

from gpustack_draw.errors import ModelFileError, quoted
from gpustack_draw.headers.header import read_numbers
from gpustack_draw.resolver.loras.lora_file import LoraFile


def check_scales(path: Path, lora: LoraFile) -> None:
    """Check the alpha and the scale of every module of a file on this machine.

    They are a few bytes each. The engine checks the factors themselves when it loads them.

    Args:
        path: Path of the file that the LoRA was read from.
        lora: The LoRA.

    Raises:
        ModelNotFoundError: The file does not exist.
        ModelFileError: A number is NaN or infinite, or the file cannot be read.
    """
    tensors = [
        module.tensors[role]
        for module in lora.modules.values()
        for role in ("alpha", "scale")
        if role in module.tensors
    ]
    for name, number in read_numbers(path, tensors, label=lora.label).items():
        if not math.isfinite(number):
            raise ModelFileError(
                f"{quoted(lora.label)} is damaged: {quoted(name)} is {number}",
                hint="use another file of the same LoRA",
            )
