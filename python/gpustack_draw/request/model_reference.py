"""Parse the MODEL argument. Reads the file system, never the network."""

import os
from dataclasses import dataclass
from pathlib import Path

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.request.foreign_address import check_not_foreign
from gpustack_draw.request.hub_address import MODEL_ENDINGS, parse_hub_address

DEFAULT_TAG = "Q4_0"

_PATH_STARTS = ("/", "./", "../", "~", ".\\", "..\\", "\\")


@dataclass(frozen=True)
class DemoModel:
    """The small model inside the package."""

    text: str = "demo"


@dataclass(frozen=True)
class HubModel:
    """A model on Hugging Face.

    Attributes:
        repository: ``OWNER/REPO``.
        tag: A quantization, or the path of a file in the repository.
        has_explicit_tag: Whether the user named the tag.
        revision: A branch, tag or commit of the repository; ``None`` for its main branch.
        text: The reference as typed.
    """

    repository: str
    tag: str = DEFAULT_TAG
    has_explicit_tag: bool = False
    revision: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        """Set the text if it is empty."""
        if not self.text:
            revision = f"@{self.revision}" if self.revision else ""
            tag = f":{self.tag}" if self.has_explicit_tag else ""
            object.__setattr__(self, "text", f"hf.co/{self.repository}{revision}{tag}")


@dataclass(frozen=True)
class LocalModel:
    """A local model file, or folder in diffusers layout. It need not exist."""

    path: Path
    text: str = ""

    def __post_init__(self) -> None:
        """Set the text if it is empty."""
        if not self.text:
            object.__setattr__(self, "text", str(self.path))


@dataclass(frozen=True)
class ServerModel:
    """A model on the GPUStack server, by its name there."""

    name: str
    text: str = ""

    def __post_init__(self) -> None:
        """Set the text if it is empty."""
        if not self.text:
            object.__setattr__(self, "text", self.name)


ModelReference = DemoModel | HubModel | LocalModel | ServerModel


def parse_model_reference(text: str | os.PathLike[str]) -> ModelReference:
    """Parse a MODEL argument.

    The first matching rule applies:

    1. ``demo``: the model inside the package;
    2. ``hf.co/OWNER/REPO[@REVISION][:TAG]`` and the other forms that
       :func:`~gpustack_draw.request.hub_address.parse_hub_address` reads: a Hugging Face model;
    3. an existing path, or text written as a path (``/``, ``./``, ``../``, ``~``, ``file://``
       in front) or as a model file (ending in .gguf, .safetensors or .ckpt): that file or folder;
    4. anything else: the name of a model on the GPUStack server.

    Reads the file system, never the network. Blanks around a text are removed, unless a file has
    them in its name.

    Args:
        text: The argument as typed; a path object is always a path.

    Raises:
        UsageError: The text is empty, an address on Hugging Face without a repository, another
            network address, or a command.
    """
    try:
        return _parse(text)
    except UsageError as error:
        error.argument = "model"
        raise


def _parse(text: object) -> ModelReference:
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
    if address := parse_hub_address(text):
        return HubModel(
            address.repository,
            address.tag or DEFAULT_TAG,
            has_explicit_tag=bool(address.tag),
            revision=address.revision or None,
            text=text,
        )
    if path := _local_path(text):
        return LocalModel(path, text)
    return ServerModel(text, text)


def _check_text(text: str) -> None:
    if not text.strip():
        raise UsageError(
            f"the model is empty: {text!r}",
            hint="name a model: demo, hf.co/OWNER/REPO, or the path of a file",
        )
    if "\0" in text:
        raise UsageError(f"{quoted(text)} is not a model: it has a NUL character")


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
        check_not_foreign(text)
        drive = os.path.splitdrive(text)[0] != ""
        if not drive and not text.lower().endswith(MODEL_ENDINGS):
            return None
    try:
        return Path(text).expanduser()
    except RuntimeError:  # "~nobody": no such user
        return Path(text)
