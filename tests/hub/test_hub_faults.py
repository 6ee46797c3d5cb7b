"""A hub that redirects, sends unusual responses, or does not respond."""

import time
from email.utils import formatdate
from pathlib import Path

import model_files as files
import pytest
from hub_steps import DATA, MODEL, error_of, get, look_up, read
from loopback_hub import Content, LoopbackHub

from gpustack_draw.errors import FetchError, ModelNotFoundError
from gpustack_draw.hub import Hub, HubUnavailableError, retry
from gpustack_draw.hub.hub_errors import AnswerHead, explain_refusal
from gpustack_draw.progress.progress import Progress

LOST = 32_768  # of huggingface_hub 0.36, after a closed connection
LABEL = "hf.co/acme/tiny:data.gguf"


def set_timeout(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", seconds)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", seconds)


# --- redirects ------------------------------------------------------------------------------------


def test_the_token_is_not_sent_to_a_redirect_target(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdn = server.add_cdn()
    server.add("acme/gated", {"m.gguf": MODEL}, gated=True)
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    file = get(hub, "m.gguf", "acme/gated")
    assert len(hub.read_header(file).tensors) == len(files.SD1_ALL)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == MODEL
    assert {request.token for request in server.requests} == {f"Bearer {server.TOKEN}"}
    assert {request.token for request in cdn.requests} == {""}
    assert server.bytes_sent == 0


def test_a_redirected_fetch_resumes(hub: Hub, server: LoopbackHub) -> None:
    cdn = server.add_cdn()
    cdn.fail("/resolve/", cut_after=400_000, times=1)
    file = get(hub)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA
    assert len(cdn.requests) == 2
    assert len(DATA) <= cdn.bytes_sent <= len(DATA) + LOST


def test_a_renamed_repository_is_found_under_its_old_name(hub: Hub, server: LoopbackHub) -> None:
    server.renamed["acme/older"] = "acme/tiny"
    file = get(hub, "data.gguf", "acme/older")
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA


def test_a_hub_below_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = LoopbackHub(prefix="/mirror/hf")
    mirror.use(monkeypatch, tmp_path)
    mirror.add("acme/tiny", {"data.gguf": DATA})
    hub = Hub()
    file = get(hub)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA
    assert all(request.path.startswith("/mirror/hf/") for request in mirror.requests)
    mirror.close()


# --- unusual responses ----------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["chunked", "until closed"])
def test_a_response_without_a_length(hub: Hub, server: LoopbackHub, coding: str) -> None:
    file = get(hub)
    server.fail("/resolve/", coding=coding, cut_after=300_000, times=1)
    server.fail("/resolve/", coding=coding)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA
    assert len(DATA) <= server.bytes_sent <= len(DATA) + 2 * LOST


def test_a_compressed_list(hub: Hub, server: LoopbackHub) -> None:
    server.fail("/api/", coding="gzip")
    assert look_up(hub).paths == ["README.md", "a/tiny-Q4_0.gguf", "data.gguf"]


@pytest.mark.parametrize("ignore_range", [False, True])
def test_a_list_without_sizes_is_completed_by_requests_for_files(
    hub: Hub, server: LoopbackHub, ignore_range: bool
) -> None:
    server.add("acme/bare", {"m.gguf": MODEL}, bare=True)
    server.fail("/resolve/", ignore_range=ignore_range, wrong_bytes=True, times=2)
    server.fail("/resolve/", ignore_range=ignore_range)
    file = get(hub, "m.gguf", "acme/bare")
    assert (file.bytes, file.digest) == (-1, "")
    seen: list[Progress] = []
    assert hub.fetch([file], seen.append) == (
        "hf.co/acme/bare:m.gguf did not match its digest, and was downloaded again",
    )
    assert seen[-1].total == len(MODEL)
    assert read(hub, file) == MODEL
    assert hub.fetch([file]) == ()


@pytest.mark.parametrize("etag", ['"{}"', 'W/"{}"', '"0123456789abcdef0123456789abcdef-3"'])
def test_the_forms_of_an_etag(hub: Hub, server: LoopbackHub, etag: str) -> None:
    sha256 = Content(MODEL).sha256
    server.add("acme/bare", {"m.gguf": MODEL}, bare=True)
    server.fail("/resolve/", etag=etag.format(sha256))
    file = hub.client.complete(get(hub, "m.gguf", "acme/bare"))
    assert file.bytes == len(MODEL)
    assert file.digest == (sha256 if "{}" in etag else "")
    assert hub.fetch([file]) == ()
    assert read(hub, file) == MODEL


def test_a_file_longer_than_its_stated_size_is_refused(hub: Hub, server: LoopbackHub) -> None:
    server.fail("/resolve/", ignore_range=True)
    file = get(hub)
    server.repositories["acme/tiny"].files["data.gguf"].start += b"more"
    server.repositories["acme/tiny"].files["data.gguf"].size += 4
    assert error_of(lambda: hub.fetch([file]))[1].startswith(
        f"{LABEL} was downloaded twice and does not match its SHA-256 "
    )


def test_a_small_file_with_wrong_bytes(hub: Hub, server: LoopbackHub) -> None:
    server.fail("/README.md", wrong_bytes=True)
    file = get(hub, "README.md")
    assert error_of(lambda: hub.fetch([file]))[1] == (
        "hf.co/acme/tiny:README.md was downloaded twice and does not match its"
        f" git SHA-1 {file.digest[:12]}..."
    )


@pytest.mark.parametrize(
    "content_range",
    ["bytes 5-9/1004000", "bytes 0-6/7", "", "nonsense"],
    ids=["place", "size", "no", "bad"],
)
def test_another_range_than_requested(hub: Hub, server: LoopbackHub, content_range: str) -> None:
    file = get(hub)
    server.fail("/resolve/", status=206, headers={"Content-Range": content_range})
    assert error_of(lambda: hub.fetch([file]))[1] == (
        f"the hub sent another byte range of {LABEL} than requested: {content_range}"
    )
    assert hub.cache.partial_bytes(file) == 0


def test_an_empty_response(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    server.fail("/resolve/", coding="until closed", cut_after=0)
    message = f"the hub sends no data of {LABEL}"
    assert error_of(lambda: hub.fetch([file]))[1] == message
    assert error_of(lambda: hub.read_header(file))[1] == message


# --- faults ---------------------------------------------------------------------------------------


def test_a_stalled_request_is_retried(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_timeout(monkeypatch, 0.2)
    file = get(hub)
    server.fail("/resolve/", stall_after=300_000, times=2)
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA
    assert len(DATA) <= server.bytes_sent <= len(DATA) + 2 * LOST


def test_a_hub_that_always_stalls_is_an_error_after_five_tries(
    hub: Hub, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_timeout(monkeypatch, 0.1)
    file = get(hub)
    server.requests.clear()
    server.fail("/resolve/", stall_after=0)
    assert error_of(lambda: hub.fetch([file]))[1] == f"{server.url} cannot be reached: timed out"
    assert len(server.requests) == retry.MAX_TRIES


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_server_error_is_retried_a_few_times(hub: Hub, server: LoopbackHub, status: int) -> None:
    file = get(hub, "a/tiny-Q4_0.gguf")
    server.fail("", status=status, times=2)
    assert len(look_up(hub, "acme/tiny", "main").files) == 3  # known, so not requested again
    assert len(server.requests) == 2
    server.add("acme/other", {"m.gguf": MODEL})
    server.faults.clear()
    server.fail("/api/", status=status, times=2)
    assert look_up(hub, "acme/other").paths == ["m.gguf"]
    server.fail("/resolve/", status=status, times=2)
    assert len(hub.read_header(file).tensors) == len(files.SD1_ALL)
    server.requests.clear()
    server.fail("/api/", status=status)
    server.fail("/resolve/", status=status)
    server.repositories["acme/third"] = server.repositories["acme/other"]
    for action in (lambda: look_up(hub, "acme/third"), lambda: hub.read_header(get(hub))):
        assert issubclass(error_of(action)[0], HubUnavailableError)
    assert len(server.requests) == 3 + 1 + 3


def test_a_connection_closed_within_a_header(hub: Hub, server: LoopbackHub) -> None:
    server.fail("/resolve/", cut_after=len(MODEL) // 2, times=1)
    assert len(hub.read_header(get(hub, "a/tiny-Q4_0.gguf")).tensors) == len(files.SD1_ALL)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "in an hour"}, 3600),
        ({"Retry-After": formatdate(0, usegmt=True)}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"RateLimit": '"resolvers";r=0;t=55'}, 55),
        ({}, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_delay_before_a_retry(headers: dict[str, str], seconds: int, status: int) -> None:
    if headers.get("Retry-After") == "in an hour":  # of when this runs
        headers = {"Retry-After": formatdate(time.time() + 3600, usegmt=True)}

    head = AnswerHead(status, {name.lower(): value for name, value in headers.items()}, False)
    error = explain_refusal(head, "https://huggingface.co", "acme/tiny", "main")
    assert isinstance(error, HubUnavailableError)
    assert seconds - 60 * (seconds > 1000) <= error.wait_seconds <= seconds
    assert error.retryable == (seconds <= 30)


def test_a_short_retry_after_is_respected(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    server.fail("/resolve/", status=429, headers={"Retry-After": "1"}, times=1)
    start = time.monotonic()
    assert hub.fetch([file]) == ()
    assert time.monotonic() - start >= 1


def test_a_disabled_repository(hub: Hub, server: LoopbackHub) -> None:
    message = {"X-Error-Message": "Access to this resource is disabled."}
    server.fail("/api/", status=403, headers=message)
    assert error_of(lambda: look_up(hub)) == (
        FetchError,
        "the hub has disabled hf.co/acme/tiny",
        "see https://huggingface.co/acme/tiny for the reason, or use another repository",
    )


def test_a_deleted_file(hub: Hub, server: LoopbackHub) -> None:
    file = get(hub)
    del server.repositories["acme/tiny"].files["data.gguf"]
    assert error_of(lambda: hub.fetch([file])) == (
        ModelNotFoundError,
        "hf.co/acme/tiny has no file 'data.gguf' at revision 'main'",
        "",
    )


def test_a_response_that_is_not_from_a_hub(hub: Hub, server: LoopbackHub) -> None:
    server.fail("/api/", status=200, headers={"Content-Type": "text/html"})
    error_type, message, hint = error_of(lambda: look_up(hub, "acme/new"))
    assert error_type is HubUnavailableError
    assert message == f"{server.url} does not respond like a hub"
    assert hint.startswith(
        "check the network and HF_ENDPOINT: a login page of the network responds like this; "
    )


def test_a_fetch_resumes_after_the_hub_was_down(
    hub: Hub, server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = get(hub)
    server.fail("/resolve/", seconds=0.02)

    def go(progress: Progress) -> None:
        if progress.step > len(DATA) // 2 and not server.closed:
            server.close()

    assert error_of(lambda: hub.fetch([file], go))[1].startswith(
        f"{server.url} cannot be reached: "
    )
    assert hub.path_of(file) is None
    kept = hub.cache.partial_bytes(file)
    assert kept > len(DATA) // 2
    back = LoopbackHub()
    back.use(monkeypatch, tmp_path)
    back.repositories = server.repositories
    assert hub.fetch([file]) == ()
    assert read(hub, file) == DATA
    assert back.bytes_sent == len(DATA) - kept
    back.close()


def test_a_refused_connection(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    error_type, message, hint = error_of(lambda: look_up(hub))
    assert error_type is HubUnavailableError
    assert message == "http://127.0.0.1:1 cannot be reached: connection refused"
    assert hint == (
        "check the network, the proxy settings and HF_ENDPOINT; available offline: demo"
    )
