"""Measure how often the embedded model follows an instruction to edit a picture.

    python benchmarks/demo_edits [--count 20] [--inpaint 100] [--seed 1] [--sheet FILE]

Rasterizes random pictures from the definitions of tests/support/picture_checker.py, edits them with
the real engine, reads the results with that checker and prints a table. An edit is correct if the
requested attributes are right. It keeps the rest if all other attributes are as before, and if the
pixels away from the edited object are. Inpainting replaces an object under a random mask.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Edits of the embedded model.")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--count", type=int, default=20, help="edits of each group")
    parser.add_argument("--inpaint", type=int, default=100, help="pictures with a mask")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random edits")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--sheet", type=Path, help="save a contact sheet")
    parser.add_argument("--json", type=Path, help="save the result of every picture")
    return parser.parse_args()


def main() -> None:
    """Edit the pictures, score the results and print the tables."""
    import gpustack_draw
    from demo_edits.inpainting import MASK_BLUR, inpainting_table, make_inpaintings
    from demo_edits.instructions import make_edits
    from demo_edits.scores import contact_sheet, score, table

    options = _arguments()
    edits = make_edits(options.count, options.seed)
    masked = make_inpaintings(options.inpaint, options.seed)
    chosen: dict[str, Any] = {"size": (options.side, options.side)}
    if options.steps is not None:
        chosen["sample_steps"] = options.steps
    start = time.monotonic()
    with gpustack_draw.load(options.model) as model:
        sources = [edit.before.drawn(options.side) for edit in edits]
        results = [
            model.generate(edit.text, seed=edit.seed, ref_image=source, **chosen)
            for edit, source in zip(edits, sources, strict=True)
        ]
        inpainted = [
            model.generate(
                one.prompt,
                seed=one.seed,
                image=one.before.drawn(options.side),
                mask=one.mask(options.side),
                mask_blur=MASK_BLUR,
                **chosen,
            )
            for one in masked
        ]
    seconds = (time.monotonic() - start) / max(1, len(edits) + len(masked))
    scores = [score(*each) for each in zip(edits, sources, results, strict=True)]
    if edits:
        print(table(scores))
    if masked:
        print(inpainting_table(masked, inpainted))
    print(f"{seconds:.2f} s per picture")
    if options.sheet:
        pairs = list(zip(sources, results, strict=True))
        contact_sheet(scores, pairs).save(options.sheet, optimize=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(s) for s in scores], indent=1))


if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(folder), str(folder.parent / "tests" / "support")]
    main()
