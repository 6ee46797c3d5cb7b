"""The tokenizers of text encoders have the library's tokens, under the address sanitizer.

tests/tokenizers/main.cpp compares them with the library's own tokenizers, from which they are
derived: those of Qwen, Mistral, T5 and UMT5.
"""

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from build_tools import SOURCE
from sanitized_python import build_target, needs_sanitizers

pytestmark = [pytest.mark.build, needs_sanitizers]

# Latin, its accents, Greek and Cyrillic, Hebrew and Arabic, Devanagari, Chinese, emoji.
_ALPHABETS = [
    range(32, 127),
    range(0xA0, 0x250),
    range(0x370, 0x500),
    range(0x5D0, 0x700),
    range(0x900, 0x980),
    range(0x4E00, 0x9FFF),
    range(0x1F300, 0x1F6FF),
]


@pytest.fixture(scope="session")
def program() -> Path:
    folder = build_target(SOURCE / "tests" / "tokenizers", "tokenizers", "tokenizers-sanitized")
    return folder / "tokenizers"


def compare(program: Path, texts: Sequence[str]) -> list[int]:
    """Return the number of tokens of each tokenizer, after they were compared."""
    data = "".join(f"{text}\0" for text in texts).encode()
    done = subprocess.run([program], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return [int(count) for count in done.stdout.split()]


def random_text(seed: int) -> str:
    chosen = random.Random(seed)
    alphabet = chosen.choice(_ALPHABETS)
    return "".join(chr(chosen.choice(alphabet)) for _ in range(60))


def test_every_text_has_the_tokens_of_the_library(program: Path) -> None:
    docs = [path.read_text("utf-8") for path in sorted(SOURCE.glob("docs/**/*.md"))]
    counts = compare(
        program,
        [
            "",
            " ",
            "a" * 500,
            "A lovely cat's 12,345th hat\r\n\n\t  on a mat",
            "<|im_start|>system\nhi<|im_end|><think></think> [INST]a[/INST]<SPECIAL_77></s>",
            *docs,
            *map(random_text, range(1000)),
        ],
    )
    assert len(counts) == 4
    assert all(count > 100_000 for count in counts)
