"""Tests that the plan of a drawing has the same figures and errors as the drawing."""

import json
from collections.abc import Callable
from pathlib import Path

import model_files as files
import pytest
from architectures import CLIP_G, CLIP_L, T5_XXL, Named, all_in_one, flux1, sd1_unet, sd3

import gpustack_draw
from gpustack_draw.cli.main import main
from gpustack_draw.units import format_bytes

Run = Callable[..., tuple[int, str, list[str]]]

# Models of real sizes, in sparse files.
FULL_SIZE: dict[str, Named] = {
    "sd1": all_in_one(sd1_unet(), {"cond_stage_model.transformer.": CLIP_L}),
    "sdxl": {
        **files.SDXL_ALL,
        "model.diffusion_model.out.2.weight": ((16_384, 131_071), "F16"),
        "model.diffusion_model.out.3.weight": ((16_384, 80_000), "F16"),
    },
    "flux1": all_in_one(
        flux1(3072, 19, 38),
        {"text_encoders.clip_l.transformer.": CLIP_L, "text_encoders.t5xxl.transformer.": T5_XXL},
    ),
    "sd3": all_in_one(
        sd3(24),
        {
            "text_encoders.clip_l.transformer.": CLIP_L,
            "text_encoders.clip_g.transformer.": CLIP_G,
            "text_encoders.t5xxl.transformer.": T5_XXL,
        },
    ),
}
SIZES = ("256x256", "1024x1024", "3072x3072")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    paths = {
        family: str(files.write_sparse_gguf(folder / f"{family}.gguf", tensors))
        for family, tensors in FULL_SIZE.items()
    }
    return {"demo": "demo", **paths}


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder; return its status, its output and its error lines."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments: str) -> tuple[int, str, list[str]]:
        status = main(arguments)
        output = capsys.readouterr()
        return status, output.out, output.err.splitlines()

    return run_command


def set_free_memory(monkeypatch: pytest.MonkeyPatch, count: int | None) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: count)


@pytest.mark.engine
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", ["demo", *FULL_SIZE])
def test_the_plan_and_the_error_contain_the_same_memory(
    family: str, size: str, models: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free_memory(monkeypatch, 150_000_000)
    arguments = (models[family], "a red circle", "--size", size)
    status, output, errors = run(*arguments, "--dry-run", "--json")
    plan = json.loads(output)
    assert (plan["memory_free_bytes"], plan["fits"], status) == (150_000_000, False, 1)
    needed = format_bytes(plan["memory_bytes"])
    assert errors[0].startswith(f"gpustack-draw: '{family}' needs about {needed} to ")
    assert errors[0].endswith(", and 150 MB are free")
    # The drawing prints its notes before the error; the plan prints them on standard output.
    drawing = run(*arguments)
    assert (drawing[0], drawing[2][-2:]) == (1, errors)
    text = run(*arguments, "--dry-run")
    line = f"memory:    about {needed}, 150 MB free: does not fit"
    assert (text[0], line in text[1].splitlines(), text[2]) == (1, True, errors)


@pytest.mark.engine
@pytest.mark.parametrize("family", ["demo", *FULL_SIZE])
def test_a_plan_that_fits_passes_the_check(
    family: str, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free_memory(monkeypatch, 10**12)
    needed = gpustack_draw.resolve(models[family], vae_tiling="off").memory_bytes
    set_free_memory(monkeypatch, needed)
    plan = gpustack_draw.resolve(models[family], vae_tiling="off")
    assert (plan.memory_bytes, plan.memory_free_bytes, plan.fits) == (needed, needed, True)
    set_free_memory(monkeypatch, needed - 1)
    assert gpustack_draw.resolve(models[family], vae_tiling="off").fits is False


@pytest.mark.engine
def test_free_memory_that_is_unknown_decides_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free_memory(monkeypatch, None)
    status, output, errors = run("demo", "x", "--dry-run", "--json")
    plan = json.loads(output)
    assert (status, plan["memory_free_bytes"], plan["fits"], errors) == (0, None, None, [])
    lines = run("demo", "x", "--dry-run")[1].splitlines()
    assert f"memory:    about {format_bytes(plan['memory_bytes'])}" in lines


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        (("--output", "missing/cat.png"), 4, "folder 'missing' does not exist"),
        (("--output", "cat.bmp"), 4, "'cat.bmp' ends in .bmp"),
        (("--output", "-", "--json"), 2, "--json and --output - both write to standard output"),
        (("--threads", "0"), 2, "'0' is not a number of threads from 1 to 512"),
        (("--size", "9000x9000"), 2, "'9000x9000' has a side of more than 8192 pixels"),
    ],
)
def test_it_checks_what_drawing_checks(
    options: tuple[str, ...], status: int, error: str, run: Run
) -> None:
    planned = run("demo", "x", *options, "--dry-run")
    assert planned == run("demo", "x", *options)
    assert (planned[0], planned[1], planned[2][0]) == (status, "", f"gpustack-draw: {error}")


def test_it_leaves_nothing_behind(run: Run) -> None:
    assert run("demo", "x", "--output", "cat.png", "--dry-run")[0] == 0
    assert list(Path().iterdir()) == []
