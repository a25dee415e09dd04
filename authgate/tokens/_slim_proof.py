"""Proofs as they are cached: without the claims that are never read, and with their size.

The cache holds a proof for each user, so bytes count. What many identities have is one object for all of them: lists of
roles and scopes, sets of names, and an empty payload.
"""

from __future__ import annotations

from operator import attrgetter
from sys import getsizeof
from typing import TYPE_CHECKING, Any, TypeAlias

from authgate.caches import held_bytes
from authgate.core import claim_paths
from authgate.core.identity import Identity
from authgate.core.proof import Proven
from authgate.core.quick_dataclass import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.proof import Proof

Texts: TypeAlias = "tuple[str, ...] | frozenset[str]"
# How many lists, and how many sets of unknown fields, to share, and how many characters each may have. The first ones
# stay. They do not count.
_MAX_SHARED = 256
_MAX_SHARED_CHARACTERS = 256
_shared_lists: dict[Any, Any] = {}
_shared_sets: dict[Any, Any] = {}
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
    if identity.unknown is not _shared_sets.get(identity.unknown):
        total += held_bytes(identity.unknown)
    lists = [texts for texts in _lists(identity) if texts and texts is not _shared_lists.get(texts)]
    values = _own_values(identity)
    if identity.claims:
        everything = (identity.claims, *lists, *values)
        return total + held_bytes(everything) - getsizeof(everything) - _ROUNDING
    present = [*filter(None, values)]
    distinct = dict(zip(map(id, present), present, strict=True)).values()
    total += sum(map(getsizeof, distinct)) + _ROUNDING * len(distinct)
    for texts in lists:
        total += getsizeof(texts) + sum(map(getsizeof, texts)) + _ROUNDING * (len(texts) + 1)
    return total


def _slim(identity: Identity, claims_read: frozenset[ClaimPath] | None) -> Identity:
    changes: dict[str, Any] = {"unknown": _share(frozenset(identity.unknown), _shared_sets)}
    for name, texts in zip(_LISTS, _lists(identity), strict=True):
        if texts:
            changes[name] = _share(texts, _shared_lists)
    if claims_read is not None:
        changes["claims"] = claim_paths.part(identity.claims, claims_read) or _NO_CLAIMS
    elif all(getattr(identity, name) is value for name, value in changes.items()):
        return identity
    return replaced(identity, **changes)


def _share(texts: Texts, shared: dict[Any, Any]) -> Texts:
    """Return the object in *shared* that equals *texts*; *texts* itself if there are too many, or if it is too long."""
    known: Texts | None = shared.get(texts)
    if known is not None:
        return known
    if len(shared) < _MAX_SHARED and sum(map(len, texts)) <= _MAX_SHARED_CHARACTERS:
        shared[texts] = texts
    return texts
