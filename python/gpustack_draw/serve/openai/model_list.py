"""The list of models that the server has, with the defaults of each."""

import asyncio
import time
from dataclasses import asdict
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

import gpustack_draw
from gpustack_draw import SAMPLERS, SCHEDULERS, ModelNotFoundError
from gpustack_draw.errors import quoted
from gpustack_draw.serve.context import Context
from gpustack_draw.serve.http.errors import json_response
from gpustack_draw.serve.studio import PictureUses, ServedModel

# GPUStack asks once, after the model is loaded, and waits for a second.
_SECONDS = 0.8


class ModelList:
    """Responds with the models of a server.

    GPUStack keeps ``meta`` of the first model, and its playground copies the values that are fields
    of requests into every request, so each of them is the model's default.
    """

    def __init__(self, context: Context) -> None:
        """Create the list of a server."""
        self._studio = context.studio
        self._max_size = context.options.max_size
        self._created = int(time.time())
        self._finding: dict[str, asyncio.Task[PictureUses]] = {}

    async def list_all(self, _request: Request) -> Response:
        """Respond with all models."""
        models = await asyncio.gather(*map(self._describe, self._studio.served()))
        return json_response({"object": "list", "data": models})

    async def retrieve(self, request: Request) -> Response:
        """Respond with one model.

        Raises:
            ModelNotFoundError: There is none of this name.
        """
        name = request.path_params["name"]
        for model in self._studio.served():
            if model.name == name:
                return json_response(await self._describe(model))
        raise ModelNotFoundError(
            f"there is no model {quoted(name)} on this server",
            hint="GET /v1/models lists them",
            argument="model",
        )

    async def _describe(self, model: ServedModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": self._created,
            "owned_by": "gpustack-draw",
            "meta": await self._meta(model),
        }

    async def _meta(self, model: ServedModel) -> dict[str, Any]:
        meta = {
            "gpustack_draw": gpustack_draw.__version__,
            "streams": True,
            "samplers": list(SAMPLERS),
            "schedulers": list(SCHEDULERS),
            "loras": list(await anyio.to_thread.run_sync(self._studio.references.loras)),
            "upscalers": list(self._studio.references.upscalers()),
            "max_width": self._max_size[0],
            "max_height": self._max_size[1],
            "seed": -1,
        }
        plan = self._studio.known_plan(model)
        if plan is None:  # its files would have to be found first
            return meta
        defaults = plan.defaults
        native = plan.native_size or (defaults.width, defaults.height)
        known = {
            "family": plan.family,
            "default_width": defaults.width,
            "default_height": defaults.height,
            "native_width": native[0],
            "native_height": native[1],
            "sample_method": defaults.sampler,
            "schedule_method": defaults.scheduler,
            "sampling_steps": defaults.sample_steps,
            "cfg_scale": defaults.cfg_scale,
            "guidance": defaults.guidance,
            **await self._uses_of(model),
        }
        return {**meta, **{name: value for name, value in known.items() if value is not None}}

    async def _uses_of(self, model: ServedModel) -> dict[str, Any]:
        """Return how a model uses pictures, and the multiple of its sizes.

        Empty where finding it takes longer than a client waits; it goes on for the next one. For
        the first model it was found before the server was ready.
        """
        finding = self._finding.get(model.name)
        if finding is None or (finding.done() and finding.exception() is not None):
            finding = self._finding[model.name] = asyncio.create_task(self._studio.uses(model))
        await asyncio.wait({finding}, timeout=_SECONDS)
        return asdict(await finding) if finding.done() else {}
