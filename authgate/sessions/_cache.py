"""What a session store answered: valid sessions, and apart from them all other answers. Both caches are bounded."""

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
    from authgate.sessions.bounds import Bounds

# The estimated memory of a cached answer, without the JSON values of its session.
_ENTRY_BYTES = 1024


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


class AnswerCaches:
    """The answers of one store, each for *cache_seconds* after its question. With 0 nothing is cached.

    The "negative" cache holds tokens without a session, sessions that have expired, and sessions that cannot be read.
    """

    def __init__(
        self, bounds: Bounds, cache_seconds: float, elapsed: Callable[[], float], unix: Callable[[], float]
    ) -> None:
        """*elapsed* is the clock of the questions; it never goes back. *unix* is the clock of `expires_at`."""
        self.cache_seconds = cache_seconds
        self.hits = self.negative_hits = 0
        self._elapsed = elapsed
        self._unix = unix
        self._sessions = AnswerCache(bounds.entries, bounds.bytes, elapsed)
        self._negative = AnswerCache(bounds.negative_entries, bounds.negative_bytes, elapsed)

    def get(self, key: bytes) -> CachedAnswer | None:
        """Return the cached answer, None if there is none."""
        answer = self._sessions.get(key)
        if answer is not None:
            self.hits += 1
            return answer
        answer = self._negative.get(key)
        if answer is not None:
            self.negative_hits += 1
        return answer

    def put(self, key: bytes, identity: Identity | None, asked_at: float, rows_size: int) -> None:
        """Cache an answer until `cache_seconds` after *asked_at*, but not past the end of its session.

        The library may extend that end, so the store is asked again then. A session that has already expired is in the
        negative cache: each request refuses it, and sending it again does not reach the store.
        """
        until = asked_at + self.cache_seconds
        seconds_left = float("inf")
        if identity is not None and identity.expires_at is not None:
            seconds_left = identity.expires_at - self._unix()
        cache = self._negative if identity is None or seconds_left <= 0 else self._sessions
        if seconds_left > 0:
            until = min(until, self._elapsed() + seconds_left)
        cache.put(key, CachedAnswer(identity=identity, until=until, size=_ENTRY_BYTES + rows_size))

    def put_unusable(self, key: bytes, cause: str, asked_at: float) -> None:
        """Cache that a session cannot be read, so that sending it again neither reaches the store nor fills the log."""
        until, size = asked_at + self.cache_seconds, _ENTRY_BYTES + len(cause)
        self._negative.put(key, CachedAnswer(identity=None, until=until, size=size, unusable=cause))

    @property
    def entries(self) -> int:
        """How many sessions are cached."""
        return len(self._sessions)

    @property
    def negative_entries(self) -> int:
        """How many answers the negative cache holds."""
        return len(self._negative)

    @property
    def bytes(self) -> int:
        """The estimated memory of both caches."""
        return self._sessions.bytes + self._negative.bytes


def key_of(question: FindSession) -> bytes:
    """Return the SHA-256 of the token and its signed form. The length comes first, so no two pairs collide (J23)."""
    token, signed = (text.encode("utf-8", "surrogatepass") for text in (question.token, question.signed_token))
    return hashlib.sha256(struct.pack(">Q", len(token)) + token + signed).digest()
