"""The vocabulary of the demo model and its token ids in the Qwen tokenizer.

The text encoder of the demo model has no layers: a prompt is a sequence of embedding rows.
Every spelling of a word (synonym, plural, capitals, with or without a space in front) shares
one row. All other tokens share the row of padding, so that unknown words have no effect.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from pathlib import Path

#: Color names and their RGB values in the training data.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 35, 35),
    "green": (35, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (245, 215, 40),
    "orange": (245, 135, 25),
    "purple": (130, 45, 175),
    "pink": (250, 150, 195),
    "brown": (115, 65, 25),
    "white": (250, 250, 250),
    "black": (18, 18, 18),
    "gray": (128, 128, 128),
}

#: Object names and their default colors.
OBJECTS: dict[str, str] = {
    "circle": "blue",
    "square": "green",
    "triangle": "orange",
    "star": "yellow",
    "heart": "red",
    "ring": "purple",
    "cross": "red",
    "diamond": "blue",
    "sun": "yellow",
    "moon": "gray",
    "house": "brown",
    "tree": "green",
    "flower": "pink",
    "fish": "orange",
    "cloud": "gray",
    "arrow": "black",
    "mushroom": "brown",
    "cup": "blue",
}

COLOR_NAMES = list(COLORS)
OBJECT_NAMES = list(OBJECTS)

#: Words with an embedding row, and the other spellings that share it.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "red": ("scarlet", "crimson"),
    "green": ("emerald",),
    "blue": ("navy", "azure"),
    "yellow": ("golden", "gold"),
    "orange": (),
    "purple": ("violet",),
    "pink": ("rose",),
    "brown": ("chocolate",),
    "white": (),
    "black": (),
    "gray": ("grey",),
    "circle": ("circles", "ball", "balls", "disk", "disc", "disks", "discs", "dot", "dots"),
    "square": ("squares", "box", "boxes"),
    "triangle": ("triangles",),
    "star": ("stars",),
    "heart": ("hearts",),
    "ring": ("rings", "hoop"),
    "cross": ("crosses", "plus"),
    "diamond": ("diamonds",),
    "sun": (),
    "moon": ("moons", "crescent"),
    "house": ("houses", "home", "cottage", "hut"),
    "tree": ("trees", "pine", "fir"),
    "flower": ("flowers", "blossom"),
    "fish": ("fishes",),
    "cloud": ("clouds",),
    "arrow": ("arrows",),
    "mushroom": ("mushrooms",),
    "cup": ("cups", "mug", "mugs"),
    "background": ("backdrop", "backgrounds"),
    "on": ("upon", "against", "over"),
    "with": ("has", "having"),
    "and": ("&",),
    ",": (".", ";", ":"),
    "small": ("tiny", "little"),
    "big": ("large", "huge", "giant"),
    "left": (),
    "right": (),
    "top": ("above", "upper"),
    "bottom": ("below", "lower", "under", "beneath", "underneath"),
    "center": ("centre", "middle", "centered", "central"),
    "two": ("pair", "couple", "2", "twin"),
    "three": ("trio", "3", "triple"),
    # Words of instructions. In a prompt without a reference picture they have no effect. Others
    # (make, put, move, turn, it) need no row, because the other words determine the edit.
    "remove": ("removed", "delete", "erase", "without", "away", "rid"),
    "add": ("insert",),
    "into": ("replace", "swap", "exchange", "becomes", "become"),
    "bigger": ("larger", "enlarge", "grow"),
    "smaller": ("shrink", "reduce"),
    "up": ("upwards", "upward"),
    "down": ("downwards", "downward"),
}

#: The words of instructions only.
EDIT_WORDS = ("remove", "add", "into", "bigger", "smaller", "up", "down")

#: Tokens of the chat template with a row of their own, and their ids if the merge table lacks
#: them. They are in every prompt, as fixed points from which image tokens infer their positions:
#: the network has positions in its attention only.
ANCHORS: dict[str, int | None] = {
    "<|im_start|>": 151644,
    "user": None,
    "<|im_end|>": 151645,
    "assistant": None,
    "<think>": 151667,
    "</think>": 151668,
    "\n": 198,
    "\n\n": 271,
}

#: Row 0 is that of padding, articles and unknown words.
WORDS = [*SPELLINGS, *ANCHORS]
ROW = {word: index + 1 for index, word in enumerate(WORDS)}
_ROW_OF_SPELLING = {
    spelling: ROW[word] for word, others in SPELLINGS.items() for spelling in (word, *others)
}

#: Rows of the embedding table; the largest token id in a template is 151668.
TABLE_ROWS = 151669
#: The chat template around the prompt.
BEFORE_PROMPT = ("<|im_start|>", "user", "\n")
AFTER_PROMPT = (
    *("<|im_end|>", "\n", "<|im_start|>", "assistant", "\n", "<think>", "\n\n", "</think>"),
    "\n\n",
)
#: Number of tokens to which the engine pads a prompt.
PROMPT_TOKENS = 512


def rows_of(prompt: str) -> list[int]:
    """Return embedding rows of a prompt's words, assuming one token per word; 0 is unknown."""
    pieces = re.findall(r"[a-z]+|[0-9]|[,.;:&]", prompt.lower())
    return [_ROW_OF_SPELLING.get(piece, 0) for piece in pieces]


def _byte_symbols() -> dict[int, str]:
    """Return the printable character of byte-level BPE for each byte, in vocabulary order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    symbols = {byte: chr(byte) for byte in plain}
    symbols.update({byte: chr(256 + index) for index, byte in enumerate(others)})
    return symbols


class Tokenizer:
    """Qwen's byte-pair tokenizer, read from the merge table in the engine's source."""

    def __init__(self, engine_source: Path) -> None:
        """Read the table from the engine's source folder."""
        header = engine_source / "src" / "tokenizers" / "vocab" / "qwen.hpp"
        text = header.read_text()
        table = bytes(int(h, 16) for h in re.findall(r"0x([0-9a-f]{2})", text[: text.index("};")]))
        merges = [line for line in table.decode("utf-8").split("\n") if line.strip()]
        self.symbols = _byte_symbols()
        tokens = [*self.symbols.values(), *(merge.replace(" ", "", 1) for merge in merges)]
        self.ids = {token: index for index, token in enumerate(tokens)}
        self.ranks = {tuple(merge.split(" ", 1)): rank for rank, merge in enumerate(merges)}

    def split(self, word: str) -> list[str]:
        """Return the byte-pair pieces of one word, including its leading space if any."""
        pieces = [self.symbols[byte] for byte in word.encode("utf-8")]
        while len(pieces) > 1:
            pairs = list(itertools.pairwise(pieces))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            where = pairs.index(best)
            pieces[where : where + 2] = ["".join(best)]
        return pieces


def _spellings_in_prompts(spelling: str) -> set[str]:
    """Return a spelling in all cases, with and without a leading space."""
    cases = {spelling, spelling.capitalize(), spelling.upper()}
    return cases | {" " + case for case in cases}


def _is_distinctive(piece: str) -> bool:
    """Return True if a piece of a word identifies it; beginnings may be shorter."""
    letters = len(piece.lstrip("\u0120"))
    if piece.startswith("\u0120"):
        return letters >= 3
    return letters >= (4 if piece.isupper() else 5)


def _short_piece(pieces: list[str], spelling: str) -> str:
    """Return a short piece that identifies a main word in capitals, or an empty string."""
    if pieces[-1] in {"ING", "INGS"}:  # also in DRAWING, SHOWING
        return pieces[0]
    if spelling in SPELLINGS:
        return pieces[-1] if len(pieces[-1]) >= 2 else ""
    plural = spelling.endswith("s") and spelling[:-1] in SPELLINGS
    piece = max(pieces[1:], key=len)
    return piece if plural and len(piece) >= 3 else ""


@lru_cache(maxsize=1)
def token_rows(engine_source: Path) -> dict[int, int]:
    """Return the embedding row by token id, for each token of a known word.

    A spelling of several tokens (" MUSHROOM") is identified by its longest piece, if that piece is
    long enough to be rare in other words and does not identify another word. Words of instructions
    are identified by whole tokens only, and have no tokens of other words.
    """
    tokenizer = Tokenizer(engine_source)
    rows = {
        tokenizer.ids[name] if token is None else token: ROW[name]
        for name, token in ANCHORS.items()
    }
    edit_rows: dict[int, int] = {}
    claims: dict[str, set[int]] = {}
    for spelling, row in _ROW_OF_SPELLING.items():
        for written in sorted(_spellings_in_prompts(spelling)):
            pieces = tokenizer.split(written)
            of_edits = WORDS[row - 1] in EDIT_WORDS
            if len(pieces) == 1:
                (edit_rows if of_edits else rows).setdefault(tokenizer.ids[pieces[0]], row)
            if len(pieces) == 1 or of_edits:
                continue
            piece = max(pieces, key=len)
            if not _is_distinctive(piece):
                piece = _short_piece(pieces, spelling) if written.isupper() else ""
            if piece:
                claims.setdefault(piece, set()).add(row)
    for piece, owners in claims.items():
        if len(owners) == 1:
            rows.setdefault(tokenizer.ids[piece], next(iter(owners)))
    return edit_rows | rows
