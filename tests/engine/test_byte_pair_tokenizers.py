"""The tokenizers of language models have the library's tokens, under the address sanitizer.

tests/byte_pair_tokenizers/main.cpp compares them with the library's own tokenizers, from which they
are derived.
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
    source = SOURCE / "tests" / "byte_pair_tokenizers"
    folder = build_target(source, "byte_pair_tokenizers", "byte-pair-tokenizers-sanitized")
    return folder / "byte_pair_tokenizers"


def compare(program: Path, texts: Sequence[str]) -> tuple[int, int]:
    """Return the numbers of tokens of Qwen and Mistral, after they were compared."""
    data = "".join(f"{text}\0" for text in texts).encode()
    done = subprocess.run([program], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    qwen, mistral = done.stdout.split()
    return int(qwen), int(mistral)


def random_text(seed: int) -> str:
    chosen = random.Random(seed)
    alphabet = chosen.choice(_ALPHABETS)
    return "".join(chr(chosen.choice(alphabet)) for _ in range(60))


def test_every_text_has_the_tokens_of_the_library(program: Path) -> None:
    docs = [path.read_text("utf-8") for path in sorted(SOURCE.glob("docs/**/*.md"))]
    qwen, mistral = compare(
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
    assert qwen > 100_000
    assert mistral > 100_000
