"""Measure whole pictures: the seconds from the start of a process to the saved file.

    python benchmarks/whole_pictures.py [--pictures sd15:512:20 klein:512:4] [--output FILE]
    python benchmarks/whole_pictures.py --plot docs/images/whole-pictures.svg RESULTS...

The contestants of compare_cpu start, load the model, encode the prompt, sample, decode and save a
PNG file, in turns and with the page cache warm. This package and sd-cli run as commands, PyTorch
and OpenVINO as scripts, whose time includes the import of their libraries. Printed are medians,
ratios of this package with f16 weights to them, and the peak memory. The text encoder of klein's
model has no layers, and the peers leave it out. Weights are written once, to --weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare_cpu import run_ours, run_sd_cli
from compare_cpu.command import CFG_SCALES
from compare_cpu.contestants import command, run_command, run_or_exit
from compare_cpu.job import Job
from compare_cpu.report import aligned

CONTESTANTS = ("ours f16", "ours q8_0", "openvino f32", "diffusers f32", "sd-cli f16")
LABELS = {"ours": "this package", "openvino": "OpenVINO", "diffusers": "PyTorch, diffusers"}


@dataclass(frozen=True)
class Picture:
    """A kind of picture: a model, the side in pixels and the number of steps."""

    model: str
    side: int
    steps: int

    @classmethod
    def parse(cls, text: str) -> Picture:
        """Return the picture of ``MODEL:SIDE:STEPS``."""
        model, side, steps = text.split(":")
        if model not in CFG_SCALES:
            raise ValueError(model)
        return cls(model, int(side), int(steps))

    def __str__(self) -> str:
        """Return its title."""
        steps = f"{self.steps} step{'s' if self.steps > 1 else ''}"
        return f"{self.model}, {self.side}x{self.side}, {steps}"


@dataclass(frozen=True)
class Whole:
    """Medians of a contestant with one kind of picture.

    Attributes:
        picture: The picture.
        title: The contestant and the type of its weights.
        seconds: Seconds of each run, from the start of the process to its end.
        peak_bytes: Median of the peak memory of the process or of its largest child.
    """

    picture: Picture
    title: str
    seconds: list[float]
    peak_bytes: float


def prepare(job: Job, peers: str) -> None:
    """Write the weights of a job, unless they exist.

    Raises:
        SystemExit: They cannot be written.
    """
    is_peer = job.contestant in ("diffusers", "openvino")
    writer = f"{job.contestant} weights" if is_peer else "weights"
    run_or_exit(replace(job, contestant=writer, output=""), peers)


def draw(job: Job, peers: str) -> tuple[float, int]:
    """Draw a picture in a new process; return its seconds and its peak memory in bytes.

    Raises:
        SystemExit: The process failed, or there is no picture.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        job = replace(job, output=str(path))
        commands = {"ours": run_ours.command, "sd-cli": run_sd_cli.command}
        own = commands.get(job.contestant)
        ended = run_command(own(job, path) if own else command(job, peers), job.threads)
        if ended.status or not path.exists():
            sys.exit(f"{job.title}: {ended.last_line or 'saved no picture'}")
    return ended.seconds, ended.peak_bytes


def measure(picture: Picture, jobs: list[Job], runs: int, peers: str) -> list[Whole]:
    """Draw a kind of picture with all contestants in turns."""
    drawn: dict[Job, list[tuple[float, int]]] = {job: [] for job in jobs}
    for number in range(runs):
        for job in jobs:
            drawn[job].append(draw(job, peers))
            print(f"{picture} {number + 1}/{runs} {job.title}: {drawn[job][-1][0]:.2f} s",
                  file=sys.stderr, flush=True)  # fmt: skip
    return [
        Whole(picture, job.title, [run[0] for run in each], median(run[1] for run in each))
        for job, each in drawn.items()
    ]


def table(results: list[Whole]) -> list[list[str]]:
    """Return lines of cells: seconds, ratio to the first contestant, and peak memory."""
    first = median(results[0].seconds)
    lines = [["", "seconds", results[0].title, "peak MiB", "runs"]]
    lines[0][2] = f"{results[0].title} / it"
    for each in results:
        seconds = median(each.seconds)
        memory = f"{each.peak_bytes / 2**20:.0f}"
        lines.append(
            [each.title, f"{seconds:.2f}", f"{first / seconds:.2f}", memory, str(len(each.seconds))]
        )
    return lines


def plot(path: Path, results: list[Whole]) -> None:
    """Draw one panel of bars for each kind of picture."""
    from matplotlib.figure import Figure

    pictures = list(dict.fromkeys(each.picture for each in results))
    figure = Figure(figsize=(8, 2.2 * len(pictures)), layout="constrained")
    panels = figure.subplots(len(pictures), squeeze=False)[:, 0]
    for axes, picture in zip(panels, pictures, strict=True):
        there = [each for each in results if each.picture == picture][::-1]
        seconds = [median(each.seconds) for each in there]
        colors = ["C0" if each.title.startswith("ours") else "0.65" for each in there]
        bars = axes.barh([_label(each.title) for each in there], seconds, color=colors)
        axes.bar_label(bars, fmt="%.3g s", padding=3)
        axes.set(title=str(picture), xlim=(0, max(seconds) * 1.15))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("seconds from the start of the process to the saved picture")
    figure.savefig(path)


def _label(title: str) -> str:
    name, kind = title.split()
    return f"{LABELS.get(name, name)}, {kind}"


def main() -> None:
    """Measure and print a table for each kind of picture, or draw the figure of results."""
    options = _parser().parse_args()
    if options.plot:
        entries = [entry for path in options.results for entry in json.loads(path.read_text())]
        plot(options.plot, [Whole(**{**each, "picture": Picture(**each["picture"])})
                            for each in entries])  # fmt: skip
        return
    settings = Job("", "", "", 0, 0, 1.0, options.threads, str(options.weights), options.sd_cli)
    results: list[Whole] = []
    for picture in options.pictures:
        jobs = []
        for title in options.only:
            name, kind = title.split()
            job = replace(settings, contestant=name, kind=kind, cfg_scale=CFG_SCALES[picture.model])
            jobs.append(replace(job, **asdict(picture)))
            prepare(jobs[-1], options.peers)
        if options.prepare:
            continue
        measured = measure(picture, jobs, options.runs, options.peers)
        print(f"\n{picture}, {options.threads} threads\n\n{aligned(table(measured))}", flush=True)
        results += measured
        options.output.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    pictures = [Picture("sd15", 512, 20), Picture("klein", 512, 4)]
    parser.add_argument("--pictures", nargs="+", type=Picture.parse, default=pictures,
                        metavar="MODEL:SIDE:STEPS")  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="TITLE", default=CONTESTANTS)
    parser.add_argument("--runs", type=int, default=1, help="runs of each contestant")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", type=Path, default=Path("build/bench-weights"))
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--sd-cli", default="build/sd-cli/bin/sd-cli", metavar="FILE")
    parser.add_argument("--output", type=Path, default=Path("whole_pictures.json"))
    parser.add_argument("--prepare", action="store_true", help="write the weights only")
    parser.add_argument("--plot", type=Path, metavar="PICTURE", help="draw RESULTS instead")
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULTS")
    return parser


if __name__ == "__main__":
    main()
