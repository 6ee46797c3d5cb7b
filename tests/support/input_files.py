"""Picture files of every form that users have, made with Pillow."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

# Four colors in the corners of a picture that is wider than high.
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(width: int = 48, height: int = 32) -> Image.Image:
    """Return red, green over blue, white: each a quarter of the picture."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def noise(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    """Return random pixels, on which different operations give different results."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """Return an image as the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, file_format, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *, bits: int = 8, color: int = 2, data: bytes = b"") -> bytes:
    """Return a PNG file with a header of one's choice, and any data."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(data)),
            png_chunk(b"IEND", b""),
        )
    )


def linear_profile() -> bytes:
    """Return an RGB profile with the primaries of sRGB and no gamma."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile = profile.replace(b"s\0R\0G\0B\0", b"X\0Y\0Z\0W\0").replace(
        b"\0s\0R\0G\0B", b"\0X\0Y\0Z\0W"
    )
    place = profile.find(b"para\0\0\0\0\0\3")
    assert place > 0
    # Function 0 is Y = X ** g; it takes 16 bytes, and the remaining parameters are unused.
    profile[place : place + 16] = b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", 0x10000)
    return bytes(profile)
