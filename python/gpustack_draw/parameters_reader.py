"""How a picture was drawn, read from its file.

Any program's: what is in a file is not trusted.
"""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.model_reference import LocalModel, parse_model_reference
from gpustack_draw.names import COMPONENTS
from gpustack_draw.parameters import GIVEN, PROGRAM, REFERENCE
from gpustack_draw.parameters_text import ParametersText, parse_text
from gpustack_draw.request import DrawRequest, parse_cfg_scale, parse_seed, parse_size, parse_steps
from gpustack_draw.web_ui_names import sampling_named

if TYPE_CHECKING:
    from typing import BinaryIO

_Value = TypeVar("_Value")

# Two prompts of the greatest length, written in the longest way, are a third of it.
MOST_CHARACTERS = 1_000_000

_BEGINNING = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP", re.DOTALL)
_USER_COMMENT = (0x8769, 0x9286)  # Exif 2.3: in the Exif IFD, UserComment


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """How a picture was drawn, as far as its file tells; ``None`` or empty for what it does not.

    Attributes:
        prompt: What was drawn.
        negative_prompt: What was to be avoided.
        model: The model's name.
        reference: What to type, or to load, to draw with it again.
        size: Width and height in pixels, each 1 to 8192.
        sampler: One of :data:`gpustack_draw.names.SAMPLERS`, or the name that another program has
            for one that the engine lacks.
        scheduler: One of :data:`gpustack_draw.names.SCHEDULERS`, or likewise.
        sample_steps: 1 to 10000.
        cfg_scale: Classifier-free guidance, 0 to 100.
        seed: 0 to 2**63 - 1.
        given: The components of the model that were named then: ``vae``, ...; the picture does not
            tell which files they were.
        others: Every other value in the file, by its name there.
        text: All of it, as it is in the file.
    """

    prompt: str
    negative_prompt: str
    model: str
    reference: str
    size: tuple[int, int] | None
    sampler: str
    scheduler: str
    sample_steps: int | None
    cfg_scale: float | None
    seed: int | None
    given: tuple[str, ...]
    others: Mapping[str, str]
    text: str

    @property
    def is_of_this_program(self) -> bool:
        """Whether gpustack-draw has drawn the picture."""
        return self.others.get("Version", "").startswith(PROGRAM)

    def request(self) -> DrawRequest:
        """Ask for the same picture again, as ``model.draw`` takes it.

        Raises:
            UsageError: The engine lacks the sampler or the scheduler, or a prompt is too long.
        """
        return DrawRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            size=self.size,
            sampler=self.sampler or "euler",
            scheduler=self.scheduler or None,
            sample_steps=self.sample_steps,
            cfg_scale=self.cfg_scale,
            seed=self.seed,
        )


def read_parameters(path: str | os.PathLike[str]) -> Parameters:
    """Read how a picture was drawn.

    Understands what gpustack-draw and Stable Diffusion web UIs write: the text chunk ``parameters``
    of PNG files, the EXIF field UserComment of JPEG and WebP files.

    Args:
        path: A PNG, JPEG or WebP file.

    Raises:
        UsageError: It cannot be read, is no such picture, or does not tell.
    """
    shown = quoted(os.fspath(path))
    text = _text_of(Path(path), shown)
    if len(text) > MOST_CHARACTERS:
        raise _too_much_text(shown)
    read = parse_text(text)
    if read is None:
        instead = f": its text is {quoted(text, limit=40)}" if text else ""
        raise UsageError(
            f"{shown} does not tell how it was drawn{instead}",
            hint="pictures of gpustack-draw and of Stable Diffusion web UIs do, unless another"
            " program has removed it",
        )
    return _parameters(read, text)


def _parameters(read: ParametersText, text: str) -> Parameters:
    others = dict(read.pairs)

    def take(name: str, parse: Callable[[str], _Value | None]) -> _Value | None:
        try:
            value = parse(others[name])
        except (KeyError, UsageError):
            return None
        del others[name]
        return value

    sampling = sampling_named(others.pop("Sampler", ""), others.pop("Schedule type", ""))
    return Parameters(
        prompt=read.prompt,
        negative_prompt=read.negative_prompt,
        model=others.pop("Model", ""),
        reference=take(REFERENCE, _checked_reference) or "",
        size=take("Size", parse_size),
        sampler=sampling.sampler,
        scheduler=sampling.scheduler,
        sample_steps=take("Steps", parse_steps),
        cfg_scale=take("CFG scale", parse_cfg_scale),
        seed=take("Seed", parse_seed),
        given=tuple(name for name in others.pop(GIVEN, "").split() if name in COMPONENTS),
        others=others,
        text=text,
    )


def _checked_reference(text: str) -> str:
    # We write no path into a picture. One in it is of somebody who wants that file to be opened.
    return "" if isinstance(parse_model_reference(text), LocalModel) else text


def _text_of(path: Path, shown: str) -> str:
    """Give the text in a picture's file; empty where there is none."""
    try:
        with path.open("rb") as file:
            if not _BEGINNING.match(file.read(12)):
                raise UsageError(f"{shown} is no PNG, JPEG or WebP picture")
            file.seek(0)
            return _text_in(file, shown)
    except FileNotFoundError:
        raise UsageError(f"{shown} does not exist", hint="check the path") from None
    except IsADirectoryError:
        raise UsageError(f"{shown} is a folder", hint="name a picture in it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{shown} cannot be read: {reason}") from error
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{shown} cannot be a file name") from error


def _text_in(file: "BinaryIO", shown: str) -> str:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF data, and of many pixels
            with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
                text, comment = image.info.get("parameters"), None
                if text is None:
                    directory, field = _USER_COMMENT
                    comment = image.getexif().get_ifd(directory).get(field)
                    text = image.info.get("parameters")  # from behind a PNG's pixels, by now
    except Image.DecompressionBombError as error:
        raise UsageError(f"{shown} has more pixels than any picture drawn here") from error
    except ValueError as error:  # Pillow's limits to what a text can unpack to, and to all texts
        raise _too_much_text(shown) from error
    except Exception as error:
        # What Pillow says of a damaged file is of many kinds, and for programmers.
        raise UsageError(f"{shown} is damaged", hint="copy or download it again") from error
    if isinstance(comment, bytes):
        return _decoded(comment)
    return text if isinstance(text, str) else ""


def _decoded(comment: bytes) -> str:
    """Decode a UserComment: eight bytes say how its text is encoded."""
    code, data = comment[:8], comment[8:]
    if code != b"UNICODE\0":
        return data.decode(errors="replace")
    # Web UIs write UTF-16 big-endian whatever the byte order of the EXIF data is; some do not.
    text = data.decode("utf-16-be", errors="replace")
    return text if parse_text(text) else data.decode("utf-16-le", errors="replace")


def _too_much_text(shown: str) -> UsageError:
    return UsageError(f"{shown} holds more text than the parameters of a picture can be")
