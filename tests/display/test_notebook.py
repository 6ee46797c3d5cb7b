"""Drawing in a notebook, with a real Jupyter kernel and the real engine."""

import base64
import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from notebook_kernel import Kernel
from sample_picture import make_picture

import gpustack_draw
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.display import Gallery, live_progress
from gpustack_draw.engine.devices import Device, _Devices
from gpustack_draw.list_models import AvailableModel, _Models

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

QUICK = "size=(64, 64), sample_steps=2, seed=7, threads=1"
LONG = "size=(64, 64), sample_steps=9999, seed=7, threads=1"
DRAW = f'gpustack_draw.generate("demo", "a red circle on a blue background", {QUICK})'
DRAW_LONG = f'gpustack_draw.generate("demo", "a red circle", {LONG})'
SUMMARY = "seed 7, 2 steps, cfg 1, euler, "


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("notebook"))
    assert kernel.run("import gpustack_draw").error == ""
    yield kernel
    kernel.close()


def test_a_cell_shows_the_picture_below_a_line(kernel: Kernel) -> None:
    output = kernel.run(DRAW)
    assert (output.error, output.text) == ("", "")
    line, picture = output.displayed
    assert line["text/plain"].startswith(SUMMARY)
    assert line["text/html"] == f"<small>{line['text/plain']}</small>"
    image = PIL.Image.open(io.BytesIO(base64.b64decode(picture["image/png"])))
    assert image.size == (64, 64)


def test_the_bar_moves_in_place_and_the_picture_grows(kernel: Kernel) -> None:
    output = kernel.run(DRAW.replace('"demo"', repr(str(DEMO_FILE))))
    texts = [update["text/plain"] for update in output.updates]
    assert any(text.startswith("drawing 0/2") for text in texts)
    assert all("<progress" in update["text/html"] for update in output.updates[:-1])
    assert "<progress" not in output.updates[-1]["text/html"]
    assert "data:image/webp;base64," in output.updates[-2]["text/html"]
    assert len(output.displayed) == 2


def test_the_bar_is_animated_before_the_first_step(kernel: Kernel) -> None:
    bars = [update["text/html"].removeprefix("<div>") for update in kernel.run(DRAW).updates]
    assert any(bar.startswith("<progress></progress> drawing 0/2") for bar in bars)
    assert any(bar.startswith("<progress></progress> decoding") for bar in bars)


def test_interrupt_stops_the_drawing_and_the_next_cell_draws(kernel: Kernel) -> None:
    output = kernel.run(DRAW_LONG, when=" s/step", then=Kernel.interrupt)
    assert output.error.startswith("KeyboardInterrupt")
    assert output.traceback == ["KeyboardInterrupt"]
    assert output.updates[-1]["text/plain"].startswith("stopped: drawing ")
    assert "<progress value=" in output.updates[-2]["text/html"]
    assert "<progress" not in output.updates[-1]["text/html"]
    engines = kernel.children()
    assert kernel.run(DRAW).displayed[0]["text/plain"].startswith(SUMMARY)
    assert len(engines) == 1
    assert kernel.children() == engines  # with their model


def test_interrupt_while_the_model_loads(kernel: Kernel) -> None:
    output = kernel.run(
        f'with gpustack_draw.load("demo") as model:\n model.generate("x", {LONG[:-11]})',
        when="loading",
        then=Kernel.interrupt,
    )
    assert output.error.startswith("KeyboardInterrupt")
    assert output.updates[-1]["text/plain"].startswith("stopped: ")
    assert kernel.run(DRAW).error == ""


def test_the_end_of_the_engine_leaves_the_kernel_alive(kernel: Kernel) -> None:
    def kill_engine(kernel: Kernel) -> None:
        (engine,) = kernel.children()
        os.kill(engine, signal.SIGKILL)

    output = kernel.run(DRAW_LONG, when=" s/step", then=kill_engine)
    assert output.error.startswith("EngineCrashed: the engine was killed (SIGKILL)")
    assert output.updates[-1]["text/plain"].startswith("stopped: drawing ")
    assert kernel.is_alive
    assert kernel.run("2 * 21").displayed == [{"text/plain": "42"}]
    assert kernel.run(DRAW).displayed[0]["text/plain"].startswith(SUMMARY)


def test_an_error_before_any_progress_shows_no_bar(kernel: Kernel) -> None:
    output = kernel.run('gpustack_draw.generate("demo", "x", sample_steps=0)')
    assert output.traceback == [
        "UsageError: 0 is not a number of sample steps from 1 to 10000",
        "for example sample_steps=20",
    ]
    assert output.displayed == []


def test_other_errors_keep_their_traceback(kernel: Kernel) -> None:
    output = kernel.run(DRAW[:-1] + ", on_progress=lambda progress: 1 / 0)")
    assert output.error == "ZeroDivisionError: division by zero"
    assert len(output.traceback) > 2


def test_several_pictures_are_a_gallery_under_one_line(kernel: Kernel) -> None:
    output = kernel.run(
        'with gpustack_draw.load("demo", threads=1) as model:\n'
        f'    drawn = model.generate_many("a red circle", count=3, {QUICK[:-11]})\n'
        "    gallery = gpustack_draw.Gallery(drawn)\n"
        "gallery"
    )
    line, gallery = output.displayed
    assert line["text/plain"].startswith("3 pictures, seeds 7 to 9, ")
    texts = [update["text/plain"] for update in output.updates]
    assert any(text.startswith("picture 2/3: ") for text in texts)
    assert gallery["text/html"].count("<figure") == 3
    for seed in (7, 8, 9):
        assert f"<figcaption>seed {seed}</figcaption>" in gallery["text/html"]


def test_a_model_is_a_table(kernel: Kernel) -> None:
    displayed = kernel.run('gpustack_draw.load("demo")').displayed[0]
    assert displayed["text/plain"].startswith("<Model demo (FLUX.2")
    assert "demo.gguf" in displayed["text/html"]
    assert "256x256 pixels" in displayed["text/html"]


def test_the_environment_turns_the_bar_off(kernel: Kernel) -> None:
    switch = "import os; os.environ['GPUSTACK_DRAW_PROGRESS'] = '0'"
    output = kernel.run(f"{switch}\n_ = {DRAW}\ndel os.environ['GPUSTACK_DRAW_PROGRESS']")
    assert (output.displayed, output.text, output.error) == ([], "", "")


def test_a_progress_function_replaces_the_bar(kernel: Kernel) -> None:
    output = kernel.run(
        f"seen = []\n_ = {DRAW[:-1]}, on_progress=seen.append)\nseen[-1].phase, seen[-1].preview"
    )
    assert output.displayed == [{"text/plain": "('decode', None)"}]


def test_other_threads_show_nothing(kernel: Kernel) -> None:
    output = kernel.run(
        "import threading\n"
        f"thread = threading.Thread(target=lambda: {DRAW})\nthread.start(); thread.join()"
    )
    assert (output.displayed, output.text, output.error) == ([], "", "")


def test_the_kernel_has_imported_no_widgets(kernel: Kernel) -> None:
    kernel.run(DRAW)
    output = kernel.run("import sys; sorted({'ipywidgets', 'tqdm'} & set(sys.modules))")
    assert output.displayed == [{"text/plain": "[]"}]


def test_there_is_no_notebook_here() -> None:
    assert live_progress() is None


def test_a_gallery_is_a_list_of_pictures_with_their_parameters() -> None:
    image = PIL.Image.new("RGB", (1000, 500))
    gallery = Gallery([make_picture(seed=11, prompt="<b>Seed: 3"), image])
    assert [each.size for each in gallery] == [(48, 32), (1000, 500)]
    html = gallery._repr_html_()
    assert "<figcaption>seed 11</figcaption>" in html
    assert "&lt;b&gt;Seed: 3" in html
    assert "<b>" not in html
    assert 'width="192" height="96"' in html
    assert "<figcaption></figcaption>" in html


def test_a_gallery_shows_a_picture_beside_the_one_it_was_drawn_from() -> None:
    before = make_picture(width=1000, height=500)
    image = make_picture(before=before).to_image()
    assert image.info["before"].size == (384, 192)
    stranger = make_picture().to_image()
    stranger.info["before"] = "a text of a file"
    html = Gallery([image, make_picture(), stranger])._repr_html_()
    assert html.count("<figure") == 3
    assert html.count("<img") == 4
    assert html.count("max-width:384px") == 1
    assert html.count('title="before"') == 1


@pytest.mark.parametrize(
    ("pictures", "captions"),
    [
        ([{"seed": 5}], ["seed 5"]),
        ([{"seed": 5}, {"seed": 5}], ["seed 5", "seed 5"]),
        ([{"seed": 5}, {"seed": 6}], ["seed 5", "seed 6"]),
        (
            [{"prompt": "<b>a</b>"}, {"prompt": "b" * 100}],
            ["&#x27;&lt;b&gt;a&lt;/b&gt;&#x27;", f"&#x27;{57 * 'b'}...&#x27;"],
        ),
        (
            [{"sample_steps": 4, "cfg_scale": 1.0}, {"sample_steps": 8, "cfg_scale": 2.5}],
            ["4 steps, cfg 1", "8 steps, cfg 2.5"],
        ),
        (
            [{"sampler": "euler", "seed": 1}, {"sampler": "heun", "seed": 2}],
            ["seed 1, Euler", "seed 2, Heun"],
        ),
    ],
)
def test_captions_distinguish_pictures(pictures: list[dict[str, Any]], captions: list[str]) -> None:
    html = Gallery(make_picture(**settings) for settings in pictures)._repr_html_()
    assert re.findall("<figcaption>(.*?)</figcaption>", html) == captions


CELLS = re.compile("<t[dh](?: [^>]*)?>(.*?)</t[dh]>")


def test_lists_are_tables() -> None:
    models = _Models(
        [
            AvailableModel("demo", "demo", "flux2-klein", "", 21_000_000, Path("/a/<demo>.gguf")),
            AvailableModel("<b>", "server", "", "", None, None, server="http://127.0.0.1"),
        ]
    )
    assert CELLS.findall(models._repr_html_()) == [
        *("model", "family", "size", "where"),
        *("demo", "flux2-klein", "21.0 MB", "/a/&lt;demo&gt;.gguf"),
        *("&lt;b&gt;", "", "", "http://127.0.0.1"),
    ]
    devices = _Devices(
        [
            Device("CPU", "a <CPU>", "cpu", 3_000_000_000, 16_000_000_000, True),
            Device("GPU0", "a GPU", "gpu", 0, 0, False),
        ]
    )
    assert CELLS.findall(devices._repr_html_()) == [
        *("device", "type", "memory", "description", ""),
        *("CPU", "cpu", "3.0 of 16.0 GB free", "a &lt;CPU&gt;", "used by default"),
        *("GPU0", "gpu", "unknown", "a GPU", ""),
    ]


def test_the_list_of_models_is_a_table() -> None:
    models = gpustack_draw.models()
    assert models[0].model == "demo"
    assert CELLS.findall(models._repr_html_())[4] == "demo"  # type: ignore[attr-defined]


def test_a_plan_is_a_table(kernel: Kernel) -> None:
    (displayed,) = kernel.run("gpustack_draw.resolve('demo')").displayed
    cells = CELLS.findall(displayed["text/html"])
    assert "<caption" in displayed["text/html"]
    assert (
        dict(zip(cells[::2], cells[1::2], strict=True)).items()
        >= {
            "width": "256",
            "sampler": "euler",
        }.items()
    )
    assert cells[0] == "model"
    assert cells[1].endswith(" MB")
