"""Where pictures go: their names, and what is refused before anything is drawn."""

import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from run_python import run_python
from sample_picture import make_picture

from gpustack_draw.errors import OutputError
from gpustack_draw.pictures.output_path import OutputPlan, generated_stem, plan_output
from gpustack_draw.pictures.save import save_picture

NOON = datetime(2026, 11, 22, 12, 0, 5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, empty, which other users can come into."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        monkeypatch.chdir(path)
        yield Path(path)
        monkeypatch.undo()


def saved(path_text: str | None, *, count: int = 1, prompt: str = "a red circle") -> list[str]:
    plan = plan_output(path_text, prompt, count, NOON)
    return [save_picture(make_picture(seed=7 + index), plan, index) for index in range(count)]


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("A lovely cat", "A_lovely_cat_20261122_120005"),
        ("a red circle on a blue background", "a_red_circle_on_a_blue__20261122_120005"),
        ("../../etc/passwd", "______etc_passwd_20261122_120005"),
        ("well-done_1.0", "well-done_1_0_20261122_120005"),
        ("", "picture_20261122_120005"),
        (" ... ", "picture_20261122_120005"),
        ("--- a line ---", "_a_line_---_20261122_120005"),
        ("\N{CAT FACE} caf\xe9 \u05e9\u05dc", "__caf\xe9_\u05e9\u05dc_20261122_120005"),
        ("a\nb\0c", "a_b_c_20261122_120005"),
    ],
)
def test_generated_name(prompt: str, stem: str) -> None:
    assert generated_stem(prompt, NOON) == stem


def test_generated_names_count_up_and_overwrite_nothing(folder: Path) -> None:
    first = "a_red_circle_20261122_120005.png"
    Path(first).write_bytes(b"precious")
    second, third = saved(None, count=2)
    assert second == "a_red_circle_20261122_120005-2.png"
    assert third == "a_red_circle_20261122_120005-3.png"
    assert Path(first).read_bytes() == b"precious"


def test_numbered_names_continue_after_existing_ones(folder: Path) -> None:
    assert saved("cat.png", count=2) == ["cat-1.png", "cat-2.png"]
    before = Path("cat-1.png").read_bytes()
    assert saved("cat.png", count=2) == ["cat-3.png", "cat-4.png"]
    assert Path("cat-1.png").read_bytes() == before
    assert not Path("cat.png").exists()


def test_the_named_file_is_replaced(folder: Path) -> None:
    Path("cat.png").write_bytes(b"old")
    assert saved("cat.png") == ["cat.png"]
    assert Path("cat.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("typed", ["out", "out/", "./out", "."])
def test_a_folder_gets_a_generated_name_and_the_path_stays_as_typed(
    folder: Path, typed: str
) -> None:
    Path("out").mkdir()
    (path,) = saved(typed)
    assert path == os.path.join(typed, "a_red_circle_20261122_120005.png")
    assert Path(path).is_file()


@pytest.mark.parametrize("typed", ["cat.png", "./cat.png", "out/../cat.png"])
def test_a_relative_path_stays_as_typed(folder: Path, typed: str) -> None:
    Path("out").mkdir()
    assert saved(typed) == [typed]


def test_an_absolute_path_stays_absolute(folder: Path) -> None:
    assert saved(str(folder / "cat.png")) == [str(folder / "cat.png")]


def test_a_link_keeps_pointing_where_it_points(folder: Path) -> None:
    Path("real").mkdir()
    Path("cat.png").symlink_to("real/tom.png")
    assert saved("cat.png") == ["cat.png"]
    assert Path("cat.png").is_symlink()
    assert Path("real/tom.png").read_bytes().startswith(b"\x89PNG")
    assert os.listdir("real") == ["tom.png"]


def test_a_home_folder_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert saved("~/cat.png") == [str(folder / "cat.png")]


def test_standard_output_needs_no_check() -> None:
    assert plan_output("-", "a cat", 1) == OutputPlan(mode="stdout")


def test_a_file_system_without_hard_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    Path("cat-1.png").write_bytes(b"precious")
    assert saved("cat.png", count=2) == ["cat-2.png", "cat-3.png"]
    assert Path("cat-1.png").read_bytes() == b"precious"
    assert sorted(os.listdir()) == ["cat-1.png", "cat-2.png", "cat-3.png"]


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("no/cat.png", "folder 'no' does not exist", "make it first: mkdir -p no"),
        ("no such/", "folder 'no such/' does not exist", "make it first: mkdir -p 'no such/'"),
        ("file/cat.png", "'file' is not a folder", ""),
        ("file/", "'file/' is not a folder", ""),
        ("no/", "folder 'no/' does not exist", "make it first: mkdir -p no/"),
        ("folder.png", "'folder.png' is a folder", "to save in it, type folder.png/"),
        ("cat.bmp", "'cat.bmp' ends in .bmp", "pictures can be .png, .jpg or .webp"),
        ("cat.tar.gz", "'cat.tar.gz' ends in .gz", "pictures can be .png, .jpg or .webp"),
        (
            "cat",
            "'cat' is not an existing folder, and has no extension",
            "type cat.png for a file, or make the folder first",
        ),
        ("", "'' is not a file name", "for example path='cat.png'"),
        ("fifo.png", "'fifo.png' exists, and is not a file", "name another file"),
        ("/dev/null", "'/dev/null' exists, and is not a file", "name another file"),
        (".png", "'.png' is an extension without a name", "for example path='cat.png'"),
        ("no/.JPG", "'no/.JPG' is an extension without a name", "for example path='cat.png'"),
        ("a\0b.png", "'a\\x00b.png' cannot be a file name", ""),
        ("\ud800.png", "'\\ud800.png' cannot be a file name", ""),
        ("loop.png", "'loop.png' cannot be written: too many levels of symbolic links", ""),
        (f"{'x' * 300}.png", f"'{'x' * 97}...' cannot be written: file name too long", ""),
    ],
)
def test_refused_before_drawing(folder: Path, typed: str, message: str, hint: str) -> None:
    Path("file").write_bytes(b"")
    Path("folder.png").mkdir()
    os.mkfifo("fifo.png")
    Path("loop.png").symlink_to("loop.png")
    with pytest.raises(OutputError) as caught:
        plan_output(typed, "a cat", 1)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_status == 4
    assert sorted(os.listdir()) == ["fifo.png", "file", "folder.png", "loop.png"]


@pytest.mark.parametrize("typed", ["link.png", "folder-link/cat.png", "folder-link/"])
def test_a_link_to_a_missing_folder_names_that_folder(folder: Path, typed: str) -> None:
    missing = os.path.realpath("missing")
    Path("link.png").symlink_to("missing/cat.png")
    Path("folder-link").symlink_to("missing")
    with pytest.raises(OutputError) as caught:
        plan_output(typed, "a cat", 1)
    assert caught.value.message == f"folder '{missing}' does not exist"
    assert caught.value.hint == f"make it first: mkdir -p {missing}"


def test_blanks_after_a_file_name_are_dropped_unless_a_file_has_them(folder: Path) -> None:
    assert plan_output("cat.png \n", "a cat", 1).path(1) == "cat.png"
    Path("dog.png ").write_bytes(b"")
    with pytest.raises(OutputError, match=r"ends in \.png "):
        plan_output("dog.png ", "a dog", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("locked/cat.png", "folder 'locked' cannot be written to: permission denied"),
        ("locked", "folder 'locked' cannot be written to: permission denied"),
        ("open/guarded.png", "'open/guarded.png' is write-protected"),
    ],
)
def test_what_this_user_may_not_write(open_folder: Path, typed: str, expected: str) -> None:
    Path("locked").mkdir(mode=0o555)
    Path("open").mkdir()
    Path("open").chmod(0o777)
    Path("open/guarded.png").write_bytes(b"old")
    Path("open/guarded.png").chmod(0o444)
    output = run_python(
        """
        import os, secrets, sys
        from gpustack_draw.errors import OutputError
        from gpustack_draw.pictures.output_path import plan_output
        if os.geteuid() == 0:
            os.setuid(65534)  # because root may write anywhere
        try:
            plan_output(sys.argv[1], "a cat", 1)
        except OutputError as error:
            print(error.message)
        """,
        typed,
    )
    assert output.strip() == expected
