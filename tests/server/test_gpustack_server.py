"""Drawing on GPUStack servers of both releases, against a loopback server."""

import json
from pathlib import Path

import pytest
from known_values import known_values
from loopback_gpustack import LoopbackGpustack
from option_values import option_values
from server_commands import NAME, PROMPT, parameters
from upscaling_models import old_names, random_weights, write_weights

import gpustack_draw
from gpustack_draw import DrawRequest, Progress
from gpustack_draw.cli.main import main
from gpustack_draw.cli.model_names import cache_folder
from gpustack_draw.request.options import SAMPLING_OPTIONS, SamplingOption
from gpustack_draw.units import format_bytes

# --- both releases --------------------------------------------------------------------------------


def test_drawing_by_name_on_a_llama_box_server(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--seed 7 --sample-steps 4 --cfg-scale 2.5 --sampler heun --scheduler karras"
    options += " --negative-prompt blue --output cat.png"
    assert main([NAME, PROMPT, *options.split()]) == 0
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert "drawing 4/4, 100 %" in output.err
    host = old.url.partition("://")[2]
    assert (
        "seed 7, 4 steps, cfg 2.5, heun, karras, 512x512, GPUStack 0.7.1 at " + host in output.err
    )
    assert old.paths() == [
        "GET /version",
        "GET /v1-openai/models",
        "POST /v1-openai/images/generations",
    ]
    assert old.drawings() == [
        {
            "model": NAME,
            "prompt": PROMPT,
            "n": 1,
            "size": "512x512",
            "response_format": "b64_json",
            "negative_prompt": "blue",
            "sampler": "heun",
            "scheduler": "karras",
            "sample_steps": 4,
            "num_inference_steps": 4,
            "cfg_scale": 2.5,
            "true_cfg_scale": 2.5,
            "guidance_scale": 2.5,
            "seed": 7,
            "stream": True,
        }
    ]
    assert parameters("cat.png").startswith(
        f"{PROMPT}\nNegative prompt: blue\nSteps: 4, Sampler: Heun, Schedule type: Karras,"
        f" CFG scale: 2.5, Seed: 7, Size: 512x512, Model: {NAME}, Model reference: {NAME},"
        " Version: gpustack-draw "
    )


def test_drawing_by_name_on_a_new_server(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--seed 7 --sample-steps 4 --cfg-scale 2.5 --negative-prompt blue --output cat.png"
    assert main([NAME, PROMPT, *options.split()]) == 0
    output = capsys.readouterr()
    assert output.out == "cat.png\n"
    assert "waiting for the server" in output.err
    assert new.paths() == ["GET /version", "GET /v1/models", "POST /v1/images/generations"]
    assert new.drawings() == [
        {
            "model": NAME,
            "prompt": PROMPT,
            "n": 1,
            "size": "512x512",
            "response_format": "b64_json",
            "negative_prompt": "blue",
            "sample_steps": 4,
            "num_inference_steps": 4,
            "cfg_scale": 2.5,
            "true_cfg_scale": 2.5,
            "guidance_scale": 2.5,
            "seed": 7,
        }
    ]
    # Unknown values are left out.
    assert parameters("cat.png").startswith(
        f"{PROMPT}\nNegative prompt: blue\nSteps: 4, CFG scale: 2.5, Seed: 7, Size: 512x512,"
        f" Model: {NAME}, Model reference: {NAME}, Version: gpustack-draw "
    )


def test_the_version_request_carries_no_key(new: LoopbackGpustack) -> None:
    assert main([NAME, PROMPT, "--output", "cat.png", "-q"]) == 0
    keys = [each.headers.get("Authorization") for each in new.requests]
    assert keys == [None, f"Bearer {new.USER}", f"Bearer {new.USER}"]


def test_a_llama_box_server_uses_the_models_steps_by_default(
    old: LoopbackGpustack,
) -> None:
    assert main([NAME, PROMPT, "--output", "cat.png", "-q"]) == 0
    (body,) = old.drawings()
    # The request of the original command without its nulls, plus the number of steps.
    assert {name: body[name] for name in ("model", "prompt", "size", "sampler", "stream")} == {
        "model": NAME,
        "prompt": PROMPT,
        "size": "512x512",
        "sampler": "euler",
        "stream": True,
    }
    assert body["sample_steps"] == 20
    assert 0 <= body["seed"] < 2**32
    assert None not in body.values()
    assert not {"cfg_scale", "guidance_scale", "negative_prompt", "scheduler"} & set(body)


def test_flux_receives_distilled_guidance_only(new: LoopbackGpustack) -> None:
    new.add("FLUX.1-dev")
    assert main(["FLUX.1-dev", PROMPT, "--cfg-scale", "1", "--output", "cat.png", "-q"]) == 0
    (body,) = new.drawings()
    assert (body["cfg_scale"], body["true_cfg_scale"]) == (1.0, 1.0)
    assert "guidance_scale" not in body
    options = ["--guidance", "2", "--output", "cat.png", "-q"]
    assert main(["FLUX.1-dev", PROMPT, *options]) == 0
    assert (new.drawings()[1]["guidance"], new.drawings()[1]["guidance_scale"]) == (2.0, 2.0)


@pytest.mark.parametrize("option", SAMPLING_OPTIONS, ids=lambda option: option.name)
def test_a_server_receives_each_number_that_it_takes(
    new: LoopbackGpustack, option: SamplingOption
) -> None:
    value = option_values(option)[-1]
    request = DrawRequest(prompt=PROMPT, seed=1, **{option.name: value})
    with gpustack_draw.load(NAME) as model:
        notes = model.check(request)
        list(model.draw(request))
    (body,) = new.drawings()
    assert {body[field] for field in option.server_fields} <= {value}
    note = f"{option.name} has no effect: GPUStack 2.3.0 does not take it"
    assert (note in notes) == (not option.server_fields)


def test_json_has_null_for_unknown_values(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([NAME, PROMPT, "--seed", "3", "--json", "--output", "cat.png"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record.pop("seconds").keys() == {"sample"}
    assert all(
        record[name] is None for name in ("sampler", "scheduler", "sample_steps", "cfg_scale")
    )
    assert known_values(record) == {
        "path": "cat.png",
        "seed": 3,
        "width": 512,
        "height": 512,
        "model": NAME,
        "family": "",
        "prompt": PROMPT,
        "negative_prompt": "",
        "mode": "txt2img",
        "references": 0,
        "loras": [],
        "device": f"GPUStack 2.3.0 at 127.0.0.1:{new.port}",
    }


def test_the_servers_settings_replace_the_requested_ones(old: LoopbackGpustack) -> None:
    seed = 2**32 + 5
    with gpustack_draw.load(NAME) as model:
        request = DrawRequest(prompt=PROMPT, seed=seed, size=(256, 256))
        assert model.check(request) == (
            (
                "GPUStack 0.7.1 has seeds up to 4294967294: larger ones do not give the pictures"
                " that they give elsewhere"
            ),
        )
        (picture,) = model.draw(request)
    settings = picture.settings
    assert (settings.seed, settings.sample_steps, settings.cfg_scale) == (5, 20, 4.5)
    assert (settings.sampler, settings.scheduler) == ("euler", "karras")
    assert settings.guidance is None  # the backend writes one for models that take none


def test_the_library_draws_on_a_server(old: LoopbackGpustack) -> None:
    reports: list[Progress] = []
    image = gpustack_draw.generate(NAME, PROMPT, size="256x320", seed=1, on_progress=reports.append)
    assert image.size == (256, 320)
    assert [(each.phase, each.step, each.total) for each in reports] == [
        ("wait", 0, 0),
        *(("sample", step, 4) for step in range(1, 5)),
    ]
    old.requests.clear()
    gpustack_draw.generate(NAME, PROMPT, seed=1)
    assert old.paths() == ["POST /v1-openai/images/generations"]  # the loaded model is reused
    gpustack_draw.generate(NAME, PROMPT, seed=1, server=old.url)
    assert "GET /version" in old.paths()


def test_a_model_on_a_server_has_no_files_here(old: LoopbackGpustack) -> None:
    with gpustack_draw.load(NAME) as model:
        assert model.resolved is None
        assert model._repr_html_() is None
        assert repr(model) == f"<Model {NAME} on GPUStack 0.7.1 at 127.0.0.1:{old.port}>"
        assert model.fetch() == ()


def test_dry_run_of_a_server_model(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([NAME, PROMPT, "--dry-run", "--size", "500x500"]) == 0
    assert capsys.readouterr().out == (
        f"model:     {NAME}\n"
        "settings:  20 steps, cfg 4.5, euler, 512x512\n"
        f"device:    GPUStack 0.7.1 at 127.0.0.1:{old.port}\n"
        "note:      500x500 was rounded up to 512x512: this server draws multiples of 64, from"
        " 256\n"
    )
    assert main([NAME, PROMPT, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["source"], plan["files"], plan["fetch_bytes"]) == ("server", [], 0)
    # An upscaling model enlarges on this machine, and so its file is listed.
    path = write_weights(Path("soft.pth"), old_names(random_weights(1, 2, 0)))
    assert main([NAME, PROMPT, "--dry-run", "--upscale", "soft.pth"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        f"model:     {NAME}",
        "files:",
        "  COMPONENT  SIZE     CACHED  FILE",
        f"  upscaler   {format_bytes(path.stat().st_size)}  yes     soft.pth",
        "download:  nothing",
    ]
    assert lines[5].startswith("settings:  ")
    assert old.drawings() == []


@pytest.mark.parametrize("release", ["0.4.0", "0.5.1", "1.0.0", "2.0.0", "2.1.0", "0.0.0", "3.0.1"])
def test_supported_releases(old: LoopbackGpustack, release: str) -> None:
    old.release = release
    old.add("acme-sd")
    assert main(["acme-sd", PROMPT, "--output", "cat.png", "-q", "--size", "256x256"]) == 0


# --- notes and lists ------------------------------------------------------------------------------


def test_ignored_options_are_noted(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--sampler heun --scheduler karras --vae x.gguf --threads 2 --device CPU"
    assert main([NAME, PROMPT, *options.split(), "--output", "cat.png"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "no effect" in line]
    chosen = "vLLM and SGLang, which GPUStack 2.3.0 draws with, choose it themselves"
    assert notes == [
        "gpustack-draw: --vae has no effect: the picture is drawn on a server",
        "gpustack-draw: --threads has no effect: the picture is drawn on a server",
        "gpustack-draw: --device has no effect: the picture is drawn on a server",
        f"gpustack-draw: --sampler heun may have no effect: {chosen}",
        f"gpustack-draw: --scheduler karras may have no effect: {chosen}",
    ]
    (body,) = new.drawings()
    assert (body["sampler"], body["scheduler"]) == ("heun", "karras")
    assert "Sampler" not in parameters("cat.png")  # the server may have used another one


def test_a_new_server_receives_a_typed_sampler(
    new: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([NAME, PROMPT, "--sampler", "euler", "--output", "cat.png"]) == 0
    assert "--sampler euler may have no effect" in capsys.readouterr().err
    assert main([NAME, PROMPT, "--output", "cat.png"]) == 0
    assert "--sampler" not in capsys.readouterr().err
    gpustack_draw.generate(NAME, PROMPT, sampler="euler")
    gpustack_draw.generate(NAME, PROMPT)
    assert [body.get("sampler") for body in new.drawings()] == ["euler", None, "euler", None]


def test_samplers_and_schedulers_unknown_to_llama_box_are_noted(old: LoopbackGpustack) -> None:
    with gpustack_draw.load(NAME) as model:
        request = DrawRequest(
            prompt="", sampler="er_sde", scheduler="simple", cfg_scale=1.0, negative_prompt="x"
        )
        assert model.check(request) == (
            "GPUStack 0.7.1 does not know sampler='er_sde': euler is used",
            "GPUStack 0.7.1 does not know scheduler='simple': its own is used",
            "negative_prompt has no effect with cfg_scale=1",
        )


@pytest.mark.parametrize("server", ["old", "new"])
def test_a_server_does_not_report_the_native_size(
    request: pytest.FixtureRequest, server: str
) -> None:
    request.getfixturevalue(server)
    with gpustack_draw.load(NAME) as model:
        assert model.check(DrawRequest(prompt="", size="native")) == (
            "size='native' has no effect: a server does not report it; 512x512 is used",
        )
        assert model.plan(DrawRequest(prompt="", size="native")).native_size is None


def test_models_lists_the_models_of_the_server(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str]
) -> None:
    old.add("qwen3", categories=["llm"])
    assert main(["models", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[-1] == {
        "model": NAME,
        "source": "server",
        "family": "",
        "variant": "",
        "bytes": None,
        "path": None,
        "server": old.url,
        "max_size": [1024, 1024],
    }
    assert "qwen3" not in [record["model"] for record in records]
    assert main(["models"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == [
        *(NAME, "on", old.url),
        *("up", "to", "1024x1024"),
    ]


def test_models_with_an_unreachable_server(
    old: LoopbackGpustack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.gpustack_server.retry.REFUSED_DELAYS", (0.01,))
    old.close()
    assert main(["models"]) == 1
    output = capsys.readouterr()
    assert output.out.startswith("MODEL")
    assert output.err == (
        f"gpustack-draw: no GPUStack server answers at {old.url}: connection refused\n"
        "gpustack-draw: check --server or GPUSTACK_SERVER_URL, and that the server is running\n"
        f"gpustack-draw: models of Hugging Face are in {cache_folder()}\n"
    )


def test_models_sends_no_request_without_a_configured_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*_: object) -> None:
        raise AssertionError("a request was sent")

    monkeypatch.setattr("gpustack_draw.gpustack_server.server.find_server_release", ask)
    assert main(["models", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_listed_prompts_are_requests_with_one_seed(
    new: LoopbackGpustack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat\na dog\n", encoding="utf-8")
    assert main([NAME, "--prompts", str(prompts), "--output", "cat.png", "-q"]) == 0
    assert capsys.readouterr().out == "cat-1.png\ncat-2.png\n"
    first, second = new.drawings()
    assert (first["prompt"], second["prompt"]) == ("a cat", "a dog")
    assert first["seed"] == second["seed"]
    new.fail("/v1/images/generations", status=500, body=b"{}", times=100)
    assert main([NAME, "--prompts", str(prompts), "--output", "cat.png", "-q"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "gpustack-draw: 2 of 2 prompts failed"
