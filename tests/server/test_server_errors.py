"""Errors before a GPUStack server draws: one message and hint each, and no file left."""

import json

import pytest
from loopback_gpustack import NEW, OLD, LoopbackGpustack
from server_commands import NAME, PROMPT, FailingCommand, serve

from gpustack_draw.cli.main import main

pytestmark = pytest.mark.usefixtures("empty_folder", "short_waits")

LOG_HINT = "try again; if this happens again, check the log of the model's instance"


# --- keys -----------------------------------------------------------------------------------------

GET_KEY = "create an API key on the server's web page, and set GPUSTACK_API_KEY to it"


def test_a_missing_key(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GPUSTACK_API_KEY")
    assert FailingCommand(capsys, new.url).run(NAME) == (1, "URL requires an API key", GET_KEY)


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_wrong_key(
    release: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in serve(release, monkeypatch):
        monkeypatch.setenv("GPUSTACK_API_KEY", "gpustack_wrong")
        assert FailingCommand(capsys, server.url).run(NAME) == (
            1,
            "URL rejects the key in GPUSTACK_API_KEY",
            "it may have expired: create another one on the server's web page",
        )
        assert len(server.requests) == 2  # not retried


def test_a_key_without_the_scope(new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]) -> None:
    message = "API key does not have permission to access inference features"
    body = json.dumps({"code": 403, "reason": "Forbidden", "message": message}).encode()
    new.fail("/v1/", status=403, body=body)
    assert FailingCommand(capsys, new.url).run(NAME) == (
        1,
        f"the API key is not permitted to draw on URL: {message}",
        "set GPUSTACK_API_KEY to a key with the scope 'inference' that may use this model",
    )


def test_a_key_in_an_answer_is_masked(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"detail": f"key {new.USER} is blocked"}).encode()
    new.fail("/images/", status=403, body=body)
    status, message, _ = FailingCommand(capsys, new.url).run(NAME)
    assert (status, message) == (
        1,
        "the API key is not permitted to draw on URL: key *** is blocked",
    )


# --- models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", [OLD, NEW])
def test_an_unknown_name(
    release: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in serve(release, monkeypatch):
        server.add("flux-schnell")
        whose = "" if server.uses_llama_box else " for this key"
        assert FailingCommand(capsys, server.url).run("SD-trubo") == (
            3,
            f"URL has no model 'SD-trubo'{whose}, the nearest are sd-turbo",
            "for a model of Hugging Face type hf.co/OWNER/REPO, for a file its path",
        )
        assert FailingCommand(capsys, server.url).run("acme/xyz") == (
            3,
            f"URL has no model 'acme/xyz'{whose}",
            (
                "available: sd-turbo, flux-schnell; for a model of Hugging Face type"
                " hf.co/acme/xyz, for a file its path"
            ),
        )
        assert not [path for path in server.paths() if "instances" in path]


def test_an_unknown_name_with_status_403(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Releases 2.0.x answer so."""
    body = b'{"error":{"message":"Model not found","code":403,"type":"Forbidden"}}'
    new.fail("/images/", status=403, body=body)
    assert FailingCommand(capsys, new.url).run("SD-trubo") == (
        3,
        "URL has no model 'SD-trubo' for this key, the nearest are sd-turbo",
        "for a model of Hugging Face type hf.co/OWNER/REPO, for a file its path",
    )


def test_a_server_without_any_image_model(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.models.clear()
    assert FailingCommand(capsys, old.url).run("sd") == (
        3,
        "URL has no model 'sd'",
        (
            "no image model is running there; for a model of Hugging Face type hf.co/OWNER/REPO,"
            " for a file its path"
        ),
    )


def test_a_model_hidden_from_this_key(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.x hides the models that a key may not use."""
    new.models.clear()
    new.add("acme-sd").hidden = True
    assert FailingCommand(capsys, new.url).run("acme-sd") == (
        3,
        "URL has no model 'acme-sd' for this key",
        (
            "no image model is running there for this key; for a model of Hugging Face type"
            " hf.co/OWNER/REPO, for a file its path"
        ),
    )
    monkeypatch.setenv("GPUSTACK_API_KEY", new.ADMIN)
    assert main(["acme-sd", PROMPT, "-q"]) == 0


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_model_of_another_category(
    release: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in serve(release, monkeypatch):
        server.add("qwen3", categories=["llm"])
        assert FailingCommand(capsys, server.url).run("qwen3") == (
            3,
            "'qwen3' on URL is not an image model",
            "image models there: sd-turbo",
        )
        assert server.drawings() == []


def test_a_model_without_a_category_draws(old: LoopbackGpustack) -> None:
    old.add("mine", categories=[])
    assert main(["mine", PROMPT, "-q"]) == 0


STOPPED_HINT = "start it or check its instances on the server's web page"


@pytest.mark.parametrize("release", [OLD, NEW])
def test_a_stopped_model(
    release: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in serve(release, monkeypatch):
        instances = [
            {"id": 1, "state": "pending", "state_message": "No available\nworkers"},
            {"id": 2, "state": "error", "state_message": "exited with code 1"},
        ]
        server.add("big", running=False, instances=instances[:1])
        server.add("bad", running=False, instances=instances)
        command = FailingCommand(capsys, server.url)
        monkeypatch.setenv("GPUSTACK_API_KEY", server.ADMIN)
        assert command.run("big") == (
            1,
            "'big' is not running on URL: pending: No available workers",
            STOPPED_HINT,
        )
        assert command.run("bad") == (
            1,
            "'bad' is not running on URL: error: exited with code 1",
            STOPPED_HINT,
        )
        # Without access to the management API, the state is unknown.
        monkeypatch.setenv("GPUSTACK_API_KEY", server.USER)
        assert command.run("big") == (
            1,
            "'big' has no running instance on URL",
            STOPPED_HINT,
        )


def test_an_unknown_or_stopped_model_on_a_new_server(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.x sends the same answer for an unknown and for a stopped model."""
    message = "Model not found or no running instances available"
    body = json.dumps({"error": {"message": message, "code": 404, "type": "NotFound"}}).encode()
    new.fail("/images/", status=404, body=body)
    new.add("big", running=False, instances=[{"state": "starting", "state_message": ""}])
    assert FailingCommand(capsys, new.url).run("big")[:2] == (
        3,
        "URL has no model 'big' for this key, or no running instance of it",
    )
    monkeypatch.setenv("GPUSTACK_API_KEY", new.ADMIN)
    assert FailingCommand(capsys, new.url).run("big")[:2] == (
        1,
        "'big' is not running on URL: starting",
    )
