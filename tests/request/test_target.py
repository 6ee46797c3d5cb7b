"""The records that generate(), load() and resolve() make of their keywords."""

from dataclasses import fields
from pathlib import Path

import pytest

from gpustack_draw.errors import UsageError
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.request.target import Components, Target


def test_every_component_has_a_field() -> None:
    assert tuple(field.name for field in fields(Components)) == COMPONENTS


def test_named_components_become_text() -> None:
    components = Components(vae=Path("vae.gguf"), llm="hf.co/a/b")
    assert components.named() == {"vae": "vae.gguf", "llm": "hf.co/a/b"}
    assert components == Components(vae="vae.gguf", llm="hf.co/a/b")


def test_a_component_of_another_type() -> None:
    with pytest.raises(UsageError) as caught:
        Components(taesd=7)  # type: ignore[arg-type]
    assert caught.value.message == "taesd is int, not text or a path: 7"


def test_options_without_effect_on_a_server() -> None:
    assert Target(server="http://gpu").local_options() == []
    assert Target(threads=2, device="CPU").local_options() == ["threads", "device"]
