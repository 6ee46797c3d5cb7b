"""The checked options of the server."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gpustack_draw.errors import UsageError, quoted
from gpustack_draw.phrases import phrase

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 1234
DEFAULT_QUEUE = 20
DEFAULT_MAX_SIZE = (2048, 2048)
DEFAULT_REQUEST_SECONDS = 3600
_MAX_QUEUE = 10_000
_MAX_SECONDS = 604_800  # a week
_MAX_PORT = 65_535
_MAX_SIDE = 8192
_MODEL_ENDINGS = (".gguf", ".safetensors", ".ckpt")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BYTES = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_SIZE = re.compile(r" *(\d{1,5}) *[xX×] *(\d{1,5}) *")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class NamedModel:
    """A model of the command line.

    Attributes:
        name: Name that clients use.
        reference: As for :func:`gpustack_draw.load`.
        is_typed: False for a model that was found on this machine because none was typed.
    """

    name: str
    reference: str
    is_typed: bool = True


@dataclass(frozen=True)
class KeepLoaded:
    """How much may stay in memory; without a limit, as much as the memory holds.

    Attributes:
        models: Number of models; ``None`` for any.
        bytes: Size of the files of the loaded models; ``None`` for any.
    """

    models: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options of the server.

    Attributes:
        models: The models, at least one; the first one is loaded at the start.
        host: Address or name of the interface to listen on.
        port: Port; 0 for a free one.
        api_key: Key that clients send; ``None`` for none.
        no_auth: Whether clients of other machines may draw without a key.
        allowed_hosts: Values of the Host header besides the bound address.
        allowed_origins: Origins of web pages of other sites that may use the API.
        queue: Requests that wait besides the one that is drawn, 0 to 10,000.
        max_size: Largest width and height of a picture in pixels.
        request_seconds: Seconds after which a request is ended.
        allow_fetch: Whether clients may name models, LoRAs and upscaling models of Hugging Face.
        keep_loaded: How much stays in memory.
        loras: References of the LoRAs that clients may name.
        lora_dir: Folder of other LoRAs that clients may name; ``None`` for that of the environment
            variable ``GPUSTACK_DRAW_LORA_DIR``.
        upscalers: References of the upscaling models that clients may name.
        output: Folder in which the drawn pictures are saved; ``None`` for none.
        load: Other keywords of :func:`gpustack_draw.load`: components, embeddings, device, threads.
        quiet: Whether only errors are logged.
        debug: Whether the engine's log, prompts and tracebacks are logged.
    """

    models: tuple[NamedModel, ...]
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    api_key: str | None = field(default=None, repr=False)
    no_auth: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    queue: int = DEFAULT_QUEUE
    max_size: tuple[int, int] = DEFAULT_MAX_SIZE
    request_seconds: int = DEFAULT_REQUEST_SECONDS
    allow_fetch: bool = False
    keep_loaded: KeepLoaded = KeepLoaded()
    loras: tuple[str, ...] = ()
    lora_dir: str | None = None
    upscalers: tuple[str, ...] = ()
    output: Path | None = None
    load: Mapping[str, object] = field(default_factory=dict)
    quiet: bool = False
    debug: bool = False


def named_models(references: Sequence[str], aliases: Sequence[str]) -> tuple[NamedModel, ...]:
    """Return the models of a command line with the names that clients use.

    Args:
        references: The models.
        aliases: Names of the first ones; others are named by their reference, a local file by its
            name without the ending.

    Raises:
        UsageError: A name is not possible, or two models have the same one.
    """
    if len(aliases) > len(references):
        raise UsageError(
            f"{quoted(aliases[len(references)])} names no model",
            hint="type as many names as models, in the same order",
            argument="alias",
        )
    models: list[NamedModel] = []
    for index, typed in enumerate(references):
        reference = _file_in_folder(typed)
        name = aliases[index] if index < len(aliases) else _name_of(reference)
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{quoted(name)} is not a name for a model",
                hint=phrase("name it without blanks, for example {alias=cat}"),
                argument="alias",
            )
        if name in (model.name for model in models):
            raise UsageError(
                f"two models have the name {quoted(name)}",
                hint=phrase("name them with {alias}, in the order of the models"),
                argument="alias",
            )
        models.append(NamedModel(name, reference))
    return tuple(models)


def _file_in_folder(reference: str) -> str:
    """Return the only model file of a folder, as GPUStack downloads one; else the reference."""
    folder = Path(reference)
    if reference.startswith("hf.co/") or not folder.is_dir():
        return reference
    if (folder / "model_index.json").exists():  # a folder of diffusers
        return reference
    for ending in _MODEL_ENDINGS:  # a GGUF file goes first: others beside it are its components
        files = sorted(folder.glob(f"*{ending}"))
        if files:
            return str(files[0]) if len(files) == 1 else reference
    return reference


def _name_of(reference: str) -> str:
    is_path = reference.endswith(_MODEL_ENDINGS) or Path(reference).exists()
    if not is_path or reference == "demo" or reference.startswith("hf.co/"):
        return reference
    name = Path(reference).expanduser().absolute().name
    ending = next((each for each in _MODEL_ENDINGS if name.endswith(each)), "")
    return name.removesuffix(ending).replace(" ", "-")


def parse_port(text: str) -> int:
    """Return the number of a port, 0 to 65535.

    Raises:
        UsageError: The text is none.
    """
    hint = phrase("type 0 to 65535; {port=0} takes a free one")
    return _whole_number(text, "a port", 0, _MAX_PORT, hint, "port")


def parse_queue(text: str) -> int:
    """Return the number of requests that may wait, 0 to 10,000.

    Raises:
        UsageError: The text is none.
    """
    return _whole_number(text, "a number of requests", 0, _MAX_QUEUE, "type 0 to 10000", "queue")


def parse_request_timeout(text: str) -> int:
    """Return the seconds after which a request is ended, 1 to those of a week.

    Raises:
        UsageError: The text is none.
    """
    hint = f"type 1 to {_MAX_SECONDS}"
    return _whole_number(text, "a number of seconds", 1, _MAX_SECONDS, hint, "request_timeout")


def _whole_number(
    text: str, kind: str, minimum: int, maximum: int, hint: str, argument: str
) -> int:
    stripped = text.strip()
    is_number = stripped.isascii() and stripped.isdecimal() and len(stripped) < 10
    if is_number and minimum <= int(stripped) <= maximum:
        return int(stripped)
    raise UsageError(f"{quoted(text)} is not {kind}", hint=hint, argument=argument)


def parse_max_size(text: str) -> tuple[int, int]:
    """Return the largest width and height that clients may draw, each 1 to 8192 pixels.

    Raises:
        UsageError: The text is no size.
    """
    found = _SIZE.fullmatch(text)
    sides = (0, 0) if found is None else (int(found[1]), int(found[2]))
    if min(sides) >= 1 and max(sides) <= _MAX_SIDE:
        return sides
    raise UsageError(
        f"{quoted(text)} is not WIDTHxHEIGHT",
        hint=phrase("type each side from 1 to 8192, for example {max_size=1024x1024}"),
        argument="max_size",
    )


def parse_keep_loaded(text: str) -> KeepLoaded:
    """Return how much stays in memory: a number of models, or bytes with a unit.

    Raises:
        UsageError: The text is neither.
    """
    stripped = text.strip()
    if stripped.isdecimal() and len(stripped) < 5 and int(stripped) >= 1:
        return KeepLoaded(models=int(stripped))
    found = _BYTES.fullmatch(stripped)
    if found is not None and not stripped.isdecimal() and float(found[1]) > 0:
        factor = _UNITS[found[2].lower()]
        if found[3] and factor > 1:
            factor = 1024 ** (len(str(factor)) // 3)
        return KeepLoaded(bytes=int(float(found[1]) * factor))
    raise UsageError(
        f"{quoted(text)} is neither a number of models nor a size in memory",
        hint=phrase("for example {keep_loaded=2} or {keep_loaded=12GB}"),
        argument="keep_loaded",
    )


def check_access(host: str, api_key: str | None, *, no_auth: bool) -> None:
    """Check that other machines need a key, unless the user has decided otherwise.

    Raises:
        UsageError: They do not, or the key cannot be sent.
    """
    if api_key is not None and no_auth:
        raise UsageError(
            phrase("{api_key} and {no_auth} exclude each other"),
            hint="leave one of them out",
            argument="no_auth",
        )
    if api_key is not None and not re.fullmatch(r"[\x21-\x7e]{1,1000}", api_key):
        raise UsageError(
            "the API key is empty, or has blanks or characters outside ASCII",
            hint="use letters and digits, for example those of: openssl rand -hex 16",
            argument="api_key",
        )
    if api_key is None and not no_auth and not is_loopback(host):
        raise UsageError(
            phrase("with {host=} other machines could draw without a key", host=host),
            hint=phrase("set a key with {api_key}, or allow it with {no_auth}"),
            argument="host",
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
