"""``models --info`` prints the content of a file as lines or as JSON."""

import json
from pathlib import Path

import model_files as files
import pytest
from lora_files import factors

from gpustack_draw.cli.main import main

XL = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
METADATA = {
    "ss_base_model_version": "sdxl_base_v1-0",
    "modelspec.trigger_phrase": "mycat, on a mat",
    "long": "x" * 1000,
}


@pytest.fixture(autouse=True)
def _lora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = files.safetensors_bytes(factors(XL, 2048, 640, kohya=True), METADATA)
    Path("Hyper-SDXL-8steps-CFG-lora.safetensors").write_bytes(data)


def test_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "--info", "Hyper-SDXL-8steps-CFG-lora.safetensors"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert (
        output.out
        == f"""\
file:           Hyper-SDXL-8steps-CFG-lora.safetensors
type:           LoRA
base:           Stable Diffusion XL
stated base:    sdxl_base_v1-0
modules:        LoRA
rank:           4
naming:         kohya
trigger words:  mycat, on a mat
settings:       Hyper-SD: 8 steps, ddim_trailing
format:         safetensors
tensors:        2 F16, 1 F32
parameters:     10,753
size:           23.1 kB
path:           Hyper-SDXL-8steps-CFG-lora.safetensors
metadata:
  ss_base_model_version     sdxl_base_v1-0
  modelspec.trigger_phrase  mycat, on a mat
  long                      {"x" * 77}...
"""
    )


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json", "--info", "./Hyper-SDXL-8steps-CFG-lora.safetensors"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["type"] == "LoRA"
    assert record["ranks"] == [4]
    assert record["distillation"]["sample_steps"] == 8
    assert record["path"] == "Hyper-SDXL-8steps-CFG-lora.safetensors"
    assert record["metadata"]["long"] == "x" * 297 + "..."


def test_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    tensors: files.Tensors = {"a.dora_scale": ((64,), "F16")}
    Path("dora.safetensors").write_bytes(files.safetensors_bytes(tensors))
    assert main(["models", "--info", "dora.safetensors"]) == 0
    assert (
        capsys.readouterr().out
        == """\
file:        dora.safetensors
type:        LoRA
format:      safetensors
tensors:     1 F16
parameters:  64
size:        211 B
path:        dora.safetensors
problem:     'dora.safetensors' is a DoRA, which the engine does not apply
"""
    )


def test_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--info", "missing.safetensors"]) == 3
    assert capsys.readouterr().err == (
        "gpustack-draw: there is no file 'missing.safetensors'\ngpustack-draw: check the path\n"
    )
    assert main(["models", "--info"]) == 2
    assert main(["models", "--info", ""]) == 2
