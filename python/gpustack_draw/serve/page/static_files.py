"""The files of the page, read once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

INDEX = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StaticFile:
    """A file of the page.

    Attributes:
        content: Its bytes.
        media_type: Its media type.
        etag: Changes with its content.
    """

    content: bytes
    media_type: str
    etag: str


def read_static_files() -> Mapping[str, StaticFile]:
    """Read all files of the page, by name."""
    return {
        entry.name: _static_file(entry.read_bytes(), _TYPES[f".{entry.name.rpartition('.')[2]}"])
        for entry in files(__package__).joinpath("static").iterdir()
    }


def _static_file(content: bytes, media_type: str) -> StaticFile:
    return StaticFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
