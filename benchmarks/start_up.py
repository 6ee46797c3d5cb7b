"""Measure the overhead of gpustack-draw over Python's start and over the engine.

Usage: python benchmarks/start_up.py [--runs N]

Prints medians of interleaved runs:

- ``--help``, compared with a Python that only imports argparse and prints the help of an empty
  parser;
- the first picture of a shell command, and of a library call, including loading the model;
- a warm library call, compared with the seconds that the engine reports for that picture;
- with a cached model of the hub: ``--dry-run``, compared with Python's start, and drawing, compared
  with drawing from its file. This part uses the tests' hub and needs their dependencies.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gpustack_draw
from gpustack_draw.demo import DEMO_FILE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

BARE = "import argparse; argparse.ArgumentParser().parse_args(['--help'])"
PROMPT = "a red circle on a blue background"


def main() -> None:
    """Measure everything and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="interleaved runs of each measurement")
    runs = parser.parse_args().runs
    command = shutil.which("gpustack-draw")
    if command is None:
        sys.exit("gpustack-draw is not on PATH: activate its environment")

    bare, with_help = interleaved(
        runs, lambda: run([sys.executable, "-c", BARE]), lambda: run([command, "--help"])
    )
    print(f"Python with argparse only      {bare * 1000:6.0f} ms")
    print(
        f"gpustack-draw --help           {with_help * 1000:6.0f} ms, ratio {with_help / bare:.2f}"
    )

    draw = [command, "demo", PROMPT, "--seed", "7", "--output", "-", "--quiet"]
    (first,) = interleaved(max(3, runs // 4), lambda: run(draw))
    print(f"gpustack-draw demo, 256x256    {first:6.2f} s from start to the bytes of the picture")

    with gpustack_draw.load("demo") as model:
        request = gpustack_draw.DrawRequest(prompt=PROMPT, seed=7)
        (cold,) = interleaved(1, lambda: list(model.draw(request)))
        print(f"first call of the library      {cold:6.2f} s, with worker start and loading")
        added = []
        for _ in range(runs):
            began = time.perf_counter()
            (picture,) = model.draw(request)
            seconds = time.perf_counter() - began
            added.append(seconds - sum(picture.seconds.values()))
        drawing = sum(picture.seconds.values())
        print(f"warm call of the library       {drawing:6.2f} s of drawing, reported by the engine")
        print(f"  overhead of the call         {statistics.median(added) * 1000:6.1f} ms")
    measure_hub(command, runs)


def measure_hub(command: str, runs: int) -> None:
    """Measure the overhead of a hub reference over a file, and print it."""
    from loopback_hub import LoopbackHub

    hub = LoopbackHub()
    hub.add("acme/demo-GGUF", {"demo-Q8_0.gguf": DEMO_FILE})
    how = ["a star", "--seed", "7", "--sample-steps", "1", "--size", "128x128", "--quiet"]
    drawing = [*how, "--output", "-"]
    reference = "hf.co/acme/demo-GGUF:Q8_0"
    with tempfile.TemporaryDirectory() as home:
        environment = hub.environment(Path(home))
        run([command, reference, *drawing], environment)
        python, plan, file, fetched = interleaved(
            runs,
            lambda: run([sys.executable, "-c", ""], environment),
            lambda: run([command, reference, *how, "--dry-run"], environment),
            lambda: run([command, str(DEMO_FILE), *drawing], environment),
            lambda: run([command, reference, *drawing], environment),
        )
    hub.close()
    print(f"Python alone                   {python:6.2f} s")
    print(f"--dry-run of a cached model    {plan:6.2f} s, {plan - python:.2f} s more")
    print(f"drawing with a file            {file:6.2f} s")
    print(f"drawing with hf.co/...         {fetched:6.2f} s, {fetched - file:+.2f} s")


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command, discard its output, and raise an error if it fails."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def interleaved(runs: int, *actions: Callable[[], object]) -> list[float]:
    """Time actions alternately (A B A B ...), so that disturbances affect all of them.

    Args:
        runs: Number of timed runs of each action. If more than one, an untimed run of each comes
            first.
        actions: The actions to time.

    Returns:
        The median of each action, in seconds.
    """
    seconds: list[list[float]] = [[] for _ in actions]
    for round_number in range(runs + (runs > 1)):
        for action, mine in zip(actions, seconds, strict=True):
            began = time.perf_counter()
            action()
            if round_number > 0 or runs == 1:
                mine.append(time.perf_counter() - began)
    return [statistics.median(mine) for mine in seconds]


if __name__ == "__main__":
    main()
