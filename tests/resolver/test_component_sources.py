"""Where components are looked for."""

import re

import pytest

from gpustack_draw.resolver.component_sources import SOURCES, beside, sources_of
from gpustack_draw.resolver.detect_family import FAMILIES

WITH_PARTS = [name for name, family in FAMILIES.items() if not family.why_not]


@pytest.mark.parametrize("name", WITH_PARTS)
def test_every_part_that_a_family_needs_has_a_place(name: str) -> None:
    family = FAMILIES[name]
    # SDXS has a tiny decoder of its own, which is nowhere by itself.
    for component in {*family.requires, *family.optional} - {"taesd"}:
        places = sources_of(family, component)
        assert places, component
        for place in places:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", place.repository)
            assert place.file


def test_sources_are_of_families_that_there_are() -> None:
    assert set(SOURCES) <= set(FAMILIES)


def test_language_model_follows_the_width_of_the_text() -> None:
    klein = FAMILIES["flux2-klein"]
    assert sources_of(klein, "llm", 7680)[0].repository == "unsloth/Qwen3-4B-GGUF"
    assert sources_of(klein, "llm", 12288)[0].repository == "unsloth/Qwen3-8B-GGUF"
    assert len(sources_of(klein, "llm")) == 2


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
def test_files_beside_the_model(component: str, expected: list[str]) -> None:
    assert beside(PATHS, component) == expected
