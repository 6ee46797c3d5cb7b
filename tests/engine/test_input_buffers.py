"""Input pictures travel to the engine's process behind a message, unchanged."""

import io

import numpy as np

from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.messages import read_message, write_message
from gpustack_draw.inputs.engine_pictures import EnginePictures


def random_picture(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def sent(pictures: EnginePictures) -> InputBuffers:
    """Return the pictures as the other process receives them."""
    buffers = InputBuffers.of(pictures)
    stream = io.BytesIO()
    write_message(stream, "draw", payload=buffers.buffers, pictures=buffers.fields)
    stream.seek(0)
    message = read_message(stream)
    assert message is not None
    return InputBuffers.from_payload(message.fields["pictures"], memoryview(message.payload))


def test_all_pictures_arrive() -> None:
    pictures = EnginePictures(
        image=random_picture(16, 32, 3),
        mask=random_picture(16, 32),
        references=(random_picture(48, 16, 3), random_picture(16, 64, 3)),
        control=random_picture(16, 32, 3),
    )
    received = sent(pictures)
    for name in ("image", "mask", "control"):
        assert np.array_equal(np.asarray(getattr(received, name)), getattr(pictures, name))
    assert len(received.references) == 2
    for buffer, array in zip(received.references, pictures.references, strict=True):
        assert np.array_equal(np.asarray(buffer), array)


def test_missing_pictures_stay_missing() -> None:
    received = sent(EnginePictures(references=(random_picture(16, 16, 3),)))
    assert (received.image, received.mask, received.control) == (None, None, None)
    assert [reference.shape for reference in received.references] == [(16, 16, 3)]
