"""The MODEL argument: which kind of model it names. Looks at files, never at the network."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.errors import UsageError, quoted

DEFAULT_TAG = "Q4_0"

_HUB_HINT = "write it as hf.co/OWNER/REPO, or hf.co/OWNER/REPO:TAG, for example :Q8_0"
_HUB = re.compile(r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)(?=[/:?#]|$)", re.IGNORECASE)
_HUB_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PATH_STARTS = ("/", "./", "../", "~", ".\\", "..\\", "\\")
_PAGES = ("blob", "resolve", "raw", "tree")  # of a file, a file, a file and a folder
_MODEL_ENDINGS = (".gguf", ".safetensors", ".ckpt")


@dataclass(frozen=True)
class DemoModel:
    """The small model inside the package."""

    text: str = "demo"


@dataclass(frozen=True)
class HubModel:
    """A model on Hugging Face.

    Attributes:
        repository: ``OWNER/REPO``.
        tag: A quantisation, or the path of a file in the repository.
        tag_given: Whether the user named the tag.
        revision: A branch, tag or commit of the repository; ``None`` for its main branch.
        text: The reference as typed.
    """

    repository: str
    tag: str = DEFAULT_TAG
    tag_given: bool = False
    revision: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        """Write the text when there is none."""
        if not self.text:
            revision = f"@{self.revision}" if self.revision else ""
            tag = f":{self.tag}" if self.tag_given else ""
            object.__setattr__(self, "text", f"hf.co/{self.repository}{revision}{tag}")


@dataclass(frozen=True)
class LocalModel:
    """A model file, or a folder in diffusers layout, on this machine. It need not exist."""

    path: Path
    text: str = ""

    def __post_init__(self) -> None:
        """Write the text when there is none."""
        if not self.text:
            object.__setattr__(self, "text", str(self.path))


@dataclass(frozen=True)
class ServerModel:
    """A model on the GPUStack server, by its name there."""

    name: str
    text: str = ""

    def __post_init__(self) -> None:
        """Write the text when there is none."""
        if not self.text:
            object.__setattr__(self, "text", self.name)


ModelReference = DemoModel | HubModel | LocalModel | ServerModel


def parse_model_reference(text: str | os.PathLike[str]) -> ModelReference:
    """Tell which kind of model a MODEL argument names.

    The first rule that fits wins:

    1. ``demo``: the model inside the package;
    2. ``hf.co/OWNER/REPO[@REVISION][:TAG]``, also ``huggingface.co/``, with or without
       ``https://``, and the address of a file in a browser (``.../blob/main/FILE.gguf``): a Hugging
       Face model;
    3. something that exists, or is written as a path (``/``, ``./``, ``../``, ``~``, ``file://``
       in front) or as a model file (ending in .gguf, .safetensors or .ckpt): that file or folder;
    4. anything else: the name of a model on the GPUStack server.

    Looks at the file system, never at the network. Blanks around a text are dropped, unless a file
    has them in its name.

    Args:
        text: The argument as typed; a path object is always a path.

    Raises:
        UsageError: The text is empty, or names a Hugging Face host but not a repository there, or
            another address on the network.
    """
    if not isinstance(text, str):
        if not isinstance(text, os.PathLike):
            raise UsageError(f"{quoted(text)} is not a model: it is {type(text).__name__}")
        name = os.fspath(text)
        if not isinstance(name, str):
            raise UsageError(f"{quoted(name)} is not a model: it is {type(name).__name__}")
        _check_text(name)
        return LocalModel(Path(name), name)
    _check_text(text)
    if not os.path.lexists(text):
        text = text.strip()
    if text == "demo":
        return DemoModel(text)
    if hub := _HUB.match(text):
        return _parse_hub_reference(text, text[hub.end() :])
    if path := _local_path(text):
        return LocalModel(path, text)
    if _URL.match(text):
        raise UsageError(
            f"{quoted(text)} is an address on the network, but not one of Hugging Face",
            hint="download the file and give its path, or write hf.co/OWNER/REPO",
        )
    return ServerModel(text, text)


def _check_text(text: str) -> None:
    if not text.strip():
        raise UsageError(
            f"the model is empty: {text!r}",
            hint="name a model: demo, hf.co/OWNER/REPO, or the path of a file",
        )
    if "\0" in text:
        raise UsageError(f"{quoted(text)} is not a model: it has a NUL character")


def _parse_hub_reference(text: str, rest: str) -> HubModel:
    if "://" in text:
        rest = re.split("[?#]", rest)[0]
    name, colon, tag = rest.partition(":")
    name, at, typed_revision = re.split("[?#]", name)[0].removeprefix("/").partition("@")
    if name.count("/") > 1:  # a page's address, whose file may have one
        name, at = name + at + typed_revision, ""
    revision: str | None = typed_revision if at else None
    if at and not _is_revision(typed_revision):
        raise UsageError(f"{quoted(text)} does not name a revision after the @", hint=_HUB_HINT)
    parts = name.removesuffix("/").split("/")
    if len(parts) > 3 and parts[2] in _PAGES and not colon:
        revision, tag = _read_page(text, parts)
        colon, parts = ":" if tag else "", parts[:2]
    if len(parts) != 2 or not all(_HUB_NAME.fullmatch(part) for part in parts):
        raise UsageError(
            f"{quoted(text)} does not name a repository on Hugging Face", hint=_HUB_HINT
        )
    if colon and not _is_tag(tag):
        raise UsageError(f"{quoted(text)} does not name a tag after the colon", hint=_HUB_HINT)
    repository = "/".join(parts)
    if colon:
        return HubModel(repository, tag, tag_given=True, revision=revision, text=text)
    return HubModel(repository, revision=revision, text=text)


def _read_page(text: str, parts: list[str]) -> tuple[str, str]:
    """Read revision and file from OWNER/REPO/blob/REVISION/FILE or OWNER/REPO/tree/REVISION."""
    from urllib.parse import unquote

    revision, file = unquote(parts[3]), unquote("/".join(parts[4:]))
    if not _is_revision(revision):
        raise UsageError(f"{quoted(text)} does not name a revision", hint=_HUB_HINT)
    if (parts[2] == "tree") == bool(file):
        repository = "/".join(parts[:2])
        raise UsageError(
            f"{quoted(text)} is the address of a folder, not of a file",
            hint=f"name a file in it, hf.co/{repository}:FOLDER/FILE, or hf.co/{repository}",
        )
    return revision, file


def _is_revision(revision: str) -> bool:
    # A branch, a tag or a commit: what git allows, and what can be part of a path.
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", revision) is not None and not (
        {"", ".", ".."} & set(revision.split("/"))
    )


def _is_tag(tag: str) -> bool:
    # A file name may have blanks in it; it must not leave the repository.
    return bool(tag.strip()) and tag.isprintable() and not {"", ".", ".."} & set(tag.split("/"))


def _local_path(text: str) -> Path | None:
    if text.lower().startswith("file://"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        address = urlsplit(text)
        if address.netloc not in ("", "localhost") or not address.path:
            raise UsageError(
                f"{quoted(text)} is not the address of a file on this machine",
                hint="write it as file:///FOLDER/FILE, or as a path",
            )
        path = url2pathname(address.path)
        _check_text(path)
        return Path(path)
    written_as_path = text.startswith(_PATH_STARTS) or text in (".", "..")
    if not written_as_path and not os.path.lexists(text):
        drive = os.path.splitdrive(text)[0] != ""
        model_file = text.lower().endswith(_MODEL_ENDINGS) and not _URL.match(text)
        if not drive and not model_file:
            return None
    try:
        return Path(text).expanduser()
    except RuntimeError:  # "~nobody": no such user, so no such folder
        return Path(text)
