"""Wan draws a picture as a video of one frame; unusable files are refused with a reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import model_files as files
import pytest
from architectures import T5_XXL, UMT5_XXL, WAN_1_3B, WAN_TI2V_5B, Named, vae, wan22_vae, wan_vae
from hub_steps import use_no_hub
from model_files import write_sparse_gguf
from random_gguf import write_random_gguf

from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import EngineProgress
from gpustack_draw.errors import DrawError, ModelFileError, ModelNotFoundError, NotYetSupportedError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.memory.available import available_memory
from gpustack_draw.request.model_reference import parse_model_reference
from gpustack_draw.resolver.resolve import resolve_model
from gpustack_draw.resolver.resolved_model import ResolvedModel

T2V = "wan2.1_t2v_1.3b-Q4_0.gguf"


@pytest.fixture(autouse=True)
def in_a_folder_with_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    use_no_hub(monkeypatch, tmp_path)
    for name, tensors in {
        T2V: WAN_1_3B,
        "ti2v.gguf": WAN_TI2V_5B,
        "umt5.gguf": UMT5_XXL,
        "t5.gguf": T5_XXL,
        "wan_vae.gguf": wan_vae(),
        "wan22_vae.gguf": wan22_vae(),
        "ae.gguf": vae(),
    }.items():
        write_sparse_gguf(Path(name), tensors)


def resolve(text: str, vae: str = "wan_vae.gguf", t5xxl: str = "umt5.gguf") -> ResolvedModel:
    parts = {"vae": vae, "t5xxl": t5xxl}
    named = {component: path for component, path in parts.items() if path}
    return resolve_model(parse_model_reference(text), named)


def error_of(text: str, **parts: str) -> tuple[type[DrawError], str, str]:
    with pytest.raises(DrawError) as caught:
        resolve(text, **parts)
    return type(caught.value), caught.value.message, caught.value.hint


def changed(name: str, tensors: files.Tensors) -> str:
    write_sparse_gguf(Path(name), {**WAN_1_3B, **tensors})
    return name


# Headers.


def test_text_to_video_model() -> None:
    model = resolve(T2V)
    assert {file.component: file.path.name for file in model.files} == {
        "diffusion_model": T2V,
        "vae": "wan_vae.gguf",
        "t5xxl": "umt5.gguf",
    }
    family = model.family
    assert (family.name, family.heads, family.hidden, family.size_multiple) == (
        *("wan", 12, 1536, 16),
    )
    assert (model.defaults.sample_steps, model.defaults.cfg_scale) == (20, 6.0)
    assert model.notes == ()


def test_ti2v_has_another_vae_and_larger_steps_of_size() -> None:
    family = resolve("ti2v.gguf", vae="wan22_vae.gguf").family
    assert (family.name, family.heads, family.hidden, family.size_multiple) == (
        *("wan-ti2v", 24, 3072, 32),
    )


def test_low_noise_half_draws_alone_with_a_note() -> None:
    model = resolve(changed("Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf", {}))
    assert (model.variant, model.defaults.cfg_scale) == ("lownoise", 3.5)
    assert model.notes == (
        (
            "this is the second half of a pair, made to finish what the first half (HighNoise)"
            " began; here it draws alone"
        ),
    )


OTHER = "use a text-to-video model of Wan, which draws single pictures, or a text-to-image one"
FROM_A_PICTURE = (
    "is of the family Wan image-to-video: it makes videos of an input picture,"
    " which this version cannot pass to it"
)


@pytest.mark.parametrize("name", ["Wan2.2-T2V-A14B-HighNoise-Q4_K_M", "wan2.2_t2v_high_noise_14B"])
def test_high_noise_half(name: str) -> None:
    assert error_of(changed(f"{name}.gguf", {})) == (
        NotYetSupportedError,
        (
            f"'{name}.gguf' is of the family Wan: it is the first half of a pair and leaves its"
            " pictures unfinished, and this version loads one model at a time"
        ),
        "use the second half (LowNoise), which draws alone, or a Wan 2.1 text-to-video model",
    )


@pytest.mark.parametrize(
    ("tensors", "message", "hint"),
    [
        ({"img_emb.proj.0.weight": ((1280,), "F32")}, FROM_A_PICTURE, OTHER),
        ({"patch_embedding.weight": ((2, 2, 1, 36, 1536), "F16")}, FROM_A_PICTURE, OTHER),
        (
            {"vace_blocks.0.after_proj.weight": ((1536, 1536), "Q4_0")},
            (
                "is of the family Wan VACE: it changes input pictures and videos, which this"
                " version cannot pass to it"
            ),
            OTHER,
        ),
    ],
)
def test_model_that_needs_a_picture(tensors: files.Tensors, message: str, hint: str) -> None:
    name = changed("x.gguf", tensors)
    assert error_of(name) == (NotYetSupportedError, f"'x.gguf' {message}", hint)


def test_network_that_the_engine_would_abort_over() -> None:
    assert error_of(changed("x.gguf", {"blocks.30.norm3.weight": ((1536,), "F32")})) == (
        ModelFileError,
        (
            "'x.gguf' is a Wan network of 31 blocks and width 1536, and the engine knows 30 of 1536"
            " and 40 of 5120"
        ),
        "use another file of a Wan model",
    )


def test_components_of_its_own_family_are_found_beside_it() -> None:
    found = resolve(T2V, vae="", t5xxl="").notes
    assert found == ("found beside the model: wan_vae.gguf (vae), umt5.gguf (t5xxl)",)
    found = resolve("ti2v.gguf", vae="", t5xxl="").notes
    assert found == ("found beside the model: wan22_vae.gguf (vae), umt5.gguf (t5xxl)",)


def test_missing_components_are_named() -> None:
    for name in ("umt5.gguf", "wan_vae.gguf"):
        Path(name).unlink()
    kind, message, hint = error_of(T2V, vae="", t5xxl="")
    assert kind is ModelNotFoundError
    assert message.startswith(
        f"'{T2V}' (Wan) cannot draw without a VAE (which turns the result into pixels) and the"
        " UMT5-XXL text encoder, which are neither in the file nor beside it; "
    )
    assert hint.startswith("name them with vae=FILE t5xxl=FILE; unset HF_HUB_OFFLINE")


@pytest.mark.parametrize(
    ("model", "parts", "message", "hint"),
    [
        (
            T2V,
            {"t5xxl": "t5.gguf"},
            (
                "'t5.gguf' is a T5 encoder of 32,128 tokens, and Wan needs the UMT5-XXL text"
                " encoder, which has 256,384"
            ),
            "use the UMT5-XXL text encoder",
        ),
        (
            T2V,
            {"vae": "ae.gguf"},
            "'ae.gguf' is a VAE of another type than Wan's",
            "use one made for Wan",
        ),
        (
            T2V,
            {"vae": "wan22_vae.gguf"},
            "'wan22_vae.gguf' decodes 48 channels, and latents of Wan have 16",
            "use one made for Wan",
        ),
        (
            "ti2v.gguf",
            {"vae": "wan_vae.gguf"},
            "'wan_vae.gguf' decodes 16 channels, and latents of Wan 2.2 TI2V have 48",
            "use one made for Wan 2.2 TI2V",
        ),
    ],
)
def test_component_of_another_family(
    model: str, parts: dict[str, str], message: str, hint: str
) -> None:
    assert error_of(model, **parts) == (ModelFileError, message, hint)


def test_components_of_wan_in_other_families() -> None:
    files.write_model(Path("flux.gguf"), files.FLUX1)
    files.write_model(Path("clip_l.gguf"), files.CLIP_L)
    parts = {"clip_l": "clip_l.gguf", "vae": "ae.gguf", "t5xxl": "t5.gguf"}
    reference = parse_model_reference("flux.gguf")
    assert resolve_model(reference, parts).family.name == "flux1"
    for wrong, message in (
        ({"vae": "wan_vae.gguf"}, "'wan_vae.gguf' is a VAE of another type than FLUX.1's"),
        (
            {"t5xxl": "umt5.gguf"},
            (
                "'umt5.gguf' is a T5 encoder of 256,384 tokens, and FLUX.1 needs the T5-XXL text"
                " encoder, which has 32,128"
            ),
        ),
    ):
        with pytest.raises(ModelFileError) as caught:
            resolve_model(reference, {**parts, **wrong})
        assert caught.value.message == message


def test_safetensors_join_the_same_dimensions() -> None:
    tensors: files.Tensors = {
        "decoder.conv1.weight": ((3, 3, 3, 48, 1024), "F16"),
        "decoder.conv1.bias": ((1024,), "F16"),
    }
    files.write_model(Path("small.safetensors"), tensors)
    assert error_of(T2V, vae="small.safetensors")[1] == (
        "'small.safetensors' decodes 48 channels, and latents of Wan have 16"
    )


def test_tensors_of_five_dimensions() -> None:
    header = read_model_header(Path(T2V))
    assert header.tensors["patch_embedding.weight"].shape == (2, 2, 1, 16 * 1536)


def test_lists_among_the_keys_make_the_engine_misread_five_dimensions() -> None:
    tensors: files.Tensors = {"patch_embedding.weight": ((2, 2, 1, 4, 4), "F16")}
    Path("x.gguf").write_bytes(files.gguf_bytes(tensors, {"names": ["a"]}))
    assert error_of("x.gguf") == (
        ModelFileError,
        (
            "'x.gguf' has tensors of 5 dimensions and lists among its keys, which the engine cannot"
            " read in one file"
        ),
        "use another file of the same model",
    )


# The engine assumes the sizes of all components, so nothing can be made smaller.


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    engine = EngineProcess()
    yield engine
    engine.close()


def need_memory(count: float) -> None:
    available = available_memory()
    if available is not None and available < count:
        pytest.skip(f"needs {count / 1e9:.1f} GB of memory")


@pytest.mark.engine
@pytest.mark.parametrize(
    "parts",
    [
        {"diffusion_model": T2V, "vae": "wan_vae.gguf", "t5xxl": "umt5.gguf"},
        {"diffusion_model": "ti2v.gguf", "vae": "wan22_vae.gguf"},
    ],
)
def test_every_tensor_of_a_whole_model_has_its_place(
    parts: dict[str, str], engine: EngineProcess
) -> None:
    need_memory(sum(Path(name).stat().st_size for name in parts.values()) * 1.3)
    log: list[tuple[str, str]] = []
    engine.load(
        files={part: str(Path(name).resolve()) for part, name in parts.items()},
        threads=2,
        device="auto",
        on_log=lambda level, text: log.append((level, text)),
    )
    # The engine tries ggml's reader, which knows 4 dimensions, before its own.
    expected = ("gguf_init_from_file", "" if "t5xxl" in parts else "No text encoders provided")
    problems = [
        text
        for level, text in log
        if level in {"warning", "error"} or "unknown tensor" in text
        if not any(words and words in text for words in expected)
    ]
    assert problems == []
    assert any("loading tensors completed" in text for _, text in log)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the smallest model with random weights, without its text encoder of 3 GB."""
    need_memory(1.5e9)
    tensors: Named = {
        **files.prefixed(files.DIFFUSION, WAN_1_3B),
        **files.prefixed("first_stage_model.", wan_vae()),
    }
    path = tmp_path_factory.mktemp("wan") / "model.gguf"
    yield write_random_gguf(path, tensors)
    path.unlink()


SETTINGS = {
    "prompt": "a cat",
    "negative_prompt": "",
    "width": 48,
    "height": 32,
    "cfg_scale": 1.0,
    "sampler": "euler",
    "scheduler": "discrete",
}


@pytest.mark.engine
def test_a_model_of_videos_draws_pictures(small_model: Path, engine: EngineProcess) -> None:
    engine.load(files={"model": str(small_model)}, threads=2, device="auto")
    phases: list[tuple[str, int, int]] = []

    def watch(progress: EngineProgress) -> None:
        phases.append((progress.phase, progress.step, progress.total))

    pictures = []
    for seed in (1, 2):
        drawn = engine.draw(
            settings=SETTINGS | {"seed": seed, "sample_steps": 1}, on_progress=watch
        )
        assert (drawn.width, drawn.height) == (48, 32)
        pictures.append(bytes(drawn.pixels))
    one = [("encode", 0, 1), ("encode", 1, 1), ("sample", 0, 1), ("sample", 1, 1)]
    assert phases == [*one, ("decode", 0, 1), ("decode", 1, 1)] * 2
    assert pictures[0] != pictures[1]
    for picture in pictures:
        colours = {picture[index : index + 3] for index in range(0, len(picture), 3)}
        assert len(colours) > 100
    stop_at_the_first_step(engine)


def stop_at_the_first_step(engine: EngineProcess) -> None:
    heard: list[Any] = []

    def stop(progress: EngineProgress) -> None:
        heard.append((progress.phase, progress.step))
        if heard[-1] == ("sample", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.draw(settings=SETTINGS | {"seed": 1, "sample_steps": 1000}, on_progress=stop)
    assert heard[-1] == ("sample", 1)
