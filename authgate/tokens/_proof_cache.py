"""Remembers proofs, so that a token is verified once and not at every request. Never decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

from authgate.core.snapshot import SECRETS

if TYPE_CHECKING:
    from authgate.core.proof import Proof
    from authgate.core.snapshot import Issuer

MAX_BYTES = 64 * 1024 * 1024
# What one remembered identity weighs besides its token, and how many times its token's length: measured with
# tracemalloc over tokens of 150 to 3,000 bytes, rounded up. A token of 300 bytes weighs 2,000, one of 3,000 between
# 4,000 (one long string) and 24,000 (many small lists and words). Only an issuer that signs lists of nearly empty
# objects makes proofs heavier than they count, about twice.
_ENTRY_BYTES = 1024
_BYTES_PER_TOKEN_BYTE = 9
# Of how many keys proofs are counted: a key set holds 64 at most, and keys come and go.
_MAX_KEYS_COUNTED = 4096


class LruProofCache:
    """The proofs of credentials verified before: the least recently used go first when it holds *max_bytes*.

    The key is the credential's digest and the issuer's whole verification configuration, keys included: after a
    rotation or a tightened list, or for another issuer, nothing old is found (J22).
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._proofs: LRUCache[bytes, tuple[Proof, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])
        self._by_key: LRUCache[tuple[str, bytes], tuple[int, float]] = LRUCache(_MAX_KEYS_COUNTED)
        self.hits = 0
        self.stored = 0

    def get(self, digest: bytes, issuer: Issuer) -> Proof | None:
        """Return what the credential of *digest* proved under *issuer* as it is now, or None."""
        entry = self._proofs.get(issuer.fingerprint + digest)
        if entry is None:
            return None
        self.hits += 1
        return entry[0]

    def put(self, digest: bytes, issuer: Issuer, proof: Proof, *, size: int, now: float) -> None:
        """Keep *proof*, made at *now* of a credential of *size* bytes, unless it alone exceeds the memo's bound."""
        if proof.identity is not None and proof.identity.key is not None:
            name = (issuer.name, proof.identity.key.thumbprint)
            self._by_key[name] = (self._by_key.get(name, (0, now))[0] + 1, now)
        cost = _ENTRY_BYTES + _BYTES_PER_TOKEN_BYTE * size
        if cost <= self._proofs.maxsize:
            self._proofs[issuer.fingerprint + digest] = (proof, cost)
            self.stored += 1

    def made_with(self, key_set: str, thumbprint: bytes) -> tuple[int, float | None]:
        """Return how many proofs were made with the key of *thumbprint*, and when the last one was (Unix time).

        *key_set* is the name of the set that it is of: the issuer's, or that of the issuer's secrets.
        """
        return self._by_key.get((key_set.removesuffix(SECRETS), thumbprint), (0, None))

    @property
    def entries(self) -> int:
        """How many proofs are remembered."""
        return len(self._proofs)

    @property
    def bytes(self) -> int:
        """About how much memory they take."""
        return int(self._proofs.currsize)
