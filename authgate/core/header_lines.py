"""The header lines of a reply, as the bytes that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class HeaderLines:
    """Header lines: *wire* has "Name: value" and CR LF for each of them. Nobody changes them.

    Iterating yields (name, value) pairs. The values are not in the representation, because they are about a user.
    """

    __slots__ = ("wire",)

    def __init__(self, wire: bytes) -> None:
        self.wire = wire

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> HeaderLines:
        """Return the lines of *pairs* of names and values. Raises ValueError unless they are printable ASCII."""
        lines = [f"{name}: {value}" for name, value in pairs]
        text = "".join(lines)
        if not (text.isascii() and text.isprintable()):
            raise ValueError("a header line has a character that is not printable ASCII")
        return cls("\r\n".join([*lines, ""]).encode("ascii"))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for line in self.wire.decode("ascii").split("\r\n")[:-1]:
            name, _, value = line.partition(": ")
            yield name, value

    def __add__(self, other: HeaderLines) -> HeaderLines:
        return HeaderLines(self.wire + other.wire)

    def __eq__(self, other: object) -> bool:
        return self.wire == other.wire if isinstance(other, HeaderLines) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.wire)

    def __repr__(self) -> str:
        return f"HeaderLines({', '.join(name for name, _ in self)})"
