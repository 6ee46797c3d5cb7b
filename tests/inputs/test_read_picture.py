"""Tests of reading pictures: every form is converted right, and every bad input has its message."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_files import BLUE, GREEN, RED, WHITE, corners, encoded, linear_profile, noise, png
from PIL import Image, ImageCms

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.read_picture import picture_size, read_picture
from gpustack_draw.progress.pixels import Raster

READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 and PNM files can be read"
PHOTO = Image.fromarray(noise(200, 150))


def quarters(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """Return the colors in the middle of the quarters, row by row."""
    height, width = pixels.shape[:2]
    return [
        tuple(int(value) for value in pixels[y, x])
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


# --- sources --------------------------------------------------------------------------------------


def test_a_picture_can_be_a_path_bytes_an_image_or_an_array(tmp_path: Path) -> None:
    pixels = noise()
    data = encoded(Image.fromarray(pixels))
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    for source in (path, str(path), data, bytearray(data), memoryview(data)):
        picture = read_picture(source)
        assert np.array_equal(picture.pixels, pixels)
        assert (picture.size, picture.alpha, picture.sha256) == ((48, 32), None, digest)
    with Image.open(path) as image:
        for source in (image, pixels, Raster(pixels.tobytes(), 48, 32), pixels[:, ::-1][:, ::-1]):
            picture = read_picture(source)
            assert np.array_equal(picture.pixels, pixels)
            assert picture.pixels.flags.c_contiguous
            assert picture.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()


def test_the_label_is_the_path_or_the_role(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    corners().save(path)
    assert read_picture(path).label == repr(str(path))
    assert read_picture(path.read_bytes(), role="mask").label == "the mask"
    assert read_picture(noise(), role="reference picture 2").label == "the reference picture 2"


def test_standard_input_is_read_for_the_command_only(tmp_path: Path) -> None:
    stream = io.BytesIO(encoded(corners()))
    picture = read_picture("-", standard_input=stream)
    assert (picture.label, picture.size) == ("standard input", (48, 32))
    with pytest.raises(UsageError, match="'-' does not exist"):
        read_picture("-")


def test_later_changes_of_an_array_do_not_reach_the_picture() -> None:
    array = noise()
    picture = read_picture(array)
    array[:] = 0
    assert picture.pixels.any()


# --- conversion -----------------------------------------------------------------------------------


def with_orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
        (9, [RED, GREEN, BLUE, WHITE]),
    ],
)
def test_pictures_of_cameras_are_turned_upright(
    file_format: str, number: int, expected: list[tuple[int, ...]]
) -> None:
    lossless = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {"lossless": True}
    data = encoded(corners(), file_format, exif=with_orientation(number), **lossless)
    picture = read_picture(data)
    assert picture.size == ((32, 48) if number in (5, 6, 7, 8) else (48, 32))
    found = np.array(quarters(picture.pixels), int)
    assert np.abs(found - np.array(expected)).max() <= 3  # JPEG
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(read_picture(image).pixels, picture.pixels)


def test_transparency_is_turned_with_the_picture() -> None:
    image = corners().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.arange(48, dtype=np.uint8)[None], 32, axis=0)))
    picture = read_picture(encoded(image, exif=with_orientation(6)))
    assert picture.alpha is not None
    assert picture.alpha.shape == (48, 32)
    assert [int(picture.alpha[y, 0]) for y in (0, 47)] == [0, 47]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_areas_lie_on_white_and_alpha_is_kept_apart(mode: str) -> None:
    array = np.zeros((1, 256, 4), np.uint8)  # black, more and more opaque
    array[0, :, 3] = np.arange(256)
    image = Image.fromarray(array)
    if mode == "LA":
        image = image.convert("LA")
    if mode == "PA":
        image = Image.fromarray(array[:, :, :3]).convert("P").convert("PA")
        image.putalpha(Image.fromarray(array[:, :, 3]))
    picture = read_picture(image)
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [list(range(256))]
    assert picture.pixels[0].tolist() == [[255 - alpha] * 3 for alpha in range(256)]
    if mode == "RGBA":
        assert np.array_equal(read_picture(array).pixels, picture.pixels)
        assert np.array_equal(read_picture(encoded(image)).pixels, picture.pixels)


def test_an_opaque_alpha_channel_is_no_transparency() -> None:
    assert read_picture(corners().convert("RGBA")).alpha is None


def test_a_transparent_color_of_a_palette_or_of_a_header_is_transparency() -> None:
    palette = corners().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    red = palette.getpixel((0, 0))
    for data in (
        encoded(palette, transparency=red),
        encoded(palette, "GIF", transparency=red),
        encoded(corners(), transparency=RED),
        encoded(corners().convert("L"), transparency=76),
    ):
        picture = read_picture(data)
        assert picture.alpha is not None
        assert picture.alpha[0, 0] == 0
        assert picture.alpha[31, 47] == 255
        assert quarters(picture.pixels)[0] == WHITE


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "LAB"])
def test_images_of_every_mode_become_rgb(mode: str) -> None:
    image = corners().convert(mode) if mode != "LAB" else _lab(corners())
    found = np.array(quarters(read_picture(image).pixels), int)
    if mode in ("1", "L"):
        assert found[3].tolist() == [255] * 3
        assert (np.ptp(found, axis=1) == 0).all()
    else:
        # Eight bits of LAB are coarse.
        tolerance = 25 if mode == "LAB" else 4
        assert np.abs(found - np.array([RED, GREEN, BLUE, WHITE])).max() <= tolerance


def _lab(image: Image.Image) -> Image.Image:
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    converted = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert converted is not None
    return converted


def test_a_jpeg_of_a_printer_becomes_rgb() -> None:
    data = encoded(corners().convert("CMYK"), "JPEG", quality=100, subsampling=0)
    found = np.array(quarters(read_picture(data).pixels), int)
    assert np.abs(found - np.array([RED, GREEN, BLUE, WHITE])).max() <= 4


def test_sixteen_bits_are_rounded_to_eight() -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], np.uint16)
    expected = [0, 0, 1, 1, 128, 254, 255, 255]
    for data in (encoded(Image.fromarray(values)), encoded(Image.fromarray(values), "TIFF")):
        assert read_picture(data).pixels[0, :, 0].tolist() == expected
    array = Image.fromarray(values.astype(np.int32))
    assert read_picture(array).pixels[0, :, 0].tolist() == expected
    colors = png(1, 1, bits=16, color=2, data=b"\0\xff\xff\x80\x80\0\0")
    assert read_picture(colors).pixels.tolist() == [[[255, 128, 0]]]


def test_colors_are_converted_to_srgb_by_their_profile() -> None:
    gray = Image.new("RGB", (4, 4), (128, 128, 128))
    profile = linear_profile()
    for data in (
        encoded(gray, icc_profile=profile),
        encoded(gray, "JPEG", icc_profile=profile),
        encoded(gray.convert("RGBA"), icc_profile=profile),
    ):
        picture = read_picture(data)
        assert picture.pixels[0, 0].tolist() == [188] * 3  # sRGB of 0.5 linear
        assert picture.notes == ()


def test_colors_with_the_profile_of_srgb_stay_equal_to_the_bit() -> None:
    pixels = noise()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(
        read_picture(encoded(Image.fromarray(pixels), icc_profile=profile)).pixels, pixels
    )


def test_a_profile_that_cannot_be_used_has_a_note() -> None:
    pixels = noise()
    picture = read_picture(encoded(Image.fromarray(pixels), icc_profile=b"not a profile"))
    assert np.array_equal(picture.pixels, pixels)
    assert picture.notes == (
        "the color profile of the picture cannot be used: its colors are taken for sRGB",
    )


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_used(file_format: str) -> None:
    frames = [Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True)
    picture = read_picture(data)
    assert quarters(picture.pixels) == [RED] * 4
    assert picture.notes == ("the picture is animated: its first frame is used",)


def test_the_first_page_of_a_document_is_used() -> None:
    data = encoded(corners(), "TIFF", save_all=True, append_images=[corners()])
    assert read_picture(data).notes == ("the picture has several pages: the first is used",)
    # As phones store the picture and its depth.
    data = encoded(corners(), "MPO", save_all=True, append_images=[corners()])
    assert read_picture(data).notes == ()


@pytest.mark.parametrize("file_format", ["AVIF", "JPEG2000", "BMP", "PPM", "TIFF"])
def test_other_formats_are_read(file_format: str) -> None:
    if file_format not in Image.SAVE:
        Image.init()
    if file_format not in Image.SAVE:
        pytest.skip(f"this Pillow lacks {file_format}")
    found = np.array(quarters(read_picture(encoded(corners(), file_format)).pixels), int)
    assert np.abs(found - np.array([RED, GREEN, BLUE, WHITE])).max() <= 8


# --- bad inputs -----------------------------------------------------------------------------------

BOX = b"\0\0\0\x18ftyp"
DAMAGED = "copy or save it again"
KNOWN = {
    "empty": (b"", "is empty", "copy or download it again"),
    "text": (b"a cat on a sofa\n", "is text, not a picture", READABLE),
    "text cut in a letter": ("é".encode() * 513, "is text, not a picture", READABLE),
    "noise": (b"\x9f\x00\x81\xfe" * 9, "is not a picture of a known format", READABLE),
    "zeros": (bytes(2000), "is not a picture of a known format", READABLE),
    "web page": (
        b"<!DOCTYPE html>\n<html>",
        "is a web page, not a picture",
        "download the picture itself",
    ),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing", "export it as PNG"),
    "svg with a header": (
        b"<?xml version='1.0'?>\n<!-- made with Inkscape -->\n<svg\n width='1'/>",
        "is an SVG drawing",
        "export it as PNG",
    ),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        "is a placeholder of Git LFS",
        "fetch it: git lfs pull",
    ),
    "photoshop": (b"8BPS\0\1" + bytes(20), "is a Photoshop file", "export it as PNG"),
    "gimp": (b"gimp xcf v011\0", "is a GIMP file", "export it as PNG"),
    "pdf": (b"%PDF-1.7\n", "is a PDF document", "export it as PNG"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0", "is a PostScript file", "export it as PNG"),
    "jpeg xl": (b"\xff\x0a\xfa\x1f", "is a JPEG XL picture", "export it as JPEG or PNG"),
    "exr": (b"\x76\x2f\x31\x01\2\0\0\0", "is a high dynamic range picture", "export it as PNG"),
    "heic": (BOX + b"heic\0\0\0\0mif1heic", "is a HEIC picture", "export it as JPEG or PNG"),
    "mp4": (BOX + b"isom\0\0\2\0isomiso2", "is a video", "save one of its frames as a picture"),
    "webm": (b"\x1a\x45\xdf\xa3\x9f", "is a video", "save one of its frames as a picture"),
    "avi": (b"RIFF\0\0\0\0AVI LIST", "is a video", "save one of its frames as a picture"),
    "icon": (b"\0\0\1\0\1\0\x10\x10", "is an icon or a cursor", "export it as PNG"),
    "zip": (b"PK\x03\x04\x14", "is a ZIP archive", "unpack the picture first"),
    "gzip": (b"\x1f\x8b\x08", "is a compressed file", "unpack the picture first"),
    "gguf": (b"GGUF\3\0\0\0", "is a model, not a picture", READABLE),
    "safetensors": (
        b'\x40\0\0\0\0\0\0\0{"__metadata__":{}}',
        "is a model, not a picture",
        READABLE,
    ),
    "canon raw": (
        b"II*\0\x10\0\0\0CR\2\0",
        "is a camera's raw file, not a finished picture",
        "export it as JPEG, PNG or TIFF",
    ),
    "canon raw 3": (
        BOX + b"crx \0\0\0\1crx isom",
        "is a camera's raw file, not a finished picture",
        "export it as JPEG, PNG or TIFF",
    ),
    "digital negative": (
        encoded(corners(), "TIFF", tiffinfo={0xC612: b"\1\4\0\0"}),
        "is a camera's raw file, not a finished picture",
        "export it as JPEG, PNG or TIFF",
    ),
    "truncated png": (encoded(PHOTO)[:9000], "is a damaged or truncated PNG file", DAMAGED),
    "start of a png": (encoded(PHOTO)[:20], "is a damaged or truncated PNG file", DAMAGED),
    "truncated jpeg": (
        encoded(PHOTO, "JPEG")[:9000],
        "is a damaged or truncated JPEG file",
        DAMAGED,
    ),
    "truncated webp": (
        encoded(PHOTO, "WEBP")[:9000],
        "is a damaged or truncated WebP file",
        DAMAGED,
    ),
    "truncated gif": (encoded(PHOTO, "GIF")[:9000], "is a damaged or truncated GIF file", DAMAGED),
    "truncated tiff": (
        encoded(PHOTO, "TIFF")[:9000],
        "is a damaged or truncated TIFF file",
        DAMAGED,
    ),
    "truncated bmp": (encoded(PHOTO, "BMP")[:9000], "is a damaged or truncated BMP file", DAMAGED),
    "0x0": (png(0, 0), "is a damaged or truncated PNG file", DAMAGED),
    "100000x1": (
        png(100_000, 1, data=bytes(300_001)),
        "has 100000x1 pixels, and a side can have 32768 at most",
        "scale or cut the picture first",
    ),
    "large": (
        png(12_000, 9_000),
        "has 12000x9000 pixels, more than 100 megapixels",
        "scale or cut the picture first",
    ),
    "bomb": (
        png(30_000, 30_000),
        "has more than 100 megapixels",
        "scale or cut the picture first",
    ),
    "bomb in a frame": (
        encoded(Image.new("P", (8, 8)), "GIF").replace(
            b",\0\0\0\0\x08\0\x08\0", b",\0\0\0\0\xff\x7f\xff\x7f"
        ),
        "has more than 100 megapixels",
        "scale or cut the picture first",
    ),
    "floats": (
        encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"),
        "has floating-point pixels",
        "save it with 8 or 16 bits per channel",
    ),
    "32 bits": (
        encoded(Image.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"),
        "has 32-bit pixels",
        "save it with 8 or 16 bits per channel",
    ),
}


@pytest.mark.parametrize(("data", "problem", "hint"), KNOWN.values(), ids=KNOWN)
def test_a_file_that_is_no_usable_picture_has_a_message(
    data: bytes, problem: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    for source, label in ((path, repr(str(path))), (data, "the picture")):
        with pytest.raises(UsageError) as caught:
            read_picture(source)
        assert (caught.value.message, caught.value.hint) == (f"{label} {problem}", hint)
    with pytest.raises(UsageError) as caught:
        read_picture("-", standard_input=io.BytesIO(data))
    assert caught.value.message == f"standard input {problem}"


def test_the_preview_inside_a_cameras_file_is_not_taken_for_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "cat.NEF"
    path.write_bytes(encoded(corners(), "TIFF"))
    with pytest.raises(UsageError) as caught:
        read_picture(path)
    assert caught.value.message == f"'{path}' is a camera's raw file, not a finished picture"
    path.write_bytes(encoded(corners(), "JPEG"))  # a finished picture with the wrong name
    assert read_picture(path).size == (48, 32)


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("no.png", "'no.png' does not exist", "check the path"),
        ("", "'' does not exist", "check the path"),
        (".", "'.' is a folder", "name a picture in it"),
        ("a\0b", "'a\\x00b' cannot be a file name", ""),
        ("file.png/x", "'file.png/x' cannot be read: not a directory", ""),
        (
            "https://example.org/cat.png",
            "'https://example.org/cat.png' is an address, not a file",
            "download the picture first",
        ),
        (
            "HTTP://example.org/cat.png",
            "'HTTP://example.org/cat.png' is an address, not a file",
            "download the picture first",
        ),
        (
            "data:image/png;base64," + 200 * "A",
            f"'data:image/png;base64,{75 * 'A'}...' is an address, not a file",
            "download the picture first",
        ),
        (
            "file:///cat.png",
            "'file:///cat.png' is an address, not a file",
            "download the picture first",
        ),
        (
            "pipe",
            "'pipe' is a named pipe, not a file",
            "save the picture to a file first",
        ),
        (
            "/dev/zero",
            "'/dev/zero' is a device or a socket, not a file",
            "save the picture to a file first",
        ),
        (
            None,
            "the picture is NoneType, not a picture",
            "pass a path, the bytes of a file, a PIL image, or a numpy array",
        ),
        (
            [1, 2],
            "the picture is list, not a picture",
            "pass a path, the bytes of a file, a PIL image, or a numpy array",
        ),
        (Image.new("RGB", (0, 5)), "the picture has no pixels: its size is 0x5", ""),
    ],
)
def test_a_source_that_cannot_be_read_has_a_message(
    source: object, message: str, hint: str, empty_folder: None
) -> None:
    Path("file.png").touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe")
    with pytest.raises(UsageError) as caught:
        read_picture(source)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_file_that_may_not_be_read_has_a_message(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    corners().save(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads every file")
    with pytest.raises(UsageError, match="cannot be read: permission denied"):
        read_picture(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    with path.open("wb") as file:
        file.truncate(600_000_000)  # occupies no space
    with pytest.raises(UsageError) as caught:
        read_picture(path)
    assert caught.value.message == f"'{path}' has 600 MB, more than 500 MB"


def test_standard_input_that_is_a_terminal_has_a_message() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(UsageError) as caught:
        read_picture("-", standard_input=Terminal())
    assert caught.value.message == "standard input is a terminal, not a picture"
    assert caught.value.hint == "redirect a file to it: < picture.png"


FORM = "a picture is an array of shape (height, width, 3 or 4) and type uint8"
FLOATS = "convert values from 0 to 1 with (array * 255).round().astype('uint8')"


@pytest.mark.parametrize(
    ("array", "problem", "hint"),
    [
        (np.zeros((4, 4, 3), np.float32), "is an array of type float32, not uint8", FLOATS),
        (np.full((4, 4, 3), np.nan), "is an array of type float64, not uint8", FLOATS),
        (np.zeros((4, 4, 3), np.int64), "is an array of type int64, not uint8", FORM),
        (np.zeros((4, 4, 3), bool), "is an array of type bool, not uint8", FORM),
        (
            np.zeros((4, 4), np.uint8),
            "is an array of shape (4, 4), not (height, width, 3 or 4)",
            "repeat gray pixels for three channels: numpy.stack([array] * 3, axis=2)",
        ),
        (
            np.zeros((5, 6, 1), np.uint8),
            "is an array of shape (5, 6, 1), not (height, width, 3 or 4)",
            FORM,
        ),
        (
            np.zeros((3, 8, 9), np.uint8),
            "is an array of shape (3, 8, 9), not (height, width, 3 or 4)",
            "move the channels to the end: array.transpose(1, 2, 0)",
        ),
        (
            np.zeros((1, 8, 9, 3), np.uint8),
            "is an array of shape (1, 8, 9, 3), not (height, width, 3 or 4)",
            "pass the pictures of a batch one by one: array[0]",
        ),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels: its size is 4x0", ""),
        (
            np.broadcast_to(np.uint8(0), (100_000, 1, 3)),
            "has 1x100000 pixels, and a side can have 32768 at most",
            "scale or cut the picture first",
        ),
        (
            np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)),
            "has 20000x20000 pixels, more than 100 megapixels",
            "scale or cut the picture first",
        ),
    ],
)
def test_an_array_that_is_no_picture_has_a_message(
    array: np.ndarray, problem: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_picture(array)
    assert (caught.value.message, caught.value.hint) == (f"the picture {problem}", hint)


def test_a_mask_can_be_a_gray_array_or_one_of_truth_values() -> None:
    gray = noise()[:, :, 0]
    assert np.array_equal(read_picture(gray, allow_gray=True).pixels[:, :, 2], gray)
    assert np.array_equal(
        read_picture(gray > 100, allow_gray=True).pixels[:, :, 0] == 255, gray > 100
    )


SMALL = Image.fromarray(noise(16, 16))
FILES = [
    encoded(SMALL),
    encoded(SMALL, "JPEG", exif=with_orientation(6)),
    encoded(SMALL, "WEBP", lossless=True),
    encoded(SMALL, "GIF"),
    encoded(SMALL, "BMP"),
    encoded(SMALL, "TIFF", exif=with_orientation(6)),
    encoded(SMALL, "PPM"),
]


@given(
    file=st.sampled_from(FILES),
    changes=st.lists(
        st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=4)), max_size=4
    ),
    end=st.integers(0, 2**16),
)
def test_damaged_files_give_a_picture_or_a_message(
    file: bytes, changes: list[tuple[int, bytes]], end: int
) -> None:
    damaged = bytearray(file)
    for place, data in changes:
        start = place % len(damaged)
        damaged[start : start + len(data)] = data
    try:
        picture = read_picture(bytes(damaged[: end % (len(damaged) + 200)]))
    except UsageError as error:
        assert error.message.startswith("the picture ")  # noqa: PT017
    else:
        assert picture.pixels.shape == (picture.height, picture.width, 3)
        assert picture.pixels.dtype == np.uint8


# --- size -----------------------------------------------------------------------------------------


def test_the_size_is_read_without_the_pixels() -> None:
    data = encoded(Image.fromarray(noise(40, 30)))
    assert picture_size(data) == (40, 30)
    assert picture_size(data[:50]) == (40, 30)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the mask is empty"),
        (b"text", "the mask is text, not a picture"),
        (b"\x89PNG\r\n\x1a\n", "the mask is a damaged or truncated PNG file"),
    ],
)
def test_a_size_that_cannot_be_read_names_the_role(data: bytes, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        picture_size(data, role="mask")
    assert raised.value.message == message
