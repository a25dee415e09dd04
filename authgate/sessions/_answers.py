"""Answers of a store, each kept until it is too old, within bounds."""

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
class Answer:
    """Whose the session is, None if there is no such session; good *until* this moment. *size* in bytes, about."""

    identity: Identity | None
    until: float
    size: int


class Answers:
    """At most *max_entries* and about *max_bytes*: the least recently used go first."""

    def __init__(self, max_entries: int, max_bytes: int, elapsed: Callable[[], float]) -> None:
        """*elapsed* is the clock that `Answer.until` is told by."""
        least = max_bytes // max_entries  # what an entry counts at least, so that one bound holds both
        self._elapsed = elapsed
        self._answers: TLRUCache[bytes, Answer] = TLRUCache(
            maxsize=max_bytes,
            ttu=lambda _key, answer, _now: answer.until,
            timer=elapsed,
            getsizeof=lambda answer: max(answer.size, least),
        )

    def get(self, key: bytes) -> Answer | None:
        """Return what was answered, None where nothing is known."""
        return self._answers.get(key)

    def put(self, key: bytes, answer: Answer) -> None:
        """Keep *answer*, unless it is too old already or exceeds the bound all alone."""
        if answer.until > self._elapsed() and answer.size <= self._answers.maxsize:
            self._answers[key] = answer

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def bytes(self) -> int:
        """About how much memory they take."""
        return int(self._answers.currsize)


def key_of(wanted: FindSession) -> bytes:
    """Return the SHA-256 of the token and its signed form, the length first, so that no two pairs are one (J23)."""
    token, signed = (text.encode("utf-8", "surrogatepass") for text in (wanted.token, wanted.signed_token))
    return hashlib.sha256(struct.pack(">Q", len(token)) + token + signed).digest()
