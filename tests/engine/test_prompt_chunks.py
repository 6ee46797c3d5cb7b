"""The text encoders of Stable Diffusion 3 get equal numbers of chunks, under the address sanitizer.

The library reads as many chunks of each as the longest has. tests/prompt_chunks/main.cpp does the
same with the library's Tokenizer and this project's wrapper of it, because the encoders themselves
have billions of weights.
"""

from pathlib import Path

import pytest
from build_tools import SOURCE
from sanitized_python import build_target, needs_sanitizers, output

pytestmark = [pytest.mark.build, needs_sanitizers]


@pytest.fixture(scope="session")
def program() -> Path:
    source = SOURCE / "tests" / "prompt_chunks"
    folder = build_target(source, "prompt_chunks", "prompt-chunks-sanitized")
    return folder / "prompt_chunks"


@pytest.mark.parametrize(
    ("counts", "chunks"),
    [
        ((10, 10, 12), 1),
        ((0, 0, 0), 1),
        ((75, 75, 76), 1),
        ((75, 75, 77), 2),  # T5 needs another chunk
        ((76, 76, 76), 2),  # CLIP needs another one
        ((10, 10, 400), 6),
        ((400, 400, 10), 6),
        ((1, 80, 160), 3),
    ],
)
def test_no_text_encoder_is_read_past_its_end(
    program: Path, counts: tuple[int, ...], chunks: int
) -> None:
    lines = output(str(program), *map(str, counts)).splitlines()
    weight = 1.5 if any(counts) else 1
    sizes = f"{chunks * 77} " * 3
    first = f"{sizes}words {sum(counts)} weight {weight}"
    assert lines[0] == first
    assert lines[1].endswith(f"words {sum(counts)} weight {weight}")
    assert len(set(lines[1].split()[:3])) == 1


def test_a_chunk_before_break_is_padded_as_every_other(program: Path) -> None:
    """Stable Diffusion 2 was trained with padding that differs from the end of a text."""
    tokens = [int(token) for token in output(str(program), "break").split()]
    assert tokens == [-1, 7, 7, -2, *[0] * 73, -1, 7, 7, 7, -2, *[0] * 72]


def test_a_family_with_one_text_encoder_is_not_padded(program: Path) -> None:
    assert output(str(program), "80").splitlines() == ["154 words 80 weight 1.5"] * 2
