"""Models that were trained to work on pictures are known by header or name, at their full size."""

from dataclasses import replace
from pathlib import Path

import pytest
from architectures import CLIP_L, T5_XXL, Named, flux1, klein, sd1_unet, vae, wan_vae
from hub_steps import use_no_hub
from model_files import prefixed, write_sparse_gguf
from qwen_architectures import language_model, qwen_image, vision_encoder

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import ModelFileError
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.plan_drawing import rules_of
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel

MARKER: Named = {"__index_timestep_zero__": ((1,), "F32")}


def flux(inputs: int = 64) -> Named:
    return {**flux1(3072, 19, 38), "img_in.weight": ((inputs, 3072), "F16")}


def sd1(inputs: int) -> Named:
    unet = {**sd1_unet(weight_type="Q4_0"), "input_blocks.0.0.weight": ((3, 3, inputs, 320), "F16")}
    return {
        **prefixed("model.diffusion_model.", unet),
        **prefixed("cond_stage_model.transformer.", CLIP_L),
        **prefixed("first_stage_model.", vae(latent=4)),
    }


COMPONENTS: dict[str, Named] = {
    "ae.gguf": vae(),
    "clip_l.gguf": CLIP_L,
    "t5xxl.gguf": T5_XXL,
    "Qwen_Image-VAE.gguf": wan_vae(),
    "Qwen2.5-VL-7B-Instruct-Q4_0.gguf": language_model(),
    "Qwen2.5-VL-7B-Instruct.mmproj-Q8_0.gguf": vision_encoder(),
    "Qwen3-4B-Q4_0.gguf": {
        "token_embd.weight": ((2560, 151_936), "Q4_0"),
        "blk.0.attn_q.weight": ((2560, 4096), "Q4_0"),
    },
    "flux2-vae.gguf": vae(latent=32),
}


@pytest.fixture(autouse=True)
def in_a_folder_of_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    use_no_hub(monkeypatch, tmp_path)
    for name, tensors in COMPONENTS.items():
        write_sparse_gguf(Path(name), tensors)


def resolve(name: str, tensors: Named) -> ResolvedModel:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    write_sparse_gguf(path, tensors)
    return resolve_model(parse_model_reference(name))


MODELS: dict[str, tuple[str, Named, str, str, str, tuple[str, ...]]] = {
    "FLUX.1 dev": ("flux1-dev-Q4_0.gguf", flux(), "FLUX.1", "dev", "untrained", ()),
    "Kontext": (
        "flux1-kontext-dev-Q4_0.gguf",
        *(flux(), "FLUX.1 Kontext", "kontext", "trained", ()),
    ),
    "Kontext of few steps": (
        "flux1-kontext-turbo-Q4_0.gguf",
        *(flux(), "FLUX.1 Kontext", "turbo", "trained", ()),
    ),
    "Fill of another name": ("x.gguf", flux(384), "FLUX.1 Fill", "", "untrained", ()),
    "Fill is no Kontext": (
        "kontext-fill.gguf",
        *(flux(384), "FLUX.1 Fill", "kontext", "untrained", ()),
    ),
    "Canny": (
        "flux1-canny-dev-Q4_0.gguf",
        *(flux(128), "FLUX.1 Control", "dev", "untrained", ()),
    ),
    "Depth": (
        "flux1-depth-dev-Q4_0.gguf",
        *(flux(128), "FLUX.1 Control", "depth", "untrained", ()),
    ),
    "inpainting": (
        "stable-diffusion-v1-5-inpainting-Q4_0.gguf",
        *(sd1(9), "Stable Diffusion 1 inpainting", "", "none", ()),
    ),
    "klein": (
        "flux-2-klein-4b-Q4_0.gguf",
        *(klein(3072, 5, 20, context=7680), "FLUX.2 klein", "", "trained", ()),
    ),
    "Qwen-Image": (
        "qwen-image-2512-Q4_0.gguf",
        *(qwen_image(), "Qwen-Image", "", "untrained", ()),
    ),
    "Qwen-Image-Edit": (
        "Qwen_Image_Edit-Q4_0.gguf",
        *(qwen_image(), "Qwen-Image-Edit", "edit", "trained", ()),
    ),
    "2509": (
        "Qwen-Image-Edit-2509-Q4_0.gguf",
        *(qwen_image(), "Qwen-Image-Edit-2509", "edit", "trained", ()),
    ),
    "2511 by name": (
        "qwen-image-edit-2511-Q4_0.gguf",
        *(qwen_image(), "Qwen-Image-Edit-2511", "edit", "trained", ("qwen_image_zero_cond_t",)),
    ),
    "2511 by header": (
        "renamed.gguf",
        *({**qwen_image(), **MARKER}, "Qwen-Image-Edit-2511", "edit", "trained"),
        ("qwen_image_zero_cond_t",),
    ),
    "2511 of few steps": (
        "qwen-image-edit-2511-lightning-Q4_0.gguf",
        *(qwen_image(), "Qwen-Image-Edit-2511", "lightning", "trained"),
        ("qwen_image_zero_cond_t",),
    ),
    "an edition": (
        "qwen-image-special-edition-Q4_0.gguf",
        *(qwen_image(), "Qwen-Image", "", "untrained", ()),
    ),
}


@pytest.mark.parametrize(
    ("name", "tensors", "title", "variant", "references", "switches"), MODELS.values(), ids=MODELS
)
def test_model(
    name: str,
    tensors: Named,
    title: str,
    variant: str,
    references: str,
    switches: tuple[str, ...],
) -> None:
    model = resolve(name, tensors)
    family = model.family
    assert (family.title, model.variant) == (title, variant)
    assert (family.pictures.references, family.switches) == (references, switches)


@pytest.mark.parametrize(
    ("name", "inputs", "guidance"),
    [
        ("flux1-fill-dev.gguf", 384, 30.0),
        ("flux1-canny-dev.gguf", 128, 30.0),
        ("flux1-depth-dev.gguf", 128, 10.0),
        ("flux1-kontext-dev.gguf", 64, 2.5),
        ("flux1-dev.gguf", 64, 3.5),
    ],
)
def test_guidance_is_what_the_model_was_made_for(name: str, inputs: int, guidance: float) -> None:
    assert resolve(name, flux(inputs)).defaults.guidance == guidance


def test_a_model_without_weights_for_guidance_takes_none() -> None:
    dev, schnell = (
        resolve("flux1-dev.gguf", flux()),
        resolve(
            "flux1-schnell.gguf",
            {name: shape for name, shape in flux().items() if "guidance_in" not in name},
        ),
    )
    assert "guidance" in dev.family.options
    assert set(dev.family.options) - set(schnell.family.options) == {"guidance"}


def test_rules_for_pictures() -> None:
    model = resolve("qwen-image-edit-2511-Q4_0.gguf", qwen_image())
    rules = rules_of(replace(model, decoder_only=""))
    assert (rules.size_multiple, rules.native_size, rules.max_side) == (8, (1024, 1024), 8192)
    assert (rules.reference_multiple, rules.reference_pixels) == (32, 1024**2)
    assert not rules.references_as_drawn
    pix2pix = replace(model, family=FAMILIES["sd1-pix2pix"], decoder_only="")
    assert rules_of(pix2pix).references_as_drawn


def test_pix2pix_reads_pictures_through_a_whole_vae_only() -> None:
    model = resolve("instruct-pix2pix.gguf", sd1(8))
    tiny = replace(model.files[0], component="taesd")
    with pytest.raises(ModelFileError) as caught:
        rules_of(replace(model, files=(*model.files, tiny)))
    assert (caught.value.message, with_options(caught.value.hint)) == (
        "InstructPix2Pix cannot read pictures through a tiny autoencoder",
        "leave --taesd out",
    )


def test_a_vae_without_encoder_takes_no_pictures() -> None:
    assert resolve("flux1-dev-Q4_0.gguf", flux()).decoder_only == ""
    assert resolve("sd15.gguf", sd1(4)).decoder_only == ""
    decoders = {name: shape for name, shape in sd1(4).items() if "_model.encoder." not in name}
    assert resolve("decoders.gguf", decoders).decoder_only == "decoders.gguf"
    decoder = {name: shape for name, shape in vae().items() if not name.startswith("encoder.")}
    write_sparse_gguf(Path("ae.gguf"), decoder)
    model = resolve("flux1-kontext-dev-Q4_0.gguf", flux())
    with pytest.raises(ModelFileError) as caught:
        rules_of(model)
    assert (str(caught.value.message), with_options(caught.value.hint)) == (
        "'ae.gguf' has no encoder, with which FLUX.1 Kontext reads pictures",
        "name a complete VAE with --vae",
    )
