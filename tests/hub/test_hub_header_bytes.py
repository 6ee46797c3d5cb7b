"""Bytes and requests that are needed before anything is fetched."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import model_files as files
import pytest
from loopback_hub import Content, LoopbackHub

from gpustack_draw.cli.main import main
from gpustack_draw.errors import ModelFileError
from gpustack_draw.hub import Hub, retry
from gpustack_draw.hub.remote_file import RemoteFile
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.fetch import fetch_model
from gpustack_draw.resolver.resolve import resolve_model

GIGABYTE = 1_000_000_000
WORDS = 151_936


def large(data: bytes) -> Content:
    """Return content of a realistic size, so that a read does not stop at the end of the file."""
    return Content(data, len(data) + GIGABYTE, hashlib.sha256(data).hexdigest())


def enlarge(tensors: files.Tensors, header_bytes: int) -> dict[str, tuple[files.Shape, str]]:
    """Add tensors until a GGUF header has about the stated length."""
    more = {
        f"more.{number}.of_what_a_network_has.weight": ((4,), "F32")
        for number in range(header_bytes // 76)
    }
    return {**tensors, **more}


def language_model(
    architecture: str = "qwen3",
    width: int | None = 2560,
    words: int = WORDS,
    *,
    tensors: files.Tensors | None = None,
    is_sorted: bool = False,
) -> Content:
    """Return a language model as written by llama.cpp's tools; its vocabulary exceeds 3 MB."""
    tokens = [f"token{number:08}" for number in range(words)]
    metadata: dict[str, object] = {"general.architecture": architecture, "general.name": "a name"}
    if width is not None:
        metadata[f"{architecture}.embedding_length"] = width
    metadata |= {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.eos_token_ids": [1, 2]}
    metadata |= {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [1] * words}
    metadata["tokenizer.ggml.merges"] = tokens[:1500]
    if is_sorted:
        metadata = dict(sorted(metadata.items()))
    tensors = tensors or {"token_embd.weight": ((width or 2560, words), "Q4_0")}
    start, size = files.gguf_start(tensors, metadata)
    assert len(start) > 3_000_000
    return Content(start, len(start) + size, hashlib.sha256(start).hexdigest())


Z_IMAGE = files.gguf_bytes(enlarge({"cap_embedder.0.weight": ((2560,), "F32")}, 50_000))
FLUX = large(files.gguf_bytes(enlarge(files.FLUX1, 80_000)))
SD3 = {f"joint_blocks.{number}.x_block.attn.qkv.weight": ((64, 64), "F16") for number in range(24)}
VAE = large(files.safetensors_bytes(enlarge(files.VAE_16, 15_000)))
CLIP_L = large(files.gguf_bytes(enlarge(files.CLIP_L, 20_000)))
CLIP_G = large(files.gguf_bytes(enlarge(files.CLIP_G, 50_000)))
T5 = large(files.gguf_bytes(enlarge(files.T5, 20_000)))
QWEN3 = language_model()
USUAL_LLM = "unsloth/Qwen3-4B-Instruct-2507-GGUF"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.add_cdn()
    hub.use(monkeypatch, tmp_path)
    monkeypatch.setattr(retry, "SECONDS_BETWEEN_TRIES", 0.01)
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.close()


def cdn_of(server: LoopbackHub) -> LoopbackHub:
    assert server.cdn is not None
    return server.cdn


def count(server: LoopbackHub) -> tuple[int, int]:
    """Return the bytes and requests of the hub and of its redirect target, and reset both."""
    both = (server, cdn_of(server))
    counted = sum(one.bytes_sent for one in both), sum(len(one.requests) for one in both)
    for one in both:
        one.requests.clear()
    return counted


def dry_run(capsys: pytest.CaptureFixture[str], reference: str, expected: int = 0) -> list[str]:
    code = main([reference, "an owl", "--dry-run", "--json", "--device", "CPU"])
    output = capsys.readouterr()
    assert code == expected, output.err
    if code:
        return output.err.splitlines()
    return [f"{one['component']} {one['path']}" for one in json.loads(output.out)["files"]]


Z_IMAGE_BUNDLE = {
    "z_image_turbo-Q4_0.gguf": large(Z_IMAGE),
    "Qwen3-4B-Q4_K_M.gguf": QWEN3,
    "ae.safetensors": VAE,
}
SD3_BUNDLE = {
    "sd3.5_medium-Q4_0.gguf": large(files.gguf_bytes(enlarge(SD3, 60_000))),
    **{f"clip_l-{tag}.gguf": CLIP_L for tag in ("Q4_0", "Q8_0")},
    **{f"clip_g-{tag}.gguf": CLIP_G for tag in ("Q4_0", "Q8_0")},
    **{f"t5xxl-{tag}.gguf": T5 for tag in ("Q4_0", "Q8_0")},
}
FLUX_BUNDLE = {
    "flux1-schnell-Q4_0.gguf": FLUX,
    "ae.safetensors": VAE,
    "clip_l-Q8_0.gguf": CLIP_L,
    "t5xxl-Q8_0.gguf": T5,
}
LORAS = {
    f"lora-{number:02}.safetensors": large(files.safetensors_bytes(enlarge(files.LORA, 60_000)))
    for number in range(20)
}


@pytest.mark.parametrize(
    ("bundle", "max_bytes", "requests", "components"),
    [
        (Z_IMAGE_BUNDLE, 300_000, (7, 3), ["vae ae.safetensors", "llm Qwen3-4B-Q4_K_M.gguf"]),
        (
            SD3_BUNDLE,
            500_000,
            (12, 6),
            [
                "vae diffusion_pytorch_model.safetensors",
                "clip_l clip_l-Q8_0.gguf",
                "clip_g clip_g-Q8_0.gguf",
                "t5xxl t5xxl-Q8_0.gguf",
            ],
        ),
        (
            FLUX_BUNDLE,
            400_000,
            (10, 4),
            ["vae ae.safetensors", "clip_l clip_l-Q8_0.gguf", "t5xxl t5xxl-Q8_0.gguf"],
        ),
        (
            {**FLUX_BUNDLE, **LORAS, "Qwen3-encoder-f16.gguf": QWEN3},
            400_000,
            (10, 4),
            ["vae ae.safetensors", "clip_l clip_l-Q8_0.gguf", "t5xxl t5xxl-Q8_0.gguf"],
        ),
    ],
    ids=["Z-Image", "SD 3.5", "FLUX.1", "FLUX.1 among LoRAs"],
)
def test_dry_run_with_the_components_beside_the_model(
    server: LoopbackHub,
    capsys: pytest.CaptureFixture[str],
    bundle: Mapping[str, Content],
    max_bytes: int,
    requests: tuple[int, int],
    components: list[str],
) -> None:
    server.add("acme/bundle-GGUF", bundle)
    server.add("Shio-Koube/SD-3.5-vae", {"diffusion_pytorch_model.safetensors": VAE})
    assert dry_run(capsys, "hf.co/acme/bundle-GGUF:Q4_0")[1:] == components
    sent, asked = count(server)
    assert sent < max_bytes
    # The other files are known from now on.
    assert dry_run(capsys, "hf.co/acme/bundle-GGUF:Q4_0")[1:] == components
    assert (asked, count(server)[1]) == requests


def test_many_files_that_are_not_components(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.add("acme/flux-GGUF", {"flux1-dev-Q4_0.gguf": FLUX, **LORAS})
    server.add("Comfy-Org/z_image_turbo", {"split_files/vae/ae.safetensors": VAE})
    server.add("second-state/stable-diffusion-3.5-medium-GGUF", SD3_BUNDLE)
    assert len(dry_run(capsys, "hf.co/acme/flux-GGUF")) == 4
    assert count(server)[0] < 2_000_000


@pytest.mark.parametrize(
    "model",
    [
        QWEN3,
        language_model("llama", None, 128_256),
        language_model("newest", 4096),
        language_model(is_sorted=True),
    ],
    ids=["with its width", "without", "a new architecture", "sorted keys"],
)
def test_a_language_model_is_refused_after_its_first_bytes(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str], model: Content
) -> None:
    server.add("acme/text-GGUF", {"text-Q4_0.gguf": model})
    assert dry_run(capsys, "hf.co/acme/text-GGUF", expected=3)[0] == (
        "gpustack-draw: 'hf.co/acme/text-GGUF:Q4_0' is a language model (which reads the"
        " prompt), not a model that draws by itself"
    )
    assert count(server)[0] < 70_000


@pytest.mark.parametrize(
    "wrong", [language_model(width=4096), language_model(words=128_256)], ids=["width", "words"]
)
def test_another_language_model_beside_the_model_is_not_used(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str], wrong: Content
) -> None:
    server.add("acme/z-GGUF", {**Z_IMAGE_BUNDLE, "Qwen3-4B-Q4_K_M.gguf": wrong})
    server.add(USUAL_LLM, {"usual-Q4_K_M.gguf": QWEN3})
    assert dry_run(capsys, "hf.co/acme/z-GGUF:Q4_0")[-1] == "llm usual-Q4_K_M.gguf"
    assert count(server)[0] < 300_000


def test_another_language_model_that_the_user_names_is_refused(server: LoopbackHub) -> None:
    server.add("acme/z-GGUF", Z_IMAGE_BUNDLE)
    server.add("acme/text-GGUF", {"text-Q4_0.gguf": language_model(width=4096)})
    with pytest.raises(ModelFileError, match="is a language model of width 4096"):
        resolve_model(
            parse_model_reference("hf.co/acme/z-GGUF:Q4_0"), {"llm": "hf.co/acme/text-GGUF"}
        )
    assert count(server)[0] < 300_000


def test_keys_after_the_vocabulary_are_checked_after_the_fetch(
    server: LoopbackHub,
) -> None:
    # Its keys lack the width, and so does the tensor that would contain it.
    hiding = language_model(width=None, tensors={"token_embd.weight": ((4096, 16), "F32")})
    small = {"z-Q4_0.gguf": Z_IMAGE, "ae.safetensors": files.safetensors_bytes(files.VAE_16)}
    server.add("acme/z-GGUF", {**small, "Qwen3-4B.gguf": Content(hiding.read(0, hiding.size))})
    model = resolve_model(parse_model_reference("hf.co/acme/z-GGUF:z-Q4_0.gguf"))
    with pytest.raises(ModelFileError, match="is a language model of width 4096"):
        fetch_model(model)
    server.add(USUAL_LLM, {"usual-Q4_K_M.gguf": QWEN3})
    model = resolve_model(parse_model_reference("hf.co/acme/z-GGUF:z-Q4_0.gguf"))
    assert [file.path.name for file in model.files][-1] == "usual-Q4_K_M.gguf"


def test_a_t5_encoder_with_its_vocabulary(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    right = language_model("t5encoder", 4096, 256_384, tensors=files.T5)
    server.add("acme/flux-GGUF", {**FLUX_BUNDLE, "t5xxl-Q8_0.gguf": right})
    server.add("city96/t5-v1_1-xxl-encoder-gguf", {"usual-Q8_0.gguf": T5})
    # FLUX.1 needs one of 32,128 tokens.
    assert dry_run(capsys, "hf.co/acme/flux-GGUF:Q4_0")[-1] == "t5xxl usual-Q8_0.gguf"
    assert count(server)[0] < 500_000
    header = Hub().read_header(Hub().repository("acme/flux-GGUF", is_sufficient=None).files[-1])
    assert header.tensors["token_embd.weight"].shape == (4096, 256_384)
    assert header.metadata["general.architecture"] == "t5encoder"


def test_a_file_with_a_vocabulary_that_is_not_a_text_model_is_read_completely(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    model = language_model("diffusion", None, tensors=files.SD1_ALL)
    server.add("acme/sd-GGUF", {"sd-Q4_0.gguf": model})
    assert dry_run(capsys, "hf.co/acme/sd-GGUF") == ["model sd-Q4_0.gguf"]


def test_a_long_list_of_numbers_is_skipped(server: LoopbackHub) -> None:
    metadata = {"some.numbers": [1] * 2_000_000, "more.numbers": [2] * 1_000_000}
    server.add(
        "acme/m", {"m.gguf": large(files.gguf_bytes(enlarge(files.SD1_ALL, 9000), metadata))}
    )
    hub = Hub()
    header = hub.read_header(hub.repository("acme/m", is_sufficient=None).file("m.gguf"))
    assert set(files.SD1_ALL) < set(header.tensors)
    assert count(server)[0] < 700_000


# --- redirects ------------------------------------------------------------------------------------

DATA = bytes(range(256)) * 4096
DATA_STEPS = 5  # 64 kB, doubled four times


def open_remote(server: LoopbackHub) -> RemoteFile:
    server.add("acme/m", {"m.bin": DATA}, gated=True)
    hub = Hub()
    file = hub.repository("acme/m", is_sufficient=None).file("m.bin")
    count(server)
    return RemoteFile(hub.client, file)


def read_all(remote: RemoteFile) -> bytes:
    return b"".join(remote.read(place, 1024) for place in range(0, len(DATA), 1024))


def test_the_redirect_of_a_file_is_requested_once(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    assert read_all(open_remote(server)) == DATA
    assert [request.token for request in server.requests] == [f"Bearer {server.TOKEN}"]
    assert [request.token for request in cdn_of(server).requests] == [""] * DATA_STEPS
    assert count(server) == (len(DATA), 1 + DATA_STEPS)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 403},
        {"status": 503},
        {"status": 206, "headers": {"Content-Range": "bytes 7-8/9"}},
        {"ignore_range": True},
        {"cut_after": 1000},
    ],
    ids=["expired", "trouble", "other bytes", "no ranges", "cut"],
)
def test_an_expired_redirect_is_requested_again(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object]
) -> None:
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    remote = open_remote(server)
    remote.read(0, 10)
    cdn_of(server).fail("m.bin", times=1, **fault)
    assert read_all(remote) == DATA
    assert len(server.requests) == 2


def test_an_address_on_the_hub_itself_is_not_kept(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", server.TOKEN)
    remote = open_remote(server)
    server.renamed["acme/m"] = "acme/new"
    server.repositories["acme/new"] = server.repositories["acme/m"]
    cdn_of(server).close()
    server.cdn = None
    assert read_all(remote) == DATA
    assert {request.token for request in server.requests} == {f"Bearer {server.TOKEN}"}
    assert len(server.requests) == 2 * DATA_STEPS
