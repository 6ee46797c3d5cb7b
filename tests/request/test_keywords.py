"""Keywords that are fields of records: their names, the signatures, and the errors."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

import gpustack_draw
from gpustack_draw import (
    Components,
    DrawRequest,
    MemoryOptions,
    Model,
    PictureOptions,
    Target,
)
from gpustack_draw.request.draw_request import DrawKeywords
from gpustack_draw.request.memory_options import MemoryKeywords
from gpustack_draw.request.target import ComponentKeywords, TargetKeywords

DRAW = {
    field.name: field
    for record in (DrawRequest, PictureOptions)
    for field in fields(record)
    if field.name not in ("prompt", "count", "pictures")
}
LOAD = {
    field.name: field for record in (Components, MemoryOptions, Target) for field in fields(record)
}
KEYWORDS = [
    (gpustack_draw.generate, {**DRAW, **LOAD}),
    (gpustack_draw.load, LOAD),
    (gpustack_draw.resolve, LOAD),
    (Model.generate, DRAW),
    (Model.generate_many, DRAW),
]


@pytest.mark.parametrize(
    ("keywords", "names"),
    [
        (DrawKeywords, {*DRAW}),
        (ComponentKeywords, {field.name for field in fields(Components)}),
        (MemoryKeywords, {field.name for field in fields(MemoryOptions)}),
        (TargetKeywords, {field.name for field in fields(Target)}),
    ],
)
def test_type_checkers_know_the_fields(keywords: Any, names: set[str]) -> None:
    assert set(keywords.__annotations__) == names


@pytest.mark.parametrize(("function", "known"), KEYWORDS)
def test_signatures_list_each_keyword(function: Callable[..., Any], known: dict[str, Any]) -> None:
    parameters = inspect.signature(function).parameters
    assert set(known) <= set(parameters)
    for name, field in known.items():
        parameter = parameters[name]
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert (parameter.default, parameter.annotation) == (field.default, field.type)
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def test_the_signature_of_a_method_of_a_model() -> None:
    with gpustack_draw.load("demo") as model:
        parameters = inspect.signature(model.generate_many).parameters
    assert next(iter(parameters)) == "prompt"
    assert parameters["count"].default is inspect.Parameter.empty


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gpustack_draw.generate("demo", "a cat", sead=7),
            "generate() got an unexpected keyword argument 'sead'",
        ),
        (
            lambda: gpustack_draw.generate("demo", "a cat", count=2),
            "generate() got an unexpected keyword argument 'count'",
        ),
        (
            lambda: gpustack_draw.generate("demo"),  # type: ignore[call-arg]
            "generate() missing 1 required positional argument: 'prompt'",
        ),
        (
            lambda: gpustack_draw.load("demo", seed=7),
            "load() got an unexpected keyword argument 'seed'",
        ),
        (
            lambda: gpustack_draw.load("demo").generate("a cat", device="cpu"),
            "Model.generate() got an unexpected keyword argument 'device'",
        ),
        (
            lambda: gpustack_draw.load("demo").generate_many("a cat", count=2, steps=3),
            "Model.generate_many() got an unexpected keyword argument 'steps'",
        ),
    ],
)
def test_other_keywords_are_type_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message
