"""A picture becomes a file, with everything it was drawn from inside.

The only user of Pillow's writers. A picture appears under its name whole or not at all.
"""

# Paths are text here, as in output_plan.
# ruff: noqa: PTH101, PTH105, PTH116

import itertools
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from gpustack_draw.output_plan import FORMATS, OutputPlan, os_errors_about, temporary_file
from gpustack_draw.parameters import parameters_text, settings_line

if TYPE_CHECKING:
    from gpustack_draw.picture import Picture

# Pillow refuses more in a JPEG file: a segment's length has 16 bits.
_MAX_EXIF_BYTES = 64_000


def encode(picture: "Picture", suffix: str) -> bytes:
    """Encode a picture, with its parameters, as the contents of a file.

    PNG holds them in the text chunk ``parameters``, JPEG and WebP in the EXIF field UserComment.

    Args:
        picture: What to encode.
        suffix: ``.png``, ``.jpg``, ``.jpeg`` or ``.webp``, in any case.
    """
    import io

    from PIL.PngImagePlugin import PngInfo

    image = picture.to_image()
    # To memory first: Pillow's own writing to a file loses the errno of a full disk.
    file = io.BytesIO()
    kind = FORMATS[suffix.lower()]
    if kind == "PNG":
        chunks = PngInfo()
        chunks.add_text("parameters", parameters_text(picture))  # tEXt, or iTXt if it must
        image.save(file, format=kind, pnginfo=chunks)
    else:
        # JPEG's usual 4:2:0 would blur the edges of coloured shapes. WebP has no such choice.
        image.save(file, format=kind, quality=95, subsampling=0, exif=_exif(picture))
    return file.getvalue()


def save(picture: "Picture", plan: OutputPlan, index: int) -> str:
    """Write a picture where the plan says.

    The bytes go to a temporary file in the same folder, which then takes its name in one step; on
    any failure, Ctrl-C included, nothing is left.

    Args:
        picture: What to write.
        plan: Where to; not standard output.
        index: Which of the plan's pictures this is, from 0.

    Returns:
        The path it has now: the user's own, or the first that was free.

    Raises:
        OutputError: It could not be written.
    """
    data = encode(picture, plan.suffix)
    path = plan.path(index + 1)
    with os_errors_about(path), temporary_file(plan.target_folder, data) as temporary:
        if plan.kind == "file":
            _keep_mode(plan.target, temporary)
            os.replace(temporary, plan.target)
            return path
        first = 1 if plan.kind == "generated" else index + 1
        return next(
            path for path in map(plan.path, itertools.count(first)) if _claim(temporary, path)
        )


def _claim(temporary: str, path: str) -> bool:
    """Give a finished file a name, unless that is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except (OSError, AttributeError):
        pass  # a file system or platform without hard links: take the name, then fill it
    else:
        return True
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    os.replace(temporary, path)
    return True


def _keep_mode(target: str, temporary: str) -> None:
    """Give a file the permissions of the one it will replace, if there is one."""
    with suppress(OSError):  # none there, or a file system without permissions
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))


def _exif(picture: "Picture") -> bytes:
    """Put the parameters into EXIF data, as the web UI does: UserComment, UTF-16 big-endian.

    Two directories with one field each (TIFF 6.0, Exif 2.3). Pillow would give the field the type
    BYTE, with which piexif, the web UI's own reader, cannot read it; it has to be UNDEFINED.
    """
    import struct

    text = parameters_text(picture)
    if _is_too_long(text):
        text = parameters_text(picture, exact=False)
    if _is_too_long(text):
        # Two prompts of 10,000 emoji. What must survive comes last: the seed and the settings.
        pairs = settings_line(picture)
        text = f"{text[: _MAX_EXIF_BYTES // 4 - len(pairs)]}...\n{pairs}"
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    header = b"Exif\0\0" + struct.pack(">2sHI", b"MM", 42, 8)
    main_directory = struct.pack(">HHHIII", 1, 0x8769, 4, 1, 8 + 18, 0)  # LONG: where the next is
    exif_directory = struct.pack(">HHHIII", 1, 0x9286, 7, len(comment), 8 + 2 * 18, 0)
    return header + main_directory + exif_directory + comment


def _is_too_long(text: str) -> bool:
    return len(text.encode("utf-16-be")) > _MAX_EXIF_BYTES
