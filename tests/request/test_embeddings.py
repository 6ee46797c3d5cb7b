"""Embeddings are named by their files or by the user, and found as whole words of prompts."""

import os
from pathlib import Path
from typing import Any

import pytest

from gpustack_draw.errors import UsageError
from gpustack_draw.request.embeddings import (
    Embedding,
    Embeddings,
    engine_word,
    names_in,
    with_engine_words,
)

HINT = "embeddings takes NAME=FILE, where NAME is the word that prompts use"


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("a.pt", Embedding("a.pt")),
        ("hf.co/a/b:c.bin", Embedding("hf.co/a/b:c.bin")),
        ("style=a.pt", Embedding("a.pt", "style")),
        (" bad-hands 5 = x/a=b.pt", Embedding(" x/a=b.pt", "bad-hands 5")),
        ("<cat-toy>=hf.co/a/b", Embedding("hf.co/a/b", "<cat-toy>")),
        ("/x=y/a.pt", Embedding("/x=y/a.pt")),  # a path, not a name
        (Path("a.pt"), Embedding("a.pt")),
        (Embedding("a.pt", "b"), Embedding("a.pt", "b")),
    ],
)
def test_an_embedding(value: Any, parsed: Embedding) -> None:
    assert Embeddings(embeddings=[value]).parsed == (parsed,)
    assert Embeddings(embeddings=value).parsed == (parsed,)  # one alone needs no list


def test_a_file_whose_name_has_an_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "a=b.pt").touch()
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert Embeddings(embeddings=["a=b.pt"]).parsed == (Embedding("a=b.pt"),)
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "an embedding lacks its file: ''"),
        ("style=", "an embedding lacks its file: 'style='"),
        ("=a.pt", "'' cannot be the name of an embedding in a prompt"),
        ("a(b)=a.pt", "'a(b)' cannot be the name of an embedding in a prompt"),
        ("a,b=a.pt", "'a,b' cannot be the name of an embedding in a prompt"),
        (
            f"{'x' * 65}=a.pt",
            f"'{'x' * 65}' cannot be the name of an embedding in a prompt",
        ),
        (3, "an embedding is int, not text or a path: 3"),
        (None, "an embedding is NoneType, not text or a path: None"),
    ],
)
def test_what_is_no_embedding(value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Embeddings(embeddings=[value])  # type: ignore[list-item]
    assert (caught.value.message, caught.value.hint) == (message, HINT)
    assert caught.value.argument == "embeddings"


NAMES = ["cat", "Bad-Hands", "bad-hands-5", "<toy>", "v1.3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", "a 0"),
        ("a CAT, Cat.", "a 0, 0."),
        (
            "category, bobcat, cat-like, tom-cat, cat_1",
            "category, bobcat, cat-like, tom-cat, cat_1",
        ),
        ("bad-hands-5 bad-hands BAD-HANDS", "2 1 1"),
        ("a <toy> and toy", "a 3 and toy"),
        ("v1.3. v1.30 v1x3", "4. v1.30 v1x3"),
        ("embedding:cat, Embedding:v1.3", "0, 4"),
        ("(cat:1.2)", "(0:1.2)"),
        ("a \x020\x02 b", "a  0  b"),  # the engine's own word cannot be typed
    ],
)
def test_names_become_the_engines_words(text: str, expected: str) -> None:
    marked = with_engine_words(text, NAMES)
    for index in range(len(NAMES)):
        marked = marked.replace(engine_word(index), str(index))
    assert marked == expected


def test_names_in_a_text() -> None:
    assert names_in("A CAT with bad-hands-5, category", NAMES) == {"cat", "bad-hands-5"}
    assert names_in("a cat", []) == set()
    assert with_engine_words("a \x02 cat", []) == "a \x02 cat"
