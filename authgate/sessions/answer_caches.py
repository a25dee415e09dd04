"""What a session store answered: valid sessions, and apart from them all other answers.

The two caches share the budget of all caches of the process (`authgate/caches.py`). They evict the oldest answers
first, which are the next to expire.
"""

from __future__ import annotations

import hashlib
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.caches import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from authgate.caches import CacheBudget
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.identity import Identity
    from authgate.core.lookups import FindSession

# How long the negative cache keeps an answer at most. A replica may lag, and a user may sign in a moment later: neither
# may look like a sign-out for long. A second is enough to keep a flood of repeated tokens from the store.
NEGATIVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """The session's identity, or None if there is no such session.

    *unusable* says why the store's data is not a valid session, "" if it is one.
    """

    identity: Identity | None
    unusable: str = ""


_NO_SESSION = CachedAnswer(identity=None)


class AnswerCaches:
    """The answers of one store, each for *cache_seconds* after its question. With 0 nothing is cached.

    The *negative* cache holds tokens without a session, sessions that have expired, and sessions that cannot be read,
    for `NEGATIVE_SECONDS` at most.
    """

    def __init__(
        self,
        budget: CacheBudget,
        cache_seconds: float,
        *,
        claims_read: Collection[ClaimPath] | None = None,
        unix: Callable[[], float] = time.time,
    ) -> None:
        """The clock of *budget* is that of the questions; *unix* is the clock of `expires_at`.

        Answers have only the claims that some policy or header reads, which are *claims_read*; None: all.
        """
        self.cache_seconds = cache_seconds
        self.sessions: Cache[CachedAnswer] = Cache(budget, evicts="oldest")
        self.negative: Cache[CachedAnswer] = Cache(budget, evicts="oldest")
        self.elapsed = budget.elapsed
        self._unix = unix
        self.claims_read = claims_read

    def get(self, key: bytes) -> CachedAnswer | None:
        """Return the cached answer, None if there is none."""
        return self.sessions.get(key) or self.negative.get(key)

    def put(self, key: bytes, identity: Identity | None, asked_at: float) -> None:
        """Cache an answer until `cache_seconds` after *asked_at*, but not past the end of its session.

        The library may extend that end, so the store is asked again then. A session that has already expired is in the
        negative cache: each request refuses it, and sending it again does not reach the store.
        """
        if identity is None:
            self._put_negative(key, _NO_SESSION, asked_at)
            return
        answer = CachedAnswer(identity=identity)
        seconds_left = float("inf") if identity.expires_at is None else identity.expires_at - self._unix()
        if seconds_left <= 0:
            self._put_negative(key, answer, asked_at)
        else:
            self.sessions.put(key, answer, min(asked_at + self.cache_seconds, self.elapsed() + seconds_left))

    def put_unusable(self, key: bytes, cause: str, asked_at: float) -> None:
        """Cache that a session cannot be read, so that sending it again neither reaches the store nor fills the log."""
        self._put_negative(key, CachedAnswer(identity=None, unusable=cause), asked_at)

    def clear(self) -> None:
        """Drop all answers."""
        self.sessions.clear()
        self.negative.clear()

    def _put_negative(self, key: bytes, answer: CachedAnswer, asked_at: float) -> None:
        self.negative.put(key, answer, asked_at + min(self.cache_seconds, NEGATIVE_SECONDS))


def key_of(question: FindSession) -> bytes:
    """Return the SHA-256 of the token and its signed form. The length comes first, so no two pairs collide (J23)."""
    token, signed = (text.encode("utf-8", "surrogatepass") for text in (question.token, question.signed_token))
    return hashlib.sha256(struct.pack(">Q", len(token)) + token + signed).digest()
