"""The hub client against a loopback hub: lists, headers, fetches and refusals."""

from typing import Any

import model_files as files
import pytest
from hub_steps import DATA, MODEL, error_of, get, look_up, read
from loopback_hub import Content, LoopbackHub

from gpustack_draw.errors import FetchError, ModelNotFoundError
from gpustack_draw.hub import Hub, HubUnavailableError
from gpustack_draw.progress.progress import Progress

MEGABYTE = 1_000_000


def test_files_with_sizes_and_digests_in_one_request(hub: Hub, server: LoopbackHub) -> None:
    repository = look_up(hub)
    commit = server.repositories["acme/tiny"].commit
    assert repository.commit == commit
    assert repository.paths == ["README.md", "a/tiny-Q4_0.gguf", "data.gguf"]
    assert repository.file("data.gguf").bytes == len(DATA)
    assert len(repository.file("data.gguf").digest) == 64
    assert len(repository.file("README.md").digest) == 40
    assert server.paths() == ["GET /api/models/acme/tiny"]


def test_files_are_fetched_side_by_side_with_overall_progress(
    hub: Hub, server: LoopbackHub
) -> None:
    repository = look_up(hub)
    seen: list[Progress] = []
    assert hub.bytes_to_fetch(repository.files) == len(DATA) + len(MODEL) + 7
    assert hub.fetch(repository.files, seen.append) == ()
    assert read(hub, repository.file("data.gguf")) == DATA
    assert read(hub, repository.file("a/tiny-Q4_0.gguf")) == MODEL
    assert read(hub, repository.file("README.md")) == b"read me"
    assert hub.bytes_to_fetch(repository.files) == 0
    assert {progress.phase for progress in seen} == {"fetch"}
    assert seen[-1].step == seen[-1].total == len(DATA) + len(MODEL) + 7
    assert [progress.step for progress in seen] == sorted(progress.step for progress in seen)


def test_the_header_of_a_large_file_needs_few_bytes(hub: Hub, server: LoopbackHub) -> None:
    server.add("acme/large", {"m.gguf": Content(MODEL, 12_000 * MEGABYTE, "ab" * 32)})
    header = hub.read_header(get(hub, "m.gguf", "acme/large"))
    assert header.file_bytes == 12_000 * MEGABYTE
    assert len(header.tensors) == len(files.SD1_ALL)
    assert server.bytes_sent < 600_000


def test_header_over_the_network_from_a_server_without_ranges(
    hub: Hub, server: LoopbackHub
) -> None:
    server.fail("/resolve/", ignore_range=True)
    assert len(hub.read_header(get(hub, "a/tiny-Q4_0.gguf")).tensors) == len(files.SD1_ALL)


@pytest.mark.parametrize(
    "fault",
    [
        {"cut_after": 300_000, "times": 2},
        {"status": 500, "times": 2},
        {"status": 429, "times": 1, "headers": {"Retry-After": "0"}},
        {"status": 503, "times": 4},
        {"cut_after": 0, "times": 3},
    ],
    ids=str,
)
def test_a_fetch_resumes_after_a_fault(hub: Hub, server: LoopbackHub, fault: Any) -> None:
    file = get(hub)
    server.fail("/resolve/", **fault)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA
    assert server.bytes_sent <= len(DATA) * 1.05


def test_a_server_without_ranges_sends_everything_again(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    server.fail("/resolve/", cut_after=300_000, times=1)
    server.fail("/resolve/", ignore_range=True)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA


def test_wrong_bytes_once_are_fetched_again(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    server.fail("/resolve/", wrong_bytes=True, times=1)
    assert hub.fetch([file]) == (
        "hf.co/acme/tiny:data.gguf did not match its digest, and was downloaded again",
    )
    assert read(hub, file) == DATA


def test_wrong_bytes_twice_are_an_error(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    server.fail("/resolve/", wrong_bytes=True)
    assert error_of(lambda: hub.fetch([file])) == (
        FetchError,
        (
            f"hf.co/acme/tiny:data.gguf was downloaded twice and does not match its"
            f" SHA-256 {file.digest[:12]}..."
        ),
        "try again later, or use another file; a proxy may have changed the data",
    )
    assert hub.path_of(file) is None


def no_repository(server: LoopbackHub) -> tuple[type[ModelNotFoundError], str, str]:
    return (
        ModelNotFoundError,
        f"no repository hf.co/acme/none at {server.url}, or it is private",
        (
            "check the spelling and HF_ENDPOINT; if it is private, log in with 'hf auth login',"
            " or set HF_TOKEN"
        ),
    )


def test_an_unknown_repository_or_revision(hub: Hub, server: LoopbackHub) -> None:
    assert error_of(lambda: look_up(hub, "acme/none")) == no_repository(server)
    assert error_of(lambda: look_up(hub, revision="v9")) == (
        ModelNotFoundError,
        "hf.co/acme/tiny has no revision 'v9'",
        "write a branch, a tag or a commit after the @, or omit both",
    )


def test_a_private_repository(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("acme/none", {"m.gguf": MODEL}, private=True)
    assert error_of(lambda: look_up(hub, "acme/none")) == no_repository(server)
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    assert look_up(hub, "acme/none").paths == ["m.gguf"]


def test_a_wrong_token(hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    message = f"{server.url} rejects the token of this machine"
    assert error_of(lambda: look_up(hub)) == (
        HubUnavailableError,
        message,
        (
            "log in again with 'hf auth login', or correct or unset HF_TOKEN;"
            " available offline: demo"
        ),
    )
    monkeypatch.delenv("HF_TOKEN")
    look_up(hub)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert look_up(hub).note == f"{message}; using the cache"


def test_a_gated_repository(hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("acme/gated", {"m.gguf": MODEL}, gated=True)
    file = get(hub, "m.gguf", "acme/gated")
    expected = (
        FetchError,
        "hf.co/acme/gated is gated: it requires an account that has accepted its terms",
        (
            "accept them on https://huggingface.co/acme/gated,"
            " then log in with 'hf auth login', or set HF_TOKEN"
        ),
    )
    assert error_of(lambda: hub.read_header(file)) == expected
    assert error_of(lambda: hub.fetch([file])) == expected
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    server.fail("/resolve/", status=403, headers={"X-Error-Code": "GatedRepo"}, times=1)
    assert error_of(lambda: hub.fetch([file]))[1:] == (
        "hf.co/acme/gated is gated, and the account of your token has no access",
        (
            "accept its terms on https://huggingface.co/acme/gated;"
            " its owner may need time to grant access"
        ),
    )
    assert hub.fetch([file]) == ()


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (
            {"status": 429, "headers": {"Retry-After": "90"}},
            "{url} received too many requests from this address (429)",
            (
                "try again in 90 seconds; accounts have a higher limit:"
                " log in with 'hf auth login', or set HF_TOKEN"
            ),
        ),
        (
            {"status": 500, "headers": {"X-Error-Message": "we are sorry"}},
            "{url} reports a server error (500): we are sorry",
            "try again later; https://status.huggingface.co shows the status of the hub",
        ),
        (
            {"status": 403, "headers": {"X-Error-Message": "not for you"}},
            "{url} refuses access to hf.co/acme/tiny (403): not for you",
            "check that your token has read access to this repository",
        ),
    ],
)
def test_the_hub_refuses_a_request(
    hub: Hub, server: LoopbackHub, fault: Any, message: str, hint: str
) -> None:
    file = get(hub)
    server.fail("/resolve/", **fault)
    error_type, said, advice = error_of(lambda: hub.fetch([file]))
    assert issubclass(error_type, FetchError)
    assert (said, advice) == (message.format(url=server.url), hint)


def test_the_hub_cannot_be_reached(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    hub.fetch([file])
    server.close()
    known = look_up(hub)
    assert known.note.startswith(f"{server.url} cannot be reached: ")
    assert known.note.endswith("; using the cache")
    assert hub.fetch([known.file("data.gguf")]) == ()
    error_type, message, hint = error_of(lambda: look_up(hub, "acme/other"))
    assert issubclass(error_type, FetchError)
    assert message.startswith(f"{server.url} cannot be reached: ")
    assert hint == (
        "check the network, the proxy settings and HF_ENDPOINT;"
        " available offline: demo, hf.co/acme/tiny:data.gguf"
    )


def test_an_error_in_on_progress_ends_the_fetch_and_a_later_one_resumes(
    hub: Hub, server: LoopbackHub
) -> None:
    file = get(hub)
    server.fail("/resolve/", seconds=0.05, times=1)

    def stop(progress: Progress) -> None:
        if progress.step > len(DATA) // 2:
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        hub.fetch([file], stop)
    seen: list[Progress] = []
    hub.fetch([file], seen.append)
    assert seen[-1].resumed > len(DATA) // 2
    assert seen[-1].step == len(DATA)
    assert read(hub, file) == DATA
