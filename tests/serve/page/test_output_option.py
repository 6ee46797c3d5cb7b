"""`serve --output FOLDER`: checked before anything is loaded, with the messages of drawing."""

import os
from pathlib import Path

import pytest
from served import options_of

from gpustack_draw.errors import OutputError


def test_a_folder_is_taken(tmp_path: Path) -> None:
    assert options_of("demo", "--output", str(tmp_path)).output == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert options_of("demo").output is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "folder 'missing/' does not exist\nmake it first: mkdir -p missing/"),
        ("file.png", "'file.png/' is not a folder"),
    ],
)
def test_wrong_folders(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.png").touch()
    with pytest.raises(OutputError) as raised:
        options_of("demo", "--output", name)
    assert (str(raised.value), raised.value.exit_status) == (message, 4)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written to: permission denied"):
        options_of("demo", "--output", str(tmp_path))
