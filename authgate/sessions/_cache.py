"""What a store answered, each answer kept until it is too old, within bounds."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import TLRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """Whose the session is, None if there is no such session; good *until* this moment. *size* in bytes, about.

    *unusable*: why what the store holds cannot be read, "" where it can.
    """

    identity: Identity | None
    until: float
    size: int
    unusable: str = ""


class AnswerCache:
    """At most *max_entries* and about *max_bytes*: the least recently used go first."""

    def __init__(self, max_entries: int, max_bytes: int, elapsed: Callable[[], float]) -> None:
        """*elapsed* is the clock that `Remembered.until` is told by."""
        least = max_bytes // max_entries  # what an entry counts at least, so that one bound holds both
        self._elapsed = elapsed
        self._kept: TLRUCache[bytes, CachedAnswer] = TLRUCache(
            maxsize=max_bytes,
            ttu=lambda _key, remembered, _now: remembered.until,
            timer=elapsed,
            getsizeof=lambda remembered: max(remembered.size, least),
        )

    def get(self, key: bytes) -> CachedAnswer | None:
        """Return what was answered, None where nothing is known."""
        return self._kept.get(key)

    def put(self, key: bytes, remembered: CachedAnswer) -> None:
        """Keep *remembered*, unless it is too old already or exceeds the bound all alone."""
        if remembered.until > self._elapsed() and remembered.size <= self._kept.maxsize:
            self._kept[key] = remembered

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """About how much memory they take."""
        return int(self._kept.currsize)


def key_of(wanted: FindSession) -> bytes:
    """Return the SHA-256 of the token and its signed form, the length first, so that no two pairs are one (J23)."""
    token, signed = (text.encode("utf-8", "surrogatepass") for text in (wanted.token, wanted.signed_token))
    return hashlib.sha256(struct.pack(">Q", len(token)) + token + signed).digest()
