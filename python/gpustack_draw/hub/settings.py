"""Settings of ``huggingface_hub``, which come from environment variables.

The only module that imports ``huggingface_hub``. Cached files stay usable if a variable is invalid:
the error that names it is raised when the network is used.
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

# Values of variables that make the import of huggingface_hub fail.
_faulty: dict[str, str] = {}


def client_module(name: str) -> ModuleType:
    """Import a module of ``huggingface_hub`` even if environment variables are invalid.

    Args:
        name: Name of the module inside ``huggingface_hub``.

    Raises:
        FetchError: The module cannot be imported at all.
    """
    while True:
        try:
            return _import_without(name, list(_faulty))
        except Exception as error:  # noqa: PERF203 - one round per variable
            culprit = _find_culprit(name, error)
            if culprit is None:
                raise FetchError(
                    f"cannot import huggingface_hub: {reason_of(error)}",
                    hint="reinstall huggingface_hub",
                ) from error
            _faulty[culprit] = os.environ[culprit]


def cache_folder() -> Path:
    """Return the folder of the cache."""
    return Path(client_module("constants").HF_HUB_CACHE)


def cache_variable() -> str:
    """Return the variable that sets the cache folder: the one in effect, or ``HF_HOME``."""
    return next((name for name in _CACHE_VARIABLES if name in os.environ), "HF_HOME")


def is_offline() -> bool:
    """Return whether environment variables disable network access."""
    return bool(client_module("constants").HF_HUB_OFFLINE)


def endpoint() -> str:
    """Return the URL of the hub.

    Raises:
        HubUnavailableError: ``HF_ENDPOINT`` is not a URL.
    """
    address: str = client_module("constants").ENDPOINT
    address = _faulty.get("HF_ENDPOINT", address)
    if not address:
        raise setting_error(
            "HF_ENDPOINT is empty",
            f"unset it to use {DEFAULT_ENDPOINT}, or set it to the URL of another hub",
        )
    if not is_address(address, {"http", "https"}):
        raise setting_error(
            f"HF_ENDPOINT is not a URL: {quoted(address)}",
            f"write it as https://HOST, or unset it to use {DEFAULT_ENDPOINT}",
        )
    return address


def timeout(name: str) -> float:
    """Return a timeout of ``huggingface_hub`` in seconds.

    Args:
        name: Name of the environment variable.

    Raises:
        HubUnavailableError: The timeout is not above 0.
    """
    seconds: float = getattr(client_module("constants"), name)
    if seconds <= 0:
        raise setting_error(f"{name} is not above 0: {seconds}", f"correct it, or unset {name}")
    return seconds


def token() -> str | None:
    """Return the user's token; ``None`` without one.

    Raises:
        HubUnavailableError: The token cannot be read, or is invalid.
    """
    if client_module("constants").HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    try:
        found: str | None = client_module("utils").get_token()
    except (OSError, ValueError) as error:
        if "HF_TOKEN_PATH" not in os.environ:
            return None  # an unreadable login file; public models need no token
        raise setting_error(
            f"HF_TOKEN_PATH names a file that cannot be read:"
            f" {quoted(os.environ['HF_TOKEN_PATH'])}: {reason_of(error)}",
            "correct it, or unset HF_TOKEN_PATH",
        ) from error
    except Exception as error:
        name = "HF_OIDC_RESOURCE" if "HF_OIDC_RESOURCE" in os.environ else "HF_TOKEN"
        raise setting_error(
            f"cannot get a token: {reason_of(error)}", f"correct or unset {name}"
        ) from error
    if found and not (found.isascii() and found.isprintable() and " " not in found):
        name = next((name for name in _TOKEN_VARIABLES if os.environ.get(name)), "")
        hint = f"or unset {name}" if name else "or log in again with 'hf auth login'"
        raise setting_error(
            f"{name or 'the token file'} is not a Hugging Face token: a token is ASCII text without"
            " spaces",
            f"copy it again from {DEFAULT_ENDPOINT}/settings/tokens, {hint}",
        )
    return found or None


def session() -> Any:
    """Return the HTTP session of ``huggingface_hub``.

    Raises:
        HubUnavailableError: A variable of proxies or certificates is invalid.
    """
    for name, value in _faulty.items():
        expected = "a whole number of seconds" if "TIMEOUT" in name else "a valid value"
        raise setting_error(
            f"{name} is not {expected}: {quoted(value)}", f"correct it, or unset {name}"
        )
    try:
        return client_module("utils").get_session()
    except Exception as error:
        raise find_faulty_variable(error, uses_requests=uses_requests()) or setting_error(
            f"cannot set up the HTTP client of huggingface_hub: {reason_of(error)}",
            "check the variables for proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and certificates"
            " (SSL_CERT_FILE, SSL_CERT_DIR)",
        ) from error


def uses_requests() -> bool:
    """Return whether ``huggingface_hub`` uses ``requests``, as versions 0.x do."""
    return importlib.metadata.version("huggingface_hub").startswith("0.")


def _import_without(name: str, variables: list[str]) -> ModuleType:
    """Import a module of ``huggingface_hub`` with some environment variables removed."""
    full = f"huggingface_hub.{name}"
    hidden = {each: os.environ.pop(each) for each in variables if each in os.environ}
    try:
        return importlib.import_module(full)
    finally:
        os.environ.update(hidden)


def _find_culprit(name: str, error: Exception) -> str | None:
    """Find the variable that makes the import of a module fail."""
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
