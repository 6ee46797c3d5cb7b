"""A reference is resolved to files that fit together, or refused with a reason."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkpoint_files as checkpoints
import model_files as files
import pytest
from hub_steps import use_no_hub

from gpustack_draw.errors import (
    DrawError,
    ModelFileError,
    ModelNotFoundError,
    NotYetSupportedError,
    UsageError,
)
from gpustack_draw.request.model_reference import DemoModel, parse_model_reference
from gpustack_draw.request.names import COMPONENTS
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel

FAMILIES_HINT = (
    "known families: Stable Diffusion 1, InstructPix2Pix, SDXS, Stable Diffusion 2,"
    " Stable Diffusion XL, CosXL-Edit, SSD-1B, Segmind Vega, Stable Diffusion 3, FLUX.1,"
    " Chroma, FLUX.2 dev, FLUX.2 klein,"
    " Qwen-Image, Z-Image, Ovis-Image, Anima, ERNIE-Image, Wan"
)


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    use_no_hub(monkeypatch, tmp_path)


def write(name: str, tensors: files.Tensors) -> str:
    files.write_model(Path(name), tensors)
    return name


def resolve(text: str, **components: str) -> ResolvedModel:
    return resolve_model(parse_model_reference(text), components)


def roles(model: ResolvedModel) -> dict[str, str]:
    return {file.component: str(file.path) for file in model.files}


def error_of(text: str, **components: str) -> tuple[type[DrawError], str, str]:
    with pytest.raises(DrawError) as caught:
        resolve(text, **components)
    return type(caught.value), caught.value.message, caught.value.hint


FLUX1_ALL: files.Tensors = {
    **files.prefixed(files.DIFFUSION, files.FLUX1),
    **files.prefixed("text_encoders.clip_l.transformer.", files.CLIP_L),
    **files.prefixed("text_encoders.t5xxl.transformer.", files.T5),
    **files.prefixed("first_stage_model.", files.VAE_16),
}


def test_all_in_one_file() -> None:
    model = resolve(write("sd/v1-5.gguf", files.SD1_ALL))
    assert roles(model) == {"model": "sd/v1-5.gguf"}
    assert (model.name, model.source, model.family.name, model.variant) == (
        "v1-5",
        "local",
        "sd1",
        "",
    )
    assert model.defaults.sample_steps == 20
    assert model.notes == ()
    assert model.weight_bytes == Path("sd/v1-5.gguf").stat().st_size
    assert model.path_of("model") == Path("sd/v1-5.gguf")
    assert model.path_of("vae") is None


def test_safetensors_and_variant_by_name() -> None:
    model = resolve(write("sd_xl_turbo_1.0.safetensors", files.SDXL_ALL))
    assert (model.family.name, model.variant, model.defaults.cfg_scale) == ("sdxl", "turbo", 1.0)


def test_tiny_decoder_inside_is_used_when_there_is_no_vae() -> None:
    model = resolve(write("tiny.gguf", files.KLEIN_ALL))
    assert roles(model) == {"model": "tiny.gguf", "taesd": "tiny.gguf"}
    assert model.weight_bytes == Path("tiny.gguf").stat().st_size


def test_vae_by_option_goes_before_the_tiny_decoder_inside() -> None:
    write("vae.safetensors", files.VAE_32)
    model = resolve(write("tiny.gguf", files.KLEIN_ALL), vae="vae.safetensors")
    assert roles(model) == {"model": "tiny.gguf", "vae": "vae.safetensors"}
    assert model.user_components == ("vae",)


def test_component_that_the_family_has_no_use_for_is_noted() -> None:
    write("clip_l.safetensors", files.CLIP_L)
    model = resolve(write("tiny.gguf", files.KLEIN_ALL), clip_l="clip_l.safetensors")
    assert model.notes == ("clip_l has no effect: FLUX.2 klein does not use it",)


def test_denoiser_alone_with_components() -> None:
    options = {
        "vae": write("ae.safetensors", files.VAE_16),
        "clip_l": write("clip_l.safetensors", files.CLIP_L),
        "t5xxl": write("t5.gguf", files.T5),
    }
    model = resolve(write("flux1-schnell.gguf", files.FLUX1), **options)
    assert roles(model) == {"diffusion_model": "flux1-schnell.gguf", **options}
    assert model.defaults.sample_steps == 4
    assert model.weight_bytes == sum(Path(name).stat().st_size for name in roles(model).values())


def test_llama_box_numbers_its_text_encoders() -> None:
    t5 = files.prefixed("cond_stage_model.1.transformer.", files.T5)
    model = resolve(write("flux1-dev.gguf", {**LLAMA_BOX, **t5}))
    assert roles(model) == {"model": "flux1-dev.gguf"}
    assert model.notes == ()


@pytest.mark.parametrize(
    ("network", "vae", "message"),
    [
        (
            files.SD3,
            "ae.safetensors",
            "'ae.safetensors' is named like FLUX.1's VAE, and Stable Diffusion 3 has another one",
        ),
        (
            files.FLUX1,
            "sd3_vae.safetensors",
            (
                "'sd3_vae.safetensors' is named like Stable Diffusion 3's VAE, and FLUX.1 has"
                " another one"
            ),
        ),
    ],
    ids=["FLUX.1's for SD 3", "SD 3's for FLUX.1"],
)
def test_vae_that_only_its_name_tells_to_be_wrong(
    network: files.Tensors, vae: str, message: str
) -> None:
    kind, said, hint = error_of(write("x.gguf", network), vae=write(vae, files.VAE_16))
    assert (kind, said) == (ModelFileError, message)
    assert hint.startswith("use one made for ")


def test_sizes_of_the_network_come_from_the_file() -> None:
    model = resolve(write("tiny.gguf", files.KLEIN_ALL))
    assert (model.family.heads, model.family.hidden) == (2, 256)
    parts = {
        **files.prefixed("text_encoders.clip_l.", files.CLIP_L),
        **files.prefixed("text_encoders.clip_g.", files.CLIP_G),
        **files.prefixed("first_stage_model.", files.VAE_16),
    }
    small = {**files.prefixed(files.DIFFUSION, files.SD3), **parts}
    sd3 = resolve(write("sd3.gguf", small))
    assert (sd3.family.heads, sd3.family.hidden, sd3.family.max_side) == (2, 128, 3072)
    medium = {"model.diffusion_model.joint_blocks.0.x_block.attn2.qkv.weight": ((64, 64), "F16")}
    assert resolve(write("sd35.gguf", {**small, **medium})).family.max_side == 6144
    assert sd3.notes == (
        (
            "without the T5-XXL text encoder (t5xxl=FILE) the picture follows the prompt less"
            " closely"
        ),
    )


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write_model(tmp_path / "demo.gguf", files.KLEIN_ALL)
    monkeypatch.setattr("gpustack_draw.demo.DEMO_FILE", path)
    model = resolve("demo")
    size = path.stat().st_size
    assert model.reference == DemoModel("demo")
    assert model.files == (ModelFile("model", path, size), ModelFile("taesd", path, size))
    assert (model.name, model.source, model.family.name) == ("demo", "demo", "flux2-klein")
    from gpustack_draw.resolver.resolve import DEMO_DEFAULTS

    assert model.defaults == DEMO_DEFAULTS


def test_demo_missing_from_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpustack_draw.demo.DEMO_FILE", tmp_path / "demo.gguf")
    assert error_of("demo") == (
        ModelNotFoundError,
        "the model 'demo' is missing in this installation",
        "install gpustack-draw again",
    )


def test_the_demo_model_that_ships() -> None:
    from gpustack_draw.demo import DEMO_FILE

    if not DEMO_FILE.is_file():
        pytest.skip("the demo model is not trained yet")
    model = resolve("demo")
    assert (model.family.name, model.family.vocabulary) == ("flux2-klein", 151_669)
    assert roles(model) == {"model": str(DEMO_FILE), "taesd": str(DEMO_FILE)}
    assert model.weight_bytes < 60_000_000


def test_a_name_of_a_server_has_no_files() -> None:
    assert error_of("flux-schnell") == (
        ModelNotFoundError,
        "no model named 'flux-schnell' on this machine",
        "",
    )


LLAMA_BOX: files.Tensors = {
    **files.prefixed(files.DIFFUSION, files.FLUX1),
    **files.prefixed("cond_stage_model.transformer.", files.CLIP_L),
    **files.prefixed("first_stage_model.", files.VAE_16),
}
WAN: files.Tensors = {
    "blocks.0.cross_attn.norm_k.weight": ((64,), "F32"),
    "img_emb.proj.0.weight": ((64,), "F32"),
}
UNKNOWN: files.Tensors = {"something.weight": ((4,), "F32")}
NO_HEADS = {name: value for name, value in files.KLEIN_ALL.items() if "key_norm" not in name}
ODD_HEADS: files.Tensors = {
    **files.KLEIN_ALL,
    "model.diffusion_model.double_blocks.0.txt_attn.norm.key_norm.scale": ((96,), "F32"),
}
FEW_WORDS: files.Tensors = {
    **files.KLEIN_ALL,
    "text_encoders.llm.model.embed_tokens.weight": ((1, 1000), "F16"),
}
OFFLINE = "unset HF_HUB_OFFLINE to download it; available offline: demo"
PATHS: dict[str, tuple[files.Tensors, type[DrawError], str, str]] = {
    "a VAE": (
        files.VAE_4,
        ModelFileError,
        "'x.gguf' is a VAE (which turns the result into pixels), not a model that draws by itself",
        "name the model, and this file with vae",
    ),
    "a language model": (
        files.LLM,
        ModelFileError,
        "'x.gguf' is a language model (which reads the prompt), not a model that draws by itself",
        "name the model, and this file with llm",
    ),
    "a LoRA": (
        files.LORA,
        ModelFileError,
        "'x.gguf' is a LoRA, not a model that draws by itself",
        "name the model, and this file with loras",
    ),
    "an upscaler": (
        {"body.0.rdb1.conv1.weight": ((3, 3, 64, 32), "F16")},
        ModelFileError,
        "'x.gguf' is an upscaler, not a model that draws by itself",
        "name the model, and this file with upscale",
    ),
    "unknown": (
        UNKNOWN,
        ModelFileError,
        "'x.gguf' is not a model of a known family",
        FAMILIES_HINT,
    ),
    "a video model": (
        WAN,
        NotYetSupportedError,
        (
            "'x.gguf' is of the family Wan image-to-video: it makes videos of an input picture,"
            " which this version cannot pass to it"
        ),
        "use a text-to-video model of Wan, which draws single pictures, or a text-to-image one",
    ),
    "llama-box names, one encoder missing": (
        LLAMA_BOX,
        ModelNotFoundError,
        (
            "'x.gguf' (FLUX.1) cannot draw without the T5-XXL text encoder, which is neither in the"
            " file nor beside it; hf.co/second-state/stable-diffusion-3.5-medium-GGUF is not"
            " cached, and HF_HUB_OFFLINE is set"
        ),
        (
            "name it with t5xxl=FILE; it is usually in"
            " hf.co/second-state/stable-diffusion-3.5-medium-GGUF:t5xxl-Q8_0.gguf or"
            " hf.co/city96/t5-v1_1-xxl-encoder-gguf:Q8_0 or"
            " hf.co/comfyanonymous/flux_text_encoders:t5xxl_fp16.safetensors;"
            f" {OFFLINE}"
        ),
    ),
    "a UNet that attends to no text": (
        files.UNET,
        ModelFileError,
        "'x.gguf' is not a model of a known family",
        FAMILIES_HINT,
    ),
    "one component missing": (
        {name: value for name, value in files.SD1_ALL.items() if "first_stage" not in name},
        ModelNotFoundError,
        (
            "'x.gguf' (Stable Diffusion 1) cannot draw without a VAE (which turns the result into"
            " pixels), which is neither in the file nor beside it;"
            " hf.co/stabilityai/sd-vae-ft-mse-original is not cached, and HF_HUB_OFFLINE"
            " is set"
        ),
        (
            "name it with vae=FILE; it is usually in"
            " hf.co/stabilityai/sd-vae-ft-mse-original:vae-ft-mse-840000-ema-pruned.safetensors;"
            f" {OFFLINE}"
        ),
    ),
    "several components missing": (
        files.FLUX1,
        ModelNotFoundError,
        (
            "'x.gguf' (FLUX.1) cannot draw without a VAE (which turns the result into pixels) and"
            " the CLIP-L text encoder and the T5-XXL text encoder, which are neither in the file"
            " nor beside it; hf.co/Comfy-Org/z_image_turbo is not cached, and"
            " HF_HUB_OFFLINE is set"
        ),
        f"name them with vae=FILE clip_l=FILE t5xxl=FILE; {OFFLINE}",
    ),
    "no size of heads": (
        NO_HEADS,
        ModelFileError,
        "'x.gguf' is damaged: a FLUX.2 klein network of width 256 cannot have heads of 0",
        "download or copy it again",
    ),
    "odd size of heads": (
        ODD_HEADS,
        ModelFileError,
        "'x.gguf' is damaged: a FLUX.2 klein network of width 256 cannot have heads of 96",
        "download or copy it again",
    ),
    "too few tokens": (
        FEW_WORDS,
        ModelFileError,
        "'x.gguf' is a language model of 1,000 tokens, and FLUX.2 klein needs 151,669",
        "use the language model that the model was made with",
    ),
}


@pytest.mark.parametrize(("tensors", "kind", "message", "hint"), PATHS.values(), ids=PATHS.keys())
def test_file_that_cannot_draw(
    tensors: files.Tensors, kind: type[DrawError], message: str, hint: str
) -> None:
    assert error_of(write("x.gguf", tensors)) == (kind, message, hint)


def test_missing_file() -> None:
    assert error_of("models/x.gguf") == (
        ModelNotFoundError,
        "there is no file 'models/x.gguf'",
        "check the path",
    )
    assert error_of("./x") == (ModelNotFoundError, "there is no file './x'", "check the path")


def test_name_that_no_file_can_have() -> None:
    assert error_of("./" + "x" * 5000)[1].endswith(" cannot be read: file name too long")


def test_folder_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("folder").mkdir()

    def denied(_path: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    assert error_of("folder") == (
        ModelFileError,
        "'folder' cannot be read: permission denied",
        "check the permissions of the folder",
    )


def test_components_of_a_file_without_prefixes_are_not_found_by_the_engine() -> None:
    mixed = {**files.KLEIN, **files.prefixed("text_encoders.llm.", files.LLM)}
    hint = error_of(write("x.gguf", mixed))[2]
    assert hint == f"name them with vae=FILE llm=FILE; {OFFLINE}"


def test_pipe_as_model() -> None:
    os.mkfifo("x.gguf")
    assert error_of("x.gguf")[1] == "'x.gguf' is a pipe, not a file"


WRONG_PARTS: dict[str, tuple[str, files.Tensors, str, str]] = {
    "text encoder as VAE": (
        "vae",
        files.CLIP_L,
        (
            "'part.safetensors' is the CLIP-L text encoder, not a VAE (which turns the result into"
            " pixels)"
        ),
        "name it with clip_l",
    ),
    "VAE as text encoder": (
        "t5xxl",
        files.VAE_16,
        (
            "'part.safetensors' is a VAE (which turns the result into pixels), not the T5-XXL text"
            " encoder"
        ),
        "name it with vae",
    ),
    "OpenCLIP-H as VAE": (
        "vae",
        {"text_model.embeddings.token_embedding.weight": ((1024, 4), "F16")},
        (
            "'part.safetensors' is the OpenCLIP-H text encoder, not a VAE (which turns the result"
            " into pixels)"
        ),
        "name it with clip_l",
    ),
    "CLIP-G as CLIP-L": (
        "clip_l",
        files.CLIP_G,
        "'part.safetensors' is the CLIP-G text encoder, not the CLIP-L text encoder",
        "name it with clip_g",
    ),
    "whole model as VAE": (
        "vae",
        files.SD1_ALL,
        (
            "'part.safetensors' is a model (Stable Diffusion 1), not a VAE (which turns the result"
            " into pixels)"
        ),
        "vae takes a VAE (which turns the result into pixels)",
    ),
    "LoRA as language model": (
        "llm",
        files.LORA,
        "'part.safetensors' is a LoRA, not a language model (which reads the prompt)",
        "name it with loras",
    ),
    "anything as TAESD": (
        "taesd",
        UNKNOWN,
        "'part.safetensors' is of an unknown type, not a tiny autoencoder (TAESD)",
        "taesd takes a tiny autoencoder (TAESD)",
    ),
    "VAE of another family": (
        "vae",
        files.VAE_16,
        "'part.safetensors' decodes 16 channels, and latents of FLUX.2 klein have 32",
        "use one made for FLUX.2 klein",
    ),
    "language model of another width": (
        "llm",
        {"model.embed_tokens.weight": ((48, 151_669), "F16")},
        (
            "'part.safetensors' is a language model of width 48, and this FLUX.2 klein model needs"
            " one of width 1"
        ),
        "use the language model that the model was made with",
    ),
}


@pytest.mark.parametrize(
    ("component", "tensors", "message", "hint"), WRONG_PARTS.values(), ids=WRONG_PARTS.keys()
)
def test_component_of_the_wrong_type(
    component: str, tensors: files.Tensors, message: str, hint: str
) -> None:
    options: dict[str, Any] = {component: write("part.safetensors", tensors)}
    assert error_of(write("x.gguf", files.KLEIN_ALL), **options) == (ModelFileError, message, hint)


def test_component_without_a_name() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_model(DemoModel(), {"clip_l": " "})
    assert caught.value.message == "missing file after clip_l: ' '"
    assert caught.value.hint == "type clip_l=FILE"


def test_component_is_checked_like_a_model() -> None:
    model = write("x.gguf", files.KLEIN_ALL)
    Path("part.gguf").write_bytes(files.gguf_bytes(files.VAE_32)[:200])
    assert error_of(model, vae="missing")[1] == "there is no file 'missing'"
    assert error_of(model, vae="demo")[1] == "there is no file 'demo'"
    assert error_of(model, vae="part.gguf")[1].startswith("'part.gguf' is truncated: ")
    assert error_of(model, vae="")[0] is UsageError
    assert error_of(model, unet="x.gguf") == (
        UsageError,
        "'unet' is not a component",
        "components: vae, clip_l, clip_g, t5xxl, llm, llm_vision, taesd, control_net",
    )


def test_component_errors_come_before_model_errors_only_for_the_component() -> None:
    # The file that is wrong is the one that is named.
    Path("x.gguf").write_text("text")
    assert error_of("x.gguf", vae=write("vae.gguf", files.VAE_4))[1] == (
        "'x.gguf' is text, not a model file"
    )


def write_folder(**parts: files.Tensors) -> str:
    for part, tensors in parts.items():
        name = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
        files.write_model(Path("folder") / part / f"{name}.safetensors", tensors)
    return "folder"


DIFFUSERS_UNET: files.Tensors = {
    "conv_in.weight": ((3, 3, 4, 320), "F16"),
    "down_blocks.0.resnets.0.conv1.weight": ((3, 3, 4, 4), "F16"),
    "mid_block.resnets.1.conv1.weight": ((3, 3, 4, 4), "F16"),
}


def test_folder_in_diffusers_layout() -> None:
    folder = write_folder(unet=DIFFUSERS_UNET, vae=files.VAE_4, text_encoder=files.CLIP_L)
    model = resolve("./folder/")
    assert (model.family.name, model.name, roles(model)) == ("sd1", "folder", {"model": folder})
    assert model.weight_bytes == sum(path.stat().st_size for path in Path(folder).rglob("*.*"))


def test_folder_of_sdxl() -> None:
    write_folder(
        unet=DIFFUSERS_UNET,
        vae=files.VAE_4,
        text_encoder=files.CLIP_L,
        text_encoder_2=files.CLIP_G,
    )
    assert resolve("folder").family.name == "sdxl"


def test_folder_without_vae_takes_one_by_option() -> None:
    write_folder(unet=DIFFUSERS_UNET, text_encoder=files.CLIP_L)
    assert error_of("folder")[2].startswith("name it with vae=FILE; it is usually in hf.co/")
    model = resolve("folder", vae=write("vae.safetensors", files.VAE_4))
    assert roles(model) == {"model": "folder", "vae": "vae.safetensors"}


ONE_FILE = "use a GGUF or single-file safetensors version of the model"


def test_folder_without_a_model() -> None:
    Path("folder").mkdir()
    Path("folder/notes.txt").touch()
    assert error_of("folder") == (
        ModelNotFoundError,
        "'folder' is a folder without a model",
        "name a model file, or a folder in diffusers layout (unet/, vae/, text_encoder/)",
    )


def test_folder_of_model_files() -> None:
    for name in "dbca":
        write(f"folder/{name}.gguf", files.KLEIN_ALL)
    assert error_of("folder") == (
        ModelNotFoundError,
        "'folder' is a folder of model files, not a model",
        "name one of its files: a.gguf, b.gguf, c.gguf and 1 more",
    )


def test_folder_of_a_transformer() -> None:
    write_folder(transformer=files.SD3)
    assert error_of("folder") == (
        NotYetSupportedError,
        (
            "'folder' is a folder of a transformer model in diffusers layout, which the engine does"
            " not read"
        ),
        ONE_FILE,
    )


def test_folder_whose_components_have_other_names() -> None:
    write_folder(text_encoder=files.CLIP_L)
    write("folder/unet/diffusion_pytorch_model.fp16.safetensors", DIFFUSERS_UNET)
    assert error_of("folder") == (
        ModelFileError,
        (
            "'folder' has no unet/diffusion_pytorch_model.safetensors, which the engine looks for;"
            " it has diffusion_pytorch_model.fp16.safetensors"
        ),
        f"save it under that name, or {ONE_FILE}",
    )
    Path("folder/unet/diffusion_pytorch_model.fp16.safetensors").unlink()
    assert error_of("folder")[1] == (
        "'folder' has no unet/diffusion_pytorch_model.safetensors, which the engine looks for"
    )


def test_folder_with_a_damaged_component() -> None:
    write_folder(unet=DIFFUSERS_UNET, vae=files.VAE_4)
    part = Path("folder/vae/diffusion_pytorch_model.safetensors")
    part.write_bytes(part.read_bytes()[:-1])
    assert error_of("folder")[1].startswith(f"'{part}' is truncated: it has ")


@pytest.mark.parametrize(("family", "tensors"), [("sd1", files.SD1_ALL), ("sdxl", files.SDXL_ALL)])
@pytest.mark.parametrize("write_file", [checkpoints.checkpoint_bytes, checkpoints.legacy_bytes])
def test_the_tensors_of_a_checkpoint_tell_its_family(
    family: str, tensors: files.Tensors, write_file: Callable[[files.Tensors], bytes]
) -> None:
    path = Path("v2-1_xl_turbo.ckpt")
    path.write_bytes(write_file(tensors))
    model = resolve(str(path))
    assert (model.family.name, model.variant, model.notes) == (family, "turbo", ())
    assert roles(model) == {"model": str(path)}
    assert model.weight_bytes == path.stat().st_size


def test_a_component_as_a_checkpoint() -> None:
    Path("x.ckpt").write_bytes(checkpoints.checkpoint_bytes(files.VAE_4))
    assert error_of("./x.ckpt") == (
        ModelFileError,
        (
            "'./x.ckpt' is a VAE (which turns the result into pixels), not a model that draws by"
            " itself"
        ),
        "name the model, and this file with vae",
    )


def test_safetensors_under_the_name_of_a_checkpoint() -> None:
    path = Path("x.ckpt")
    path.write_bytes(files.safetensors_bytes(files.SD1_ALL))
    assert resolve("x.ckpt").notes == ()


def test_vae_as_checkpoint() -> None:
    Path("vae.pt").write_bytes(checkpoints.checkpoint_bytes(files.VAE_4))
    bare = {name: value for name, value in files.SD1_ALL.items() if "first_stage" not in name}
    assert roles(resolve(write("x.gguf", bare), vae="vae.pt")) == {
        "model": "x.gguf",
        "vae": "vae.pt",
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_junk_as_a_component(component: str) -> None:
    # The engine warns, and draws with what the model has inside: nobody sees that.
    Path("junk.pt").write_bytes(b"PK\x03\x04junk")
    assert error_of(write("x.gguf", files.KLEIN_ALL), **{component: "junk.pt"}) == (
        ModelFileError,
        "'junk.pt' is truncated: the directory at its end is missing",
        "download or copy it again",
    )
    Path("junk.pt").write_bytes(checkpoints.checkpoint_bytes({"junk": ((4,), "F32")}))
    assert error_of("x.gguf", **{component: "junk.pt"})[1].startswith(
        "'junk.pt' is of an unknown type, not "
    )


def test_resolved_model_is_a_value() -> None:
    model = resolve(write("tiny.gguf", files.KLEIN_ALL))
    assert replace(model, variant="base") != model
    assert resolve("tiny.gguf") == model
