"""What is kept of headers and key sets: the last few, by what they are made from."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def keep(kept: dict[K, V], key: K, value: V, max_entries: int) -> None:
    """Keep *value* for *key*. If there are *max_entries* already, it takes the place of the oldest."""
    if key not in kept and len(kept) >= max_entries:
        del kept[next(iter(kept))]
    kept[key] = value
