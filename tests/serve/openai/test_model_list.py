"""The list of models answers in time, and completes what takes longer for the next client."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from gpustack_draw.serve.openai import model_list
from gpustack_draw.serve.openai.model_list import ModelList
from gpustack_draw.serve.studio import PictureUses


class SlowStudio:
    """Serves a model whose uses of pictures are found when a test says so."""

    references = SimpleNamespace(loras=list, upscalers=list)

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.found = 0

    def served(self) -> list[Any]:
        return [SimpleNamespace(name="demo")]

    def known_plan(self, _model: Any) -> Any:
        defaults = SimpleNamespace(
            width=256, height=256, sampler="euler", scheduler="discrete", sample_steps=4
        )
        defaults.cfg_scale, defaults.guidance = 1.0, None
        return SimpleNamespace(defaults=defaults, native_size=None, family="flux2-klein")

    async def uses(self, _model: Any) -> PictureUses:
        self.found += 1
        await self.may_go_on.wait()
        return PictureUses(("txt2img", "img2img"), "start", 0.75, 16)


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
        studio.may_go_on.set()
        (model,) = json.loads((await models.list_all(request)).body)["data"]
        assert studio.found == 1
        assert all("modes" not in meta for meta in metas)
        assert model["meta"] == {
            **metas[0],
            "modes": ["txt2img", "img2img"],
            "size_multiple": 16,
            "image_use": "start",
            "strength": 0.75,
        }

    asyncio.run(test())
