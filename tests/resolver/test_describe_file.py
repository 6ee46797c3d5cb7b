"""``info`` describes any file of weights by its header, local or on the hub."""

import json
from collections.abc import Iterator
from pathlib import Path

import checkpoint_files as checkpoints
import model_files as files
import pytest
from loopback_hub import Content, LoopbackHub
from lora_files import factors

import gpustack_draw
from gpustack_draw import FileInfo, info
from gpustack_draw.errors import DrawError, ModelFileError, ModelNotFoundError, UsageError
from gpustack_draw.hub import Hub

XL = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
LORA: files.Tensors = factors(XL, 2048, 640, kohya=True)
METADATA = {
    "ss_base_model_version": "sdxl_base_v1-0",
    "modelspec.trigger_phrase": "mycat",
    "modelspec.license": "CC-BY-4.0",
    "modelspec.title": "My cat",
}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, tensors: files.Tensors, metadata: dict[str, str] | None = None) -> Path:
    as_gguf = name.endswith(".gguf")
    make = files.gguf_bytes if as_gguf else files.safetensors_bytes
    path = Path(name)
    path.write_bytes(make(tensors, metadata))
    return path


def test_a_lora() -> None:
    path = write("sdxl_lightning_4step_lora.safetensors", LORA, METADATA)
    described = info(path)
    assert described.distillation is not None
    assert described.distillation.sample_steps == 4
    assert described == FileInfo(
        reference=str(path),
        type="LoRA",
        base="Stable Diffusion XL",
        stated_base="sdxl_base_v1-0",
        naming="kohya",
        lora_types=("LoRA",),
        ranks=(4,),
        trigger_words=("mycat",),
        distillation=described.distillation,
        title="My cat",
        license="CC-BY-4.0",
        format="safetensors",
        tensors=3,
        parameters=2048 * 4 + 4 * 640 + 1,
        tensor_types={"F16": 2, "F32": 1},
        bytes=path.stat().st_size,
        path=path,
        metadata=METADATA,
    )


def test_a_model() -> None:
    described = info(write("flux1-dev-Q4_0.gguf", files.KLEIN_ALL, {"general.license": "mit"}))
    assert (described.type, described.family) == ("model", "flux2-klein")
    assert described.components == ("llm", "taesd")
    assert (described.license, described.format, described.problem) == ("mit", "gguf", "")


def test_the_demo_model() -> None:
    described = info("demo")
    assert (described.reference, described.type) == ("demo", "model")
    assert described.family == gpustack_draw.models()[0].family
    assert described.path is not None
    assert described.bytes == described.path.stat().st_size


def test_a_model_that_cannot_be_drawn_with() -> None:
    described = info(write("x.safetensors", {"patchify_proj.weight": ((64, 64), "F16")}))
    assert (described.type, described.family) == ("model", "ltx-video")
    assert described.problem == (
        "'x.safetensors' is of the family LTX-Video: the engine does not know it"
    )


def test_a_lora_that_cannot_be_applied() -> None:
    described = info(write("x.safetensors", {**LORA, f"{XL}.dora_scale": ((640,), "F16")}))
    assert (described.type, described.tensors) == ("LoRA", 4)
    assert described.problem == "'x.safetensors' is a DoRA, which the engine does not apply"


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        (files.VAE_16, "vae"),
        (files.T5, "t5xxl"),
        ({"emb_params": ((768, 2), "F32")}, "textual inversion"),
        ({"control_model.input_hint_block.0.weight": ((3, 3, 3, 16), "F16")}, "control_net"),
        ({"body.0.rdb1.conv1.weight": ((3, 3, 64, 32), "F16")}, "upscaler"),
        ({"image_proj.weight": ((64, 64), "F16")}, "IP-Adapter"),
        ({"weights": ((64, 64), "F16")}, ""),
    ],
)
def test_other_files(tensors: files.Tensors, expected: str) -> None:
    assert info(write("x.safetensors", tensors)).type == expected


def test_a_checkpoint() -> None:
    Path("x.pt").write_bytes(checkpoints.checkpoint_bytes(LORA))
    described = info("x.pt")
    assert (described.type, described.format, described.base) == (
        "LoRA",
        "checkpoint",
        "Stable Diffusion XL",
    )


def test_hostile_metadata_becomes_short_printable_texts() -> None:
    table = {
        "__metadata__": {
            "\x1b[31mkey": "\x1b]0;owned\x07" + "x" * 100_000,
            "large": 10**400,
            "list": [1, 2, 3],
            "number": 2.5,
            "truth": True,
            "none": None,
            **{f"many{number}": "" for number in range(1000)},
        },
        f"{XL}.lora_down.weight": {
            "dtype": "F16",
            "shape": [4, 64],
            "data_offsets": [0, 512],
        },
        f"{XL}.lora_up.weight": {"dtype": "F16", "shape": [64, 4], "data_offsets": [512, 1024]},
    }
    Path("x.safetensors").write_bytes(files.safetensors_header(table) + bytes(1024))
    metadata = info("x.safetensors").metadata
    assert len(metadata) == 256
    texts = [*metadata, *map(str, metadata.values())]
    assert all(text.isprintable() and len(text) <= 300 for text in texts)
    assert metadata["list"] == "3 values"
    assert (metadata["number"], metadata["truth"], metadata["none"]) == (2.5, True, "None")
    json.dumps(dict(metadata), allow_nan=False)


def test_keys_of_single_tensors_are_left_out() -> None:
    stored: files.Tensors = {**files.KLEIN, "conv.weight": ((256, 9), "Q8_0")}
    data = files.gguf_bytes(stored, {"comfy.gguf.orig_shape.conv.weight": [16, 16, 3, 3]})
    Path("x.gguf").write_bytes(data)
    assert info("x.gguf").metadata == {}


def refusal(reference: str) -> tuple[type[DrawError], str]:
    with pytest.raises(DrawError) as caught:
        info(reference)
    assert caught.value.argument == "reference"
    return type(caught.value), caught.value.message


def test_what_cannot_be_described() -> None:
    Path("empty.gguf").touch()
    assert refusal("") == (UsageError, "the model is empty: ''")
    assert refusal("missing.gguf") == (ModelNotFoundError, "there is no file 'missing.gguf'")
    assert refusal("missing") == (ModelNotFoundError, "there is no file 'missing'")
    assert refusal("empty.gguf") == (ModelFileError, "'empty.gguf' is empty")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    yield hub
    hub.close()


def test_a_file_on_the_hub_is_described_by_its_header_alone(server: LoopbackHub) -> None:
    data = files.safetensors_bytes(LORA, METADATA)
    large = Content(data, len(data) + 10**9, "0" * 64)
    small = files.safetensors_bytes(factors("other"))
    server.add("acme/SDXL-Lightning", {"4step_lora.safetensors": large, "b.safetensors": small})
    described = info("hf.co/acme/SDXL-Lightning:4step_lora")
    assert described.reference == "hf.co/acme/SDXL-Lightning:4step_lora.safetensors"
    assert (described.type, described.base, described.path) == (
        "LoRA",
        "Stable Diffusion XL",
        None,
    )
    assert described.bytes == len(data) + 10**9
    assert described.distillation is not None
    assert server.bytes_sent < 200_000
    with pytest.raises(ModelNotFoundError) as caught:
        info("hf.co/acme/SDXL-Lightning")
    assert caught.value.message == (
        "hf.co/acme/SDXL-Lightning has 2 files that can be a file of weights:"
        " 4step_lora.safetensors, b.safetensors"
    )


def test_a_model_on_the_hub_by_its_quantization(server: LoopbackHub) -> None:
    model = files.gguf_bytes(files.KLEIN_ALL)
    encoder = files.gguf_bytes(files.T5)
    server.add(
        "acme/tiny", {"tiny-Q4_0.gguf": model, "tiny-Q8_0.gguf": model, "t5-Q8_0.gguf": encoder}
    )
    for reference in ("hf.co/acme/tiny", "hf.co/acme/tiny:Q8_0"):
        assert info(reference).type == "model"
    assert info("hf.co/acme/tiny:t5-Q8_0.gguf").type == "t5xxl"


def test_a_file_in_the_cache_has_a_path(server: LoopbackHub) -> None:
    server.add("acme/one", {"one.safetensors": files.safetensors_bytes(LORA)})
    hub = Hub()
    repository = hub.repository("acme/one", is_sufficient=None)
    hub.fetch(repository.files)
    server.requests.clear()
    described = info("hf.co/acme/one")
    assert described.path is not None
    assert described.path.is_file()
    assert server.paths() == []
