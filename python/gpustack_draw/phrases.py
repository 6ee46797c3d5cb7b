"""Texts that name arguments: as Python does for the library, as options for the command.

Each text is written once, with its arguments in braces, and read by two audiences:
``phrase("try {size='native'}")`` is ``try size='native'`` in a notebook and ``try --size native``
on a command line. ``--help`` imports this module, so it imports nothing that takes long.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Argument(str):
    """An argument of the library in a text, as Python writes it: ``size`` or ``size='native'``.

    Attributes:
        name: Name of the argument.
        source: Its value as Python writes it; empty for the name alone.
    """

    __slots__ = ("name", "source")
    name: str
    source: str

    def __new__(cls, name: str, source: str = "") -> "Argument":  # noqa: PYI034 - Self is newer than Python 3.10
        """Name an argument, with a value if ``source`` is not empty."""
        argument = super().__new__(cls, f"{name}={source}" if source else name)
        argument.name, argument.source = name, source
        return argument

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy with the value."""
        return type(self), (self.name, self.source)


class Phrase(str):
    """A text with arguments as Python writes them; :func:`spelled` writes them in another way.

    Attributes:
        pieces: The text in pieces; each is an :class:`Argument` or plain.
    """

    __slots__ = ("pieces",)
    pieces: tuple[str, ...]

    def __new__(cls, *pieces: str) -> "Phrase":  # noqa: PYI034 - Self is newer than Python 3.10
        """Join pieces; those of a phrase stay apart."""
        flat = tuple(part for piece in pieces for part in _pieces_of(piece))
        text = super().__new__(cls, "".join(flat))
        text.pieces = flat
        return text

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy with the pieces."""
        return type(self), self.pieces


def phrase(template: str, *texts: str, **values: object) -> Phrase:
    """Build a text that names arguments.

    Only the template is searched for braces, so it must be a literal; foreign text goes into
    ``texts`` and ``values``, whose braces have no meaning.

    Args:
        template: The text. ``{size}`` names an argument, ``{size='native'}`` also a value as Python
            writes it, ``{size=}`` a value of ``values``; ``{}`` inserts the next one of ``texts``.
        texts: Plain texts, phrases or arguments.
        values: Values of arguments, by name.
    """
    plain, *pieces_with_braces = template.split("{")
    pieces, inserted = [plain], iter(texts)
    for piece in pieces_with_braces:
        braces, _, plain = piece.partition("}")
        name, equals, source = braces.partition("=")
        if not name:
            pieces.append(next(inserted))
        elif equals and not source:
            pieces.append(Argument(name, repr(values[name])))
        else:
            pieces.append(Argument(name, source))
        pieces.append(plain)
    return Phrase(*pieces)


def spelled(text: str, spell: "Callable[[Argument], str]") -> str:
    """Return a text with its arguments spelled by a function; a plain text as it is."""
    return "".join(
        spell(piece) if isinstance(piece, Argument) else str(piece) for piece in _pieces_of(text)
    )


def joined(separator: str, texts: "Iterable[str]") -> Phrase:
    """Join texts, as ``separator.join(texts)`` does, into one that still names its arguments."""
    pieces = [piece for text in texts for piece in (separator, text)]
    return Phrase(*pieces[1:])


def _pieces_of(text: str) -> tuple[str, ...]:
    return text.pieces if isinstance(text, Phrase) else (text,)
