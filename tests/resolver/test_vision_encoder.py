"""The vision encoder of Qwen-Image-Edit is found with its language model, checked and planned."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from architectures import Named, wan_vae
from hub_steps import set_offline
from loopback_hub import Content, LoopbackHub
from model_files import gguf_start, safetensors_bytes, write_sparse_gguf, write_sparse_safetensors
from qwen_architectures import language_model, qwen_image, vision_encoder

from gpustack_draw.cli.main import main
from gpustack_draw.cli.option_names import with_options
from gpustack_draw.engine.local_engine import LocalEngine
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import Device
from gpustack_draw.errors import (
    DrawError,
    EngineError,
    FetchError,
    ModelFileError,
    ModelNotFoundError,
)
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.fetch import fetch_model
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel

EDIT = "qwen-image-edit-2511-Q4_0.gguf"
LLM = "Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf"
MMPROJ = "mmproj-F16.gguf"
VAE = "Qwen_Image-VAE.gguf"
UNSLOTH = "unsloth/Qwen2.5-VL-7B-Instruct-GGUF"
TITLE = "the vision encoder of the language model (mmproj)"
TENSORS: dict[str, Named] = {
    EDIT: qwen_image(),
    "Qwen_Image-Q4_0.gguf": qwen_image(),
    LLM: language_model(),
    MMPROJ: vision_encoder(),
    VAE: wan_vae(),
}


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.close()


def write(path: str, tensors: Named | None = None) -> str:
    Path(path).parent.mkdir(exist_ok=True, parents=True)
    write_sparse_gguf(Path(path), TENSORS[Path(path).name] if tensors is None else tensors)
    return path


def content(tensors: Named) -> Content:
    """A file on the hub at its full size, which is never fetched."""
    start, weights = gguf_start(tensors)
    return Content(start, len(start) + weights, f"{len(start):064x}")


def resolve(text: str, **components: str) -> ResolvedModel:
    return resolve_model(parse_model_reference(text), components)


def places(model: ResolvedModel) -> dict[str, str]:
    return {
        file.component: f"{file.hub_file.repository}:{file.hub_file.path}"
        if file.hub_file
        else file.path.name
        for file in model.files
    }


def error_of(text: str, **components: str) -> tuple[type[DrawError], str, str]:
    with pytest.raises(DrawError) as caught:
        resolve(text, **components)
    error = caught.value
    return type(error), with_options(error.message), with_options(error.hint)


def notes(model: ResolvedModel) -> list[str]:
    return list(map(with_options, model.notes))


def test_beside_the_model() -> None:
    for name in (EDIT, LLM, MMPROJ, VAE):
        write(name)
    model = resolve(EDIT)
    assert places(model) == {
        "diffusion_model": EDIT,
        "vae": VAE,
        "llm": LLM,
        "llm_vision": MMPROJ,
    }
    assert model.weight_bytes == sum(file.bytes for file in model.files)
    assert notes(model)[0] == (
        f"found beside the model: {VAE} (--vae), {LLM} (--llm), {MMPROJ} (--llm-vision)"
    )


def test_in_the_folders_of_the_usual_programs() -> None:
    write(f"diffusion_models/{EDIT}")
    write(f"text_encoders/{LLM}")
    write(f"text_encoders/{MMPROJ}")
    write(f"vae/{VAE}")
    model = resolve(f"diffusion_models/{EDIT}")
    assert model.path_of("llm_vision") == Path("text_encoders", MMPROJ).absolute()


def test_beside_the_language_model_that_the_user_named() -> None:
    write(EDIT)
    write(VAE)
    write(f"elsewhere/{LLM}")
    write(f"elsewhere/{MMPROJ}")
    model = resolve(EDIT, llm=f"elsewhere/{LLM}")
    assert model.path_of("llm_vision") == Path("elsewhere", MMPROJ).absolute()
    assert f"found beside the language model: elsewhere/{MMPROJ} (--llm-vision)" in notes(model)
    assert model.user_components == ("llm",)


def test_the_user_names_it() -> None:
    for name in (EDIT, LLM, MMPROJ, VAE):
        write(name)
    mine = write("mine.gguf", vision_encoder())
    model = resolve(EDIT, llm_vision=mine)
    assert places(model)["llm_vision"] == mine
    assert model.user_components == ("llm_vision",)


def test_inside_the_language_model() -> None:
    """ComfyUI's file has both, so that a vision encoder of its own is not searched."""
    write(EDIT)
    write(VAE)
    tensors: Named = {
        "model.embed_tokens.weight": ((3584, 152_064), "F8_E4M3"),
        "model.layers.0.self_attn.q_proj.weight": ((3584, 3584), "F8_E4M3"),
        "visual.blocks.0.attn.qkv.weight": ((1280, 3840), "F8_E4M3"),
        "visual.patch_embed.proj.weight": ((14, 14, 2, 3, 1280), "F8_E4M3"),
    }
    whole = "qwen_2.5_vl_7b_fp8.safetensors"
    write_sparse_safetensors(Path(whole), tensors)
    assert places(resolve(EDIT)) == {"diffusion_model": EDIT, "vae": VAE, "llm": whole}
    assert "llm_vision" not in places(resolve(EDIT, llm=whole))


def test_a_model_that_was_not_trained_to_edit_needs_none() -> None:
    for name in ("Qwen_Image-Q4_0.gguf", LLM, MMPROJ, VAE):
        write(name)
    assert "llm_vision" not in places(resolve("Qwen_Image-Q4_0.gguf"))
    named = resolve("Qwen_Image-Q4_0.gguf", llm_vision=MMPROJ)
    assert places(named)["llm_vision"] == MMPROJ
    assert not any("no effect" in note for note in named.notes)


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_offline(monkeypatch)
    for name in (EDIT, LLM, VAE):
        write(name)
    assert error_of(EDIT) == (
        ModelNotFoundError,
        (
            f"'{EDIT}' (Qwen-Image-Edit-2511) cannot draw without {TITLE}, which is neither in the"
            f" file nor beside it; hf.co/{UNSLOTH} is not cached, and HF_HUB_OFFLINE is set"
        ),
        (
            f"name it with --llm-vision FILE; it is usually in hf.co/{UNSLOTH}:{MMPROJ} or"
            " hf.co/mradermacher/Qwen2.5-VL-7B-Instruct-GGUF"
            ":Qwen2.5-VL-7B-Instruct.mmproj-Q8_0.gguf; unset HF_HUB_OFFLINE to download it;"
            " available offline: demo"
        ),
    )


WRONG: dict[str, tuple[str, Named, str, str]] = {
    "of 3B": (
        "mmproj-3B.gguf",
        vision_encoder(outputs=2048),
        (
            "'mmproj-3B.gguf' is the vision encoder of a language model of width 2,048, and"
            " Qwen-Image-Edit-2511 reads with one of width 3,584"
        ),
        "use the mmproj file of Qwen2.5-VL 7B",
    ),
    "of Qwen2-VL 7B": (
        "mmproj-Qwen2-VL.gguf",
        {name: shape for name, shape in vision_encoder().items() if "ffn_gate" not in name},
        (
            "'mmproj-Qwen2-VL.gguf' is another vision encoder than that of Qwen2.5-VL 7B, which"
            " has a tensor 'v.blk.0.ffn_gate.weight' of 1280x3420: it has none"
        ),
        "use the mmproj file of Qwen2.5-VL 7B",
    ),
    "of another width": (
        "mmproj-SigLIP.gguf",
        vision_encoder(1152, 27, 4304),
        (
            "'mmproj-SigLIP.gguf' is another vision encoder than that of Qwen2.5-VL 7B, which has a"
            " tensor 'v.patch_embd.weight' of 14x14x3x1280: it has one of 14x14x3x1152"
        ),
        "use the mmproj file of Qwen2.5-VL 7B",
    ),
    "of fewer blocks": (
        "mmproj-short.gguf",
        vision_encoder(layers=31),
        (
            "'mmproj-short.gguf' is another vision encoder than that of Qwen2.5-VL 7B, which has a"
            " tensor 'v.blk.31.attn_q.weight' of 1280x1280: it has none"
        ),
        "use the mmproj file of Qwen2.5-VL 7B",
    ),
    "a language model": (
        "llm.gguf",
        language_model(),
        f"'llm.gguf' is a language model (which reads the prompt), not {TITLE}",
        "name it with --llm",
    ),
    "a diffusion model": (
        "x.gguf",
        qwen_image(layers=1),
        f"'x.gguf' is a model (Qwen-Image), not {TITLE}",
        f"--llm-vision takes {TITLE}",
    ),
}


@pytest.mark.parametrize(("name", "tensors", "message", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_file(name: str, tensors: Named, message: str, hint: str) -> None:
    for each in (EDIT, LLM, VAE):
        write(each)
    write(name, tensors)
    assert error_of(EDIT, llm_vision=name) == (ModelFileError, message, hint)


def test_it_is_no_model_and_no_language_model() -> None:
    for name in (EDIT, VAE, MMPROJ):
        write(name)
    assert error_of(MMPROJ) == (
        ModelFileError,
        f"'{MMPROJ}' is {TITLE}, not a model that draws by itself",
        "name the model, and this file with --llm-vision",
    )
    assert error_of(EDIT, llm=MMPROJ) == (
        ModelFileError,
        f"'{MMPROJ}' is {TITLE}, not a language model (which reads the prompt)",
        "name it with --llm-vision",
    )


def test_an_encoder_that_does_not_fit_is_passed_over_for_the_one_that_does() -> None:
    for name in (EDIT, LLM, VAE):
        write(name)
    write("mmproj-Q8_0.gguf", vision_encoder(outputs=2048))
    write("mmproj-z.gguf", vision_encoder())
    assert places(resolve(EDIT))["llm_vision"] == "mmproj-z.gguf"


def test_the_engine_receives_it_and_the_switch_of_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (EDIT, LLM, MMPROJ, VAE):
        write(name)
    received: dict[str, Any] = {}

    def load(_engine: EngineProcess, **fields: Any) -> None:
        received.update(fields)
        raise EngineError("as far as this test goes")

    cpu = Device("CPU", "", "cpu", memory_free=0, memory_total=0, used=True)
    monkeypatch.setattr(EngineProcess, "devices", lambda _engine: [cpu])
    monkeypatch.setattr(EngineProcess, "load", load)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 10**12)
    with pytest.raises(EngineError, match="as far as"):
        next(LocalEngine(resolve(EDIT)).generate(DrawRequest(prompt="red")))
    assert received["files"] == {
        component: str(Path(name).absolute()) for component, name in places(resolve(EDIT)).items()
    }
    assert received["switches"] == ("qwen_image_zero_cond_t",)


# On the hub.


def add_unsloth(server: LoopbackHub) -> None:
    server.add(
        UNSLOTH,
        {
            LLM: content(language_model()),
            "mmproj-BF16.gguf": content(vision_encoder()),
            MMPROJ: content(vision_encoder()),
        },
    )


def add_edit_model(server: LoopbackHub, **more: Content) -> None:
    server.add("unsloth/Qwen-Image-Edit-2511-GGUF", {EDIT: content(qwen_image()), **more})
    server.add(
        "Comfy-Org/Qwen-Image_ComfyUI",
        {"split_files/vae/qwen_image_vae.safetensors": small_vae()},
    )


def small_vae() -> bytes:
    return safetensors_bytes(
        {
            "decoder.conv1.weight": ((3, 3, 3, 16, 384), "F16"),
            "decoder.conv1.bias": ((384,), "F16"),
        }
    )


def test_everything_arrives_by_itself(
    server: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    add_unsloth(server)
    add_edit_model(server)
    model = resolve("hf.co/unsloth/Qwen-Image-Edit-2511-GGUF")
    assert places(model) == {
        "diffusion_model": f"unsloth/Qwen-Image-Edit-2511-GGUF:{EDIT}",
        "vae": "Comfy-Org/Qwen-Image_ComfyUI:split_files/vae/qwen_image_vae.safetensors",
        "llm": f"{UNSLOTH}:{LLM}",
        "llm_vision": f"{UNSLOTH}:{MMPROJ}",
    }
    assert (model.family.title, model.family.switches) == (
        "Qwen-Image-Edit-2511",
        ("qwen_image_zero_cond_t",),
    )
    arguments = ["hf.co/unsloth/Qwen-Image-Edit-2511-GGUF", "red", "--dry-run", "--device", "CPU"]
    main([*arguments, "--json"])
    plan = json.loads(capsys.readouterr().out)
    vision = plan["files"][-1]
    assert (vision["component"], vision["path"]) == ("llm_vision", MMPROJ)
    assert plan["fetch_bytes"] == sum(file["bytes"] for file in plan["files"])
    assert plan["memory_bytes"] > plan["fetch_bytes"] > 16_000_000_000


def test_in_the_repository_of_the_model(server: LoopbackHub) -> None:
    add_unsloth(server)
    name = "mmproj/Qwen2.5-VL-7B-Instruct.mmproj-Q8_0.gguf"
    add_edit_model(server, **{name: content(vision_encoder())})
    model = resolve("hf.co/unsloth/Qwen-Image-Edit-2511-GGUF:Q4_0")
    assert places(model)["llm_vision"] == f"unsloth/Qwen-Image-Edit-2511-GGUF:{name}"
    assert model.files[-1].origin == "beside"


def test_in_the_repository_of_the_language_model_that_the_user_named(server: LoopbackHub) -> None:
    add_unsloth(server)
    add_edit_model(server)
    server.add(
        "acme/Qwen2.5-VL-7B-GGUF",
        {
            "Qwen2.5-VL-7B-Q8_0.gguf": content(language_model(kind="Q8_0")),
            "Qwen2.5-VL-7B.mmproj-f16.gguf": content(vision_encoder()),
        },
    )
    model = resolve(
        "hf.co/unsloth/Qwen-Image-Edit-2511-GGUF", llm="hf.co/acme/Qwen2.5-VL-7B-GGUF:Q8_0"
    )
    assert places(model)["llm_vision"] == ("acme/Qwen2.5-VL-7B-GGUF:Qwen2.5-VL-7B.mmproj-f16.gguf")


def test_named_by_its_repository(server: LoopbackHub) -> None:
    add_unsloth(server)
    for name in (EDIT, LLM, VAE):
        write(name)
    model = resolve(EDIT, llm_vision=f"hf.co/{UNSLOTH}:BF16")
    assert places(model)["llm_vision"] == f"{UNSLOTH}:mmproj-BF16.gguf"
    assert places(resolve(EDIT, llm_vision=f"hf.co/{UNSLOTH}"))["llm_vision"] == (
        f"{UNSLOTH}:{MMPROJ}"
    )


def test_a_wrong_one_is_refused_after_its_download(server: LoopbackHub) -> None:
    for name in (EDIT, LLM, VAE):
        write(name)
    wrong = {"v.blk.0.attn_q.weight": ((1280, 1280), "F16"), "mm.2.weight": ((5120, 8), "F16")}
    start, weights = gguf_start(wrong)
    server.add(UNSLOTH, {MMPROJ: start + bytes(weights)})
    model = resolve(EDIT)
    with pytest.raises(ModelFileError) as caught:
        fetch_model(model)
    assert caught.value.message == (
        f"'hf.co/{UNSLOTH}:{MMPROJ}' is the vision encoder of a language model of width 8, and"
        " Qwen-Image-Edit-2511 reads with one of width 3,584"
    )


def test_hub_that_fails_is_reported(server: LoopbackHub) -> None:
    for name in (EDIT, LLM, VAE):
        write(name)
    server.fail("/api/", status=500)
    kind, message, hint = error_of(EDIT)
    assert issubclass(kind, (ModelNotFoundError, FetchError))
    assert message.startswith(f"'{EDIT}' (Qwen-Image-Edit-2511) cannot draw without {TITLE}")
    assert "name it with --llm-vision FILE" in hint
