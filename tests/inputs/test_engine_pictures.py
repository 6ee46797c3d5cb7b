"""Tests of the record that the engine reads raw memory from."""

import numpy as np
import pytest

from gpustack_draw.inputs.engine_pictures import EnginePictures

RGB = np.zeros((16, 24, 3), np.uint8)
MASK = np.zeros((16, 24), np.uint8)


def test_pictures_of_one_size_and_references_of_any_are_accepted() -> None:
    references = (np.zeros((32, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8))
    pictures = EnginePictures(image=RGB, mask=MASK, references=references, control=RGB)
    assert pictures.image is RGB
    assert pictures.references == references
    assert EnginePictures().references == ()


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param({"image": np.zeros((16, 24, 4), np.uint8)}, id="alpha channel"),
        pytest.param({"image": np.zeros((16, 24, 1), np.uint8)}, id="one channel"),
        pytest.param({"image": MASK}, id="gray image"),
        pytest.param({"image": RGB.astype(np.float32)}, id="floats"),
        pytest.param({"image": np.zeros((24, 16, 3), np.uint8).transpose(1, 0, 2)}, id="order"),
        pytest.param({"image": np.zeros((0, 24, 3), np.uint8)}, id="empty"),
        pytest.param({"image": RGB, "mask": RGB}, id="mask of three channels"),
        pytest.param({"image": RGB, "mask": MASK[:8]}, id="mask of another size"),
        pytest.param({"mask": MASK}, id="mask without image"),
        pytest.param({"image": RGB, "control": RGB[:8]}, id="control of another size"),
        pytest.param({"references": (MASK,)}, id="gray reference"),
        pytest.param({"references": (RGB[:, ::2],)}, id="strided reference"),
    ],
)
def test_pictures_that_would_crash_the_engine_are_refused(arrays: dict) -> None:
    with pytest.raises(AssertionError):
        EnginePictures(**arrays)
