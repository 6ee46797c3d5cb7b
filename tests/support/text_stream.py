"""A text stream that may be a terminal."""

import io


class Stream(io.StringIO):
    """A text stream in memory."""

    def __init__(self, *, terminal: bool = True, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def screen(self) -> list[str]:
        """Return the lines on a terminal, where a carriage return moves to the first column."""
        lines = []
        for line in self.getvalue().split("\n"):
            visible = ""
            for part in line.split("\r"):
                visible = part + visible[len(part) :]
            lines.append(visible.rstrip())
        return lines
