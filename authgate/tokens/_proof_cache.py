"""The proof cache: a credential is verified once, and later requests reuse its proof.

Key: the digest of the credential. An entry has the fingerprint of its issuer, and counts only for an issuer with the
same. The fingerprint covers everything that verification depends on, keys included. After a rotation, after a stricter
setting, and for another issuer, no old proof is returned (J22).

Bound: the budget that the caches share (`authgate/caches.py`). Each issuer has a cache of its own, from which the least
recently used proofs are evicted first. So one issuer's tokens evict no proof of another issuer.

Never here: decisions, which depend on the time and on the request; refusals, which have a cache of their own
(`_refusal_cache.py`); proofs that anybody could make up, since they would evict the others; and proofs that newer keys
may change. core/identification.py and `is_cacheable` ensure that.
"""

from __future__ import annotations

from collections import OrderedDict
from sys import getsizeof
from typing import TYPE_CHECKING

from authgate.caches import PLACE_BYTES, CacheBudget, EntryCache, counted
from authgate.core.cached_proof import CachedProof
from authgate.core.proof import Proven
from authgate.core.snapshot import SECRETS
from authgate.tokens._slim_proof import proof_bytes, slim

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from authgate.core.header_lines import HeaderLines
    from authgate.core.outputs import Output
    from authgate.core.proof import Proof
    from authgate.core.snapshot import Issuer

# How many keys to count proofs for. A key set has at most 64 keys, but issuers replace them.
_MAX_KEYS_COUNTED = 4096
# A proof is dropped so long after its credential has expired: with every leeway, it proves nothing any more.
_SECONDS_AFTER_EXPIRY = 300.0

# What an entry takes beside its proof: its place, a `CachedProof`, and the number of its time.
_BESIDE_PROOF = PLACE_BYTES + 96 + 32
# A `HeaderLines` beside its text.
_LINES_BYTES = 48 + 8


class LruProofCache:
    """The proofs of verified credentials, and the number of proofs that each key made.

    *by_issuer* has the cache of each issuer, by its name.
    """

    def __init__(self, budget: CacheBudget | None = None) -> None:
        """*budget* is that of all caches of the process; None: of this cache alone."""
        self.budget = budget or CacheBudget()
        self.by_issuer: dict[str, EntryCache[CachedProof]] = {}
        self._by_key: OrderedDict[tuple[str, bytes], tuple[int, float]] = OrderedDict()

    def get(self, digest: bytes, issuer: Issuer) -> Proof | None:
        """Return the proof of the credential with this *digest* under *issuer* as it is now, or None."""
        entry = self.find(digest, issuer)
        return None if entry is None else entry.proof

    def find(self, digest: bytes, issuer: Issuer) -> CachedProof | None:
        """Return the entry of the credential with this *digest* under *issuer* as it is now, or None."""
        cache = self.by_issuer.get(issuer.name)
        if cache is None or (entry := cache.find(digest)) is None:
            return None
        if entry.fingerprint != issuer.fingerprint:
            cache.hits -= 1
            return None
        return entry

    def put(self, digest: bytes, issuer: Issuer, proof: Proof, *, now: float) -> None:
        """Cache *proof*, made at *now* (Unix time), unless it is too large. It keeps only the claims that are read."""
        identity = proof.identity if isinstance(proof, Proven) else proof.copy
        if identity is not None and identity.key is not None:
            self._count(issuer.name, identity.key.thumbprint, now)
        until = float("inf")
        if isinstance(proof, Proven) and proof.identity.expires_at is not None:
            until = self.budget.elapsed() + max(0.0, proof.identity.expires_at - now) + _SECONDS_AFTER_EXPIRY
        kept = slim(proof, issuer.claims_read)
        entry = CachedProof(kept, issuer.fingerprint, 0, until)
        entry.size = _bytes(entry)
        self._cache_of(issuer.name).store(digest, entry)

    def cache_lines(
        self, digest: bytes, issuer: Issuer, entry: CachedProof, outputs: tuple[Output, ...], lines: HeaderLines
    ) -> None:
        """Cache *lines*, made of *outputs*, with *entry*, which `find` returned for this *digest* and *issuer*.

        An entry has the lines of at most two policies: those that were made last.
        """
        entry.other_outputs, entry.other_lines = entry.outputs, entry.lines
        entry.outputs, entry.lines = outputs, lines
        self._cache_of(issuer.name).resize(digest, entry, _bytes(entry))

    def set_issuers(self, names: AbstractSet[str]) -> None:
        """Have a cache for each of the issuers with these *names*, and drop those of all others."""
        for name in self.by_issuer.keys() - names:
            self.by_issuer.pop(name).clear()
        for name in names:
            self._cache_of(name)

    def _cache_of(self, name: str) -> EntryCache[CachedProof]:
        cache = self.by_issuer.get(name)
        if cache is None:
            cache = self.by_issuer[name] = EntryCache(self.budget, evicts="least recently used")
        return cache

    def _count(self, issuer_name: str, thumbprint: bytes, now: float) -> None:
        """Count a proof that the key with this *thumbprint* made. The key that was used last is the last one."""
        key = (issuer_name, thumbprint)
        self._by_key[key] = (self._by_key.get(key, (0, now))[0] + 1, now)
        self._by_key.move_to_end(key)
        if len(self._by_key) > _MAX_KEYS_COUNTED:
            self._by_key.popitem(last=False)

    def made_with(self, key_set: str, thumbprint: bytes) -> tuple[int, float | None]:
        """Return how many proofs the key with this *thumbprint* made, and when it made the last one (Unix time).

        *key_set* is the name of its key set: `<issuer>` or `<issuer>/secret`.
        """
        return self._by_key.get((key_set.removesuffix(SECRETS), thumbprint), (0, None))

    @property
    def hits(self) -> int:
        """How many proofs `get` returned."""
        return sum(cache.hits for cache in self.by_issuer.values())

    @property
    def stored(self) -> int:
        """How many proofs `put` added."""
        return sum(cache.stored for cache in self.by_issuer.values())

    @property
    def entries(self) -> int:
        """How many proofs are cached."""
        return sum(map(len, self.by_issuer.values()))

    @property
    def bytes(self) -> int:
        """How many bytes of memory the proofs take."""
        return sum(cache.bytes for cache in self.by_issuer.values())


def _bytes(entry: CachedProof) -> int:
    """Return how many bytes *entry* counts."""
    size = _BESIDE_PROOF + proof_bytes(entry.proof)
    for lines in (entry.lines, entry.other_lines):
        if lines is not None:
            size += _LINES_BYTES + getsizeof(lines.wire)
    return counted(size)
