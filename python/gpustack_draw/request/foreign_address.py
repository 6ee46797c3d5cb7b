"""Refuse model names in the syntax of other sites and programs, with a hint."""

import re

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.request.hub_address import MODEL_ENDINGS

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]+)://)?(?P<host>[^/?#]*)(?P<path>[^?#]*)", re.IGNORECASE
)
# A host without https:// before OWNER/REPO. Names on a GPUStack server have at most one slash.
_BARE_HOST = re.compile(r"(?:[\w-]+\.)+(?:ai|app|cn|co|com|dev|io|net|org)(?::\d+)?", re.IGNORECASE)
_REPOSITORY = re.compile(r"/[\w.-]+/[\w.-]+($|/(blob|resolve|tree)/)")
_DOWNLOAD = "download the file, and type its path"
_LOOK = "look for it on Hugging Face, and type hf.co/OWNER/REPO"
# Sites with models, and what to do instead. Subdomains match, too.
_SITES = {
    "civitai.com": _DOWNLOAD,
    "github.com": _DOWNLOAD,
    "githubusercontent.com": _DOWNLOAD,
    "gitlab.com": _DOWNLOAD,
    "hf-mirror.com": "set HF_ENDPOINT=https://hf-mirror.com, and type hf.co{path}",
    "modelscope.ai": f"{_LOOK}; else {_DOWNLOAD}",
    "modelscope.cn": f"{_LOOK}; else {_DOWNLOAD}",
    "ollama.ai": _LOOK,
    "ollama.com": _LOOK,
}
_COMMAND = re.compile(
    r"\s(?:-hf|--hf-repo|download)[ =](?P<name>[\w-][\w.-]*/[\w.:-]+)"
    r"|[\s\"'](?P<address>(?:https?://)?(?:hf\.co|huggingface\.co)/[^\s\"']+)"
)


def check_not_foreign(text: str) -> None:
    """Refuse a model name in the syntax of another site or program.

    Args:
        text: The text as typed; neither an address on Hugging Face nor a local file.

    Raises:
        UsageError: The text is such an address or command.
    """
    if found := _COMMAND.search(text):
        address = found["address"] or f"hf.co/{found['name']}"
        raise UsageError(f"{quoted(text)} is a command, not a model", hint=f"type {address} alone")
    found = _ADDRESS.match(text)
    assert found is not None  # matches the empty text
    host, path = found["host"].lower(), found["path"].rstrip("/")
    if found["scheme"] and "@" in host:  # omit the address, which may contain a password
        raise UsageError(
            "the address of the model contains a user name or password",
            hint="remove it, and set HF_TOKEN to a token of Hugging Face",
        )
    site = next((site for site in _SITES if f".{host}".endswith(f".{site}")), "")
    is_file = path.lower().endswith(MODEL_ENDINGS)
    is_bare = _BARE_HOST.fullmatch(host) and path.count("/") >= 2 and not is_file
    if found["scheme"] or (site and path) or is_bare:
        raise UsageError(
            f"{quoted(text)} is an address on the network, but not one of Hugging Face",
            hint=_hint(site, (found["scheme"] or "https").lower(), host, path),
        )


def _hint(site: str, scheme: str, host: str, path: str) -> str:
    if site:
        return _SITES[site].format(path=path or "/OWNER/REPO")
    if not _REPOSITORY.match(path) or scheme not in {"http", "https"}:
        return f"{_DOWNLOAD}, or type hf.co/OWNER/REPO"
    return (
        f"if {host} mirrors Hugging Face, set HF_ENDPOINT={scheme}://{host} and type hf.co{path};"
        f" else {_DOWNLOAD}"
    )
