"""Places of components, and their file names."""

import re

import pytest

from gpustack_draw.resolver.candidate_files import files_named_like
from gpustack_draw.resolver.families import FAMILIES

USABLE = [name for name, family in FAMILIES.items() if not family.why_not]


@pytest.mark.parametrize("name", USABLE)
def test_every_component_of_a_family_has_a_place(name: str) -> None:
    family = FAMILIES[name]
    # SDXS has a tiny decoder of its own, which is not published separately.
    edit_models = {component for model in family.edit_models for component in model.requires}
    for component in {*family.requires, *family.optional, *edit_models} - {"taesd"}:
        places = family.sources_of(component)
        assert places, component
        for place in places:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", place.repository)
            assert place.file


def test_language_model_of_the_right_width_comes_first() -> None:
    klein = FAMILIES["flux2-klein"]
    assert klein.sources_of("llm", 7680)[0].repository == "unsloth/Qwen3-4B-GGUF"
    assert klein.sources_of("llm", 12288)[0].repository == "unsloth/Qwen3-8B-GGUF"
    assert len(klein.sources_of("llm")) == 2


PATHS = [
    "README.md",
    "VAE/Qwen_Image-VAE.safetensors",
    "ae.safetensors",
    "aesthetic-Q4_0.gguf",
    "clip_g-Q8_0.gguf",
    "clip_l-Q8_0.gguf",
    "clip_l.safetensors",
    "t5xxl-Q4_0.gguf",
    "t5xxl-Q8_0.gguf",
]


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        ("vae", ["ae.safetensors", "VAE/Qwen_Image-VAE.safetensors"]),
        ("clip_l", ["clip_l-Q8_0.gguf", "clip_l.safetensors"]),
        ("clip_g", ["clip_g-Q8_0.gguf"]),
        ("t5xxl", ["t5xxl-Q8_0.gguf", "t5xxl-Q4_0.gguf"]),
        ("llm", []),
    ],
)
def test_files_named_like_a_component(component: str, expected: list[str]) -> None:
    assert files_named_like(component, PATHS) == expected
