"""A bounded cache of a session store's answers."""

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
    """An answer that is valid *until* a moment: the session's identity, or None if there is no such session.

    *size* is an estimate in bytes. *unusable* says why the store's data is not a valid session, "" if it is one.
    """

    identity: Identity | None
    until: float
    size: int
    unusable: str = ""


class AnswerCache:
    """At most *max_entries* answers and about *max_bytes*. It evicts the least recently used ones."""

    def __init__(self, max_entries: int, max_bytes: int, elapsed: Callable[[], float]) -> None:
        """*elapsed* is the clock of `CachedAnswer.until`."""
        smallest = (
            max_bytes // max_entries
        )  # an entry counts at least this much, so that max_bytes enforces both bounds
        self._elapsed = elapsed
        self._answers: TLRUCache[bytes, CachedAnswer] = TLRUCache(
            maxsize=max_bytes,
            ttu=lambda _key, answer, _now: answer.until,
            timer=elapsed,
            getsizeof=lambda answer: max(answer.size, smallest),
        )

    def get(self, key: bytes) -> CachedAnswer | None:
        """Return the cached answer, None if there is none."""
        return self._answers.get(key)

    def put(self, key: bytes, answer: CachedAnswer) -> None:
        """Cache *answer*, unless it is too old already or alone larger than the whole cache."""
        if answer.until > self._elapsed() and answer.size <= self._answers.maxsize:
            self._answers[key] = answer

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def bytes(self) -> int:
        """The estimated memory of the answers."""
        return int(self._answers.currsize)


def key_of(question: FindSession) -> bytes:
    """Return the SHA-256 of the token and its signed form. The length comes first, so no two pairs collide (J23)."""
    token, signed = (text.encode("utf-8", "surrogatepass") for text in (question.token, question.signed_token))
    return hashlib.sha256(struct.pack(">Q", len(token)) + token + signed).digest()
