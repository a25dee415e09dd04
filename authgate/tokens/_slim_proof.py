"""Proofs as they are cached: without the claims that are never read, and with their size.

The cache holds a proof for each user, so bytes count: a set of names that most identities have is one object for all of
them, and so is an empty payload.
"""

from __future__ import annotations

from operator import attrgetter
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from authgate.caches import held_bytes
from authgate.core import claim_paths
from authgate.core.identity import Identity
from authgate.core.proof import Proven
from authgate.core.quick_dataclass import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.proof import Proof

# How many sets of names to share. A configuration makes a few; a client can make others, with claims of wrong types.
_MAX_SHARED = 256
_shared: dict[frozenset[str], frozenset[str]] = {}
_NO_CLAIMS: Mapping[str, Any] = {}

# Python rounds sizes up to 16 bytes.
_ROUNDING = 8
_IDENTITY_BYTES = getsizeof(Identity(issuer="", format="", subject="")) + _ROUNDING
_PROVEN_BYTES = getsizeof(Proven(identity=Identity(issuer="", format="", subject=""))) + _ROUNDING

# The fields of an identity with a value of its own. The names of issuer and format are those of the configuration.
_LISTS = ("roles", "scopes", "organization_role", "amr")
_lists: Callable[[Identity], tuple[tuple[str, ...], ...]] = attrgetter(*_LISTS)
_own_values: Callable[[Identity], tuple[Any, ...]] = attrgetter(
    *("subject", "email", "name", "organization", "session_id", "impersonated_by", "acr", "token_id"),
    *("issued_at", "not_before", "expires_at", "authenticated_at", "ban_expires_at"),
    *_LISTS,
)


def slim(proof: Proof, claims_read: frozenset[ClaimPath] | None) -> Proof:
    """Return *proof* with the claims at the paths *claims_read* alone; None: with all."""
    identity = proof.identity if isinstance(proof, Proven) else proof.copy
    kept = None if identity is None else _slim(identity, claims_read)
    if kept is identity or kept is None:
        return proof
    return Proven(identity=kept) if isinstance(proof, Proven) else replaced(proof, copy=kept)


def proof_bytes(proof: Proof) -> int:
    """Return how many bytes of memory *proof* holds, which `slim` returned."""
    if isinstance(proof, Proven):
        return _PROVEN_BYTES + identity_bytes(proof.identity)
    if proof.copy is None:
        return held_bytes(proof)
    return held_bytes(replaced(proof, copy=None)) + identity_bytes(proof.copy)


def identity_bytes(identity: Identity) -> int:
    """Return how many bytes of memory *identity* holds. What it has twice counts once.

    That takes long only if it has claims, which may have anything in them.
    """
    total = _IDENTITY_BYTES
    if identity.unknown is not _shared.get(identity.unknown):
        total += held_bytes(identity.unknown)
    values = _own_values(identity)
    if identity.claims:
        return total + held_bytes((identity.claims, *values)) - getsizeof(values) - _ROUNDING
    present = [*filter(None, values)]
    distinct = dict(zip(map(id, present), present, strict=True)).values()
    total += sum(map(getsizeof, distinct)) + _ROUNDING * len(distinct)
    for texts in _lists(identity):
        if texts:
            total += sum(map(getsizeof, texts)) + _ROUNDING * len(texts)
    return total


def _slim(identity: Identity, claims_read: frozenset[ClaimPath] | None) -> Identity:
    unknown = _share(identity.unknown)
    if claims_read is not None:
        kept = claim_paths.part(identity.claims, claims_read) or _NO_CLAIMS
        return replaced(identity, claims=kept, unknown=unknown)
    return identity if unknown is identity.unknown else replaced(identity, unknown=unknown)


def _share(names: Collection[str]) -> frozenset[str]:
    """Return the one set that is equal to *names*, unless there are too many different ones."""
    shared = _shared.get(frozen := frozenset(names))
    if shared is None and len(_shared) < _MAX_SHARED:
        shared = _shared[frozen] = frozen
    return frozen if shared is None else shared
