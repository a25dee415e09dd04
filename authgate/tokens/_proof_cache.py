"""The proof cache: a credential is verified once, and later requests reuse its proof.

Key: the digest of the credential and the fingerprint of the issuer. The fingerprint covers everything that verification
depends on, keys included. After a rotation, after a stricter setting, and for another issuer, no old proof is returned
(J22).

Bound: *max_bytes*, counted with an estimate for each entry. The least recently used entries are evicted first.

Never cached: decisions, which depend on the time and on the request; refusals; proofs that anybody could make up, since
they would evict the others; and proofs that newer keys may change. core/decide.py and `is_cacheable` ensure that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

from authgate.core.proof import Proven
from authgate.core.snapshot import SECRETS

if TYPE_CHECKING:
    from authgate.core.proof import Proof
    from authgate.core.snapshot import Issuer

MAX_BYTES = 64 * 1024 * 1024
# The estimate: an entry takes _ENTRY_BYTES, and _BYTES_PER_TOKEN_BYTE for each byte of its token. Measured with
# tracemalloc over tokens of 150 to 3,000 bytes and rounded up: a token of 300 bytes takes 2,000 bytes; one of 3,000
# takes between 4,000 (one long string) and 24,000 (many small lists and words). Only tokens with lists of nearly empty
# objects take more than the estimate, about twice as much.
_ENTRY_BYTES = 1024
_BYTES_PER_TOKEN_BYTE = 9
# How many keys to count proofs for. A key set has at most 64 keys, but issuers replace them.
_MAX_KEYS_COUNTED = 4096


class LruProofCache:
    """The proofs of verified credentials, and the number of proofs that each key made.

    *hits* counts the proofs that `get` returned, *stored* those that `put` added.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._proofs: LRUCache[bytes, tuple[Proof, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])
        self._by_key: LRUCache[tuple[str, bytes], tuple[int, float]] = LRUCache(_MAX_KEYS_COUNTED)
        self.hits = 0
        self.stored = 0

    def get(self, digest: bytes, issuer: Issuer) -> Proof | None:
        """Return the proof of the credential with this *digest* under *issuer* as it is now, or None."""
        entry = self._proofs.get(issuer.fingerprint + digest)
        if entry is None:
            return None
        self.hits += 1
        return entry[0]

    def put(self, digest: bytes, issuer: Issuer, proof: Proof, *, size: int, now: float) -> None:
        """Cache *proof*, made at *now* from a credential of *size* characters, unless it alone exceeds the bound."""
        identity = proof.identity if isinstance(proof, Proven) else proof.copy
        if identity is not None and identity.key is not None:
            counted = (issuer.name, identity.key.thumbprint)
            self._by_key[counted] = (self._by_key.get(counted, (0, now))[0] + 1, now)
        cost = _ENTRY_BYTES + _BYTES_PER_TOKEN_BYTE * size
        if cost <= self._proofs.maxsize:
            self._proofs[issuer.fingerprint + digest] = (proof, cost)
            self.stored += 1

    def made_with(self, key_set: str, thumbprint: bytes) -> tuple[int, float | None]:
        """Return how many proofs the key with this *thumbprint* made, and when it made the last one (Unix time).

        *key_set* is the name of its key set: `<issuer>` or `<issuer>/secret`.
        """
        return self._by_key.get((key_set.removesuffix(SECRETS), thumbprint), (0, None))

    @property
    def entries(self) -> int:
        """How many proofs are cached."""
        return len(self._proofs)

    @property
    def bytes(self) -> int:
        """About how many bytes of memory the proofs take."""
        return int(self._proofs.currsize)
