"""Parse addresses of models on Hugging Face, in all common forms. No network access."""

import os
import re
from dataclasses import dataclass

from gpustack_draw.errors import UsageError, quoted

_HINT = "write it as hf.co/OWNER/REPO, or hf.co/OWNER/REPO:TAG, for example :Q8_0"
_HOST = re.compile(
    r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.com?)(?=[/:?#]|$)"
    r"|hf://|hf:(?=[^/:]+/[^/])",  # forms of the hub's client
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_FILE_PAGES = ("blob", "resolve", "raw", "blame")
_FOLDER_PAGES = ("tree", "commit", "commits")
MODEL_ENDINGS = (".gguf", ".safetensors", ".ckpt")
# The default tag of Ollama.
_DEFAULT_TAG = "latest"
# First path segments of addresses that are not models, with a description.
_NOT_MODELS = {
    "datasets": "a dataset",
    "spaces": "a Space",
    "collections": "a collection",
    "papers": "a paper",
    "docs": "a page of documentation",
    "blog": "a blog post",
}
_REVISION_AND_FILE = re.compile(r"(refs/[^/]+/[^/]+|[^/]+)/(.+)")


@dataclass(frozen=True)
class HubAddress:
    """The address of a model on Hugging Face.

    Attributes:
        repository: ``OWNER/REPO``.
        tag: A quantization, or the path of a file; empty for none.
        revision: A branch, tag or commit; empty for the main branch.
    """

    repository: str
    tag: str = ""
    revision: str = ""


def parse_hub_address(text: str) -> HubAddress | None:
    """Parse the address of a model on Hugging Face, or on the mirror in ``HF_ENDPOINT``.

    ``hf.co/OWNER/REPO[@REVISION][:TAG]``; also ``hf.co/OWNER/REPO[@REVISION]/FILE.gguf``, with
    ``hf://`` or ``hf:`` in place of ``hf.co/``, and the addresses of pages and files.

    Args:
        text: The text as typed, without outer blanks.

    Returns:
        The address; ``None`` for text of another form.

    Raises:
        UsageError: The text starts like such an address, and names no model.
    """
    start = _length_of_host(text)
    if start is None:
        return None
    path, tag, query = _split(text[start:], is_url="://" in text[:start])
    name, has_revision, revision = path.removeprefix("/").partition("@")
    if name.count("/") > 1:  # a page, whose file name may contain "@"
        name, has_revision, revision = path.removeprefix("/"), "", ""
    parts = _without_models(name.removesuffix("/").split("/"))
    if len(parts) > 1 and parts[0].lower() in _NOT_MODELS:
        raise UsageError(
            f"{quoted(text)} is {_NOT_MODELS[parts[0].lower()]}, not a model", hint=_HINT
        )
    parts[1:2] = [part.removesuffix(".git") for part in parts[1:2]]
    repository = "/".join(parts[:2])
    if len(parts) < 2 or not all(_NAME.fullmatch(part) for part in parts[:2]):
        raise UsageError(f"{quoted(text)} does not name a repository on Hugging Face", hint=_HINT)
    if len(parts) > 2 and tag is None:
        revision, tag = _read_page(text, parts, query)
    elif len(parts) > 2:
        raise _not_a_repository(text, repository)
    elif has_revision and tag is None:
        revision, tag = _revision_and_file(revision)
    if (has_revision or revision) and not _is_revision(revision):
        raise UsageError(f"{quoted(text)} does not name a revision after the @", hint=_HINT)
    if tag is None and query:
        tag = query
    if tag is not None and not _is_tag(tag):
        raise UsageError(f"{quoted(text)} does not name a tag after the colon", hint=_HINT)
    is_default = tag is None or tag.lower() == _DEFAULT_TAG
    return HubAddress(repository, "" if is_default else str(tag), revision)


def _length_of_host(text: str) -> int | None:
    if found := _HOST.match(text):
        return found.end()
    mirror = _without_scheme(os.environ.get("HF_ENDPOINT", "").strip()).rstrip("/")
    address = _without_scheme(text)
    if mirror and address.lower().startswith(f"{mirror.lower()}/"):
        return len(text) - len(address) + len(mirror)
    return None


def _without_scheme(address: str) -> str:
    return re.sub(r"^https?://", "", address, flags=re.IGNORECASE)


def _split(rest: str, *, is_url: bool) -> tuple[str, str | None, str]:
    """Split the text after the host into path, tag and the file in the query."""
    if is_url:  # a # or a ? after a typed tag is part of a file's name
        rest, query = _without_query(rest)
    path, colon, tag = rest.partition(":")
    if not is_url:
        path, query = _without_query(path)
    return path, tag if colon else None, query


def _without_query(text: str) -> tuple[str, str]:
    from urllib.parse import parse_qs

    path, _, query = text.partition("#")[0].partition("?")
    return path, parse_qs(query).get("show_file_info", [""])[0]


def _without_models(parts: list[str]) -> list[str]:
    """Remove the prefix that the hub's client and API use for models."""
    for prefix in (["api", "models"], ["models"]):
        count = len(prefix)
        if [part.lower() for part in parts[:count]] == prefix and len(parts) >= count + 2:
            return parts[count:]
    return parts


def _read_page(text: str, parts: list[str], query_file: str) -> tuple[str, str | None]:
    """Return revision and file from the path of a page or of a file."""
    from urllib.parse import unquote

    repository, page, rest = "/".join(parts[:2]), parts[2], parts[3:]
    if rest and page in (*_FILE_PAGES, *_FOLDER_PAGES):
        revision, path = unquote(rest[0]), unquote("/".join(rest[1:]))
        if not _is_revision(revision):
            raise UsageError(f"{quoted(text)} does not name a revision", hint=_HINT)
        if bool(path) == (page in _FILE_PAGES):
            return revision, path or None
        if query_file:
            return revision, query_file
        raise UsageError(
            f"{quoted(text)} is the address of a folder, not of a file",
            hint=f"name a file in it, hf.co/{repository}:{path or 'FOLDER'}/FILE, or"
            f" hf.co/{repository}",
        )
    path = unquote("/".join(parts[2:]))
    if not path.lower().endswith(MODEL_ENDINGS):
        raise _not_a_repository(text, repository)
    return "", path


def _not_a_repository(text: str, repository: str) -> UsageError:
    return UsageError(
        f"{quoted(text)} does not name a repository on Hugging Face",
        hint=f"type hf.co/{repository}, or hf.co/{repository}:TAG, for example :Q8_0",
    )


def _revision_and_file(text: str) -> tuple[str, str | None]:
    """Split ``REVISION/FILE.gguf``; the revision may contain slashes."""
    from urllib.parse import unquote

    found = _REVISION_AND_FILE.fullmatch(text)
    if found and found[2].lower().endswith(MODEL_ENDINGS):
        return unquote(found[1]), unquote(found[2])
    return unquote(text), None


def _is_revision(revision: str) -> bool:
    # A branch, tag or commit that git allows and that is safe in a path.
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", revision) is not None and not (
        {"", ".", ".."} & set(revision.split("/"))
    )


def _is_tag(tag: str) -> bool:
    # A file name may contain blanks, but must not leave the repository.
    return bool(tag.strip()) and tag.isprintable() and not {"", ".", ".."} & set(tag.split("/"))
