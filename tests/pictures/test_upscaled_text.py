"""The parameters of an enlarged picture keep those that it had."""

import io

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpustack_draw.pictures.infotext import parse_text
from gpustack_draw.pictures.upscaled_text import Upscaled, upscaled_text

UPSCALED = Upscaled("4x: my, model", 2.5)
PAIRS = 'Postprocess upscale by: 2.5, Postprocess upscaler: "4x: my, model"'
OWN = "a cat\nNegative prompt: a dog\nSteps: 4, Sampler: Euler, Seed: 7, Size: 8x8, Model: demo"
COMFYUI = '{"3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20}}}'


def png(name: str = "", text: str = "") -> bytes:
    chunks = PngInfo()
    if name:
        chunks.add_text(name, text)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def test_own_parameters_are_extended() -> None:
    text, notes = upscaled_text(png("parameters", OWN), "it", UPSCALED)
    assert (text, notes) == (f"{OWN}, {PAIRS}", ())
    read = parse_text(text)
    assert read is not None
    assert (read.prompt, read.negative_prompt, read.pairs["Seed"]) == ("a cat", "a dog", "7")
    assert read.pairs["Postprocess upscaler"] == "4x: my, model"


def test_an_image_of_pillow_has_its_parameters_in_info() -> None:
    image = Image.new("RGB", (8, 8))
    image.info["parameters"] = OWN
    assert upscaled_text(image, "it", UPSCALED) == (f"{OWN}, {PAIRS}", ())


@pytest.mark.parametrize("source", [png(), png("Comment", "hello"), b"GIF89a", 3])
def test_a_picture_without_parameters(source: object) -> None:
    assert upscaled_text(source, "it", UPSCALED) == (PAIRS, ())


def test_the_record_of_another_program_is_not_kept() -> None:
    note = "the record of how another program made it is not kept"
    assert upscaled_text(png("prompt", COMFYUI), "it", UPSCALED) == (PAIRS, (note,))
