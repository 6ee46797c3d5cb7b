"""ControlNets are checked by their headers; those that the engine cannot draw with are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import model_files as files
import pytest
from architectures import Named
from checkpoint_files import checkpoint_bytes, zip_bytes
from input_files import noise
from loopback_hub import LoopbackHub
from model_files import write_sparse_safetensors

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import (
    DrawError,
    ModelFileError,
    ModelNotFoundError,
    NotYetSupportedError,
    UsageError,
)
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.resolver.control_net import control_net_bytes
from gpustack_draw.resolver.control_net_tensors import control_net_tensors
from gpustack_draw.resolver.describe_file import info
from gpustack_draw.resolver.plan_drawing import plan_drawing
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel

EVIL = b"\x80\x02cos\nsystem\n(X\x01\x00\x00\x00atR."
HINT = "use a ControlNet made for Stable Diffusion 1 or 2"
FLUX_HINT = f"{HINT}, or a FLUX.1 Control model"
SD1: files.Tensors = {**files.SD1_ALL, "first_stage_model.encoder.x": ((1,), "F32")}
SD2: files.Tensors = {
    **files.prefixed(files.DIFFUSION, files.UNET),
    "cond_stage_model.model.token_embedding.weight": ((1024, 4), "F16"),
    **files.prefixed("first_stage_model.", files.VAE_4),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def net(naming: str = "original", *, text_width: int = 768, as_matrices: bool = False) -> Named:
    """Return the tensors of a ControlNet."""
    named: Named = {}
    for tensor in control_net_tensors(text_width):
        is_projection = as_matrices and ".proj_" in tensor.name and tensor.shape[:2] == (1, 1)
        name = tensor.diffusers_name if naming == "diffusers" else tensor.name
        prefix = "control_model." if naming == "original" else ""
        named[prefix + name] = (tensor.shape[2:] if is_projection else tensor.shape, "F16")
    return named


def write(name: str, tensors: files.Tensors) -> str:
    if name.endswith(".safetensors"):
        write_sparse_safetensors(Path(name), tensors)
    else:
        files.write_model(Path(name), tensors)
    return name


def resolve(
    model: files.Tensors, tensors: files.Tensors, name: str = "net.safetensors"
) -> ResolvedModel:
    components = {"control_net": write(name, tensors)}
    return resolve_model(parse_model_reference(write("model.gguf", model)), components)


def error_of(model: files.Tensors, tensors: files.Tensors) -> tuple[str, str]:
    with pytest.raises(ModelFileError) as caught:
        resolve(model, tensors)
    assert caught.value.argument == "control_net"
    return with_options(caught.value.message), with_options(caught.value.hint)


NETS = {
    "original": (SD1, net()),
    "without prefix": (SD1, net("bare")),
    "diffusers": (SD1, net("diffusers")),
    "Stable Diffusion 2": (SD2, net(text_width=1024, as_matrices=True)),
    "Stable Diffusion 2, diffusers": (SD2, net("diffusers", text_width=1024, as_matrices=True)),
    "inside a whole checkpoint": (SD1, {**SD1, **net()}),
}


@pytest.mark.parametrize(("model", "tensors"), NETS.values(), ids=NETS)
def test_a_control_net_of_the_model(model: files.Tensors, tensors: files.Tensors) -> None:
    resolved = resolve(model, tensors)
    assert resolved.family.pictures.control_net
    assert resolved.path_of("control_net") == Path("net.safetensors")
    assert resolved.user_components == ("control_net",)
    assert resolved.notes == ()


def test_tensors_of_the_real_file() -> None:
    """control_v11p_sd15_canny has 340 tensors with 361,279,120 parameters."""
    tensors = list(control_net_tensors(768))
    counts = [1] * len(tensors)
    for index, tensor in enumerate(tensors):
        for side in tensor.shape:
            counts[index] *= side
    assert (len(tensors), sum(counts)) == (340, 361_279_120)
    assert len({each.diffusers_name for each in tensors}) == 340


def test_memory_is_that_of_the_types_that_the_engine_chooses() -> None:
    write("f16.safetensors", net())
    write("f32.safetensors", {name: (shape, "F32") for name, (shape, _) in net().items()})
    sizes = [
        control_net_bytes(read_model_header(Path(name)))
        for name in ("f16.safetensors", "f32.safetensors")
    ]
    assert sizes[0] == sizes[1]
    assert 2 * 361_279_120 < sizes[0] < 4 * 361_279_120
    # A whole checkpoint has other tensors, which are not loaded.
    write("whole.safetensors", {**SD1, **net()})
    assert control_net_bytes(read_model_header(Path("whole.safetensors"))) == sizes[0]
    resolved = resolve(SD1, net())
    assert resolved.weight_bytes == Path("model.gguf").stat().st_size + sizes[0]


def one(name: str, shape: files.Shape = (4, 4)) -> files.Tensors:
    return {name: (shape, "F16")}


def without(tensors: Named, *names: str) -> Named:
    return {name: value for name, value in tensors.items() if name not in names}


SDXL_NET = {**net("diffusers", text_width=2048), **one("add_embedding.linear_1.weight")}
UNKNOWN = {
    "SDXL": ("a ControlNet for Stable Diffusion XL", SDXL_NET),
    "SDXL by its width": ("a ControlNet for Stable Diffusion XL", net(text_width=2048)),
    "SDXL union": (
        "a union ControlNet for Stable Diffusion XL",
        {**SDXL_NET, **one("task_embedding"), **one("control_add_embedding.linear_1.weight")},
    ),
    "another width": ("a ControlNet for text of width 4096", net(text_width=4096)),
    "SD3": (
        "a ControlNet for Stable Diffusion 3",
        {**one("controlnet_blocks.0.weight"), **one("pos_embed_input.proj.weight")},
    ),
    "Qwen-Image": (
        "a ControlNet for Qwen-Image",
        {
            **one("controlnet_blocks.0.weight"),
            **one("controlnet_x_embedder.weight"),
            **one("transformer_blocks.0.img_mod.1.weight"),
        },
    ),
    "Z-Image": ("a ControlNet for Z-Image", one("control_layers.0.attention.qkv.weight")),
    "another transformer": ("a ControlNet for another family", one("controlnet_blocks.0.weight")),
    "T2I adapter": ("a T2I adapter", one("adapter.body.0.resnets.0.block1.weight")),
    "T2I adapter, original": ("a T2I adapter", one("body.0.block1.weight")),
    "Control-LoRA": (
        "a Control-LoRA",
        {**one("lora_controlnet", (1,)), **one("input_blocks.1.1.proj_in.up")},
    ),
    "LLLite": ("a ControlNet-LLLite", one("lllite_unet_input_blocks_4_1.down.0.weight")),
    "IP-Adapter": ("an IP-Adapter", one("image_proj.proj.weight")),
    "SparseCtrl": (
        "a SparseCtrl encoder for videos",
        {**net("diffusers"), **one("down_blocks.0.motion_modules.0.proj_in.weight")},
    ),
    "difference": (
        "a ControlNet that is stored as its difference to a model",
        {**net(), **one("difference", (1,))},
    ),
}
FLUX_NETS = {
    "InstantX": (
        "a ControlNet for FLUX.1",
        {**one("controlnet_blocks.0.weight"), **one("controlnet_x_embedder.weight")},
    ),
    "union": (
        "a union ControlNet for FLUX.1",
        {**one("controlnet_blocks.0.weight"), **one("controlnet_mode_embedder.weight")},
    ),
    "XLabs": (
        "a ControlNet for FLUX.1",
        {**one("controlnet_blocks.0.weight"), **one("double_blocks.0.img_attn.proj.weight")},
    ),
}


@pytest.mark.parametrize(("kind", "tensors"), UNKNOWN.values(), ids=UNKNOWN)
def test_control_that_the_engine_does_not_know(kind: str, tensors: files.Tensors) -> None:
    message = f"'net.safetensors' is {kind}, which the engine does not know"
    assert error_of(SD1, tensors) == (message, HINT)


@pytest.mark.parametrize(("kind", "tensors"), FLUX_NETS.values(), ids=FLUX_NETS)
def test_control_nets_for_flux(kind: str, tensors: files.Tensors) -> None:
    message = f"'net.safetensors' is {kind}, which the engine does not know"
    assert error_of(SD1, tensors) == (message, FLUX_HINT)


def test_other_files() -> None:
    takes = "--control-net takes a ControlNet"
    assert error_of(SD1, files.LORA) == (
        *("'net.safetensors' is a LoRA, not a ControlNet", "name it with --lora"),
    )
    assert error_of(SD1, SD1) == (
        *("'net.safetensors' is a model (Stable Diffusion 1), not a ControlNet", takes),
    )
    assert error_of(SD1, files.VAE_4) == (
        "'net.safetensors' is a VAE (which turns the result into pixels), not a ControlNet",
        "name it with --vae",
    )
    assert error_of(SD1, one("something.weight")) == (
        *("'net.safetensors' is of an unknown type, not a ControlNet", takes),
    )


def test_incomplete_and_extended_nets() -> None:
    name = "control_model.zero_convs.3.0.bias"
    assert error_of(SD1, without(net(), name, "control_model.middle_block_out.0.weight")) == (
        f"'net.safetensors' lacks 2 of the 340 tensors of a ControlNet, such as '{name[14:]}'",
        "download or copy it again, or use another ControlNet",
    )
    assert error_of(SD1, {**net(), name: ((8,), "F16")}) == (
        (
            "'net.safetensors' has a tensor 'zero_convs.3.0.bias' of 8, and that of a ControlNet"
            " has 320"
        ),
        HINT,
    )
    more = {**net(), **one("control_model.class_embed.weight"), **one("control_model.more.weight")}
    assert error_of(SD1, more) == (
        (
            "'net.safetensors' is an extended ControlNet, which the engine does not know: it has"
            " 2 more tensors, such as 'class_embed.weight'"
        ),
        HINT,
    )


SHUFFLES = (
    " is by its name a ControlNet for shuffled contents: the engine does not average its output"
    " over the picture"
)
INPAINTS = (
    " is by its name a ControlNet for inpainting: the engine cannot mark the area to redraw in the"
    " control picture"
)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (
            "control_v11e_sd15_shuffle_fp16.safetensors",
            SHUFFLES,
            "use a ControlNet of another type, such as canny or depth",
        ),
        (
            "control_v11p_sd15_inpaint.safetensors",
            INPAINTS,
            "redraw an area with --image and --mask, without --control-net",
        ),
        ("control_v11p_sd15_inpaint/diffusion_pytorch_model.fp16.safetensors", INPAINTS, ""),
    ],
)
def test_nets_that_only_their_names_tell_apart(name: str, message: str, hint: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    with pytest.raises(ModelFileError) as caught:
        resolve(SD1, net(), name)
    assert (caught.value.message, caught.value.argument) == (f"'{name}'{message}", "control_net")
    assert not hint or with_options(caught.value.hint) == hint


@pytest.mark.parametrize(
    "name", ["control_v11f1e_sd15_tile.safetensors", "unshuffled.safetensors", "inpainting.gguf"]
)
def test_names_of_nets_that_are_used(name: str) -> None:
    assert resolve(SD1, net(), name).files[-1].path == Path(name)


def test_a_net_is_told_apart_by_the_name_of_its_repository(
    server: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use(monkeypatch, tmp_path)
    data = Path(write("net.safetensors", net())).read_bytes()
    for repository in ("acme/control_v11e_sd15_shuffle", "acme/control_v11p_sd15_canny"):
        server.add(repository, {"diffusion_pytorch_model.safetensors": data})
    model = parse_model_reference(write("model.gguf", SD1))
    assert resolve_model(model, {"control_net": "hf.co/acme/control_v11p_sd15_canny"})
    with pytest.raises(ModelFileError) as caught:
        resolve_model(model, {"control_net": "hf.co/acme/control_v11e_sd15_shuffle"})
    label = "hf.co/acme/control_v11e_sd15_shuffle:diffusion_pytorch_model.safetensors"
    assert caught.value.message == f"'{label}'{SHUFFLES}"


def test_a_net_for_another_model() -> None:
    assert error_of(SD2, net()) == (
        (
            "'net.safetensors' is a ControlNet for Stable Diffusion 1, and the model is Stable"
            " Diffusion 2"
        ),
        "use a ControlNet made for Stable Diffusion 2",
    )
    assert error_of(SD1, net(text_width=1024))[0] == (
        "'net.safetensors' is a ControlNet for Stable Diffusion 2, and the model is Stable"
        " Diffusion 1"
    )
    assert error_of(files.SDXL_ALL, net()) == (
        (
            "'net.safetensors' is a ControlNet for Stable Diffusion 1, and the model is Stable"
            " Diffusion XL"
        ),
        "a ControlNet extends Stable Diffusion 1 and 2",
    )
    flux = {**files.FLUX1, "img_in.weight": ((128, 256), "F16")}
    assert error_of(files.prefixed(files.DIFFUSION, flux), net()) == (
        "'net.safetensors' is a ControlNet for Stable Diffusion 1, and the model is FLUX.1 Control",
        "leave --control-net out: FLUX.1 Control follows --control-image by itself",
    )
    small = without(dict(SD1), "model.diffusion_model.middle_block.1.norm.weight")
    small["model.diffusion_model.output_blocks.7.1.norm.weight"] = ((320,), "F32")
    assert error_of(small, net())[0].endswith("and the model is Stable Diffusion 1, small")


def test_a_control_net_is_no_model() -> None:
    with pytest.raises(ModelFileError) as caught:
        resolve_model(parse_model_reference(write("net.safetensors", net("diffusers"))))
    assert with_options(caught.value.message) == (
        "'net.safetensors' is a ControlNet, not a model that draws by itself"
    )
    assert with_options(caught.value.hint) == "name the model, and this file with --control-net"


@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        ("", UsageError, "missing file after --control-net: ''"),
        ("missing.safetensors", ModelNotFoundError, "there is no file 'missing.safetensors'"),
        ("demo", ModelNotFoundError, "there is no file 'demo'"),
        ("text.safetensors", ModelFileError, "'text.safetensors' is text, not a model file"),
    ],
)
def test_no_file_of_weights(reference: str, kind: type[DrawError], message: str) -> None:
    Path("text.safetensors").write_text("a text")
    model = parse_model_reference(write("model.gguf", SD1))
    with pytest.raises(kind) as caught:
        resolve_model(model, {"control_net": reference})
    assert with_options(caught.value.message) == message
    assert caught.value.argument == "control_net"


def test_the_drawing_follows_the_control_picture() -> None:
    model = resolve(SD1, net("diffusers"), "control canny.safetensors")
    pictures = PictureOptions(control_image=noise(500, 300), control_strength=0.5, canny=True)
    drawing = plan_drawing(DrawRequest(prompt="a cat", pictures=pictures), model)
    settings = drawing.settings[0]
    assert (settings.mode, settings.control_strength, settings.strength) == ("control", 0.5, None)
    assert settings.pictures is not None
    assert (settings.pictures.control_net, settings.pictures.canny) == ("control canny", True)
    assert drawing.pictures is not None
    assert drawing.pictures.engine.canny
    assert drawing.pictures.engine.control is not None
    assert drawing.pictures.engine.control.shape == (256, 448, 3)
    assert (settings.width, settings.height) == drawing.pictures.size == (448, 256)


@pytest.mark.parametrize(("strength", "used"), [(None, 1.0), (0, 0.0)])
def test_the_strength_of_control(strength: Any, used: float) -> None:
    pictures = PictureOptions(control_image=noise(512, 512), control_strength=strength)
    drawing = plan_drawing(DrawRequest(prompt="", pictures=pictures), resolve(SD1, net()))
    assert drawing.settings[0].control_strength == used


@pytest.mark.parametrize("others", [{}, {"image": noise(512, 512)}])
def test_a_latent_upscaler_is_refused(others: dict[str, Any]) -> None:
    """The engine would keep the control picture in the first size, and abort."""
    model = resolve(SD1, net())
    pictures = PictureOptions(control_image=noise(512, 512), **others)
    with pytest.raises(UsageError) as caught:
        plan_drawing(
            DrawRequest(prompt="", pictures=pictures, hires=2, hires_upscaler="latent"), model
        )
    assert (caught.value.message, with_options(caught.value.hint)) == (
        *("a latent upscaler cannot enlarge the control picture", "type --hires-upscaler lanczos"),
    )
    drawing = plan_drawing(DrawRequest(prompt="", pictures=pictures, hires=2), model)
    assert drawing.settings[0].hires is not None


def test_only_other_pictures_need_the_encoder_of_the_vae() -> None:
    decoders = without(dict(SD1), "first_stage_model.encoder.x")
    model = replace(resolve(decoders, net()), decoder_only="vae.gguf")
    control = noise(512, 512)
    assert plan_drawing(
        DrawRequest(prompt="", pictures=PictureOptions(control_image=control)), model
    ).pictures
    both = PictureOptions(control_image=control, image=control)
    with pytest.raises(ModelFileError, match=r"^'vae.gguf' has no encoder"):
        plan_drawing(DrawRequest(prompt="", pictures=both), model)


def test_a_checkpoint_is_read_without_running_it() -> None:
    tensors: files.Tensors = {
        "control_model.input_hint_block.0.weight": ((3, 3, 3, 16), "F32"),
        "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": ((768, 4), "F32"),
    }
    Path("net.pth").write_bytes(checkpoint_bytes(tensors))
    Path("evil.pth").write_bytes(zip_bytes({"x/data.pkl": EVIL}))
    model = parse_model_reference(write("model.gguf", SD1))
    for name, message in {
        "net.pth": "'net.pth' lacks 338 of the 340 tensors of a ControlNet, such as",
        "evil.pth": "'evil.pth'",
    }.items():
        with pytest.raises(ModelFileError) as caught:
            resolve_model(model, {"control_net": name})
        assert caught.value.message.startswith(message)


def test_the_content_of_a_control_net_is_described() -> None:
    write("sd2.safetensors", net("diffusers", text_width=1024))
    described = info("sd2.safetensors")
    assert (described.type, described.base, described.problem) == (
        *("control_net", "Stable Diffusion 2", ""),
    )
    write("xl.safetensors", SDXL_NET)
    described = info("xl.safetensors")
    assert (described.type, described.base) == ("control_net", "")
    assert described.problem == (
        "'xl.safetensors' is a ControlNet for Stable Diffusion XL, which the engine does not know"
    )


def test_flex_2_is_refused() -> None:
    """The engine ends its process while it draws, with any pictures and without."""
    flex = {**files.FLUX1, "img_in.weight": ((196, 256), "F16")}
    model = write("flex.gguf", files.prefixed(files.DIFFUSION, flex))
    with pytest.raises(NotYetSupportedError) as caught:
        resolve_model(parse_model_reference(model))
    assert (caught.value.message, caught.value.hint) == (
        "'flex.gguf' is of the family Flex.2: the engine ends its process while it draws",
        "use FLUX.1 Control for a control picture, FLUX.1 Fill for a mask",
    )
