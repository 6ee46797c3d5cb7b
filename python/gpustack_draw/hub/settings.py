"""The settings of the hub's client, which come from the environment.

The only place that imports ``huggingface_hub``. A variable that the client cannot read keeps nobody
from using files that are here: the error that names it is raised when the network is used.
"""

import importlib
import importlib.metadata
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from gpustack_draw.errors import FetchError, quoted
from gpustack_draw.hub.network_variables import find_faulty_variable, is_address, setting_error
from gpustack_draw.hub.trouble import reason_of

DEFAULT_ENDPOINT = "https://huggingface.co"
_PREFIXES = ("HF_", "HUGGING")
_CACHE_VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

# Variables that keep the client from being imported, with their values at that time.
_faulty: dict[str, str] = {}


def client_module(name: str) -> ModuleType:
    """Import a module of the client, in spite of variables that it cannot read.

    Args:
        name: Its name in ``huggingface_hub``.

    Raises:
        FetchError: It cannot be imported at all.
    """
    while True:
        try:
            return _import_without(name, list(_faulty))
        except Exception as error:  # noqa: PERF203 - a round for each variable
            culprit = _find_culprit(name, error)
            if culprit is None:
                raise FetchError(
                    f"the hub's client, huggingface_hub, cannot be imported: {reason_of(error)}",
                    hint="install it again",
                ) from error
            _faulty[culprit] = os.environ[culprit]


def cache_folder() -> Path:
    """Return the folder in which the client keeps files."""
    return Path(client_module("constants").HF_HUB_CACHE)


def cache_variable() -> str:
    """Return the variable that moves the cache: the one that is in force, else ``HF_HOME``."""
    return next((name for name in _CACHE_VARIABLES if name in os.environ), "HF_HOME")


def is_offline() -> bool:
    """Return whether the user wants no network to be used."""
    return bool(client_module("constants").HF_HUB_OFFLINE)


def endpoint() -> str:
    """Return the hub's address.

    Raises:
        HubUnavailableError: ``HF_ENDPOINT`` is none.
    """
    address: str = client_module("constants").ENDPOINT
    address = _faulty.get("HF_ENDPOINT", address)
    if not address:
        raise setting_error(
            "HF_ENDPOINT is empty",
            f"unset it to use {DEFAULT_ENDPOINT}, or set it to the address of another hub",
        )
    if not is_address(address, {"http", "https"}):
        raise setting_error(
            f"HF_ENDPOINT is not the address of a hub: {quoted(address)}",
            f"write it as https://HOST, or unset it to use {DEFAULT_ENDPOINT}",
        )
    return address


def timeout(name: str) -> float:
    """Return a timeout of the client in seconds.

    Args:
        name: Of its constant, which is that of the variable, too.

    Raises:
        HubUnavailableError: It is not above 0.
    """
    seconds: float = getattr(client_module("constants"), name)
    if seconds <= 0:
        raise setting_error(f"{name} is not above 0: {seconds}", f"correct it, or unset {name}")
    return seconds


def token() -> str | None:
    """Return the user's token; ``None`` where there is none.

    Raises:
        HubUnavailableError: It cannot be read, or is none.
    """
    if client_module("constants").HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    try:
        found: str | None = client_module("utils").get_token()
    except (OSError, ValueError) as error:
        if "HF_TOKEN_PATH" not in os.environ:
            return None  # of a login that is not ours to read; public models need none
        raise setting_error(
            f"HF_TOKEN_PATH names a file that cannot be read:"
            f" {quoted(os.environ['HF_TOKEN_PATH'])}: {reason_of(error)}",
            "correct it, or unset HF_TOKEN_PATH",
        ) from error
    except Exception as error:
        name = "HF_OIDC_RESOURCE" if "HF_OIDC_RESOURCE" in os.environ else "HF_TOKEN"
        raise setting_error(
            f"no token can be had: {reason_of(error)}", f"correct or unset {name}"
        ) from error
    if found and not (found.isascii() and found.isprintable() and " " not in found):
        name = next((name for name in _TOKEN_VARIABLES if os.environ.get(name)), "")
        hint = f"or unset {name}" if name else "or log in again with 'hf auth login'"
        raise setting_error(
            f"{name or 'the token file'} holds no token of Hugging Face: a token is ASCII text"
            " without blanks",
            f"copy it again from {DEFAULT_ENDPOINT}/settings/tokens, {hint}",
        )
    return found or None


def session() -> Any:
    """Return the client's HTTP session.

    Raises:
        HubUnavailableError: It cannot be made: a variable of proxies or certificates is wrong.
    """
    for name, value in _faulty.items():
        kind = "a whole number of seconds" if "TIMEOUT" in name else "what the client expects"
        raise setting_error(
            f"{name} is not {kind}: {quoted(value)}", f"correct it, or unset {name}"
        )
    try:
        return client_module("utils").get_session()
    except Exception as error:
        raise find_faulty_variable(error, uses_requests=uses_requests()) or setting_error(
            f"the HTTP client of huggingface_hub cannot be set up: {reason_of(error)}",
            "check the variables of proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and certificates"
            " (SSL_CERT_FILE, SSL_CERT_DIR)",
        ) from error


def uses_requests() -> bool:
    """Return whether the client makes its requests with ``requests``, as its versions 0.x do."""
    return importlib.metadata.version("huggingface_hub").startswith("0.")


def _import_without(name: str, variables: list[str]) -> ModuleType:
    """Import a module of the client while some variables are hidden from it."""
    full = f"huggingface_hub.{name}"
    hidden = {each: os.environ.pop(each) for each in variables if each in os.environ}
    try:
        return importlib.import_module(full)
    finally:
        os.environ.update(hidden)


def _find_culprit(name: str, error: Exception) -> str | None:
    """Find the variable that keeps a module of the client from being imported."""
    suspects = [each for each in os.environ if each.startswith(_PREFIXES) and each not in _faulty]
    for suspect in suspects:
        if repr(os.environ[suspect]) in str(error):
            return suspect
    for suspect in suspects:
        try:
            _import_without(name, [*_faulty, suspect])
        except Exception as other:
            if str(other) == str(error):
                continue
        return suspect
    return None
