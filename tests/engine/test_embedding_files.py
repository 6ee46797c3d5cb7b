"""Embeddings are files in a private folder for as long as the engine reads them."""

import os
import tempfile
from pathlib import Path

import pytest
from model_files import safetensors_bytes

from gpustack_draw.engine.embedding_files import EmbeddingFiles
from gpustack_draw.errors import EngineError
from gpustack_draw.request.embeddings import Embedding, engine_word
from gpustack_draw.resolver.embeddings import find_embeddings
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.resolved_model import EmbeddingFile


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[EmbeddingFile, ...]:
    """Return two embeddings; temporary folders are made in the folder ``temporary``."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name, width in {"one": 1, "two": 2}.items():
        content = safetensors_bytes({"emb_params": ((768, width), "F16")})
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    files = [Embedding(str(tmp_path / f"{name}.safetensors")) for name in ("one", "two")]
    return find_embeddings(files, FAMILIES["sd1"], lambda: None)  # type: ignore[arg-type, return-value]


def folders(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "temporary").iterdir())


def test_the_files_live_as_long_as_the_engine(
    tmp_path: Path, found: tuple[EmbeddingFile, ...]
) -> None:
    files = EmbeddingFiles()
    files.write(found)
    assert list(files.paths) == [engine_word(0), engine_word(1)]
    assert list(files.hashes) == ["one", "two"]
    assert all(len(digest) == 12 for digest in files.hashes.values())
    (folder,) = folders(tmp_path)
    assert os.name != "posix" or folder.stat().st_mode & 0o077 == 0  # private
    files.write(found[:1])
    assert len(folders(tmp_path)) == 1
    files.remove()
    assert (folders(tmp_path), files.paths, files.hashes) == ([], {}, {})
    files.write(found)
    del files
    assert folders(tmp_path) == []


def test_a_file_that_another_program_has_removed(found: tuple[EmbeddingFile, ...]) -> None:
    files = EmbeddingFiles()
    assert files.are_complete
    files.write(found)
    assert files.are_complete
    Path(files.paths[engine_word(1)]).unlink()
    assert not files.are_complete


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # other threads may run in this process
def test_a_forked_process_keeps_the_files_of_its_parent(
    tmp_path: Path, found: tuple[EmbeddingFile, ...]
) -> None:
    files = EmbeddingFiles()
    files.write(found)
    child = os.fork()
    if child == 0:
        files.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert files.are_complete
    assert len(folders(tmp_path)) == 1


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: tuple[EmbeddingFile, ...]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(EngineError) as caught:
        EmbeddingFiles().write(found)
    assert caught.value.message == (
        f"the embeddings cannot be written to '{tmp_path / 'none'}': no such file or directory"
    )
    assert caught.value.hint == "set TMPDIR to a folder with free space"
