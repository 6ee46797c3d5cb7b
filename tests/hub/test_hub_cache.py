"""The hub client's cache: shared with other programs, damaged, offline, full."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import model_files as files
import pytest
from hub_steps import DATA, MODEL, error_of, get, look_up, read, set_offline
from loopback_hub import Content, LoopbackHub

import gpustack_draw
from gpustack_draw.errors import FetchError, ModelFileError
from gpustack_draw.hub import Hub, RepositoryFile, partial_file
from gpustack_draw.hub import hub as hub_module
from gpustack_draw.progress.progress import Progress

LABEL = "hf.co/acme/tiny:data.gguf"
MEGABYTE = 1_000_000


def test_huggingface_hub_finds_fetched_files(hub: Hub, server: LoopbackHub) -> None:
    from huggingface_hub import constants, hf_hub_download, scan_cache_dir

    hub.fetch(look_up(hub).files)
    sent = server.bytes_sent
    path = hf_hub_download("acme/tiny", "data.gguf", cache_dir=constants.HF_HUB_CACHE)
    assert Path(path).read_bytes() == DATA
    assert server.bytes_sent == sent
    found = scan_cache_dir(constants.HF_HUB_CACHE)
    assert [repo.repo_id for repo in found.repos] == ["acme/tiny"]
    assert not found.warnings


def test_files_fetched_by_huggingface_hub_are_used(hub: Hub, server: LoopbackHub) -> None:
    from huggingface_hub import constants, hf_hub_download

    hf_hub_download("acme/tiny", "data.gguf", cache_dir=constants.HF_HUB_CACHE)
    sent = server.bytes_sent
    file = get(hub)
    assert hub.bytes_to_fetch([file]) == 0
    assert hub.fetch([file]) == ()
    assert server.bytes_sent == sent


def test_nothing_is_requested_twice(hub: Hub, server: LoopbackHub) -> None:
    hub.fetch([get(hub)])
    server.requests.clear()
    hub.fetch([get(hub)])
    assert server.paths() == ["GET /api/models/acme/tiny"]
    server.requests.clear()
    commit = server.repositories["acme/tiny"].commit
    file = look_up(hub, revision=commit).file("data.gguf")
    hub.fetch([file])
    known = hub.repository("acme/tiny", is_sufficient=lambda _: True)
    hub.fetch([known.file("data.gguf")])
    assert server.paths() == []


def test_offline_mode_sends_no_request(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.fetch([get(hub)])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.requests.clear()
    repository = look_up(hub)
    hub.fetch([repository.file("data.gguf")])
    assert read(hub, repository.file("data.gguf")) == DATA
    missing = repository.file("a/tiny-Q4_0.gguf")
    expected = (
        FetchError,
        "hf.co/acme/tiny:a/tiny-Q4_0.gguf is not cached, and HF_HUB_OFFLINE is set",
        "unset HF_HUB_OFFLINE to download it; available offline: demo, hf.co/acme/tiny:data.gguf",
    )
    assert error_of(lambda: hub.fetch([missing])) == expected
    assert error_of(lambda: hub.read_header(missing)) == expected
    assert error_of(lambda: look_up(hub, "acme/other"))[1:] == (
        "hf.co/acme/other is not cached, and HF_HUB_OFFLINE is set",
        "unset HF_HUB_OFFLINE to download it; available offline: demo, hf.co/acme/tiny:data.gguf",
    )
    assert server.paths() == []


def test_offline_with_a_cache_that_only_huggingface_hub_has_filled(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, hf_hub_download

    hf_hub_download("acme/tiny", "data.gguf", cache_dir=constants.HF_HUB_CACHE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = look_up(hub)
    assert repository.paths == ["data.gguf"]
    assert hub.fetch(repository.files) == ()


@pytest.mark.parametrize("damage", [DATA[:-1], DATA[:-1] + b"x"], ids=["size", "bytes"])
def test_a_damaged_file_in_the_cache_is_reported_and_fetched_again(hub: Hub, damage: bytes) -> None:
    file = get(hub)
    hub.fetch([file])
    path = hub.path_of(file)
    assert path is not None
    path.resolve().write_bytes(damage)
    os.utime(path, (1, 1))
    assert hub.fetch([file]) == (
        "hf.co/acme/tiny:data.gguf was damaged in the cache, and was downloaded again",
    )
    assert read(hub, file) == DATA
    assert hub.fetch([file]) == ()


def damage_header(hub: Hub, at: int = 8) -> RepositoryFile:
    """Fetch a model and change eight bytes of its header, as a failing disk would."""
    file = get(hub, "a/tiny-Q4_0.gguf")
    hub.fetch([file])
    path = hub.path_of(file)
    assert path is not None
    path.write_bytes(MODEL[:at] + b"\xff" * 8 + MODEL[at + 8 :])
    os.utime(path, (1, 1))
    return file


def test_a_model_whose_header_is_damaged_in_the_cache_is_fetched_again(
    hub: Hub, server: LoopbackHub
) -> None:
    file = damage_header(hub)
    assert len(hub.read_header(file).tensors) == len(files.SD1_ALL)
    assert hub.fetch([file]) == (
        f"{file.label} was damaged in the cache, and was downloaded again",
    )
    assert read(hub, file) == MODEL
    server.requests.clear()
    assert len(hub.read_header(file).tensors) == len(files.SD1_ALL)
    assert server.requests == []


def test_a_model_whose_header_is_damaged_in_the_cache_is_an_error_offline(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = damage_header(hub)
    set_offline(monkeypatch)
    path = hub.path_of(file)
    assert path is not None
    for damage in (path.read_bytes(), MODEL[:-1]):
        path.write_bytes(damage)
        assert error_of(lambda: hub.read_header(file)) == (
            FetchError,
            f"{file.label} is damaged in the cache, and HF_HUB_OFFLINE is set",
            "unset HF_HUB_OFFLINE to download it again",
        )


def test_a_file_that_is_damaged_on_the_hub_is_not_fetched_again(
    hub: Hub, server: LoopbackHub
) -> None:
    server.add("acme/wrong", {"m.gguf": b"GGUF" + b"\xff" * 100})
    file = get(hub, "m.gguf", "acme/wrong")
    hub.fetch([file])
    server.requests.clear()
    assert error_of(lambda: hub.read_header(file))[0] is ModelFileError
    assert server.requests == []


def test_listing_a_damaged_model_sends_no_request(hub: Hub, server: LoopbackHub) -> None:
    damage_header(hub)
    server.requests.clear()
    assert [model.source for model in gpustack_draw.models()] == ["demo"]
    assert server.requests == []


def test_a_full_disk(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    file = get(hub)
    monkeypatch.setattr(hub.cache, "free_bytes", lambda: 2 * MEGABYTE)
    monkeypatch.setattr(hub_module, "SPARE_BYTES", 2 * MEGABYTE)
    assert error_of(lambda: hub.fetch([file])) == (
        FetchError,
        (
            f"the download needs 1.00 MB, but the disk of the cache '{hub.cache.folder}' has only"
            " 2.00 MB free"
        ),
        "free disk space, or set HF_HOME to a folder on another disk",
    )


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (28, "the disk of the cache '{}' is full"),
        (30, "the cache '{}' is not writable: read-only file system"),
        (13, "the cache '{}' is not writable: permission denied"),
        (5, "the cache '{}' cannot be used: input/output error"),
    ],
)
def test_a_cache_that_cannot_be_written(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    file = get(hub)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(partial_file, "write", fail)
    error_type, said, _ = error_of(lambda: hub.fetch([file]))
    assert (error_type, said) == (FetchError, message.format(hub.cache.folder))


def test_bytes_read_for_a_plan_are_not_fetched_again(hub: Hub, server: LoopbackHub) -> None:
    content = Content(MODEL, len(MODEL) + 2_000_000)
    server.add("acme/large", {"m.gguf": content})
    file = get(hub, "m.gguf", "acme/large")
    hub.read_header(file)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == content.read(0, content.size)
    assert server.bytes_sent == content.size


def test_the_header_of_a_partly_fetched_file_is_read_locally(hub: Hub, server: LoopbackHub) -> None:
    content = Content(MODEL, len(MODEL) + 2_000_000)
    server.add("acme/large", {"m.gguf": content})
    file = get(hub, "m.gguf", "acme/large")
    partial = hub.cache.partial(file)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content.read(0, len(MODEL) + 300_000))
    assert len(hub.read_header(file).tensors) == len(files.SD1_ALL)
    assert server.bytes_sent == 0
    partial.write_bytes(b"x" * (len(MODEL) + 300_000))  # a disk's error
    assert len(hub.read_header(file).tensors) == len(files.SD1_ALL)
    assert hub.fetch([file]) == (
        "hf.co/acme/large:m.gguf did not match its digest, and was downloaded again",
    )
    assert read(hub, file) == content.read(0, content.size)


def test_a_damaged_file_is_kept_and_reported_offline(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = get(hub)
    hub.fetch([file])
    path = hub.path_of(file)
    assert path is not None
    set_offline(monkeypatch)
    for damage in (DATA[:-1] + b"x", DATA[:-1]):
        path.write_bytes(damage)
        os.utime(path, (1, 1))
        assert error_of(lambda: hub.fetch([file])) == (
            FetchError,
            f"{LABEL} is damaged in the cache, and HF_HUB_OFFLINE is set",
            "unset HF_HUB_OFFLINE to download it again",
        )
        assert path.read_bytes() == damage


def test_a_damaged_file_that_cannot_be_fetched_again_is_an_error(
    hub: Hub, server: LoopbackHub
) -> None:
    file = get(hub)
    hub.fetch([file])
    path = hub.path_of(file)
    assert path is not None
    path.write_bytes(DATA[:-1])
    server.fail("/resolve/", status=403)
    assert error_of(lambda: hub.fetch([file]))[1] == (
        f"{LABEL} was damaged in the cache, and could not be downloaded again:"
        f" {server.url} refuses access to hf.co/acme/tiny (403)"
    )


def test_a_damaged_file_outside_the_cache_is_not_removed(hub: Hub, tmp_path: Path) -> None:
    file = get(hub)
    hub.fetch([file])
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(DATA[:-1])
    for path in (hub.cache.pointer(file), hub.cache.blob(file)):
        path.unlink()
        path.symlink_to(mine)
    assert hub.fetch([file]) == (f"{LABEL} was damaged in the cache, and was downloaded again",)
    assert read(hub, file) == DATA
    assert mine.read_bytes() == DATA[:-1]


def test_a_new_commit_with_the_same_file_needs_no_fetch(hub: Hub, server: LoopbackHub) -> None:
    """If only the README has changed, the file is used under the new commit."""
    hub.fetch([get(hub)])
    server.add("acme/tiny", {"data.gguf": DATA, "README.md": b"new"})
    server.requests.clear()
    file = get(hub)
    assert not hub.cache.pointer(file).exists()
    assert hub.fetch([file]) == ()
    assert hub.cache.pointer(file).read_bytes() == DATA
    assert server.paths() == ["GET /api/models/acme/tiny"]


def test_a_lookup_changes_nothing_for_other_programs(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan, or a fetch that fails, neither damages the cache nor hides an older revision."""
    from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache

    def cached() -> Any:
        return try_to_load_from_cache("acme/tiny", "data.gguf", constants.HF_HUB_CACHE)

    hub.read_header(get(hub, "a/tiny-Q4_0.gguf"))
    assert scan_cache_dir(constants.HF_HUB_CACHE).warnings == []
    assert cached() is None
    hub.fetch([get(hub)])
    older = cached()
    assert Path(older).read_bytes() == DATA
    server.add("acme/tiny", {"data.gguf": DATA + DATA})
    server.fail("/resolve/", status=403)
    file = get(hub)
    error_of(lambda: hub.fetch([file]))
    assert cached() == older
    assert scan_cache_dir(constants.HF_HUB_CACHE).warnings == []
    set_offline(monkeypatch)
    assert hub.fetch([get(hub)]) == ()
    assert read(hub, get(hub)) == DATA


def test_a_deleted_repository_can_be_used_offline(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fetch([get(hub)])
    del server.repositories["acme/tiny"]
    assert error_of(lambda: look_up(hub))[1:] == (
        f"no repository hf.co/acme/tiny at {server.url}, or it is private",
        (
            "check the spelling and HF_ENDPOINT; if it is private, log in with 'hf auth login',"
            " or set HF_TOKEN; set HF_HUB_OFFLINE=1 to use the cache"
        ),
    )
    set_offline(monkeypatch)
    assert hub.fetch([get(hub)]) == ()


def test_files_fetched_by_commit_are_known_without_the_network(hub: Hub) -> None:
    commit = look_up(hub).commit
    file = look_up(hub, revision=commit).file("data.gguf")
    hub.fetch([file])
    assert [repository.revision for repository in hub.cached_repositories()] == [commit]
    assert hub.cached_references() == [f"hf.co/acme/tiny@{commit}:data.gguf"]


def test_a_blob_that_is_a_link_keeps_its_digest(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """huggingface_hub 2.4 stores files of several repositories once, under other names."""
    from huggingface_hub import constants, hf_hub_download

    hf_hub_download("acme/tiny", "data.gguf", cache_dir=constants.HF_HUB_CACHE)
    blob = next((hub.cache.repository_folder("acme/tiny") / "blobs").iterdir())
    store = Path(constants.HF_HUB_CACHE) / "blobs" / "ab" / ("ab" * 32)
    store.parent.mkdir(parents=True)
    blob.replace(store)
    blob.symlink_to(os.path.relpath(store, blob.parent))
    set_offline(monkeypatch)
    assert hub.fetch(look_up(hub).files) == ()
    assert store.read_bytes() == DATA


def test_two_processes_can_link_at_once(hub: Hub) -> None:
    file = get(hub)
    hub.fetch([file])
    errors: list[Exception] = []

    def link() -> None:
        try:
            for _ in range(50):
                hub.cache.pointer(file).unlink(missing_ok=True)
                hub.cache.link(file)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=link) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert hub.cache.pointer(file).is_symlink()
    assert hub.cache.blob(file).read_bytes() == DATA
    assert [path.name for path in hub.cache.pointer(file).parent.iterdir()] == ["data.gguf"]


@pytest.mark.parametrize("number", [1, 28])
def test_a_disk_without_links(hub: Hub, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A FAT disk has no links, so files are copied; a full disk is an error instead."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "symlink_to", fail)
    file = get(hub)
    if number == 28:
        assert error_of(lambda: hub.fetch([file]))[1] == (
            f"the disk of the cache '{hub.cache.folder}' is full"
        )
        assert hub.cache.blob(file).read_bytes() == DATA
        return
    assert hub.fetch([file]) == ()
    assert not hub.cache.pointer(file).is_symlink()
    assert read(hub, file) == DATA
    assert hub.fetch([file]) == ()


def test_progress_continues_while_another_process_fetches_the_file(
    hub: Hub, server: LoopbackHub
) -> None:
    file = get(hub)
    seen: list[Progress] = []
    partial = hub.cache.partial(file)
    partial.parent.mkdir(parents=True)
    with hub.client.lock(hub.cache.lock(file), 1):
        thread = threading.Thread(target=hub.fetch, args=([file], seen.append))
        thread.start()
        partial.write_bytes(DATA[:600_000])
        while not seen or seen[-1].step != 600_000:
            time.sleep(0.01)
        partial.write_bytes(DATA)
        partial.replace(hub.cache.blob(file))
    thread.join(10)
    assert seen[-1].step == seen[-1].resumed == len(DATA)
    assert read(hub, file) == DATA
    assert server.bytes_sent == 0
