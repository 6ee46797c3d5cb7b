"""A local model file finds the components that it lacks, as one on the hub does."""

import json
from pathlib import Path

import model_files as files
import pytest
from hub_steps import set_offline
from loopback_hub import LoopbackHub

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import DrawError, FetchError, ModelNotFoundError
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.fetch import fetch_model
from gpustack_draw.resolver.local_components import files_beside
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import format_bytes

pytestmark = pytest.mark.usefixtures("server")

FLUX1 = "flux1-schnell-Q4_0.gguf"
VAE_PLACE = "Comfy-Org/z_image_turbo:split_files/vae/ae.safetensors"
CLIP_PLACE = "comfyanonymous/flux_text_encoders:clip_l.safetensors"
T5_PLACE = "second-state/stable-diffusion-3.5-medium-GGUF:t5xxl-Q8_0.gguf"
T5_OF_ANOTHER_SIZE: files.Tensors = {**files.T5, "shared.weight": ((768, 32_128), "F16")}
LONG_CLIP: files.Tensors = {
    **files.CLIP_L,
    "text_model.embeddings.position_embedding.weight": ((768, 248), "F16"),
}
CLIP_H: files.Tensors = {"text_model.embeddings.token_embedding.weight": ((1024, 4), "F16")}


def write(*names: str, **tensors: files.Tensors) -> None:
    """Write FLUX.1's files under these names, identified by words in them."""
    for name in names:
        kinds = {"flux": files.FLUX1, "vae": files.VAE_16, "ae.": files.VAE_16}
        kinds |= {"clip": files.CLIP_L, "text_encoder/": files.CLIP_L, "t5": files.T5}
        stem = name.rpartition("/")[2]
        kind = next((of for word, of in kinds.items() if word in stem), None)
        kind = kind or next(of for word, of in kinds.items() if word in name)
        files.write_model(Path(name), kind)
    for name, of in tensors.items():
        files.write_model(Path(name.replace("__", "/") + ".safetensors"), of)


def add_usual_places(server: LoopbackHub) -> None:
    for place, tensors in {
        VAE_PLACE: files.VAE_16,
        CLIP_PLACE: files.CLIP_L,
        T5_PLACE: files.T5,
    }.items():
        repository, path = place.split(":")
        as_gguf = path.endswith(".gguf")
        data = files.gguf_bytes(tensors) if as_gguf else files.safetensors_bytes(tensors)
        server.add(repository, {path: data})


def resolve(text: str, **components: str) -> ResolvedModel:
    return resolve_model(parse_model_reference(text), components)


def places(model: ResolvedModel) -> dict[str, str]:
    here = Path.cwd()
    return {
        file.component: f"{file.hub_file.repository}:{file.hub_file.path}"
        if file.hub_file
        else file.path.absolute().relative_to(here).as_posix()
        for file in model.files
        if file.component != "diffusion_model"
    }


LAYOUTS: dict[str, tuple[str, tuple[str, str, str]]] = {
    "one folder": (FLUX1, ("ae.safetensors", "clip_l.safetensors", "t5xxl-Q8_0.gguf")),
    "folders in the model's": (
        f"models/{FLUX1}",
        (
            "models/vae/ae.safetensors",
            "models/clip/clip_l.safetensors",
            "models/text_encoders/t5xxl-Q8_0.gguf",
        ),
    ),
    "ComfyUI": (
        f"models/diffusion_models/{FLUX1}",
        (
            "models/vae/ae.safetensors",
            "models/text_encoders/clip_l.safetensors",
            "models/text_encoders/t5xxl_fp16.safetensors",
        ),
    ),
    "ComfyUI of old, in folders of folders": (
        f"models/unet/flux/{FLUX1}",
        (
            "models/vae/flux/ae.safetensors",
            "models/clip/clip_l.safetensors",
            "models/clip/t5/t5xxl_fp16.safetensors",
        ),
    ),
    "a web UI": (
        f"models/Stable-diffusion/{FLUX1}",
        (
            "models/VAE/ae.safetensors",
            "models/text_encoder/clip_l.safetensors",
            "models/text_encoder/t5xxl-Q8_0.gguf",
        ),
    ),
}


@pytest.mark.parametrize(("model", "parts"), LAYOUTS.values(), ids=LAYOUTS)
def test_components_in_folders_as_programs_lay_them_out(
    server: LoopbackHub, model: str, parts: tuple[str, str, str]
) -> None:
    write(model, *parts)
    vae, clip, t5 = parts
    resolved = resolve(model)
    assert places(resolved) == {"vae": vae, "clip_l": clip, "t5xxl": t5}
    assert resolved.notes == (
        f"found beside the model: {vae} (vae), {clip} (clip_l), {t5} (t5xxl)",
    )
    assert [file.origin for file in resolved.files] == ["named", *["beside"] * 3]
    assert resolved.hub_files == []
    assert server.paths() == []


def test_a_folder_that_only_looks_like_one_for_components_is_not_searched(
    server: LoopbackHub,
) -> None:
    write(f"work/{FLUX1}", "vae/ae.safetensors", "work/lora/clip_l.safetensors")
    add_usual_places(server)
    assert places(resolve(f"work/{FLUX1}")) == {
        "vae": VAE_PLACE,
        "clip_l": CLIP_PLACE,
        "t5xxl": T5_PLACE,
    }


def test_messages_name_files_as_the_model_was_typed(tmp_path: Path) -> None:
    write(f"models/unet/{FLUX1}", "models/vae/ae.safetensors")
    folder = tmp_path / "here" / "models"
    labels = {
        typed: [file.label for file in files_beside(Path(typed), typed)]
        for typed in (f"models/unet/{FLUX1}", str(folder / "unet" / FLUX1))
    }
    assert [*labels.values()] == [["models/vae/ae.safetensors"], [f"{folder}/vae/ae.safetensors"]]


def test_folder_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    write(FLUX1, "ae.safetensors")

    def denied(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", denied)
    assert files_beside(Path(FLUX1), FLUX1) == []


def test_from_beside_the_cache_and_the_hub_in_this_order(server: LoopbackHub) -> None:
    add_usual_places(server)
    write(FLUX1, "clip_l.safetensors")
    first = resolve(FLUX1)
    assert places(first) == {"vae": VAE_PLACE, "clip_l": "clip_l.safetensors", "t5xxl": T5_PLACE}
    assert [file.origin for file in first.files] == ["named", "hub", "beside", "hub"]
    size = sum(file.bytes for file in first.hub_files)
    vae, t5 = (format_bytes(file.bytes) for file in first.hub_files)
    assert first.notes == (
        (
            f"not on this machine, so downloaded from the hub: hf.co/{VAE_PLACE} (vae,"
            f" {vae}), hf.co/{T5_PLACE} (t5xxl, {t5})"
        ),
        "found beside the model: clip_l.safetensors (clip_l)",
    )
    plan = gpustack_draw.resolve(FLUX1, device="CPU")
    assert [file.origin for file in plan.files] == ["named", "hub", "beside", "hub"]
    assert plan.fetch_bytes == size > 0

    assert fetch_model(first) == ()
    server.requests.clear()
    second = resolve(FLUX1)
    assert places(second) == places(first)
    assert second.notes == (
        f"found in the cache: hf.co/{VAE_PLACE} (vae), hf.co/{T5_PLACE} (t5xxl)",
        "found beside the model: clip_l.safetensors (clip_l)",
    )
    assert server.paths() == []
    plan = gpustack_draw.resolve(FLUX1, device="CPU")
    assert [file.origin for file in plan.files] == ["named", "cache", "beside", "cache"]
    assert plan.fetch_bytes == 0

    write("t5xxl-Q8_0.gguf")
    assert places(resolve(FLUX1))["t5xxl"] == "t5xxl-Q8_0.gguf"


def test_dry_run_says_what_would_be_fetched(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    add_usual_places(server)
    write(FLUX1, "ae.safetensors")
    arguments = [FLUX1, "a cat", "--dry-run", "--device", "CPU"]
    assert main([*arguments, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(file["component"], file["origin"]) for file in plan["files"]] == [
        ("model", "named"),
        ("vae", "beside"),
        ("clip_l", "hub"),
        ("t5xxl", "hub"),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "note:      found beside the model: ae.safetensors (--vae)\n" in printed
    assert f"no      hf.co/{T5_PLACE}\n" in printed
    assert f"yes     {Path('ae.safetensors').absolute()}\n" in printed


def test_pull_fetches_what_is_not_beside_the_model(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    add_usual_places(server)
    write(FLUX1, "ae.safetensors", "clip_l.safetensors")
    assert main(["pull", FLUX1]) == 0
    assert capsys.readouterr().out == f"{FLUX1}\n"
    model = resolve(FLUX1)
    assert model.notes[1] == f"found in the cache: hf.co/{T5_PLACE} (t5xxl)"
    assert all(file.path.is_file() for file in model.files)


def test_components_that_the_user_names_go_first(server: LoopbackHub) -> None:
    add_usual_places(server)
    write(FLUX1, "ae.safetensors", "my/vae.safetensors", "clip_l.safetensors", "t5.gguf")
    model = resolve(FLUX1, vae="my/vae.safetensors")
    assert places(model)["vae"] == "my/vae.safetensors"
    assert model.notes == ("found beside the model: clip_l.safetensors (clip_l), t5.gguf (t5xxl)",)


MISFITS: dict[str, tuple[str, files.Tensors, str, str]] = {
    "VAE of other channels": (
        "vae",
        files.VAE_4,
        VAE_PLACE,
        "'part_vae.safetensors' decodes 4 channels, and latents of FLUX.1 have 16",
    ),
    "VAE of another family by its name": (
        "sd3_vae",
        files.VAE_16,
        VAE_PLACE,
        (
            "'part_sd3_vae.safetensors' is named like Stable Diffusion 3's VAE, and FLUX.1 has"
            " another one"
        ),
    ),
    "SD 2's text encoder": (
        "clip_l",
        CLIP_H,
        CLIP_PLACE,
        (
            "'part_clip_l.safetensors' is a CLIP text encoder of width 1024, and FLUX.1 needs the"
            " CLIP-L text encoder, which has 768"
        ),
    ),
    "CLIP for long prompts": (
        "clip_l",
        LONG_CLIP,
        CLIP_PLACE,
        (
            "'part_clip_l.safetensors' is a CLIP text encoder of 248 tokens, and the engine splits"
            " prompts into pieces of 77"
        ),
    ),
    "T5 of another size": (
        "t5",
        T5_OF_ANOTHER_SIZE,
        T5_PLACE,
        (
            "'part_t5.safetensors' is a T5 encoder of width 768, and FLUX.1 needs the T5-XXL text"
            " encoder, whose width is 4,096"
        ),
    ),
}


@pytest.mark.parametrize(("name", "tensors", "place", "why"), MISFITS.values(), ids=MISFITS)
def test_a_file_that_does_not_fit_is_skipped_with_a_note(
    server: LoopbackHub, name: str, tensors: files.Tensors, place: str, why: str
) -> None:
    add_usual_places(server)
    write(FLUX1, **{f"part_{name}": tensors})
    model = resolve(FLUX1)
    assert place in places(model).values()
    assert model.notes[0] == f"skipped: {why}"


def test_damaged_file_is_skipped_with_a_note(server: LoopbackHub) -> None:
    add_usual_places(server)
    write(FLUX1)
    Path("ae.safetensors").write_bytes(files.safetensors_bytes(files.VAE_16)[:-10])
    model = resolve(FLUX1)
    assert places(model)["vae"] == VAE_PLACE
    assert model.notes[0].startswith("skipped: 'ae.safetensors' is truncated: it has ")


def test_nothing_is_said_of_a_file_that_does_not_fit_where_another_does(
    server: LoopbackHub,
) -> None:
    write(FLUX1, "clip_l.safetensors", "t5.gguf", a_vae=files.VAE_4, b_vae=files.VAE_16)
    assert resolve(FLUX1).notes == (
        (
            "found beside the model: b_vae.safetensors (vae), clip_l.safetensors (clip_l),"
            " t5.gguf (t5xxl)"
        ),
    )


def test_piece_of_a_component_is_not_taken_for_it(server: LoopbackHub) -> None:
    add_usual_places(server)
    write(FLUX1, "ae.safetensors", "clip_l.safetensors", "t5-00001-of-00002.safetensors")
    assert places(resolve(FLUX1))["t5xxl"] == T5_PLACE


SD3: files.Tensors = {
    **files.prefixed(files.DIFFUSION, files.SD3),
    **files.prefixed("text_encoders.clip_l.", files.CLIP_L),
    **files.prefixed("text_encoders.clip_g.", files.CLIP_G),
    **files.prefixed("first_stage_model.", files.VAE_16),
}


def test_what_a_model_draws_without_is_not_fetched(server: LoopbackHub) -> None:
    add_usual_places(server)
    files.write_model(Path("sd3.gguf"), SD3)
    without = (
        "without the T5-XXL text encoder (t5xxl=FILE) the picture follows the prompt less closely"
    )
    assert resolve("sd3.gguf").notes == (without,)
    assert server.paths() == []
    write("t5xxl.gguf")
    assert resolve("sd3.gguf").notes == ("found beside the model: t5xxl.gguf (t5xxl)",)


def test_whole_model_looks_nowhere(server: LoopbackHub) -> None:
    files.write_model(Path("sd15.gguf"), files.SD1_ALL)
    write("vae.safetensors")
    assert resolve("sd15.gguf").notes == ()
    assert server.paths() == []


def error_of(text: str) -> tuple[type[DrawError], str, str]:
    with pytest.raises(DrawError) as caught:
        resolve(text)
    return type(caught.value), caught.value.message, caught.value.hint


def test_offline(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    add_usual_places(server)
    write(FLUX1, "ae.safetensors", "clip_l.safetensors")
    resolve(FLUX1)  # from now on the cache knows what the places have
    set_offline(monkeypatch)
    assert error_of(FLUX1) == (
        ModelNotFoundError,
        (
            f"'{FLUX1}' (FLUX.1) cannot draw without the T5-XXL text encoder, which is neither in"
            f" the file nor beside it; hf.co/{T5_PLACE} is not cached, and HF_HUB_OFFLINE"
            " is set; hf.co/city96/t5-v1_1-xxl-encoder-gguf is not cached, and"
            " HF_HUB_OFFLINE is set"
        ),
        (
            "name it with t5xxl=FILE; it is usually in"
            f" hf.co/{T5_PLACE} or hf.co/city96/t5-v1_1-xxl-encoder-gguf:Q8_0 or"
            " hf.co/comfyanonymous/flux_text_encoders:t5xxl_fp16.safetensors; unset HF_HUB_OFFLINE"
            " to download it; available offline: demo"
        ),
    )


def test_hub_that_cannot_be_reached_is_asked_once(server: LoopbackHub) -> None:
    write(FLUX1)
    server.fail("/api/", status=500)
    kind, message, hint = error_of(FLUX1)
    assert kind is ModelNotFoundError
    assert message == (
        f"'{FLUX1}' (FLUX.1) cannot draw without a VAE (which turns the result into pixels) and the"
        " CLIP-L text encoder and the T5-XXL text encoder, which are neither in the file nor beside"
        f" it; {server.url} reports a server error (500)"
    )
    assert hint.startswith("name them with vae=FILE clip_l=FILE t5xxl=FILE; ")
    assert len(set(server.paths())) == 1


def test_fetch_that_fails_names_the_component(server: LoopbackHub) -> None:
    add_usual_places(server)
    write(FLUX1, "ae.safetensors", "clip_l.safetensors")
    model = resolve(FLUX1)
    server.fail("/resolve/", status=404)
    with pytest.raises((FetchError, ModelNotFoundError)) as caught:
        fetch_model(model)
    assert T5_PLACE.partition(":")[0] in caught.value.message


def unet(context: int) -> files.Tensors:
    block = "input_blocks.1.1.transformer_blocks.0."
    return {**files.UNET, f"{block}attn2.to_k.weight": ((context, 320), "F16")}


XL_VAE = "madebyollin/sdxl-vae-fp16-fix:sdxl_vae.safetensors"
CLIP_G_PLACE = "Comfy-Org/stable-diffusion-3.5-fp8:text_encoders/clip_g.safetensors"
SD_VAE = "stabilityai/sd-vae-ft-mse-original:vae-ft-mse-840000-ema-pruned.safetensors"
CLIP_H_PLACE = "stabilityai/sd-turbo:text_encoder/model.fp16.safetensors"
UNETS: dict[str, tuple[int, dict[str, str]]] = {
    "sd1": (768, {"vae": SD_VAE, "clip_l": CLIP_PLACE}),
    "sd2": (1024, {"vae": SD_VAE, "clip_l": CLIP_H_PLACE}),
    "sdxl": (2048, {"vae": XL_VAE, "clip_l": CLIP_PLACE, "clip_g": CLIP_G_PLACE}),
}


@pytest.mark.parametrize(("family", "context", "found"), [(k, *v) for k, v in UNETS.items()])
@pytest.mark.parametrize("place", ["local", "hub"])
def test_unet_alone_finds_its_text_encoders_and_vae(
    server: LoopbackHub, family: str, context: int, found: dict[str, str], place: str
) -> None:
    tensors = {SD_VAE: files.VAE_4, XL_VAE: files.VAE_4, CLIP_PLACE: files.CLIP_L}
    tensors |= {CLIP_G_PLACE: files.CLIP_G, CLIP_H_PLACE: CLIP_H}
    for name, of in tensors.items():
        repository, path = name.split(":")
        server.add(repository, {path: files.safetensors_bytes(of)})
    reference = "unet-Q4_0.gguf"
    if place == "hub":
        server.add("acme/unet-GGUF", {reference: files.gguf_bytes(unet(context))})
        reference = "hf.co/acme/unet-GGUF"
    else:
        files.write_model(Path(reference), unet(context))
    model = resolve(reference)
    assert model.family.name == family
    assert places(model).items() >= found.items()
    assert model.files[0].component == "model"  # where the engine adds no prefix


def test_vae_of_sdxl_beside_a_model_of_sd1_is_passed_over(server: LoopbackHub) -> None:
    files.write_model(Path("models/unet/sd15.safetensors"), unet(768))
    for name in ("models/vae/sdxl_vae.safetensors", "models/vae/vae-ft-mse-840000.safetensors"):
        files.write_model(Path(name), files.VAE_4)
    files.write_model(Path("models/clip/clip_l.safetensors"), files.CLIP_L)
    assert places(resolve("models/unet/sd15.safetensors"))["vae"] == (
        "models/vae/vae-ft-mse-840000.safetensors"
    )
