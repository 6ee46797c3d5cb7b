"""Convert files and images of Pillow to upright 8-bit sRGB."""

import hashlib
import io
import warnings
from typing import TYPE_CHECKING, Any

from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.file_formats import (
    RAW_CAMERA_FILE,
    RAW_HINT,
    FileFormat,
    format_of,
)
from gpustack_draw.inputs.input_picture import InputPicture
from gpustack_draw.inputs.picture_arrays import make_picture
from gpustack_draw.inputs.picture_limits import bomb, check_size

if TYPE_CHECKING:
    import PIL.Image

_ORIENTATION = 0x0112  # EXIF
_DNG_VERSION = 0xC612  # TIFF
_BLACK_POINT_COMPENSATION: Any = 0x2000  # of lcms2.h; Pillow 10.0 has no name for it
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def decode_file(data: bytes, label: str, suffix: str = "") -> InputPicture:
    """Decode a picture file.

    Args:
        data: The whole file.
        label: Name of the file in messages.
        suffix: Suffix of its name in lower case; empty if unknown.

    Raises:
        UsageError: It is not a picture, is damaged or too large, or its format is not read.
    """
    file_format = format_of(data, label, suffix)
    title = f"{file_format.title} file"
    sha256 = hashlib.sha256(data).hexdigest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on oddities of files that are read nevertheless
        with _opened(data, file_format, label) as image:
            return convert_image(image, label, sha256=sha256, title=title)


def file_size(data: bytes, label: str) -> tuple[int, int]:
    """Return the width and height in the header of a picture file; decodes no pixels.

    Args:
        data: The whole file.
        label: Name of the file in messages.

    Raises:
        UsageError: It is not a picture, is damaged or too large, or its format is not read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(data, format_of(data, label), label) as image:
            check_size(image.width, image.height, label)
            return int(image.width), int(image.height)


def _opened(data: bytes, file_format: FileFormat, label: str) -> "PIL.Image.Image":
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data), formats=(_installed(file_format, label),))
    except Image.DecompressionBombError as error:
        raise bomb(label) from error
    except UsageError:
        raise
    except Exception as error:  # decoders raise errors of any type for damaged files
        raise _damaged(f"{file_format.title} file", label) from error


def _installed(file_format: FileFormat, label: str) -> str:
    """Return Pillow's name of a format, if the installed Pillow has it."""
    from PIL import Image

    if file_format.name not in Image.OPEN:
        Image.init()
    if file_format.name not in Image.OPEN:
        raise UsageError(
            f"{label} is a picture in {file_format.title}, which the installed Pillow cannot read",
            hint="convert it to PNG, or install a newer Pillow",
        )
    return file_format.name


def _damaged(title: str, label: str) -> UsageError:
    return UsageError(f"{label} is a damaged or truncated {title}", hint="copy or save it again")


def convert_image(
    image: "PIL.Image.Image", label: str, *, sha256: str = "", title: str = "image"
) -> InputPicture:
    """Convert an image of Pillow.

    Args:
        image: The image, loaded or not.
        label: Name of the picture in messages.
        sha256: Digest of its file; empty to compute that of the pixels.
        title: What to call it if it is damaged.

    Raises:
        UsageError: It is damaged, too large, or has pixels of an unsupported type.
    """
    import numpy as np
    from PIL import Image

    check_size(image.width, image.height, label)
    try:
        notes = _notes_on_frames(image, label)
        if _DNG_VERSION in getattr(image, "tag_v2", ()):
            raise UsageError(f"{label} {RAW_CAMERA_FILE}", hint=RAW_HINT)
        image.load()
        check_size(image.width, image.height, label)  # of the frame
        turn = _turn_of(image)
        color, alpha = _split_alpha(_with_eight_bits(image, label))
        color, profile_notes = _to_srgb(color, image.info.get("icc_profile"), label)
        pixels = np.array(color if turn is None else color.transpose(turn))
        if alpha is not None:
            alpha = alpha if turn is None else alpha.transpose(turn)
    except UsageError:
        raise
    except Image.DecompressionBombError as error:
        raise bomb(label) from error
    except Exception as error:  # decoders raise errors of any type for damaged files
        raise _damaged(title, label) from error
    return make_picture(
        pixels,
        None if alpha is None else np.array(alpha),
        label=label,
        sha256=sha256,
        notes=(*notes, *profile_notes),
    )


def _notes_on_frames(image: "PIL.Image.Image", label: str) -> tuple[str, ...]:
    if not getattr(image, "is_animated", False):
        return ()
    if image.format in _ANIMATED:
        return (f"{label} is animated: its first frame is used",)
    # Phones store further pictures, such as depth, in JPEG files.
    return (f"{label} has several pages: the first is used",) if image.format == "TIFF" else ()


def _turn_of(image: "PIL.Image.Image") -> "PIL.Image.Transpose | None":
    """Return the operation that turns a picture upright."""
    from PIL.Image import Transpose

    if image.format == "TIFF":  # which Pillow turns when it loads it
        return None
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        return turns.get(int(image.getexif().get(_ORIENTATION, 1)))
    except Exception:  # damaged EXIF data is no reason to refuse a picture
        return None


def _with_eight_bits(image: "PIL.Image.Image", label: str) -> "PIL.Image.Image":
    """Return an image whose channels have 8 bits."""
    import numpy as np
    from PIL import Image

    if image.mode not in (*_SIXTEEN_BITS, "F"):
        return image
    values = np.asarray(image)
    if image.mode == "F" or int(values.min()) < 0 or int(values.max()) > 65535:
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise UsageError(f"{label} has {kind} pixels", hint="save it with 8 or 16 bits per channel")
    eight_bits = (values.astype(np.uint32) * 255 + 32767) // 65535
    return Image.fromarray(eight_bits.astype(np.uint8))


def _split_alpha(
    image: "PIL.Image.Image",
) -> "tuple[PIL.Image.Image, PIL.Image.Image | None]":
    """Return the color channels, and the alpha channel if there is one."""
    has_alpha = image.mode in _ALPHA_MODES or "transparency" in image.info
    if image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA":
        has_alpha = True
    if image.mode in ("1", "L", "LA", "La"):
        if not has_alpha:
            return image.convert("L"), None
        both = image.convert("LA")
        return both.getchannel("L"), both.getchannel("A")
    if has_alpha:
        both = image.convert("RGBA")
        return both.convert("RGB"), both.getchannel("A")
    return image if image.mode in ("RGB", "CMYK", "LAB") else image.convert("RGB"), None


def _to_srgb(
    image: "PIL.Image.Image", profile: Any, label: str
) -> "tuple[PIL.Image.Image, tuple[str, ...]]":
    """Convert colors to sRGB by their ICC profile.

    Returns:
        The image in RGB, and notes for the user.
    """
    if not profile and image.mode != "LAB":
        return image.convert("RGB"), ()
    try:
        # Pillow can be built without it.
        from PIL import ImageCms

        is_lab = image.mode == "LAB"  # independent of devices, so any profile is another one
        source = ImageCms.ImageCmsProfile(
            ImageCms.createProfile("LAB") if is_lab else io.BytesIO(profile)
        )
        # Converting from sRGB to itself would change pixels by one level.
        if ImageCms.getProfileDescription(source).strip().startswith("sRGB"):
            return image.convert("RGB"), ()
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=_BLACK_POINT_COMPENSATION,
        )
        assert converted is not None  # it is None only when converting in place
    except Exception:  # a damaged profile is no reason to refuse a picture
        note = f"the color profile of {label} cannot be used: its colors are taken for sRGB"
        return image.convert("RGB"), (note,)
    return converted, ()
