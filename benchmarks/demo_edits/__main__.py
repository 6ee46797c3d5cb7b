"""Measure how often the embedded model follows an instruction to edit a picture.

    python benchmarks/demo_edits [--count 20] [--seed 1] [--side 256] [--sheet FILE]

Rasterizes random pictures from the definitions of tests/support/picture_checker.py, edits them with
the real engine, reads the results with that checker and prints a table. An edit is correct if the
requested attributes are right. It keeps the rest if all other attributes are as before, and if the
pixels away from the edited object are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Edits of the embedded model.")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--count", type=int, default=20, help="edits of each group")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random edits")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--sheet", type=Path, help="save a contact sheet")
    parser.add_argument("--json", type=Path, help="save the result of every picture")
    return parser.parse_args()


def main() -> None:
    """Edit the pictures, score the results and print the table."""
    import gpustack_draw
    from demo_edits.instructions import make_edits
    from demo_edits.scores import contact_sheet, score, table

    options = _arguments()
    edits = make_edits(options.count, options.seed)
    chosen = {} if options.steps is None else {"sample_steps": options.steps}
    start, scores, pictures = time.monotonic(), [], []
    with gpustack_draw.load(options.model) as model:
        for edit in edits:
            source = edit.before.drawn(options.side)
            result = model.generate(edit.text, seed=edit.seed, ref_images=[source], **chosen)
            scores.append(score(edit, source, result))
            pictures.append((source, result))
    print(table(scores))
    print(f"{(time.monotonic() - start) / len(edits):.2f} s per picture")
    if options.sheet:
        contact_sheet(scores, pictures).save(options.sheet, optimize=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(s) for s in scores], indent=1))


if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(folder), str(folder.parent / "tests" / "support")]
    main()
