"""The addresses of the web UI's API."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gpustack_draw.errors import DrawError
from gpustack_draw.serve.http.errors import CLIENT_GONE, json_response
from gpustack_draw.serve.http.read_body import read_json
from gpustack_draw.serve.http.while_connected import while_connected
from gpustack_draw.serve.webui import extras, krita, listings
from gpustack_draw.serve.webui.control_unit import CONTROL_NET, MODULES
from gpustack_draw.serve.webui.drawing import ReadRequest, answer_drawing
from gpustack_draw.serve.webui.errors import error_response
from gpustack_draw.serve.webui.picture_request import FIELD_OF, image_to_image, text_to_image
from gpustack_draw.serve.webui.progress import progress_record

if TYPE_CHECKING:
    from gpustack_draw.serve.context import Context
    from gpustack_draw.serve.studio import Studio

Answer = Callable[[Request], Awaitable[Response]]
Values = Mapping[str, object]
Enlarge = Callable[["Studio", Values, tuple[int, int]], Awaitable[Any]]

_PREFIX = "/sdapi/v1"
_KRITA_PREFIX = "/sdapi/interpause"
_CONTROL_PREFIX = "/controlnet"  # of the extension ControlNet
_CONTROL_VERSION = 2  # of the fields of a unit
# Lists of things that this program does not have.
_EMPTY_LISTS = ("face-restorers", "hypernetworks", "prompt-styles", "realesrgan-models", "sd-vae")
# Requests to look for new files, or to move the model, which the server does by itself.
_NOTHING_TO_DO = (
    "refresh-checkpoints",
    "refresh-loras",
    "refresh-vae",
    "reload-checkpoint",
    "unload-checkpoint",
)


def routes(context: "Context") -> list[BaseRoute]:
    """Return the routes below ``/sdapi``."""
    api = _Api(context)
    drawings = {
        "txt2img": api.drawing(text_to_image),
        "img2img": api.drawing(image_to_image),
    }
    answers: dict[str, Answer] = {
        "extra-single-image": api.enlarging(extras.enlarge_one),
        "extra-batch-images": api.enlarging(extras.enlarge_all),
        "png-info": api.picture_info,
        "interrupt": api.interrupt,
        "skip": api.interrupt,
        "options": api.change_options,
        **dict.fromkeys(_NOTHING_TO_DO, _constant(None)),
    }
    lists: dict[str, Answer] = {
        "progress": api.progress,
        "options": api.options,
        "sd-models": api.models,
        "loras": api.loras,
        "upscalers": api.upscalers,
        "samplers": _constant(listings.samplers()),
        "schedulers": _constant(listings.schedulers()),
        "latent-upscale-modes": _constant(listings.latent_upscale_modes()),
        "embeddings": api.embeddings,
        "scripts": _constant({"txt2img": [CONTROL_NET], "img2img": [CONTROL_NET]}),
        "cmd-flags": _constant({"api": True}),
        **dict.fromkeys(_EMPTY_LISTS, _constant([])),
    }
    of_krita: dict[str, Answer] = {
        "txt2img": api.drawing_in_krita(krita.read_text_to_image),
        "img2img": api.drawing_in_krita(krita.read_image_to_image),
        "upscale": api.enlarging(krita.answer_upscale),
    }
    of_control: dict[str, Answer] = {
        "model_list": _constant({"model_list": list(context.studio.references.control_nets())}),
        "module_list": _constant({"module_list": list(MODULES), "module_detail": {}}),
        "version": _constant({"version": _CONTROL_VERSION}),
        "settings": _constant({"control_net_unit_count": 1}),
    }
    return [
        *_routes(_PREFIX, drawings, "POST", FIELD_OF),
        *_routes(_PREFIX, answers, "POST"),
        *_routes(_PREFIX, lists, "GET"),
        *_routes(_KRITA_PREFIX, of_krita, "POST", krita.FIELD_OF),
        *_routes(_KRITA_PREFIX, {"config": api.krita_config}, "GET"),
        *_routes(_CONTROL_PREFIX, of_control, "GET"),
    ]


def _routes(
    prefix: str,
    answers: Mapping[str, Answer],
    method: str,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> list[Route]:
    """Return the routes of answers.

    Args:
        prefix: Start of the addresses.
        answers: Functions by the ends of the addresses.
        method: GET or POST.
        fields: Names of the fields that set arguments of the library, for messages.
    """
    return [
        Route(f"{prefix}/{name}", _with_errors(answer, fields), methods=[method])
        for name, answer in answers.items()
    ]


class _Api:
    """The web UI's API over a studio, and the model that its clients have chosen."""

    def __init__(self, context: "Context") -> None:
        """Start with the server's first model."""
        self._studio = context.studio
        self._max_size = context.options.max_size
        self._model = self._studio.find(None).name

    def drawing(self, read: ReadRequest) -> Answer:
        """Return the function that answers txt2img or img2img."""
        return self._answer_of(
            lambda values: answer_drawing(self._studio, values, read, default_model=self._model)
        )

    def drawing_in_krita(self, read: krita.ReadRequest) -> Answer:
        """Return the function that answers txt2img or img2img of Krita's plugin."""
        return self._answer_of(
            lambda values: krita.answer_drawing(self._studio, values, read, self._model)
        )

    def enlarging(self, enlarge: Enlarge) -> Answer:
        """Return the function that answers with enlarged pictures."""
        return self._answer_of(lambda values: enlarge(self._studio, values, self._max_size))

    def _answer_of(self, work: Callable[[Values], Awaitable[Any]]) -> Answer:
        """Return a function that answers with the result of work: JSON text, or its value."""

        async def answer(request: Request) -> Response:
            values = await read_json(request)
            result = await while_connected(request.receive, partial(work, values))
            if isinstance(result, bytes):
                return Response(result, media_type="application/json")
            return json_response(result)

        return answer

    async def krita_config(self, _request: Request) -> Response:
        """Answer config of Krita's plugin."""
        names = (model.name for model in self._studio.served())
        return json_response(krita.config_record(names, self._studio.references.upscalers()))

    async def picture_info(self, request: Request) -> Response:
        """Answer png-info."""
        values = await read_json(request)
        return json_response(await anyio.to_thread.run_sync(extras.read_info, values))

    async def progress(self, request: Request) -> Response:
        """Answer progress."""
        skipped = request.query_params.get("skip_current_image", "").lower() in ("true", "1")
        current = self._studio.current()
        write = partial(progress_record, current, with_picture=not skipped)
        return json_response(await anyio.to_thread.run_sync(write))

    async def interrupt(self, _request: Request) -> Response:
        """End the running drawing; the web UI answers with an empty object."""
        self._studio.interrupt()
        return json_response({})

    async def options(self, _request: Request) -> Response:
        """Return the settings."""
        return json_response(listings.options(self._model))

    async def change_options(self, request: Request) -> Response:
        """Change the model of later drawings; other settings have no effect."""
        name = (await read_json(request)).get("sd_model_checkpoint")
        if isinstance(name, str) and name:
            self._model = self._studio.find(name).name
        return json_response(None)

    async def models(self, _request: Request) -> Response:
        """List the models."""
        return json_response(listings.models(model.name for model in self._studio.served()))

    async def loras(self, _request: Request) -> Response:
        """List the LoRAs."""
        names = await anyio.to_thread.run_sync(self._studio.references.loras)  # reads a folder
        return json_response(listings.loras(names))

    async def embeddings(self, _request: Request) -> Response:
        """List the embeddings of the current model."""
        model = await self._studio.open(self._studio.find(self._model))
        return json_response(listings.embeddings(model))

    async def upscalers(self, _request: Request) -> Response:
        """List the upscalers."""
        return json_response(listings.upscalers(self._studio.references.upscalers()))


def _constant(value: Any) -> Answer:
    async def answer(_request: Request) -> Response:
        return json_response(value)

    return answer


def _with_errors(answer: Answer, fields: Mapping[str, str]) -> Answer:
    @wraps(answer)
    async def answer_or_error(request: Request) -> Response:
        try:
            return await answer(request)
        except DrawError as error:
            return error_response(error, fields)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)

    return answer_or_error
