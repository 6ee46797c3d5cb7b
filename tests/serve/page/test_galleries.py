"""The gallery: which pictures it lists, in which order, and with which parameters."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from sample_picture import make_picture

import gpustack_draw
from gpustack_draw.request.draw_settings import PictureSettings
from gpustack_draw.serve.page import folder_gallery
from gpustack_draw.serve.page.folder_gallery import FolderGallery
from gpustack_draw.serve.page.gallery import Gallery
from gpustack_draw.serve.page.memory_gallery import MemoryGallery
from gpustack_draw.serve.page.stored_picture import thumbnail


@pytest.fixture(params=["memory", "folder"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path) -> Gallery:
    return MemoryGallery() if request.param == "memory" else FolderGallery(tmp_path)


def add(gallery: Gallery, *seeds: int) -> None:
    for seed in seeds:
        gallery.add(make_picture(seed=seed))


def seeds(gallery: Gallery, limit: int = 100, after: str | None = None) -> list[int | None]:
    return [each.parameters.seed for each in gallery.newest(limit, after=after).pictures]


def test_pictures_are_listed_newest_first_in_pages(gallery: Gallery) -> None:
    add(gallery, 1, 2, 3, 4, 5)
    first = gallery.newest(2)
    assert [each.parameters.seed for each in first.pictures] == [5, 4]
    assert first.has_more
    rest = gallery.newest(3, after=first.pictures[-1].id)
    assert [each.parameters.seed for each in rest.pictures] == [3, 2, 1]
    assert not rest.has_more
    assert seeds(gallery, after=rest.pictures[-1].id) == []


def test_a_picture_is_read_with_its_parameters(gallery: Gallery) -> None:
    picture = make_picture(prompt='a "red" circle <b>\n☃', seed=2**63 - 1)
    gallery.add(picture)
    (stored,) = gallery.newest(1).pictures
    data = gallery.read(stored.id)
    assert Image.open(io.BytesIO(data)).tobytes() == picture.to_image().tobytes()
    assert gpustack_draw.read_parameters(data).prompt == picture.settings.prompt
    described = stored.to_json("cat")
    assert described["seed"] == "9223372036854775807"
    assert described["served_model"] == "cat"
    assert (described["width"], described["height"]) == (48, 32)
    assert described["fields"] == {
        "prompt": picture.settings.prompt,
        "size": "48x32",
        "sampler": "euler",
        "scheduler": "discrete",
        "sample_steps": 8,
        "cfg_scale": 1.0,
    }


def test_fields_describe_a_drawing_from_a_picture(gallery: Gallery) -> None:
    used = PictureSettings(image_hash="0123456789", expand=(0, 64, 0, 64))
    gallery.add(make_picture(pictures=used, strength=0.5, mode="img2img"))
    (stored,) = gallery.newest(1).pictures
    described = stored.to_json(None)
    assert described["from_pictures"] is True
    assert described["fields"]["strength"] == 0.5
    assert described["fields"]["expand"] == "0,64,0,64"


def test_fields_with_noise_levels_leave_out_what_they_replace() -> None:
    gallery = MemoryGallery()
    gallery.add(make_picture(sigmas=(1.0, 0.5, 0.0)))
    fields = gallery.newest(1).pictures[0].to_json(None)["fields"]
    assert fields["sigmas"]
    assert fields.keys().isdisjoint({"sample_steps", "scheduler"})


@pytest.mark.parametrize("name", ["", "nothing", "../secret.png", "..", "/etc/passwd", "a" * 5000])
def test_unknown_ids_find_nothing(gallery: Gallery, name: str) -> None:
    add(gallery, 1)
    with pytest.raises(KeyError):
        gallery.read(name)
    with pytest.raises(KeyError):
        gallery.newest(1, after=name)


def test_memory_keeps_the_last_pictures() -> None:
    gallery = MemoryGallery(max_pictures=3)
    add(gallery, 1, 2, 3, 4, 5)
    assert seeds(gallery) == [5, 4, 3]


def test_memory_keeps_a_number_of_bytes_and_at_least_the_newest_picture() -> None:
    size = len(gpustack_draw.encode(make_picture(seed=1), fast=True))
    gallery = MemoryGallery(max_bytes=2 * size + size // 2)
    add(gallery, 1, 2, 3, 4)
    assert seeds(gallery) == [4, 3]
    small = MemoryGallery(max_bytes=1)
    add(small, 1, 2)
    assert seeds(small) == [2]


def test_a_folder_has_the_files_that_the_command_would_save(tmp_path: Path) -> None:
    picture = make_picture(prompt="three green stars")
    FolderGallery(tmp_path).add(picture)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("three_green_stars_")
    assert file.suffix == ".png"
    assert file.read_bytes() == gpustack_draw.encode(picture)


def test_a_folder_lists_what_earlier_servers_saved(tmp_path: Path) -> None:
    add(FolderGallery(tmp_path), 1, 2)
    assert seeds(FolderGallery(tmp_path)) == [2, 1]


def test_a_folder_lists_pictures_of_this_program_only(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    gpustack_draw.save(make_picture(seed=9), outside)
    folder = tmp_path / "folder"
    folder.mkdir()
    gallery = FolderGallery(folder)
    add(gallery, 1)
    Image.new("RGB", (8, 8)).save(folder / "photo.png")
    (folder / "damaged.png").write_bytes(gpustack_draw.encode(make_picture())[:60])
    (folder / "notes.txt").write_bytes(gpustack_draw.encode(make_picture()))
    (folder / ".hidden.png").write_bytes(gpustack_draw.encode(make_picture()))
    (folder / "folder.png").mkdir()
    os.symlink(outside, folder / "link.png")
    assert seeds(gallery) == [1]


def test_a_removed_file_is_not_listed_any_more(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path)
    add(gallery, 1)
    (stored,) = gallery.newest(1).pictures
    next(tmp_path.iterdir()).unlink()
    with pytest.raises(KeyError):
        gallery.read(stored.id)
    assert seeds(gallery) == []


def test_a_folder_opens_the_files_of_a_page_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = FolderGallery(tmp_path)
    add(gallery, 1, 2, 3, 4)
    opened: list[str] = []
    real = FolderGallery._read
    monkeypatch.setattr(
        FolderGallery, "_read", lambda self, file: opened.append(file.name) or real(self, file)
    )
    gallery.newest(2)
    gallery.newest(2)
    assert len(opened) == 3  # one more, to know whether there is more


def test_a_file_is_read_by_a_server_that_has_not_listed_it(tmp_path: Path) -> None:
    add(FolderGallery(tmp_path), 1)
    (stored,) = FolderGallery(tmp_path).newest(1).pictures
    assert FolderGallery(tmp_path).read(stored.id) == next(tmp_path.iterdir()).read_bytes()


def test_a_file_of_another_program_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(file)
    status = file.stat()
    entry = folder_gallery._File(status.st_mtime_ns, file.name, status.st_size)
    with pytest.raises(KeyError):
        FolderGallery(tmp_path).read(entry.id)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_thumbnails_are_small(suffix: str) -> None:
    data = gpustack_draw.encode(make_picture(width=1200, height=300), suffix)
    with Image.open(io.BytesIO(thumbnail(data))) as small:
        assert small.format == "JPEG"
        assert small.size == (384, 96)
