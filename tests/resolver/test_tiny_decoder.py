"""Tiny decoders: the known one of a family is found, and others are refused."""

from pathlib import Path

import model_files as files
import pytest
from hub_steps import set_offline
from loopback_hub import LoopbackHub

from gpustack_draw.errors import DrawError, ModelFileError, ModelNotFoundError, UsageError
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.fetch import fetch_model
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel

FILE = "diffusion_pytorch_model.safetensors"
KNOWN = {
    **dict.fromkeys(["sd1", "sd1-inpaint", "sd2"], f"madebyollin/taesd:{FILE}"),
    **dict.fromkeys(["sdxl", "sdxl-ssd1b", "cosxl-edit"], f"madebyollin/taesdxl:{FILE}"),
    "sd3": f"madebyollin/taesd3:{FILE}",
    **dict.fromkeys(["flux1", "flux1-fill", "chroma"], f"madebyollin/taef1:{FILE}"),
    **dict.fromkeys(["z-image", "ovis-image"], f"madebyollin/taef1:{FILE}"),
    **dict.fromkeys(["flux2", "flux2-klein"], "madebyollin/taef2:taef2.safetensors"),
    **dict.fromkeys(["wan", "qwen-image", "anima"], "Kijai/WanVideo_comfy:taew2_1.safetensors"),
    "wan-ti2v": "lightx2v/Autoencoders:taew2_2.safetensors",
    # These have their own, draw pixels, or are not decoded by the engine's.
    **dict.fromkeys(["sdxs", "chroma-radiance", "ernie-image"], ""),
}


def tiny(channels: int, *, video: bool = False) -> files.Tensors:
    name, width = ("decoder.1.weight", 256) if video else ("decoder.layers.0.weight", 64)
    return {name: ((3, 3, channels, width), "F16")}


@pytest.fixture(autouse=True)
def _model(server: LoopbackHub) -> None:
    """Write a model without a VAE into the current folder."""
    write("flux1-schnell-Q4_0.gguf", files.FLUX1)
    write("clip_l.safetensors", files.CLIP_L)
    write("t5xxl.safetensors", files.T5)


def write(name: str, tensors: files.Tensors) -> str:
    files.write_model(Path(name), tensors)
    return name


def resolve(name: str = "flux1-schnell-Q4_0.gguf", taesd: str = "auto") -> ResolvedModel:
    return resolve_model(parse_model_reference(name), {"taesd": taesd})


def error_of(name: str = "flux1-schnell-Q4_0.gguf", taesd: str = "auto") -> DrawError:
    with pytest.raises(DrawError) as caught:
        resolve(name, taesd)
    return caught.value


def components(model: ResolvedModel) -> set[str]:
    return {file.component for file in model.files}


@pytest.mark.parametrize("family", KNOWN)
def test_the_known_tiny_decoder_of_a_family(family: str) -> None:
    sources = FAMILIES[family].sources_of("taesd")
    places = [f"{source.repository}:{source.file}" for source in sources]
    assert "".join(places[:1]) == KNOWN[family]


def test_it_is_downloaded_in_place_of_the_vae(server: LoopbackHub) -> None:
    server.add("madebyollin/taef1", {FILE: files.safetensors_bytes(tiny(16))})
    model = resolve(taesd=" AUTO ")
    assert components(model) == {"diffusion_model", "clip_l", "t5xxl", "taesd"}
    assert model.user_components == ("taesd",)
    assert f"madebyollin/taef1:{FILE} (taesd" in model.notes[0]
    assert fetch_model(model) == ()
    decoder = next(file for file in model.files if file.component == "taesd")
    assert decoder.path.is_file()


def test_one_beside_the_model_goes_first(server: LoopbackHub) -> None:
    server.add("madebyollin/taef1", {FILE: files.safetensors_bytes(tiny(16))})
    write("taesd.safetensors", tiny(4))  # of another family
    write("taef1.safetensors", tiny(16))
    model = resolve()
    decoder = next(file for file in model.files if file.component == "taesd")
    assert (decoder.path.name, decoder.origin) == ("taef1.safetensors", "beside")
    assert not server.requests


def test_a_model_with_its_own_keeps_it(server: LoopbackHub) -> None:
    model = resolve("demo")
    assert components(model) == {"model", "taesd"}
    assert (model.user_components, server.requests) == ((), [])


def test_a_family_without_one_is_refused() -> None:
    network: files.Tensors = {
        "nerf_final_layer_conv.conv.weight": ((3, 3, 64, 3), "F16"),
        **files.FLUX1,
        "distilled_guidance_layer.in_proj.weight": ((64, 5120), "F16"),
    }
    error = error_of(write("radiance-Q8_0.gguf", network))
    assert (type(error), error.message, error.hint, error.argument) == (
        UsageError,
        "no tiny decoder of Chroma Radiance is known that the engine reads",
        "leave taesd out",
        "taesd",
    )


def test_one_that_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    set_offline(monkeypatch)
    error = error_of()
    assert isinstance(error, ModelNotFoundError)
    assert error.message.startswith("the tiny decoder of FLUX.1 was not found; ")
    assert (error.hint, error.argument) == (
        f"leave taesd out, or name a file with it; it is usually in hf.co/madebyollin/taef1:{FILE}",
        "taesd",
    )


def test_a_file_at_the_known_place_that_is_none(server: LoopbackHub) -> None:
    server.add("madebyollin/taef1", {FILE: files.safetensors_bytes(files.VAE_16)})
    assert error_of().message == (
        "the tiny decoder of FLUX.1 was not found; 'hf.co/madebyollin/taef1:"
        f"{FILE}' is a VAE (which turns the result into pixels), not a tiny autoencoder (TAESD)"
    )


FLUX1 = "use one made for FLUX.1"


@pytest.mark.parametrize(
    ("name", "tensors", "message", "hint"),
    [
        (
            "t.safetensors",
            tiny(4),
            "'t.safetensors' decodes 4 channels, and latents of FLUX.1 have 16",
            FLUX1,
        ),
        (
            "t.safetensors",
            tiny(16, video=True),
            "'t.safetensors' is a tiny autoencoder of another type than FLUX.1's",
            FLUX1,
        ),
        (
            "t.safetensors",
            {"decoder.layers.1.weight": ((3, 3, 16, 64), "F16")},
            (
                "'t.safetensors' is no complete tiny autoencoder: it lacks the tensor"
                " decoder.layers.0.weight"
            ),
            "download the file again, or use another one",
        ),
        (
            "taesd3.safetensors",
            tiny(16),
            (
                "'taesd3.safetensors' is named like Stable Diffusion 3's VAE, and FLUX.1 has"
                " another one"
            ),
            FLUX1,
        ),
    ],
)
def test_a_file_that_does_not_fit(
    name: str, tensors: files.Tensors, message: str, hint: str
) -> None:
    error = error_of(taesd=write(name, tensors))
    assert isinstance(error, ModelFileError)
    assert (error.message, error.hint, error.argument) == (message, hint, "taesd")


def test_a_family_for_which_the_engine_has_none() -> None:
    write("taef2.safetensors", tiny(32))
    write("ernie.safetensors", {"layers.0.adaLN_sa_ln.weight": ((4096,), "F32")})
    error = error_of("ernie.safetensors", taesd="taef2.safetensors")
    assert (error.message, error.hint, error.argument) == (
        "'taef2.safetensors' cannot decode ERNIE-Image: the engine has no tiny autoencoder for it",
        "leave taesd out",
        "taesd",
    )
