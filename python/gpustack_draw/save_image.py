"""A picture becomes a file, with everything it was drawn from inside.

The only user of Pillow's writers. A picture appears under its name whole or not at all.
"""

# Paths are text here, as in output_plan.
# ruff: noqa: PTH101, PTH105, PTH116

import itertools
import os
import stat
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from gpustack_draw.output_plan import FORMATS, OutputPlan, os_errors_about, temporary_file

if TYPE_CHECKING:
    from gpustack_draw.picture import Picture

# The names that the Stable Diffusion web UI (modules/sd_samplers*.py) and its forks write. A reader
# there knows the first ones; the others are spelled the way it would.
SAMPLER_TITLES = {
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "dpm++2s_a": "DPM++ 2S a",
    "dpm++2m": "DPM++ 2M",
    "lcm": "LCM",
    "dpm++2mv2": "DPM++ 2M v2",
    "ipndm": "IPNDM",
    "ipndm_v": "IPNDM V",
    "ddim_trailing": "DDIM trailing",
    "tcd": "TCD",
    "res_multistep": "Res Multistep",
    "res_2s": "Res 2S",
    "er_sde": "ER SDE",
}

# Likewise (modules/sd_schedulers.py). The engine's "discrete" is the web UI's "Uniform": its
# "Automatic" would be Karras for some samplers.
SCHEDULER_TITLES = {
    "discrete": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "ays": "Align Your Steps",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "kl_optimal": "KL Optimal",
    "gits": "GITS",
    "smoothstep": "Smoothstep",
    "lcm": "LCM",
    "bong_tangent": "Bong Tangent",
}

# Families that take the distilled guidance as an input. Forge names it as below.
_GUIDED_FAMILIES = ("flux1", "flux1-fill", "flux1-controls", "flex2", "flux2")

# Pillow refuses more in a JPEG file: a segment's length has 16 bits.
_MAX_EXIF_BYTES = 64_000


def parameters_text(picture: "Picture") -> str:
    """Write how a picture was drawn in the form Stable Diffusion web UIs write and read.

    The prompt, then ``Negative prompt: ...`` if there is one, then a line of ``Name: value`` pairs,
    as ``create_infotext`` in modules/processing.py of AUTOMATIC1111's web UI puts it (read
    2026-11-22). Its reader takes the last line for the pairs, so prompts may have several lines.
    """
    settings = picture.settings
    lines = [settings.prompt]
    if settings.negative_prompt:
        lines.append(f"Negative prompt: {settings.negative_prompt}")
    lines.append(_pairs(picture))
    return "\n".join(lines).strip()


def _pairs(picture: "Picture") -> str:
    settings = picture.settings
    pairs: dict[str, object] = {
        "Steps": settings.sample_steps,
        "Sampler": SAMPLER_TITLES.get(settings.sampler, settings.sampler),
        "Schedule type": SCHEDULER_TITLES.get(settings.scheduler, settings.scheduler),
        "CFG scale": _number(settings.cfg_scale),
        "Distilled CFG Scale": _number(settings.guidance),
        "Seed": settings.seed,
        "Size": f"{picture.width}x{picture.height}",
        "Model": picture.model,
        "Version": f"gpustack-draw {package_version()}",
    }
    if picture.family not in _GUIDED_FAMILIES:
        del pairs["Distilled CFG Scale"]
    return ", ".join(f"{name}: {_quote(str(value))}" for name, value in pairs.items())


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _quote(value: str) -> str:
    # The web UI's own rule (modules/infotext_utils.py, quote).
    if not any(mark in value for mark in ',:\n"'):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


@cache
def package_version() -> str:
    """Give this package's version, as installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gpustack-draw")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


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
    """Put the parameters into EXIF data, as the web UI does: UserComment, UTF-16 big-endian."""
    from PIL import Image

    text = parameters_text(picture)
    if len(text.encode("utf-16-be")) > _MAX_EXIF_BYTES:
        # Two prompts of 10,000 emoji. What must survive comes last: the seed and the settings.
        pairs = _pairs(picture)
        text = f"{text[: _MAX_EXIF_BYTES // 4 - len(pairs)]}...\n{pairs}"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")  # Exif, UserComment
    return exif.tobytes()
