"""Choose and check output paths before anything is drawn."""

# Paths stay text here: a Path would drop a typed "./" in front and "/" at the end.
# ruff: noqa: PTH108, PTH110, PTH111, PTH112, PTH113, PTH114, PTH116, PTH118, PTH120, PTH122, PTH123

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gpustack_draw.errors import OutputError, quoted
from gpustack_draw.phrases import phrase

# Pillow's format by extension.
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

_EXAMPLE_HINT = phrase("for example {path='cat.png'}")
_SEPARATORS = tuple(separator for separator in (os.sep, os.altsep) if separator)
_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows only


@dataclass(frozen=True, kw_only=True)
class OutputPlan:
    """Output paths, chosen and checked by :func:`plan_output`.

    Attributes:
        mode: ``stdout``; ``file``, one file with the user's name, which is replaced; ``numbered``,
            several with that name and -1, -2, ...; ``generated``, a name from the prompt and the
            time. The last two never overwrite anything.
        folder: Folder as typed; empty for the current one.
        stem: File name without its extension.
        suffix: ``.png``, ``.jpg``, ``.jpeg`` or ``.webp``, in the user's spelling.
    """

    mode: Literal["stdout", "file", "numbered", "generated"]
    folder: str = ""
    stem: str = ""
    suffix: str = ".png"

    def path(self, number: int) -> str:
        """Return the path of a picture by its number, from 1; relative paths stay relative."""
        plain = self.mode == "file" or (self.mode == "generated" and number == 1)
        name = f"{self.stem}{self.suffix}" if plain else f"{self.stem}-{number}{self.suffix}"
        return os.path.join(self.folder, name)

    @property
    def target(self) -> str:
        """The file to replace; for a link, its target."""
        return os.path.realpath(self.path(1))

    @property
    def target_folder(self) -> str:
        """The folder of the files."""
        return os.path.dirname(self.target) if self.mode == "file" else self.folder or os.curdir


def plan_output(
    path_text: str | None, prompt: str, count: int, now: datetime | None = None
) -> OutputPlan:
    """Choose the output paths, and check that they can be written.

    Creates and removes a small file in the folder, the only portable test for permissions,
    read-only file systems and full disks.

    Args:
        path_text: A file (.png, .jpg, .jpeg, .webp), a folder (one that exists; the name is
            generated), ``-`` for standard output, or ``None`` for a generated name in the current
            folder.
        prompt: Generated names start with it.
        count: Number of pictures.
        now: Time for generated names; by default the current one.

    Raises:
        OutputError: The pictures cannot be written there.
    """
    if path_text == "-":
        return OutputPlan(mode="stdout")
    text = "" if path_text is None else path_text
    if path_text is not None and not text.strip():
        raise OutputError(f"{quoted(text)} is not a file name", hint=_EXAMPLE_HINT)
    if not os.path.lexists(text) and os.path.splitext(text.rstrip())[1].lower() in FORMATS:
        text = text.rstrip()
    if text.startswith("~"):
        text = os.path.expanduser(text)
    with os_errors_about(text or os.curdir):
        if path_text is None or _is_folder(text):
            stem = generated_stem(prompt, now or datetime.now().astimezone())
            plan = OutputPlan(mode="generated", folder=text, stem=stem)
        else:
            folder, stem, suffix = _split(text)
            mode: Literal["file", "numbered"] = "file" if count == 1 else "numbered"
            plan = OutputPlan(mode=mode, folder=folder, stem=stem, suffix=suffix)
        _check_folder(plan)
        _check_name(plan, count)
    return plan


def generated_stem(prompt: str, now: datetime) -> str:
    """Return a file name from a prompt and a time, like that of ``gpustack draw`` 0.7.1.

    It has the first 23 characters of the prompt, with ``_`` for everything but letters, digits,
    ``_`` and ``-``, and the local time to the second. ``picture`` replaces a prompt without letters
    and digits. No name starts with a dash, which would look like an option.
    """
    start = re.sub(r"[^\w-]", "_", prompt[:23]).lstrip("-")
    try:
        os.fsencode(start)
    except UnicodeEncodeError:  # a file system of another encoding than UTF-8
        start = re.sub(r"[^\w-]", "_", start, flags=re.ASCII)
    if not start.strip("_-"):
        start = "picture"
    return f"{start}_{now:%Y%m%d_%H%M%S}"


def _is_folder(text: str) -> bool:
    if not os.path.isdir(text):
        if text.endswith(_SEPARATORS):
            raise _no_folder(text.rstrip("".join(_SEPARATORS)), text)
        return False
    if os.path.splitext(text)[1].lower() in FORMATS:
        hint = f"to save in it, type {os.path.join(text, '')}"
        raise OutputError(f"{quoted(text)} is a folder", hint=hint)
    return True


def _split(text: str) -> tuple[str, str, str]:
    """Split a file's path into folder, stem and suffix."""
    folder, name = os.path.split(text)
    stem, suffix = os.path.splitext(name)
    if stem.lower() in FORMATS:
        raise OutputError(
            f"{quoted(text)} is an extension without a name",
            hint=_EXAMPLE_HINT,
        )
    if not suffix and os.path.exists(text) and not os.path.isfile(text):
        raise _not_a_file(text)
    if not suffix:
        raise OutputError(
            f"{quoted(text)} is not an existing folder, and has no extension",
            hint=f"type {text}.png for a file, or make the folder first",
        )
    if suffix.lower() not in FORMATS:
        raise OutputError(
            f"{quoted(text)} ends in {suffix}", hint="pictures can be .png, .jpg or .webp"
        )
    if suffix.lower() == ".webp":
        from PIL import features

        if not features.check("webp"):
            raise OutputError(
                f"{quoted(text)}: the installed Pillow cannot write WebP", hint="use .png or .jpg"
            )
    return folder, stem, suffix


def _check_folder(plan: OutputPlan) -> None:
    folder, name = plan.target_folder, plan.folder or os.curdir
    if not os.path.isdir(folder):
        raise _no_folder(folder, name)
    try:
        with temporary_file(folder, b""):
            pass
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OutputError(
            f"folder {quoted(name)} cannot be written to: {_reason(error)}",
            hint=phrase("choose another place with {path}"),
        ) from error


def _check_name(plan: OutputPlan, count: int) -> None:
    path = plan.path(count)
    try:
        mode = os.stat(path).st_mode  # raises for a name that is too long
    except FileNotFoundError:
        return
    if plan.mode == "file" and not stat.S_ISREG(mode):
        raise _not_a_file(path)
    if plan.mode == "file" and not os.access(path, os.W_OK):
        raise OutputError(f"{quoted(path)} is write-protected", hint="name another file")


def _not_a_file(path: str) -> OutputError:
    return OutputError(f"{quoted(path)} exists, and is not a file", hint="name another file")


def _no_folder(folder: str, name: str) -> OutputError:
    if os.path.isdir(name) or os.path.islink(name.rstrip("".join(_SEPARATORS))):
        folder = name = os.path.realpath(folder)  # the target of a link
    if os.path.lexists(folder):
        return OutputError(f"{quoted(name)} is not a folder")
    import shlex

    return OutputError(
        f"folder {quoted(name)} does not exist",
        hint=f"make it first: mkdir -p {shlex.quote(name)}",
    )


@contextmanager
def temporary_file(folder: str, data: bytes) -> Iterator[str]:
    """Create a temporary file, flushed to disk, and yield its path.

    Its mode follows the umask. It is removed on exit unless it was renamed.
    """
    import secrets

    path = os.path.join(folder, f".gpustack-draw-{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        yield path
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


@contextmanager
def os_errors_about(path: str) -> Iterator[None]:
    """Raise errors of the operating system as an OutputError about a path."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None))
        raise OutputError(
            f"{quoted(path)} cannot be written: {_reason(error)}",
            hint=phrase("free some space, or choose another place with {path}") if full else "",
        ) from error
    except ValueError as error:  # NUL, or a character that file names cannot have here
        raise OutputError(f"{quoted(path)} cannot be a file name") from error


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
