"""How targets read an input. Every input means something, so that no change of the fuzzer is wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of *data*, at least one."""
    return data.split(b"\n")


def chosen(choice: bytes, among: Sequence[T]) -> T:
    """Return the one of *among* that the first byte of *choice* stands for: 0 or a for the first, 1 or b …"""
    code = choice[0] if choice else 0
    digit = code - ord("0") if code < ord("a") else code - ord("a")
    return among[digit % len(among)]


def received(raw: bytes) -> str:
    """Return *raw* as the server reads a field value: without what ends a line, and with any byte kept."""
    return raw.replace(b"\r", b"").replace(b"\0", b"").decode("utf-8", "surrogateescape")
