"""Cached refusals: the same bad credential is not verified again and again.

A refusal is cached only if it depends on the credential and on the issuers with their keys, and on nothing else:
neither on the time, nor on a session, nor on the request. `identification.py` caches those of `choose_format` and of
`verify`, which are pure. What newer keys may change is still looked up by each request: a cached refusal saves the
verification, never the lookup.

A refusal counts for the very object `Issuers` that it was made with. Every change of a key, a setting or an issuer
makes another one, so no refusal outlives what it depends on. There is nothing to compare, and nothing to forget.

If a request has several credentials, none of their refusals is cached, because they share a bound
(`core/attempts.py`): the request could have another result when it is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from authgate.core.errors import Refused

if TYPE_CHECKING:
    from authgate.core.reasons import Reason


class CachedRefusal:
    """The refusal of a credential that claims to be from the issuer *issuer_name*; "" if no issuer was chosen.

    *key_id* is that of the public key which the credential names. *size* (in bytes) and *until* belong to the cache.
    """

    __slots__ = ("detail", "issuer_name", "key_id", "newer_keys_may_help", "reason", "size", "until")

    def __init__(self, refused: Refused, issuer_name: str = "", key_id: str | None = None) -> None:
        self.reason: Reason = refused.reason
        self.detail = refused.detail
        self.newer_keys_may_help = refused.newer_keys_may_help
        self.issuer_name = issuer_name
        self.key_id = key_id
        self.size = 0
        self.until = 0.0

    def refused(self) -> Refused:
        """Return the refusal, as it was raised."""
        return Refused(self.reason, self.detail, newer_keys_may_help=self.newer_keys_may_help)


class RefusalCache(Protocol):
    """A cache of refusals, bounded apart from the proofs: anybody can make up bad credentials."""

    def get(self, digest: bytes, issuers: object) -> CachedRefusal | None:
        """Return the refusal of the credential with this *digest* under exactly these *issuers*, or None.

        *issuers* are the `Issuers` of a snapshot. They are compared with `is`.
        """
        ...

    def put(self, digest: bytes, issuers: object, refusal: CachedRefusal) -> None:
        """Cache *refusal*, if the bound of the cache allows it."""
        ...


class NoRefusalCache:
    """Caches nothing."""

    def get(self, digest: bytes, issuers: object) -> None:
        """Return None."""

    def put(self, digest: bytes, issuers: object, refusal: CachedRefusal) -> None:
        """Do nothing."""


NO_REFUSAL_CACHE = NoRefusalCache()
