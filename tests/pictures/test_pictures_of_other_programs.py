"""Pictures as other programs write them: each is read right, or refused by the program's name.

The files in tests/pictures were made for this project in the ways that public reports show.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from stand_in_model import StandIn, install_stand_in

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.errors import UsageError
from gpustack_draw.request.names import SAMPLERS, SCHEDULERS

PICTURES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Drawn:
    """Settings of a picture."""

    prompt: str = "a lighthouse on a cliff, stormy sea, (dramatic sky:1.3)"
    negative_prompt: str = "blurry, low quality"
    seed: int | None = 1234567
    sample_steps: int | None = 22
    sampler: str = "euler_a"
    scheduler: str = "karras"
    cfg_scale: float | None = 6.5
    size: tuple[int, int] | None = (512, 768)
    model: str = "lightModel_v2"
    program: str = "AUTOMATIC1111 v1.10.1"


WEB_UI = Drawn()
CHINESE = replace(
    WEB_UI, prompt="一座悬崖上的灯塔，暴风雨 \N{WATER WAVE} café", negative_prompt="模糊"
)
PLAIN = replace(WEB_UI, prompt="a lighthouse", negative_prompt="blurry", model="m", scheduler="")
# Of programs that do not name themselves.
LINE = Drawn(
    seed=5, sample_steps=20, sampler="euler", scheduler="", cfg_scale=7, model="m", program=""
)
NAMES = replace(LINE, negative_prompt="", size=(512, 512))
SD_CPP = Drawn(
    prompt="a lighthouse on a cliff, stormy sea",
    negative_prompt="blurry",
    seed=42,
    sample_steps=20,
    cfg_scale=7,
    size=(512, 512),
    model="flux1-dev-q8_0.gguf",
    program="stable-diffusion.cpp",
)

READ: Mapping[str, Drawn] = {
    "a1111_itxt_cjk.png": CHINESE,
    "a1111_plain.png": WEB_UI,
    "civitai_resources.png": Drawn(
        seed=77, sample_steps=25, sampler="dpm++2m", cfg_scale=7, size=(832, 1216), model="",
        program="Civitai",
    ),
    "comfyui.png": Drawn(
        seed=11026, sample_steps=20, sampler="dpm++2m", scheduler="discrete", cfg_scale=8,
        size=(512, 512), model="m.safetensors", program="ComfyUI",
    ),
    "crlf.png": WEB_UI,
    "dup_names.png": replace(
        NAMES, prompt="a lighthouse", sampler="euler_a", program="AUTOMATIC1111 v1.10"
    ),
    "dynprompt_template.png": WEB_UI,
    "fooocus.png": Drawn(
        seed=12, sample_steps=30, sampler="dpmpp_2m_sde_gpu", cfg_scale=4, size=(896, 1152),
        model="jugger", program="Fooocus v2.5.0",
    ),
    "hashes_json.png": replace(
        NAMES, seed=77, sample_steps=25, size=(832, 1216), program="Forge f2.0"
    ),
    "jpg_ascii.jpg": WEB_UI,
    "jpg_ascii_spaces.jpg": WEB_UI,
    "jpg_cjk_be.jpg": CHINESE,
    "jpg_com.jpg": WEB_UI,
    "jpg_ifd0_usercomment_byte.jpg": replace(PLAIN, prompt="a lighthouse on a cliff"),
    "jpg_imagedescription.jpg": WEB_UI,
    "jpg_noprefix.jpg": WEB_UI,
    "jpg_trailing_nuls.jpg": WEB_UI,
    "jpg_type_ascii.jpg": WEB_UI,
    "jpg_undefined.jpg": CHINESE,
    "jpg_unicode_utf8_cjk.jpg": CHINESE,
    "jpg_utf16_bom_le.jpg": WEB_UI,
    "jpg_utf16be_II.jpg": WEB_UI,
    "jpg_utf16be_MM.jpg": WEB_UI,
    "jpg_utf16le_II.jpg": WEB_UI,
    "koboldcpp.png": replace(
        LINE, sampler="euler_a", cfg_scale=5, size=(512, 512), model="x.gguf", program="KoboldCpp"
    ),
    "line_cfgscale_one.png": replace(
        LINE, cfg_scale=9, size=(512, 512), model="stable_diffusion"
    ),
    "line_float.png": LINE,
    "line_nospace.png": LINE,
    "line_seed_neg.png": replace(LINE, seed=None),
    "line_semicolon.png": LINE,
    "line_size_space.png": LINE,
    "line_size_times.png": LINE,
    "lora_no_hashes.png": replace(
        LINE, prompt="a lighthouse <lora:stormy_v1:0.8>",
        negative_prompt="blurry, embedding:easynegative", sample_steps=4, sampler="euler_a",
        size=(64, 64),
    ),
    "neg_only.png": replace(LINE, prompt=""),
    "oneline.png": LINE,
    "oneline_nonneg.png": replace(LINE, negative_prompt=""),
    "only_line.png": replace(LINE, prompt="", negative_prompt=""),
    "pillow_imagedescription.jpg": SD_CPP,
    "png_exif_usercomment.png": WEB_UI,
    "prompt_looks_like_line.png": replace(
        NAMES, prompt="text on a sign: Steps: 20, Sampler: none, Seed: 3, in red",
        negative_prompt="Steps: 1, Seed: 2, Size: 3x3", sampler="euler_a",
    ),
    "sampler_EULER_A.png": replace(NAMES, sampler="euler_a"),
    "sampler_ddim.png": replace(NAMES, sampler="DDIM"),
    "sampler_ddpm.png": replace(NAMES, sampler="ddpm"),
    "sampler_dpm2a.png": replace(NAMES, sampler="DPM2 a", scheduler="karras"),
    "sampler_dpm2m_exp.png": replace(NAMES, sampler="dpm++2m", scheduler="exponential"),
    "sampler_dpm_fast.png": replace(NAMES, sampler="DPM fast"),
    "sampler_dpmpp_2s_anc.png": replace(NAMES, sampler="dpm++2s_a"),
    "sampler_dpmsde.png": replace(NAMES, sampler="DPM++ SDE", scheduler="karras"),
    "sampler_euler_ancestral.png": replace(NAMES, sampler="euler_a"),
    "sampler_euler_cfg_pp.png": replace(NAMES, sampler="euler_cfg_pp"),
    "sampler_euler_normal.png": replace(NAMES, scheduler="discrete"),
    "sampler_eulerbeta.png": replace(NAMES, scheduler="Beta"),
    "sampler_eulersimple.png": replace(NAMES, scheduler="simple"),
    "sampler_flowmatch.png": replace(NAMES, sampler="FlowMatchEuler"),
    "sampler_heunpp2.png": replace(NAMES, sampler="heunpp2"),
    "sampler_k_euler.png": NAMES,
    "sampler_k_euler_a.png": replace(NAMES, sampler="euler_a"),
    "sampler_lcm.png": replace(NAMES, sampler="lcm", scheduler="karras"),
    "sampler_lms.png": replace(NAMES, sampler="LMS", scheduler="karras"),
    "sampler_pluseuler.png": replace(NAMES, sampler="Euler SMEA Dy"),
    "sampler_pndm.png": replace(NAMES, sampler="PNDM"),
    "sampler_restart.png": replace(NAMES, sampler="Restart"),
    "sampler_sdcpp_dpm.png": replace(NAMES, sampler="dpm++2mv2", scheduler="sgm_uniform"),
    "sampler_sdcpp_eka.png": replace(NAMES, sampler="euler_a", scheduler="karras"),
    "sampler_undefined.png": replace(NAMES, sampler=""),
    "sampler_unipc.png": replace(NAMES, sampler="UniPC"),
    "schedule_automatic.png": NAMES,
    "schedule_ays11.png": replace(NAMES, scheduler="ays"),
    "schedule_beta.png": replace(NAMES, scheduler="Beta"),
    "schedule_beta57.png": replace(NAMES, scheduler="beta57"),
    "schedule_ddim_uniform.png": replace(NAMES, scheduler="ddim_uniform"),
    "schedule_ddimu.png": replace(NAMES, scheduler="DDIM"),
    "schedule_linearq.png": replace(NAMES, scheduler="linear_quadratic"),
    "schedule_none.png": NAMES,
    "schedule_normal.png": replace(NAMES, scheduler="discrete"),
    "schedule_poly.png": replace(NAMES, scheduler="Polyexponential"),
    "schedule_sgm.png": replace(NAMES, scheduler="sgm_uniform"),
    "schedule_turbo.png": replace(NAMES, scheduler="Turbo"),
    "sdcpp.webp": SD_CPP,
    "sdcpp_ascii.png": SD_CPP,
    "sdcpp_utf8_in_tEXt.png": replace(
        SD_CPP, prompt=CHINESE.prompt, negative_prompt="模糊", model="z_image_turbo-Q4_0.gguf"
    ),
    "sdnext.png": replace(
        LINE, sampler="", cfg_scale=6, size=(1024, 1024), model="sdxl-base",
        program="SD.Next 0eb4a98",
    ),
    "webp_utf16be.webp": WEB_UI,
    "wildcard_newlines.png": replace(WEB_UI, scheduler="", program="AUTOMATIC1111 v1.5.1"),
    "z_16bit.png": PLAIN,
    "z_after.png": PLAIN,
    "z_after_idat.png": PLAIN,
    "z_apng.png": PLAIN,
    "z_itxt_zip.png": PLAIN,
    "z_lossless_noExifPrefix.webp": PLAIN,
    "z_mislabelled.jpg": WEB_UI,
    "z_pal.png": PLAIN,
    "z_rgba.png": PLAIN,
    "z_two.png": PLAIN,
}  # fmt: skip

TELLING = (
    "pictures of gpustack-draw and of Stable Diffusion web UIs have one, unless another program has"
    " removed it"
)
NO_FORMAT = ("is not a PNG, JPEG or WebP picture", "")
REFUSED = {
    "pic.avif": NO_FORMAT,
    "pic.gif": NO_FORMAT,
    "prompt_only.png": (
        "has no record of how it was drawn: its text is 'a lighthouse on a cliff, stormy sea, ...'",
        TELLING,
    ),
    "swarmui.png": (
        "was written by SwarmUI, whose pictures are not supported",
        "type its prompt and settings yourself, such as seed=N",
    ),
    "z_cut.png": ("is damaged", "copy or download it again"),
    "z_empty.png": NO_FORMAT,
}


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    return install_stand_in(monkeypatch, tmp_path)


def test_every_file_is_in_a_table() -> None:
    assert READ.keys() | REFUSED.keys() == {file.name for file in PICTURES.iterdir()}


@pytest.mark.parametrize("name", READ)
def test_a_picture_is_read_right(name: str) -> None:
    read = gpustack_draw.read_parameters(PICTURES / name)
    assert Drawn(**{field: getattr(read, field) for field in vars(Drawn())}) == READ[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        gpustack_draw.read_parameters(PICTURES / name)
    message, hint = REFUSED[name]
    assert (caught.value.message, caught.value.hint) == (f"'{PICTURES / name}' {message}", hint)


@pytest.mark.parametrize("name", READ)
def test_a_picture_is_drawn_again_or_refused_by_the_name_that_the_engine_lacks(
    name: str, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = READ[name]
    shutil.copy(PICTURES / name, name)
    status = main(["demo", "--from", name])
    error = capsys.readouterr().err
    for option, value, known in (
        ("sampler", expected.sampler, SAMPLERS),
        ("scheduler", expected.scheduler, SCHEDULERS),
    ):
        if value and value not in known:
            assert status == 2
            assert error == (
                f"gpustack-draw: '{name}' was drawn with the {option} '{value}',"
                " which the engine does not have\n"
                f"gpustack-draw: choose one that it has: --{option} {', '.join(known)}\n"
            )
            assert stand_in.requests == []
            return
    assert status == 0
    program = expected.program or "a program that it does not name"
    assert error.startswith(f"gpustack-draw: '{name}' was written by {program}")
    (request,) = stand_in.requests
    assert (request.prompt, request.negative_prompt, request.seed, request.sampler) == (
        expected.prompt, expected.negative_prompt, expected.seed, expected.sampler or None
    )  # fmt: skip
    assert (request.scheduler or "", request.size) == (expected.scheduler, expected.size)


def test_the_lora_of_a_picture_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(PICTURES / "lora_no_hashes.png")
    assert main(["demo", "--from", picture, "--dry-run", "-q"]) == 2
    assert capsys.readouterr().err == (
        "gpustack-draw: the LoRA 'stormy_v1' of the prompt is not known\n"
        "gpustack-draw: name its file with --lora, or its folder with --lora-dir, or leave the tag"
        " out\n"
    )
