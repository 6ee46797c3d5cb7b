"""GGUF files with random weights that keep the values of a network in range."""

from pathlib import Path

import numpy
from architectures import Named
from model_files import Shape, gguf_start


def write_random_gguf(path: Path, tensors: Named, *, zeros: str = "") -> Path:
    """Write a GGUF file whose weights preserve the magnitude of activations.

    Args:
        path: The file.
        tensors: Its tensors.
        zeros: End of the name of a matrix whose weights are all 0; empty for none.
    """
    random = numpy.random.default_rng(7)
    start, _ = gguf_start(tensors)
    with path.open("wb") as file:
        file.write(start)
        for name, (shape, weight_type) in tensors.items():
            if len(shape) == 1:
                data = numpy.full(shape, 0 if name.endswith(".bias") else 1, "<f4").tobytes()
            else:
                data = random_weights(shape, weight_type, random)
                if zeros and name.endswith(zeros):
                    data = bytes(len(data))
            file.write(data + bytes(-len(data) % 32))
    return path


def random_weights(shape: Shape, weight_type: str, random: numpy.random.Generator) -> bytes:
    size = int(numpy.prod(shape))
    spread = (size / shape[-1]) ** -0.5
    if weight_type == "F16":
        return (random.standard_normal(size) * spread).astype("<f2").tobytes()
    # Blocks of a scale and 32 numbers, of 4 bits from -8 to 7, or of 8 bits.
    bytes_of_numbers, deviation = {"Q4_0": (16, 4.6), "Q8_0": (32, 73.9)}[weight_type]
    blocks = numpy.empty((size // 32, 2 + bytes_of_numbers), numpy.uint8)
    scale = numpy.array(spread / deviation, "<f2")
    blocks[:, :2] = numpy.frombuffer(scale.tobytes(), numpy.uint8)
    blocks[:, 2:] = random.integers(0, 256, (size // 32, bytes_of_numbers), numpy.uint8)
    return blocks.tobytes()
