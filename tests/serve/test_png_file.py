"""The PNG file of a picture, which its client and the gallery share."""

import gc
import io
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import PIL.Image
import pytest
from sample_picture import make_picture

from gpustack_draw import Picture, encode, read_parameters
from gpustack_draw.serve import png_file as module
from gpustack_draw.serve.openai.reply import encoded_picture
from gpustack_draw.serve.openai.reply_options import ReplyOptions
from gpustack_draw.serve.page.memory_gallery import MemoryGallery
from gpustack_draw.serve.png_file import png_file


def test_a_file_has_the_picture_and_its_parameters() -> None:
    picture = make_picture()
    data = png_file(picture)
    assert PIL.Image.open(io.BytesIO(data)).tobytes() == bytes(picture.pixels)
    assert read_parameters(data).seed == 7
    assert png_file(make_picture(seed=8)) != data


def test_a_picture_is_encoded_once_for_all_who_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4)
    encoded: list[Picture] = []

    def note(picture: Picture, **options: bool) -> bytes:
        encoded.append(picture)
        return encode(picture, **options)

    monkeypatch.setattr(module, "encode", note)
    picture = make_picture()

    def ask(_number: int) -> bytes:
        together.wait()
        return png_file(picture)

    with ThreadPoolExecutor(4) as threads:
        files = list(threads.map(ask, range(4)))
    gallery = MemoryGallery()
    gallery.add(picture)
    encoded_picture(picture, ReplyOptions())
    assert encoded == [picture]
    assert len({id(file) for file in files}) == 1


def test_a_file_ends_with_its_picture() -> None:
    gc.collect()
    others = len(module._FILES)  # of tests before, whose threads may still hold their pictures
    picture = make_picture()
    png_file(picture)
    assert len(module._FILES) == others + 1
    gone = weakref.ref(picture)
    del picture
    gc.collect()
    assert gone() is None
    assert len(module._FILES) <= others
