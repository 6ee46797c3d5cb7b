"""Parse prompts: weights in brackets and chunks of tokens, as web UIs write them.

The grammar is that of AUTOMATIC1111's web UI (as of 2026-11-22): ``(x)`` weights x by 1.1,
``(x:1.4)`` by 1.4, ``[x]`` by 1/1.1; brackets in brackets multiply; a backslash before a bracket
makes it text; the word ``BREAK`` begins a new chunk of tokens. The engine receives the parsed
pieces, so no text can have another meaning there.
"""

import re
from typing import Literal, NamedTuple

from gpustack_draw.errors import UsageError, quoted

# Which of it a model reads: all of it, all but BREAK, or nothing, so that brackets are text.
PromptSyntax = Literal["chunks", "weights", "plain"]

MAX_WEIGHT = 10.0
_BRACKET_WEIGHT = 1.1
_MAX_OPEN = 50  # more would multiply to a weight above the maximum, or close to 0

_TOKEN = re.compile(r"\\[\\()\[\]]|[()\[\]]|:\s*(?P<weight>[+-]?[.0-9]+)\s*\)|[^\\()\[\]:]+|[\\:]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_ESCAPED_BRACKET = re.compile(r"\\([()\[\]])")
_WEIGHTED = re.compile(r"(?<!\\)\([^()\\]{1,200}:\s{0,9}[+-]?[.0-9]{1,20}\s{0,9}\)")
_HINT = r"a weight is a number from -10 to 10, as in (red:1.3); type \( and \) for brackets as text"


class PromptPiece(NamedTuple):
    """A piece of a prompt whose words have the same weight.

    Attributes:
        text: The words, with the blanks around them.
        weight: Their weight, -10 to 10.
        starts_chunk: Whether a new chunk of tokens begins before them.
    """

    text: str
    weight: float = 1.0
    starts_chunk: bool = False


def parse_prompt(
    text: str, syntax: PromptSyntax, argument: str = "prompt"
) -> tuple[PromptPiece, ...]:
    """Parse a prompt.

    Args:
        text: The prompt.
        syntax: The syntax that the model reads. In ``plain``, only the backslash before a bracket
            is left out, so that a prompt can be moved between models.
        argument: Name of the prompt's argument, for messages.

    Returns:
        The pieces, at least one; neighbors differ in weight or are in different chunks.

    Raises:
        UsageError: A weight is no number or out of range, or too many brackets are open.
    """
    if syntax == "plain":
        return (PromptPiece(_ESCAPED_BRACKET.sub(r"\1", text)),)
    parser = _Parser(argument, has_chunks=syntax == "chunks")
    for token in _TOKEN.finditer(text):
        parser.read(token)
    return parser.finish()


def find_weight(text: str) -> str:
    """Return the first words with a typed weight, such as ``(red:1.3)``; empty for none."""
    found = _WEIGHTED.search(text)
    return found[0] if found else ""


def has_break(text: str) -> bool:
    """Return True if a prompt has the word BREAK."""
    return _BREAK.search(text) is not None


class _Parser:
    """Reads the tokens of a prompt one by one."""

    def __init__(self, argument: str, *, has_chunks: bool) -> None:
        self._argument = argument
        self._has_chunks = has_chunks
        self._pieces: list[PromptPiece] = []
        # Open brackets: the number of pieces before each, and its position in the prompt.
        self._open: dict[str, list[tuple[int, int]]] = {"(": [], "[": []}

    def read(self, token: "re.Match[str]") -> None:
        text, place = token[0], token.start() + 1
        if text in self._open:
            self._open[text].append((len(self._pieces), place))
            if sum(map(len, self._open.values())) > _MAX_OPEN:
                raise self._error(f"more than {_MAX_OPEN} brackets are open at {self._at(place)}")
        elif token["weight"] and self._open["("]:
            self._close("(", self._typed_weight(token["weight"], token.start("weight") + 1))
        elif text == ")" and self._open["("]:
            self._close("(", _BRACKET_WEIGHT)
        elif text == "]" and self._open["["]:
            self._close("[", 1 / _BRACKET_WEIGHT)
        else:
            self._add(text[1:] if len(text) == 2 and text[0] == "\\" else text)

    def finish(self) -> tuple[PromptPiece, ...]:
        for bracket, weight in (("(", _BRACKET_WEIGHT), ("[", 1 / _BRACKET_WEIGHT)):
            while self._open[bracket]:
                self._close(bracket, weight)
        return _joined(self._pieces) or (PromptPiece(""),)

    def _add(self, text: str) -> None:
        first, *others = _BREAK.split(text) if self._has_chunks else [text]
        if first:
            self._pieces.append(PromptPiece(first))
        self._pieces += [PromptPiece(other, starts_chunk=True) for other in others]

    def _close(self, bracket: str, weight: float) -> None:
        first, place = self._open[bracket].pop()
        for index, piece in enumerate(self._pieces[first:], start=first):
            weighted = piece._replace(weight=piece.weight * weight)
            if abs(weighted.weight) > MAX_WEIGHT:
                raise self._error(
                    f"brackets multiply to the weight {weighted.weight:.4g} at {self._at(place)},"
                    " which is not from -10 to 10"
                )
            self._pieces[index] = weighted

    def _typed_weight(self, text: str, place: int) -> float:
        typed = quoted(text, limit=40)
        if not _NUMBER.fullmatch(text):
            raise self._error(f"the weight {typed} at {self._at(place)} is not a number")
        weight = float(text)
        if abs(weight) > MAX_WEIGHT:
            raise self._error(f"the weight {typed} at {self._at(place)} is not from -10 to 10")
        return weight

    def _error(self, problem: str) -> UsageError:
        return UsageError(problem, hint=_HINT, argument=self._argument)

    def _at(self, place: int) -> str:
        return f"character {place} of the {self._argument.replace('_', ' ')}"


def _joined(pieces: list[PromptPiece]) -> tuple[PromptPiece, ...]:
    """Join neighbors of the same weight, whose words may touch."""
    joined: list[PromptPiece] = []
    for piece in pieces:
        if not joined or piece.starts_chunk:
            joined.append(piece)
        elif not joined[-1].text:  # after BREAK
            joined[-1] = piece._replace(starts_chunk=joined[-1].starts_chunk)
        elif joined[-1].weight == piece.weight:
            joined[-1] = joined[-1]._replace(text=joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return tuple(joined)
