"""The progress that clients poll."""

import base64
import io
from dataclasses import replace

import pytest
from PIL import Image

from gpustack_draw import Progress, Raster
from gpustack_draw.serve.studio import Current
from gpustack_draw.serve.webui.progress import progress_record

SAMPLING = Progress("sample", 5, 20, 10.0)
PREVIEW = Raster(bytes(range(48)), 4, 4)


def running(progress: Progress | None, preview: Raster | None = None) -> Current:
    return Current(model="demo", progress=progress, preview=preview, seconds=12.0)


def test_no_drawing() -> None:
    """SillyTavern waits for exactly these zeros before it draws with another model."""
    record = progress_record(None, with_picture=True)
    assert (record["progress"], record["eta_relative"], record["current_image"]) == (0, 0, None)
    assert record["state"] == {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "",
        "job_count": 0,
        "job_timestamp": "0",
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    }


def test_a_running_drawing() -> None:
    record = progress_record(running(SAMPLING), with_picture=True)
    assert record["progress"] == pytest.approx(0.26)
    assert record["eta_relative"] == pytest.approx(30)
    state = record["state"]
    assert (state["job"], state["job_count"], state["job_no"]) == ("scripts_txt2img", 1, 0)
    assert (state["sampling_step"], state["sampling_steps"]) == (5, 20)
    assert len(state["job_timestamp"]) == 14


def test_several_pictures() -> None:
    progress = replace(SAMPLING, picture=2, pictures=4, mode="inpaint")
    record = progress_record(running(progress), with_picture=True)
    assert record["progress"] == pytest.approx(0.01 + 1.25 / 4)
    assert record["eta_relative"] == pytest.approx(2.0 * (15 + 2 * 20))
    assert record["state"]["job"] == "scripts_img2img"
    assert (record["state"]["job_count"], record["state"]["job_no"]) == (4, 1)


@pytest.mark.parametrize(
    ("progress", "share"),
    [
        (None, 0.01),
        (Progress("load", 3, 9, 1.0), 0.01),
        (Progress("sample", 0, 0, 1.0), 0.01),
        (Progress("sample", 20, 20, 1.0), 1.0),
        (Progress("decode", 0, 4, 1.0), 1.0),
    ],
)
def test_the_share_stays_above_0_and_at_most_1(progress: Progress | None, share: float) -> None:
    record = progress_record(running(progress), with_picture=True)
    assert record["progress"] == pytest.approx(share)
    assert record["state"]["job_count"] == 1


def test_the_time_before_the_first_step_does_not_count() -> None:
    progress = replace(SAMPLING, started=5.0, resumed=4)
    record = progress_record(running(progress), with_picture=True)
    assert record["eta_relative"] == pytest.approx(5.0 * 15)


def test_the_last_preview_is_a_picture() -> None:
    record = progress_record(running(SAMPLING, PREVIEW), with_picture=True)
    file = io.BytesIO(base64.b64decode(record["current_image"], validate=True))
    assert Image.open(file).tobytes() == bytes(range(48))
    assert progress_record(running(SAMPLING, PREVIEW), with_picture=False)["current_image"] is None
