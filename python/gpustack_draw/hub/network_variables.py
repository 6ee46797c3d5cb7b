"""Environment variables of HTTP clients, and errors that name the invalid one."""

import importlib.util
import itertools
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from gpustack_draw.errors import quoted
from gpustack_draw.hub.trouble import HubUnavailableError, innermost, reason_of

_PROXY_SCHEMES = {"http", "https", "socks5", "socks5h"}
_PROXY_VARIABLES = (
    *("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"),
    *("all_proxy", "ALL_PROXY"),
)


def setting_error(message: str, hint: str) -> HubUnavailableError:
    """Build the error for a setting that prevents network access."""
    return HubUnavailableError(message, hint=hint, retryable=False)


def is_address(text: str, schemes: set[str]) -> bool:
    """Return whether text is a URL with one of the schemes, a host, and a valid port if any."""
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def find_faulty_variable(error: Exception, *, uses_requests: bool) -> HubUnavailableError | None:
    """Find the proxy or certificate variable that prevents the setup of an HTTP client.

    Args:
        error: Error of the setup.
        uses_requests: True if the HTTP client is ``requests`` rather than ``httpx``.
    """
    faults = itertools.chain(
        *(_faults_of_proxy(name, uses_requests) for name in _PROXY_VARIABLES),
        _faults_of_certificates(uses_requests),
        _faults_of_no_proxy(error),
    )
    return next(faults, None)


def find_cause(
    error: Exception, endpoint: str, *, uses_requests: bool
) -> HubUnavailableError | None:
    """Find the proxy or certificate variable that made a request fail.

    Args:
        error: Error of the request.
        endpoint: URL of the hub.
        uses_requests: True if the HTTP client is ``requests`` rather than ``httpx``.
    """
    faults = _faults_of_proxy(proxy_variable(endpoint), uses_requests)
    if not isinstance(innermost(error), ConnectionError | TimeoutError | socket.gaierror):
        faults = itertools.chain(faults, _faults_of_certificates(uses_requests))
    return next(faults, None)


def offline_variable() -> str:
    """Return the variable that disables network access."""
    other = "TRANSFORMERS_OFFLINE"
    return (
        other if other in os.environ and not os.environ.get("HF_HUB_OFFLINE") else "HF_HUB_OFFLINE"
    )


def proxy_variable(endpoint: str) -> str:
    """Return the variable that sets the proxy for the hub; empty without a proxy."""
    parts = urlsplit(endpoint)
    if proxy_bypass(parts.netloc):
        return ""
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "")


def without_password(address: str) -> str:
    """Return the URL of a proxy without its user name and password."""
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _faults_of_proxy(name: str, uses_requests: bool) -> Iterator[HubUnavailableError]:
    value = os.environ.get(name, "")
    address = value if "://" in value else f"http://{value}"
    safe_value = quoted(without_password(value))
    module, package = ("socks", "PySocks") if uses_requests else ("socksio", "socksio")
    if value and not is_address(address, _PROXY_SCHEMES):
        yield setting_error(
            f"{name} is not a proxy URL: {safe_value}",
            f"write it as http://HOST:PORT, or unset {name}",
        )
    elif address.startswith("socks") and importlib.util.find_spec(module) is None:
        yield setting_error(
            f"{name} is a SOCKS proxy, {safe_value}, which requires the Python package {package}",
            f"pip install {package}, or unset {name}",
        )


def _faults_of_no_proxy(error: Exception) -> Iterator[HubUnavailableError]:
    for name in ("no_proxy", "NO_PROXY"):
        value = os.environ.get(name, "")
        if value and type(error).__name__ == "InvalidURL":
            yield setting_error(
                f"{name} contains an invalid host: {quoted(value)}",
                f"correct it, or unset {name}",
            )


def _faults_of_certificates(uses_requests: bool) -> Iterator[HubUnavailableError]:
    if os.environ.get("SSLKEYLOGFILE"):
        try:
            Path(os.environ["SSLKEYLOGFILE"]).open("ab").close()
        except OSError as error:
            yield _path_error("SSLKEYLOGFILE", "a file that is not writable", error)
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if uses_requests else ("SSL_CERT_FILE",)
    for name in names:
        value = os.environ.get(name, "")
        if value and not (uses_requests and Path(value).is_dir()):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
            except (OSError, ValueError) as error:
                yield _path_error(name, "an invalid certificate file", error)
    folders = os.environ.get("SSL_CERT_DIR", "")
    if folders and not all(Path(folder).is_dir() for folder in folders.split(os.pathsep)):
        yield _path_error("SSL_CERT_DIR", "a missing certificate folder")


def _path_error(name: str, fault: str, error: Exception | None = None) -> HubUnavailableError:
    reason = f": {reason_of(error)}" if error else ""
    return setting_error(
        f"{name} names {fault}: {quoted(os.environ[name])}{reason}",
        f"correct it, or unset {name}",
    )
