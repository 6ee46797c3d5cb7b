"""Planning the LoRAs of a drawing: what they bring, and what is noted."""

from pathlib import Path

import lora_files
import pytest

from gpustack_draw.errors import ModelFileError, UsageError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.resolver.find_addition import AdditionFile
from gpustack_draw.resolver.find_loras import FoundLora
from gpustack_draw.resolver.loras.lora_file import LoraMatch
from gpustack_draw.resolver.loras.read_lora import read_lora
from gpustack_draw.resolver.plan_loras import CheckedLora, LoraPlan, plan_loras

# A LoRA for SDXL, whose method of distillation is read from its name.
TENSORS = lora_files.factors(
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048, 640, kohya=True
)


def plan(folder: Path, prompt: str = "", note: str = "", **options: object) -> LoraPlan:
    """Plan a request; the names of the LoRAs are those of files that this writes."""
    metadata = options.pop("metadata", None)

    def find_file(reference: str) -> AdditionFile:
        path = folder / reference
        path.write_bytes(lora_files.files.safetensors_bytes(TENSORS, metadata))  # type: ignore[arg-type]
        return AdditionFile(reference, path, read_model_header(path), reference)

    def check(found: FoundLora) -> CheckedLora:
        if found.name == "broken":
            raise ModelFileError("it does not fit")
        lora = read_lora(found.file.header, found.file.label)
        return CheckedLora(found, lora, LoraMatch(2, 3), note)

    request = DrawRequest(prompt=prompt, **options)  # type: ignore[arg-type]
    return plan_loras(request, find_file, check)


def test_settings_record_the_lora(tmp_path: Path) -> None:
    metadata = {"modelspec.trigger_phrase": "neon", "modelspec.license": "MIT"}
    (settings,) = plan(tmp_path, loras=["style.safetensors:0.8"], metadata=metadata).settings
    assert (settings.name, settings.reference, settings.weight) == (
        "style",
        "style.safetensors",
        0.8,
    )
    assert (settings.applied, settings.total, settings.rank) == (2, 3, 4)
    assert (settings.trigger_words, settings.license, settings.hash) == (("neon",), "MIT", "")


def test_a_request_without_loras_is_unchanged(tmp_path: Path) -> None:
    request = DrawRequest(prompt="a cat", sample_steps=3)
    assert plan(tmp_path, "a cat", sample_steps=3) == LoraPlan(request)


def test_a_lora_of_the_weight_0_is_not_used(tmp_path: Path) -> None:
    assert plan(tmp_path, loras=["broken.safetensors:0"]).loras == ()


def test_a_lora_for_few_steps_sets_what_the_request_leaves_open(tmp_path: Path) -> None:
    planned = plan(tmp_path, loras=["sdxl_lightning_4step_lora.safetensors"])
    request = planned.request
    assert (request.sample_steps, request.cfg_scale) == (4, 1.0)
    assert (request.sampler, request.scheduler) == ("euler", "sgm_uniform")
    assert planned.notes == (
        (
            "the LoRA 'sdxl_lightning_4step_lora' (SDXL-Lightning) sets 4 steps, cfg 1, euler,"
            " sgm_uniform"
        ),
    )
    planned = plan(
        tmp_path, loras=["sdxl_lightning_4step_lora.safetensors"], sample_steps=6, cfg_scale=2
    )
    assert (planned.request.sample_steps, planned.request.cfg_scale) == (6, 2.0)
    assert planned.notes == (
        "the LoRA 'sdxl_lightning_4step_lora' (SDXL-Lightning) sets euler, sgm_uniform",
    )


def test_a_request_that_chooses_all_gets_no_note(tmp_path: Path) -> None:
    planned = plan(
        tmp_path,
        loras=["sdxl_lightning_4step_lora.safetensors"],
        sample_steps=6,
        cfg_scale=2,
        sampler="lcm",
        scheduler="karras",
    )
    assert planned.notes == ()


def test_a_negative_weight_sets_nothing(tmp_path: Path) -> None:
    planned = plan(tmp_path, loras=["sdxl_lightning_4step_lora.safetensors:-1"])
    assert (planned.request.sample_steps, planned.notes) == (None, ())


@pytest.mark.parametrize(
    ("prompt", "lora", "weight", "text"),
    [
        ("", "", 0.125, "the weight 0.125, 8 steps"),
        ("", ":1", 1.0, "8 steps"),
        ("<lora:hyper-flux-8steps-lora:0.5>", "", 0.5, "8 steps"),
    ],
)
def test_the_weight_that_the_authors_recommend_is_the_default(
    prompt: str,
    lora: str,
    weight: float,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = lora_files.factors("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216, kohya=True)
    monkeypatch.setattr(__name__ + ".TENSORS", tensors)
    planned = plan(tmp_path, prompt, loras=[f"hyper-flux-8steps-lora.safetensors{lora}"])
    assert planned.settings[0].weight == weight
    assert planned.notes[0].startswith(
        f"the LoRA 'hyper-flux-8steps-lora' (Hyper-SD) sets {text}, cfg 1"
    )


def test_missing_trigger_words_are_noted(tmp_path: Path) -> None:
    metadata = {"modelspec.trigger_phrase": "neon, glow"}
    note = "the LoRA 'x' was trained with 'neon', 'glow'; the prompt has none of it"
    assert plan(tmp_path, "a cat", loras=["x.safetensors"], metadata=metadata).notes == (note,)
    prompt = "a NEON cat"
    assert plan(tmp_path, prompt, loras=["x.safetensors"], metadata=metadata).notes == ()
    # The name in a tag is no part of the prompt.
    prompt = "a cat <lora:x:1>"
    assert plan(tmp_path, prompt, loras=["x.safetensors"], metadata=metadata).notes == (note,)


def test_a_partial_match_is_noted(tmp_path: Path) -> None:
    assert plan(tmp_path, note="2 of 3", loras=["x.safetensors"]).notes == ("2 of 3",)


def test_errors_are_about_the_loras(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        plan(tmp_path, loras=["broken.safetensors"])
    assert caught.value.argument == "loras"
    with pytest.raises(UsageError) as caught_tag:
        plan(tmp_path, negative_prompt="<lora:x:1>")
    assert caught_tag.value.argument == "negative_prompt"
