"""Draw with less memory than a drawing takes, and measure what tiles change in the picture.

    python benchmarks/vae_tiling.py [--model sd15|demo] [--side 1024] [--share 0.6]

Draws a picture at once and measures the largest memory of its processes. Then draws it again in a
memory control group with a share of that, where the plan has to choose tiles, and compares the two:
PSNR, and the steps between neighboring columns at the borders of tiles, which a seam would raise.
Needs Linux with control groups of version 1, and root. The weights of sd15 are random, those of
compare_cpu.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from hostile_run import peak_memory_of

from compare_cpu.job import Job
from compare_cpu.weights import prepare

GROUP = Path("/sys/fs/cgroup/memory/gpustack-draw-tiling")


class Drawing:
    """A drawing of the command.

    Attributes:
        peak: Largest memory of its processes in bytes.
        seconds: Seconds by phase.
        notes: Lines on standard error.
    """

    def __init__(self, model: str, side: int, output: Path, *options: str, limit: int = 0) -> None:
        """Draw.

        Args:
            model: Path of the model, or ``demo``.
            side: Side of the picture in pixels.
            output: Its file.
            options: More options.
            limit: Memory of the control group in bytes; 0 for none.
        """
        command = [
            *(sys.executable, "-m", "gpustack_draw", model, "a red circle", "--seed", "7"),
            *("--size", f"{side}x{side}", "--sample-steps", "1", "--cfg-scale", "1", "--json"),
            *("--output", str(output), *options),
        ]
        if limit:
            GROUP.mkdir(exist_ok=True)
            (GROUP / "memory.limit_in_bytes").write_text(str(limit))
            enter = f'echo $$ > {GROUP}/cgroup.procs && exec "$@"'
            command = ["sh", "-c", enter, "sh", *command]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.peak = 0
        watch = threading.Thread(target=self._watch, args=(process,))
        watch.start()
        printed, errors = process.communicate()
        watch.join()
        self.notes = errors.splitlines()
        if process.returncode:
            sys.exit("\n".join(self.notes))
        self.seconds = json.loads(printed)["seconds"]

    def _watch(self, process: subprocess.Popen[str]) -> None:
        peaks: dict[int, int] = {}
        while process.poll() is None:
            for pid in (process.pid, *_children_of(process.pid)):
                with contextlib.suppress(OSError, IndexError):  # it has just ended
                    peaks[pid] = peak_memory_of(pid)
            self.peak = sum(peaks.values())
            time.sleep(0.1)


def _children_of(parent: int) -> list[int]:
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            # The name of the program, in parentheses, may contain blanks.
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                children.append(int(folder.name))
    return children


def compare(whole: Path, tiled: Path, tile: int) -> str:
    """Return how much tiles change a picture, also where they overlap.

    Args:
        whole: The picture that was decoded at once.
        tiled: The picture that was decoded in tiles.
        tile: Side of a tile in pixels.
    """
    first, second = (np.asarray(Image.open(path)).astype(float) for path in (whole, tiled))
    difference = np.abs(first - second).mean(axis=2)
    psnr = 10 * np.log10(255**2 / ((first - second) ** 2).mean())
    # A seam is a step between neighbors that the other picture lacks.
    steps = np.abs(np.diff(first - second, axis=1)).mean(axis=(0, 2))
    borders = range(tile // 2, len(steps), tile // 2)
    at_borders = np.max([steps[each - 1 : each + 1].max() for each in borders])
    return (
        f"PSNR {psnr:.1f} dB, mean difference {difference.mean():.2f} and largest"
        f" {difference.max():.0f} of 255; change between neighboring columns {steps.mean():.3f},"
        f" at the borders of tiles at most {at_borders:.3f}, elsewhere at most {steps.max():.3f}"
    )


def main() -> None:
    """Draw both pictures, and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=("sd15", "demo"), default="sd15")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--share", type=float, default=0.6)
    parser.add_argument("--folder", type=Path, default=Path("weights"))
    typed = parser.parse_args()
    typed.folder.mkdir(parents=True, exist_ok=True)
    model = "demo"
    if typed.model == "sd15":
        job = Job("ours", "f16", "sd15", typed.side, 1, 1.0, 2, str(typed.folder), "sd-cli")
        model = prepare(job)["file"]
    paths = [typed.folder / f"{typed.model}-{name}.png" for name in ("whole", "tiled")]
    whole = Drawing(model, typed.side, paths[0], "--vae-tiling", "off")
    limit = int(typed.share * whole.peak)
    print(f"at once: {whole.peak / 1e9:.2f} GB, {whole.seconds}")
    tiled = Drawing(model, typed.side, paths[1], limit=limit)
    print(f"limit {limit / 1e9:.2f} GB: {tiled.peak / 1e9:.2f} GB, {tiled.seconds}")
    (note,) = [line for line in tiled.notes if "in tiles of" in line]
    print(note)
    tile = int(note.partition("in tiles of ")[2].split()[0])
    print(compare(*paths, tile))


if __name__ == "__main__":
    main()
