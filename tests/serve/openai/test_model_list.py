"""The list of models answers in time, and completes what takes longer for the next client."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from gpustack_draw import DrawRequest
from gpustack_draw.serve.openai import model_list
from gpustack_draw.serve.openai.model_list import ModelList


class SlowStudio:
    """Serves a model whose settings are found when a test says so."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.requests: list[DrawRequest] = []

    def served(self) -> list[Any]:
        return [SimpleNamespace(name="demo")]

    def loras(self) -> list[str]:
        return []

    upscalers = loras

    def known_plan(self, _model: Any) -> Any:
        defaults = SimpleNamespace(
            width=256, height=256, sampler="euler", scheduler="discrete", sample_steps=4
        )
        defaults.cfg_scale, defaults.guidance = 1.0, None
        return SimpleNamespace(defaults=defaults, native_size=None, family="flux2-klein")

    async def settings(self, _model: Any, request: DrawRequest) -> tuple[Any, ...]:
        self.requests.append(request)
        await self.may_go_on.wait()
        mode = "img2img" if request.pictures else "txt2img"
        return (SimpleNamespace(width=16, mode=mode, strength=0.75),)


def test_what_takes_long_is_complete_for_the_next_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_list, "_SECONDS", 0.01)

    async def test() -> None:
        studio = SlowStudio()
        context: Any = SimpleNamespace(
            studio=studio, options=SimpleNamespace(max_size=(2048, 2048))
        )
        models, request = ModelList(context), Any
        metas = []
        for _ in range(2):
            (model,) = json.loads((await models.list_all(request)).body)["data"]
            metas.append(model["meta"])
        assert len(studio.requests) == 1  # it was begun once
        studio.may_go_on.set()
        while len(studio.requests) < 4:
            await asyncio.sleep(0)
        (model,) = json.loads((await models.list_all(request)).body)["data"]
        assert all("modes" not in meta for meta in metas)
        assert model["meta"] == {
            **metas[0],
            "modes": ["txt2img", "img2img"],
            "size_multiple": 16,
            "image_use": "start",
            "strength": 0.75,
        }

    asyncio.run(test())
