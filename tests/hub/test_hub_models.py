"""From an hf.co reference to a model and its components, on the loopback hub."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import model_files as files
import pytest
from known_values import known_values
from loopback_hub import Content, LoopbackHub

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import (
    DrawError,
    FetchError,
    ModelFileError,
    ModelNotFoundError,
    NotEnoughMemoryError,
    NotYetSupportedError,
)
from gpustack_draw.memory.check import check_memory
from gpustack_draw.memory.choose import choose
from gpustack_draw.memory.work import Work
from gpustack_draw.request.memory_options import MemoryOptions
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.fetch import fetch_model
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.resolver.smaller_files import smaller_files
from gpustack_draw.units import format_bytes

FLUX1_PARTS = {
    "ae.safetensors": files.safetensors_bytes(files.VAE_16),
    "clip_l.safetensors": files.safetensors_bytes(files.CLIP_L),
    "t5xxl-Q8_0.gguf": files.gguf_bytes(files.T5),
}
FLUX1_ALL = {
    **files.prefixed(files.DIFFUSION, files.FLUX1),
    **files.prefixed("text_encoders.clip_l.", files.CLIP_L),
    **files.prefixed("text_encoders.t5xxl.", files.T5),
    **files.prefixed("first_stage_model.", files.VAE_16),
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.close()


def resolve(text: str, **components: str) -> ResolvedModel:
    return resolve_model(parse_model_reference(text), components)


def sources(model: ResolvedModel) -> dict[str, str]:
    return {
        file.component: f"{file.hub_file.repository}:{file.hub_file.path}"
        if file.hub_file
        else "here"
        for file in model.files
    }


def error_of(text: str, **components: str) -> tuple[type[DrawError], str, str]:
    with pytest.raises(DrawError) as caught:
        resolve(text, **components)
    return type(caught.value), caught.value.message, caught.value.hint


def test_a_model_in_one_file(server: LoopbackHub) -> None:
    server.add(
        "acme/flux-schnell-GGUF",
        {"flux-schnell-Q4_0.gguf": files.gguf_bytes(FLUX1_ALL), "t5-Q4_0.gguf": b"no"},
    )
    model = resolve("hf.co/acme/flux-schnell-GGUF")
    assert sources(model) == {"model": "acme/flux-schnell-GGUF:flux-schnell-Q4_0.gguf"}
    assert (model.name, model.source, model.family.name, model.variant) == (
        "flux-schnell-Q4_0",
        "hub",
        "flux1",
        "schnell",
    )
    assert not model.files[0].path.exists()
    assert fetch_model(model) == ()
    assert model.files[0].path.read_bytes() == files.gguf_bytes(FLUX1_ALL)


@pytest.mark.engine
def test_too_little_memory_is_an_error_before_the_fetch(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("acme/flux", {"flux-Q4_0.gguf": files.gguf_bytes(FLUX1_ALL)})
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 1_000_000)
    model = gpustack_draw.load("hf.co/acme/flux")
    with pytest.raises(NotEnoughMemoryError, match=r"'flux-Q4_0' needs .* and 1\.00 MB are free"):
        model.generate("a cat")
    assert not model.resolved.files[0].path.exists()


def test_an_error_names_the_largest_quantization_that_fits(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = files.gguf_bytes(files.SDXL_ALL)
    sizes = {"sd-Q8_0": 8, "sd-Q5_0": 5, "sd-Q4_0": 4, "sd-Q2_K": 2, "other-Q4_K": 4}
    server.add(
        "acme/sd",
        {
            f"{name}.gguf": Content(start, gigabytes * 10**9, "ab" * 32)
            for name, gigabytes in sizes.items()
        },
    )
    model = resolve("hf.co/acme/sd:Q8_0")
    names = [file.path for file in smaller_files(model)]
    assert names == ["sd-Q5_0.gguf", "sd-Q4_0.gguf", "sd-Q2_K.gguf"]
    work = Work(model=model, width=512, height=512)
    needed = choose(work, MemoryOptions(low_memory=True)).needed.peak
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: needed - 35 * 10**8)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(work, choose(work), MemoryOptions())
    assert caught.value.hint.startswith("use hf.co/acme/sd:Q4_0, which needs about ")
    assert caught.value.hint.endswith(" GB, or close other programs")


def test_the_variant_is_read_from_the_repository_name_if_the_file_name_has_none(
    server: LoopbackHub,
) -> None:
    server.add("acme/sdxl-turbo-GGUF", {"model-Q4_0.gguf": files.gguf_bytes(files.SDXL_ALL)})
    model = resolve("hf.co/acme/sdxl-turbo-GGUF:q4_0")
    assert (model.variant, model.defaults.sample_steps) == ("turbo", 4)


def test_fallback_and_unreachable_hub_are_noted(server: LoopbackHub) -> None:
    server.add("acme/sd", {"sd-Q4_K_M.gguf": files.gguf_bytes(files.SD1_ALL)})
    note = "hf.co/acme/sd has no Q4_0, using Q4_K_M; choose another one with :TAG"
    model = resolve("hf.co/acme/sd")
    assert model.notes == (note,)
    fetch_model(model)
    server.fail("/api/", status=500)
    assert resolve("hf.co/acme/sd").notes == (
        f"{server.url} reports a server error (500); using the cache",
        note,
    )


def test_components_from_the_same_repository(server: LoopbackHub) -> None:
    server.add("acme/flux", {"flux1-dev-Q4_0.gguf": files.gguf_bytes(files.FLUX1), **FLUX1_PARTS})
    model = resolve("hf.co/acme/flux")
    assert sources(model) == {
        "diffusion_model": "acme/flux:flux1-dev-Q4_0.gguf",
        "vae": "acme/flux:ae.safetensors",
        "clip_l": "acme/flux:clip_l.safetensors",
        "t5xxl": "acme/flux:t5xxl-Q8_0.gguf",
    }
    assert model.notes == ()  # the user has named this repository
    assert fetch_model(model) == ()
    assert all(file.path.stat().st_size == file.bytes for file in model.files)


def test_the_header_identifies_a_component_not_its_name(server: LoopbackHub) -> None:
    server.add(
        "acme/klein",
        {
            "klein-Q4_0.gguf": files.gguf_bytes(files.KLEIN),
            "wrong-vae.safetensors": files.safetensors_bytes(files.VAE_16),
            "pixels.safetensors": files.safetensors_bytes(files.TAESD_32),
            "encoder.gguf": files.gguf_bytes(files.LLM),
        },
    )
    assert sources(resolve("hf.co/acme/klein")) == {
        "diffusion_model": "acme/klein:klein-Q4_0.gguf",
        "taesd": "acme/klein:pixels.safetensors",
        "llm": "acme/klein:encoder.gguf",
    }


def add_flux_and_usual_places(server: LoopbackHub) -> None:
    server.add("acme/flux", {"flux1-dev-Q4_0.gguf": files.gguf_bytes(files.FLUX1)})
    server.add(
        "Comfy-Org/z_image_turbo",
        {"split_files/vae/ae.safetensors": FLUX1_PARTS["ae.safetensors"]},
    )
    server.add(
        "comfyanonymous/flux_text_encoders",
        {"clip_l.safetensors": FLUX1_PARTS["clip_l.safetensors"]},
    )
    server.add(
        "city96/t5-v1_1-xxl-encoder-gguf",
        {"t5-v1_1-xxl-encoder-Q8_0.gguf": FLUX1_PARTS["t5xxl-Q8_0.gguf"]},
    )


def test_components_from_the_first_usual_repository_that_has_them(server: LoopbackHub) -> None:
    add_flux_and_usual_places(server)
    model = resolve("hf.co/acme/flux")
    assert sources(model) == {
        "diffusion_model": "acme/flux:flux1-dev-Q4_0.gguf",
        "vae": "Comfy-Org/z_image_turbo:split_files/vae/ae.safetensors",
        "clip_l": "comfyanonymous/flux_text_encoders:clip_l.safetensors",
        "t5xxl": "city96/t5-v1_1-xxl-encoder-gguf:t5-v1_1-xxl-encoder-Q8_0.gguf",
    }
    names = ("vae", "clip_l", "t5xxl")
    places = {name: f"hf.co/{sources(model)[name]}" for name in names}
    sizes = [format_bytes(file.bytes) for file in model.files[1:]]
    listed = ", ".join(
        f"{place} ({name}, {size})"
        for (name, place), size in zip(places.items(), sizes, strict=True)
    )
    assert model.notes == (f"not on this machine, so downloaded from the hub: {listed}",)
    fetch_model(model)
    server.requests.clear()
    model = resolve("hf.co/acme/flux")
    listed = ", ".join(f"{place} ({name})" for name, place in places.items())
    assert model.notes == (f"found in the cache: {listed}",)
    assert fetch_model(model) == ()
    # With everything cached, one request checks whether the model has changed.
    assert server.paths() == ["GET /api/models/acme/flux"]


def test_headers_of_other_files_beside_a_model_are_read_once(
    server: LoopbackHub,
) -> None:
    add_flux_and_usual_places(server)
    other = {"vae-of-another.safetensors": files.safetensors_bytes(files.VAE_4)}
    server.add("acme/flux", {"flux1-dev-Q4_0.gguf": files.gguf_bytes(files.FLUX1), **other})
    fetch_model(resolve("hf.co/acme/flux"))
    server.requests.clear()
    fetch_model(resolve("hf.co/acme/flux"))
    assert server.paths() == ["GET /api/models/acme/flux"]


def test_components_by_option_take_precedence(server: LoopbackHub, tmp_path: Path) -> None:
    add_flux_and_usual_places(server)
    server.add("acme/parts", {"my-ae.safetensors": FLUX1_PARTS["ae.safetensors"]})
    clip = tmp_path / "clip.safetensors"
    clip.write_bytes(FLUX1_PARTS["clip_l.safetensors"])
    model = resolve("hf.co/acme/flux", vae="hf.co/acme/parts:my-ae.safetensors", clip_l=str(clip))
    assert sources(model)["vae"] == "acme/parts:my-ae.safetensors"
    assert sources(model)["clip_l"] == "here"


def test_a_component_of_another_model_is_an_error_after_its_fetch(server: LoopbackHub) -> None:
    add_flux_and_usual_places(server)
    server.add(
        "city96/t5-v1_1-xxl-encoder-gguf",
        {"t5-v1_1-xxl-encoder-Q8_0.gguf": files.gguf_bytes(files.CLIP_G)},
    )
    model = resolve("hf.co/acme/flux")
    with pytest.raises(ModelFileError) as caught:
        fetch_model(model)
    assert caught.value.message == (
        "'hf.co/city96/t5-v1_1-xxl-encoder-gguf:t5-v1_1-xxl-encoder-Q8_0.gguf' is the CLIP-G text"
        " encoder, not the T5-XXL text encoder"
    )


def test_a_gated_or_unsuitable_repository_is_skipped(server: LoopbackHub) -> None:
    add_flux_and_usual_places(server)
    vae = FLUX1_PARTS["ae.safetensors"]
    server.add("Comfy-Org/z_image_turbo", {"split_files/vae/ae.safetensors": vae}, gated=True)
    server.add("second-state/FLUX.1-schnell-GGUF", {"ae.safetensors": vae})
    server.add(
        "comfyanonymous/flux_text_encoders",
        {"clip_l.safetensors": files.safetensors_bytes(files.CLIP_G)},
    )
    server.add(
        "second-state/stable-diffusion-3.5-medium-GGUF",
        {"clip_l-Q8_0.gguf": files.gguf_bytes(files.CLIP_L), "t5xxl-Q8_0.gguf": b""},
    )
    found = sources(resolve("hf.co/acme/flux"))
    assert found["vae"] == "second-state/FLUX.1-schnell-GGUF:ae.safetensors"
    assert found["clip_l"] == "second-state/stable-diffusion-3.5-medium-GGUF:clip_l-Q8_0.gguf"


def test_the_error_for_a_missing_component_names_repositories_and_option(
    server: LoopbackHub,
) -> None:
    add_flux_and_usual_places(server)
    del server.repositories["comfyanonymous/flux_text_encoders"]
    error_type, message, hint = error_of("hf.co/acme/flux")
    assert error_type is ModelNotFoundError
    assert message == (
        "'hf.co/acme/flux:Q4_0' (FLUX.1) cannot draw without the CLIP-L text"
        " encoder, which is neither in the file nor beside it;"
        f" no repository hf.co/comfyanonymous/flux_text_encoders at {server.url}, or it"
        " is private; no repository hf.co/second-state/stable-diffusion-3.5-medium-GGUF"
        f" at {server.url}, or it is private"
    )
    assert hint == (
        "name it with clip_l=FILE; it is usually in"
        " hf.co/comfyanonymous/flux_text_encoders:clip_l.safetensors or"
        " hf.co/second-state/stable-diffusion-3.5-medium-GGUF:clip_l-Q8_0.gguf"
    )


def test_the_error_for_a_gated_repository_names_its_terms(server: LoopbackHub) -> None:
    add_flux_and_usual_places(server)
    del server.repositories["Comfy-Org/z_image_turbo"]
    vae = FLUX1_PARTS["ae.safetensors"]
    server.add("second-state/FLUX.1-schnell-GGUF", {"ae.safetensors": vae}, gated=True)
    assert error_of("hf.co/acme/flux")[2] == (
        "name it with vae=FILE; it is usually in"
        " hf.co/Comfy-Org/z_image_turbo:split_files/vae/ae.safetensors or"
        " hf.co/second-state/FLUX.1-schnell-GGUF:ae.safetensors;"
        " accept them on https://huggingface.co/second-state/FLUX.1-schnell-GGUF,"
        " then log in with 'hf auth login', or set HF_TOKEN"
    )


SD3 = {f"joint_blocks.{number}.x_block.attn.qkv.weight": ((64, 64), "F16") for number in range(24)}


def test_an_optional_component_is_fetched_or_noted_as_missing(server: LoopbackHub) -> None:
    vae = FLUX1_PARTS["ae.safetensors"]
    clip_g = files.safetensors_bytes(files.CLIP_G)
    server.add(
        "acme/sd3",
        {
            "sd3.5_medium-Q4_0.gguf": files.gguf_bytes(SD3),
            "sd3_vae.safetensors": vae,
            "clip_l.safetensors": FLUX1_PARTS["clip_l.safetensors"],
            "clip_g.safetensors": clip_g,
        },
    )
    model = resolve("hf.co/acme/sd3")
    assert "t5xxl" not in sources(model)
    note = (
        "without the T5-XXL text encoder (t5xxl=FILE) the picture follows the prompt less closely"
    )
    assert model.notes == (note,)
    place = "second-state/stable-diffusion-3.5-medium-GGUF"
    server.add(place, {"t5xxl-Q8_0.gguf": FLUX1_PARTS["t5xxl-Q8_0.gguf"]})
    model = resolve("hf.co/acme/sd3")
    assert sources(model)["t5xxl"] == f"{place}:t5xxl-Q8_0.gguf"
    (note,) = model.notes
    assert note.startswith("not on this machine, so downloaded from the hub: ")


def test_the_vae_of_a_unet_model_is_found_beside_it_or_in_its_usual_repository(
    server: LoopbackHub,
) -> None:
    without = {name: of for name, of in files.SDXL_ALL.items() if "first_stage" not in name}
    vae = files.safetensors_bytes(files.VAE_4)
    server.add("acme/one", {"sdxl-Q4_0.gguf": files.gguf_bytes(without), "xl_vae.safetensors": vae})
    server.add("acme/two", {"sdxl-Q4_0.gguf": files.gguf_bytes(without)})
    server.add("madebyollin/sdxl-vae-fp16-fix", {"sdxl_vae.safetensors": vae})
    assert sources(resolve("hf.co/acme/one"))["vae"] == "acme/one:xl_vae.safetensors"
    assert sources(resolve("hf.co/acme/two"))["vae"] == (
        "madebyollin/sdxl-vae-fp16-fix:sdxl_vae.safetensors"
    )


def test_a_repository_without_a_tag_as_a_component(server: LoopbackHub) -> None:
    server.add("acme/flux", {"flux1-dev-Q4_0.gguf": files.gguf_bytes(files.FLUX1), **FLUX1_PARTS})
    vae = "hf.co/acme/flux"
    assert sources(resolve("hf.co/acme/flux", vae=vae))["vae"] == "acme/flux:ae.safetensors"


@pytest.mark.parametrize(
    ("tensors", "error_type", "message"),
    [
        (
            {"token_embd.weight": ((64, 100), "F16"), "blk.0.attn_qkv.weight": ((64, 64), "F16")},
            ModelFileError,
            (
                "'hf.co/acme/m:Q4_0' is a language model (which reads the prompt),"
                " not a model that draws by itself"
            ),
        ),
        (
            {
                "blocks.0.cross_attn.norm_k.weight": ((64,), "F32"),
                "img_emb.proj.0.weight": ((64,), "F32"),
            },
            NotYetSupportedError,
            (
                "'hf.co/acme/m:Q4_0' is of the family Wan image-to-video: it makes videos of"
                " an input picture, which this version cannot pass to it"
            ),
        ),
        (
            {"something.weight": ((4,), "F32")},
            ModelFileError,
            "'hf.co/acme/m:Q4_0' is not a model of a known family",
        ),
    ],
)
def test_a_model_that_cannot_draw(
    server: LoopbackHub, tensors: files.Tensors, error_type: type[DrawError], message: str
) -> None:
    server.add("acme/m", {"m-Q4_0.gguf": files.gguf_bytes(tensors)})
    assert error_of("hf.co/acme/m")[:2] == (error_type, message)


def test_gated_model(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("acme/m", {"m-Q4_0.gguf": files.gguf_bytes(files.SD1_ALL)}, gated=True)
    assert error_of("hf.co/acme/m")[:2] == (
        FetchError,
        "hf.co/acme/m is gated: it requires an account that has accepted its terms",
    )
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    assert resolve("hf.co/acme/m").family.name == "sd1"


def set_free_disk(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("gpustack_draw.hub.cache.HubCache.free_bytes", lambda _: count)


def test_a_dry_run_notes_that_the_disk_is_too_small(
    server: LoopbackHub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = files.gguf_bytes(files.SDXL_ALL)
    server.add("acme/sdxl", {"sdxl-Q4_0.gguf": Content(start, 12_000_000_000, "ab" * 32)})
    set_free_disk(monkeypatch, 3_000_000_000)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 64_000_000_000)
    lack = (
        f"the download needs 12.0 GB, but the disk of the cache '{tmp_path / 'hub'}' has only"
        " 3.00 GB free"
    )
    assert main(["hf.co/acme/sdxl", "a cat", "--dry-run", "--device", "CPU"]) == 3
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"note:      {lack}"
    assert printed.err.splitlines()[0] == f"gpustack-draw: {lack}"


def test_dry_run(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free_disk(monkeypatch, 20_000_000_000)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 19_900_000_000)
    start = files.gguf_bytes(files.SDXL_ALL)
    server.add("acme/sdxl", {"sdxl-turbo-Q4_0.gguf": Content(start, 12_000_000_000, "ab" * 32)})
    arguments = ["hf.co/acme/sdxl", "a cat", "--dry-run", "--device", "CPU"]
    assert main([*arguments, "--json"]) == 0
    plan = known_values(json.loads(capsys.readouterr().out))
    commit = server.repositories["acme/sdxl"].commit
    memory, time = plan.pop("memory_bytes"), plan.pop("time")
    assert plan.pop("time_seconds") == time["encode"] + time["sample"] + time["decode"] > 0
    assert memory > 12_000_000_000
    needed = plan.pop("memory")["needed"]
    peak = max(needed["decoding"], needed["sampling"])
    assert needed["base"] + needed["weights"] + peak == memory
    assert plan == {
        "model": "hf.co/acme/sdxl",
        "source": "hub",
        "family": "sdxl",
        "variant": "turbo",
        "files": [
            {
                "component": "model",
                "repository": "acme/sdxl",
                "revision": commit,
                "path": "sdxl-turbo-Q4_0.gguf",
                "bytes": 12_000_000_000,
                "cached": False,
                "origin": "named",
            }
        ],
        "fetch_bytes": 12_000_000_000,
        "memory_free_bytes": 19_900_000_000,
        "fits": True,
        "defaults": {
            "width": 512,
            "height": 512,
            "sampler": "euler",
            "scheduler": "discrete",
            "sample_steps": 4,
            "cfg_scale": 1.0,
            "mode": "txt2img",
            "references": 0,
            "loras": [],
        },
        "native_size": [512, 512],
        "device": "CPU",
        "notes": [],
    }
    assert server.bytes_sent < 2_000_000
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    phases, time = lines.pop(6), lines.pop(6)
    assert phases.startswith("phases:    weights 12.0 GB, ")
    assert time.startswith("time:      about ")
    assert lines == [
        "model:     hf.co/acme/sdxl (sdxl, turbo)",
        "files:",
        "  COMPONENT  SIZE     CACHED  FILE",
        "  model      12.0 GB  no      hf.co/acme/sdxl:sdxl-turbo-Q4_0.gguf",
        "download:  12.0 GB",
        f"memory:    about {memory / 1e9:.1f} GB, 19.9 GB free: fits",
        "settings:  4 steps, cfg 1, euler, discrete, 512x512",
        "device:    CPU",
    ]
    assert main([*arguments, "--size", "256x256"]) == 0
    assert "discrete, 256x256 (native: 512x512)\n" in capsys.readouterr().out
    assert main([*arguments, "--size", "native"]) == 0
    assert "discrete, 512x512\n" in capsys.readouterr().out


def test_resolve_returns_the_plan(server: LoopbackHub) -> None:
    server.add("acme/flux", {"flux1-dev-Q4_0.gguf": files.gguf_bytes(files.FLUX1), **FLUX1_PARTS})
    plan = gpustack_draw.resolve("hf.co/acme/flux", device="CPU")
    assert [file.component for file in plan.files] == ["model", "vae", "clip_l", "t5xxl"]
    assert plan.fetch_bytes == sum(file.bytes for file in plan.files)
    assert plan.memory_bytes > 100_000_000


def test_models_lists_models_that_can_draw(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.list_models.DEMO_FILE", Path("missing"))
    server.add(
        "acme/flux-schnell",
        {"flux-Q4_0.gguf": files.gguf_bytes(files.FLUX1), "other-Q8_0.gguf": b"", **FLUX1_PARTS},
    )
    fetch_model(resolve("hf.co/acme/flux-schnell"))
    server.requests.clear()
    assert main(["models", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(record["model"], record["family"]) for record in records] == [
        ("hf.co/acme/flux-schnell:Q4_0", "flux1")
    ]
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["MODEL", "FAMILY", "SIZE"]
    assert lines[1].startswith("hf.co/acme/flux-schnell:Q4_0  flux1")
    assert server.paths() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hf.co/acme/none"], "no repository hf.co/acme/none at http://127.0.0.1:"),
        (["hf.co/acme/sd:Q8_0"], "hf.co/acme/sd has no tag 'Q8_0'; it has Q4_0"),
        (["demo", "--vae", "hf.co/acme/sd"], "'hf.co/acme/sd:sd-Q4_0.gguf' is a model"),
    ],
)
def test_errors_of_the_command(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    server.add("acme/sd", {"sd-Q4_0.gguf": files.gguf_bytes(files.SD1_ALL)})
    assert main([arguments[0], "a cat", *arguments[1:]]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"gpustack-draw: {message}")


DRAW = """
import sys
import gpustack_draw
phases = []
image = gpustack_draw.generate(
    sys.argv[1], "a red circle on a blue background", seed=7, size=(64, 64), sample_steps=2,
    sampler="euler", scheduler="discrete", cfg_scale=1.0,
    on_progress=lambda progress: phases.append(progress.phase),
)
import hashlib
print(hashlib.sha256(image.tobytes()).hexdigest(), "fetch" in phases)
"""


@pytest.mark.engine
def test_the_demo_model_packed_in_four_ways_draws_the_same_picture(
    server: LoopbackHub, tmp_path: Path
) -> None:
    from split_model import split_gguf

    from gpustack_draw.demo import DEMO_FILE

    if not DEMO_FILE.is_file():
        pytest.skip("the demo model is not here")
    parts = split_gguf(
        DEMO_FILE.read_bytes(),
        {"model.diffusion_model.": "", "text_encoders.llm.": "", "tae.": ""},
    )
    model, encoder, decoder = parts
    server.add("acme/whole-GGUF", {"whole-Q4_0.gguf": DEMO_FILE})
    server.add(
        "acme/parts-GGUF",
        {"parts-Q4_0.gguf": model, "qwen3-encoder.gguf": encoder, "tae-decoder.gguf": decoder},
    )
    server.add("acme/model-GGUF", {"model-Q4_0.gguf": model, "tae.gguf": decoder})
    server.add("unsloth/Qwen3-4B-GGUF", {"Qwen3-4B-Q4_K_M.gguf": encoder})
    local = {"diffusion_models/parts": model, "text_encoders/qwen3": encoder, "vae/tae": decoder}
    for name, data in local.items():
        path = tmp_path / "models" / f"{name}.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    environment = {**os.environ, **server.environment(tmp_path / "home")}
    results = [
        subprocess.run(
            [sys.executable, "-c", DRAW, reference],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for reference in (
            "demo",
            "hf.co/acme/whole-GGUF",
            "hf.co/acme/parts-GGUF",
            "hf.co/acme/model-GGUF",
            "models/diffusion_models/parts.gguf",
        )
    ]
    assert [fetched for _, fetched in results] == ["False", "True", "True", "True", "False"]
    assert len({digest for digest, _ in results}) == 1
