"""Addresses of models on Hugging Face, in every form that people type or copy. No network."""

import os
import re
from dataclasses import dataclass

from gpustack_draw.errors import UsageError, quoted

_HINT = "write it as hf.co/OWNER/REPO, or hf.co/OWNER/REPO:TAG, for example :Q8_0"
_HOST = re.compile(
    r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.com?)(?=[/:?#]|$)"
    r"|hf://|hf:(?=[^/:]+/[^/])",  # as the hub's own client writes them
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_FILE_PAGES = ("blob", "resolve", "raw", "blame")
_FOLDER_PAGES = ("tree", "commit", "commits")
MODEL_ENDINGS = (".gguf", ".safetensors", ".ckpt")
# The default tag of Ollama.
_DEFAULT_TAG = "latest"
# OWNER in addresses of what is not a model, and its kind.
_OTHER_KINDS = {
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
    """Where a model is on Hugging Face.

    Attributes:
        repository: ``OWNER/REPO``.
        tag: A quantisation or the path of a file; empty where none is named.
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
        text: As typed, without spaces around it.

    Returns:
        The address; ``None`` where the text is of another form.

    Raises:
        UsageError: It begins as such an address, but does not name a model.
    """
    start = _length_of_host(text)
    if start is None:
        return None
    path, tag, query = _split(text[start:], is_url="://" in text[:start])
    name, has_revision, revision = path.removeprefix("/").partition("@")
    if name.count("/") > 1:  # the address of a page, whose file may have one
        name, has_revision, revision = path.removeprefix("/"), "", ""
    parts = _without_models(name.removesuffix("/").split("/"))
    if len(parts) > 1 and parts[0].lower() in _OTHER_KINDS:
        raise UsageError(
            f"{quoted(text)} is {_OTHER_KINDS[parts[0].lower()]}, not a model", hint=_HINT
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
    """Split what follows the host into path, tag and the file that the page shows."""
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
    """Take off the prefix that the hub's client and its API put before a model's repository."""
    for prefix in (["api", "models"], ["models"]):
        count = len(prefix)
        if [part.lower() for part in parts[:count]] == prefix and len(parts) >= count + 2:
            return parts[count:]
    return parts


def _read_page(text: str, parts: list[str], shown: str) -> tuple[str, str | None]:
    """Read revision and file from the path of a page, or of a file in the repository."""
    from urllib.parse import unquote

    repository, page, rest = "/".join(parts[:2]), parts[2], parts[3:]
    if rest and page in (*_FILE_PAGES, *_FOLDER_PAGES):
        revision, path = unquote(rest[0]), unquote("/".join(rest[1:]))
        if not _is_revision(revision):
            raise UsageError(f"{quoted(text)} does not name a revision", hint=_HINT)
        if bool(path) == (page in _FILE_PAGES):
            return revision, path or None
        if shown:
            return revision, shown
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
    """Split ``REVISION/FILE.gguf``; a revision may have slashes of its own."""
    from urllib.parse import unquote

    found = _REVISION_AND_FILE.fullmatch(text)
    if found and found[2].lower().endswith(MODEL_ENDINGS):
        return unquote(found[1]), unquote(found[2])
    return unquote(text), None


def _is_revision(revision: str) -> bool:
    # A branch, a tag or a commit: what git allows, and what can be part of a path.
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", revision) is not None and not (
        {"", ".", ".."} & set(revision.split("/"))
    )


def _is_tag(tag: str) -> bool:
    # A file name may have blanks in it; it must not leave the repository.
    return bool(tag.strip()) and tag.isprintable() and not {"", ".", ".."} & set(tag.split("/"))
