"""The refusal cache: a bad credential that is sent again is refused without another verification.

Key: the digest of the credential. All refusals belong to one object `Issuers`; with another one, all are dropped.
`core/refusal_cache.py` says which refusals are cached.

Bound: a budget of its own, an eighth of that of the other caches and in addition to it. So a flood of made-up
credentials evicts no proof and no session. The oldest refusals are evicted first, and none counts for more than a
minute. An entry has neither the credential nor more of its claims than the detail of the refusal quotes.
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING

from authgate.caches import DEFAULT_BYTES, PLACE_BYTES, CacheBudget, EntryCache, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.refusal_cache import CachedRefusal

# The budget is this part of that of the other caches.
PART = 8
# How long a refusal counts. Verifying each bad credential once a minute costs nothing.
SECONDS = 60.0
# A longer detail, or a longer id of a key, is not kept. Ordinary ones have 60 to 300 characters.
MAX_CHARACTERS = 1024
# What an entry takes beside its texts: its place, a `CachedRefusal`, and the number of its time.
_BESIDE_TEXTS = PLACE_BYTES + 96 + 32
_ROUNDING = 8


class BoundedRefusalCache:
    """The refusals of bad credentials, under the issuers of the current configuration."""

    def __init__(self, budget: CacheBudget | None = None) -> None:
        """*budget* is that of this cache alone."""
        self.budget = budget or CacheBudget(DEFAULT_BYTES // PART)
        self.cache: EntryCache[CachedRefusal] = EntryCache(self.budget, evicts="oldest")
        self._elapsed: Callable[[], float] = self.budget.elapsed
        self._issuers: object = None

    def resize(self, max_bytes: int) -> None:
        """Hold at most an eighth of *max_bytes*, which the other caches may hold."""
        self.budget.resize(max_bytes // PART)

    def get(self, digest: bytes, issuers: object) -> CachedRefusal | None:
        """Return the refusal of the credential with this *digest* under exactly these *issuers*, or None."""
        return self.cache.find(digest) if issuers is self._issuers else None

    def put(self, digest: bytes, issuers: object, refusal: CachedRefusal) -> None:
        """Cache *refusal* for a minute, unless its texts are too long."""
        if issuers is not self._issuers:
            self.cache.clear()
            self._issuers = issuers
        key_id = refusal.key_id or ""
        if len(refusal.detail) + len(key_id) > MAX_CHARACTERS:
            return
        size = _BESIDE_TEXTS + getsizeof(refusal.detail) + _ROUNDING
        if key_id:
            size += getsizeof(key_id) + _ROUNDING
        refusal.size = counted(size)
        refusal.until = self._elapsed() + SECONDS
        self.cache.store(digest, refusal)
