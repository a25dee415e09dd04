"""Small caches of headers and keys: each has the last few values, by what they are made from."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def put(cache: dict[K, V], key: K, value: V, max_entries: int) -> None:
    """Put *value* into *cache* at *key*. If *max_entries* are there already, it takes the place of the oldest."""
    if key not in cache and len(cache) >= max_entries:
        del cache[next(iter(cache))]
    cache[key] = value
