"""The command ``serve``: an HTTP API to draw with the models of this machine."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gpustack_draw.cli.arguments import Arguments
from gpustack_draw.cli.load_keywords import load_keywords, typed_components
from gpustack_draw.cli.progress import Reporter
from gpustack_draw.errors import DrawError, UsageError
from gpustack_draw.phrases import Argument, phrase
from gpustack_draw.serve import options as defaults
from gpustack_draw.serve.options import NamedModel, ServeOptions

_EXTRA = frozenset(("starlette", "uvicorn", "h11", "anyio", "python_multipart"))

_Value = TypeVar("_Value")


def serve(arguments: Arguments, write: Callable[[bytes], None]) -> int:
    """Serve models until a signal ends the command, or print a backend definition.

    Args:
        arguments: The command line.
        write: Function that writes to standard output.

    Returns:
        The exit status: 0 after SIGTERM, 130 after Ctrl-C.

    Raises:
        DrawError: An option is wrong, a model cannot be used, or the extra is not installed.
    """
    if arguments.gpustack_backend is not None:  # needs neither a model nor the extra
        from gpustack_draw.serve.gpustack_backend import backend_definition

        write(backend_definition(arguments.gpustack_backend).encode())
        return 0
    options = read_options(arguments)
    if arguments.used_config is not None:
        Reporter(sys.stderr, quiet=arguments.quiet).note(f"config: {arguments.used_config}")
    try:
        from gpustack_draw.serve.server import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise DrawError(
            "gpustack-draw serve needs the packages of the extra 'serve'",
            hint="pip install 'gpustack-draw[serve]'",
        ) from None
    return run(options, lambda address: write(f"{address}\n".encode()))


def read_options(typed: Arguments) -> ServeOptions:
    """Return the checked options of a command line.

    Raises:
        UsageError: A value is wrong.
    """
    host = typed.host or defaults.DEFAULT_HOST
    api_key = typed.api_key
    if api_key is None and not typed.no_auth:
        api_key = os.environ.get("GPUSTACK_DRAW_API_KEY") or None
    defaults.check_access(host, api_key, no_auth=typed.no_auth)
    return ServeOptions(
        models=_models(typed),
        host=host,
        port=_parsed(typed.port, defaults.parse_port, defaults.DEFAULT_PORT),
        api_key=api_key,
        no_auth=typed.no_auth,
        allowed_hosts=tuple(typed.allowed_host or ()),
        allowed_origins=tuple(typed.allowed_origin or ()),
        queue=_parsed(typed.queue, defaults.parse_queue, defaults.DEFAULT_QUEUE),
        max_size=_parsed(typed.max_size, defaults.parse_max_size, defaults.DEFAULT_MAX_SIZE),
        request_seconds=_parsed(
            typed.request_timeout, defaults.parse_request_timeout, defaults.DEFAULT_REQUEST_SECONDS
        ),
        allow_fetch=typed.allow_fetch,
        keep_loaded=_parsed(typed.keep_loaded, defaults.parse_keep_loaded, defaults.KeepLoaded()),
        loras=tuple(typed.loras or ()),
        lora_dir=typed.lora_dir,
        upscalers=tuple(typed.upscaler or ()),
        output=_output_folder(typed.output),
        load=_load_keywords(typed),
        quiet=typed.quiet,
        debug=typed.debug,
    )


def _models(typed: Arguments) -> tuple[NamedModel, ...]:
    """Return the models that were typed; without one the demo model and those of the cache."""
    if typed.models:
        return defaults.named_models(typed.models, typed.alias or ())
    if typed.alias:
        raise UsageError(
            phrase("{alias} names no model, because none was typed"),
            hint="type the model before it",
            argument="alias",
        )
    from gpustack_draw import models

    return tuple(NamedModel(each.model, each.model, is_typed=False) for each in models())


def _output_folder(text: str | None) -> Path | None:
    """Return the folder in which pictures are saved; ``None`` for none.

    Raises:
        OutputError: It is not a folder, or cannot be written to.
    """
    if text is None:
        return None
    from gpustack_draw.pictures.output_path import plan_output

    folder = os.path.join(text, "")  # noqa: PTH118 - a Path drops the last "/", which names a folder
    return Path(plan_output(folder, "", 1).folder)


def _load_keywords(typed: Arguments) -> dict[str, object]:
    of_one_model = [*typed_components(typed), *(["embeddings"] if typed.embedding else [])]
    if of_one_model and len(typed.models) != 1:
        raise UsageError(
            phrase(
                "{} is for one model, and {} are served",
                Argument(of_one_model[0]),
                str(len(typed.models)) if typed.models else "all of this machine",
            ),
            hint="serve the model alone",
            argument=of_one_model[0],
        )
    return load_keywords(typed)


def _parsed(text: str | None, parse: Callable[[str], _Value], default: _Value) -> _Value:
    return default if text is None else parse(text)
