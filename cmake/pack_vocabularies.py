"""Pack the vocabularies of the library's unigram tokenizers into tables: python ... SOURCE OUTPUT.

The library embeds the JSON of two tokenizers, 12 MB of text, which it parses at each load and which
take 4 MB of a wheel. A table has the pieces, each with a zero byte behind it, and their scores as
32-bit numbers: all first bytes, all second ones and so on, because equal bytes compress well.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

#: The headers with the JSON, and the names of the tables.
VOCABULARIES = {
    "t5": ("clip_t5.hpp", "t5_tokenizer_json_str"),
    "umt5": ("umt5.hpp", "umt5_tokenizer_json_str"),
}
BYTES_PER_LINE = 32


def embedded_bytes(header: Path, name: str) -> bytes:
    """Return the bytes of an array in a header."""
    _, _, behind = header.read_text(encoding="utf-8").partition(f"{name}[]")
    inside = behind[behind.index("{") + 1 : behind.index("}")]
    return bytes.fromhex(inside.replace("0x", "").replace(",", ""))


def tables(tokenizer: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the pieces and the scores of a tokenizer."""
    vocabulary = tokenizer["model"]["vocab"]
    pieces = [piece.encode() for piece, _ in vocabulary]
    if any(b"\0" in piece for piece in pieces):
        raise ValueError("a piece has a zero byte")
    scores = struct.pack(f"<{len(pieces)}f", *(score for _, score in vocabulary))
    planes = b"".join(scores[i::4] for i in range(4))
    return b"".join(piece + b"\0" for piece in pieces), planes


def array(name: str, values: bytes) -> str:
    """Return the definition of an array."""
    lines = [
        "".join(f"{value}," for value in values[i : i + BYTES_PER_LINE])
        for i in range(0, len(values), BYTES_PER_LINE)
    ]
    return f"const unsigned char {name}[{len(values)}] = {{\n" + "\n".join(lines) + "};\n"


def main(source: Path, output: Path) -> None:
    """Write the tables as C++."""
    parts = ['#include "engine/unigram_tables.h"\n', "namespace gpustack_draw {\n"]
    for table, (header, name) in VOCABULARIES.items():
        folder = source / "src" / "tokenizers" / "vocab"
        tokenizer = json.loads(embedded_bytes(folder / header, name))
        pieces, scores = tables(tokenizer)
        space = tokenizer["pre_tokenizer"]
        if (space["replacement"], space["add_prefix_space"]) != ("\u2581", True):
            raise ValueError(f"the tokenizer of {header} marks spaces in another way")
        parts += [array(f"{table}_pieces", pieces), array(f"{table}_scores", scores)]
        parts.append(
            f"const UnigramTable {table}_table = {{{table}_pieces, {table}_scores, "
            f"{len(scores) // 4}, {tokenizer['model']['unk_id']}}};\n"
        )
    output.write_text("".join([*parts, "}  // namespace gpustack_draw\n"]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
