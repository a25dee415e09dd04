"""Keys from what operators have: a secret, PEM, JWK or JWK Set (RFC 7517). Unfit keys are named, never used."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.core.keys import Key, KeySet, key_name
from authgate.tokens import _json, _member, _pem, secrets
from authgate.tokens._key import BadKey, NotForUs, hmac_key, one_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["BadKey", "KeySet", "from_jwks", "from_pem", "from_secret", "from_secret_file"]


MAX_DOCUMENT_BYTES = 64 * 1024
MAX_KEYS = 64

# The registered key types whose keys come in pairs, supported or not (RFC 7518 §6.1; OKP: RFC 8037; AKP: ML-DSA).
_PAIRS = frozenset({"RSA", "EC", "OKP", "AKP"})


class _Found(NamedTuple):
    """What a document holds in one place: a name to tell it by, the id that it claims, and the unread material."""

    name: str
    key_id: str | None
    material: Any


def from_secret(secret: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the one key that *secret*, written by an operator, is: for the one HMAC algorithm in *allowed*."""
    return KeySet(keys=(hmac_key(secret, one_algorithm("oct", None, None, allowed), key_id=None, is_text=True),))


def from_secret_file(content: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the one key that a file with a shared secret holds."""
    _check_size(content)
    return from_secret(secrets.without_line_break(content), allowed)


def from_pem(pem: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the public keys of *pem*: public keys (SPKI, PKCS #1) and X.509 certificates, 64 at most.

    An unfit block is left out and named. A private key anywhere refuses the file: it must not lie there at all.
    """
    _check_size(pem)
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("it holds a private key; give AuthGate the public key only")
    blocks = _pem.blocks(pem)
    if not blocks:
        raise BadKey("it holds no PEM block (-----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----)")
    if len(blocks) > MAX_KEYS:
        raise BadKey(f"it holds {len(blocks)} keys, over {MAX_KEYS}")
    found = (_Found(f"PEM block number {number}", None, block) for number, block in enumerate(blocks, 1))
    return _key_set(found, partial(_pem.key, allowed=allowed))


def from_jwks(document: bytes, allowed: frozenset[str], *, public_only: bool = False) -> KeySet:
    """Return the keys of a JWK or JWK Set, 64 KiB and 64 keys at most; *public_only* where it was fetched.

    An unfit member is left out and named, and the others stay (J11). Refused as a whole is only what is no JWK Set,
    what has no usable key, and what mixes secrets with public keys (J2).
    """
    members = _members(document)
    types = {member["kty"] for member in members if isinstance(member, dict) and isinstance(member.get("kty"), str)}
    # Judged by all members, the unfit ones too: their public halves are known, and the secrets lie beside them.
    if "oct" in types and types & _PAIRS:
        raise BadKey("it mixes a shared secret (oct) with public keys; give each an issuer of its own")
    found = (_found(member, number) for number, member in enumerate(members, 1))
    return _key_set(found, partial(_public_member if public_only else _member.key, allowed=allowed))


def _members(document: bytes) -> list[Any]:
    """Return the members of the JWK Set *document*, or the one JWK that it is; of any type, and unread."""
    _check_size(document)
    try:
        parsed = _json.parse_object(document)
    except ValueError as error:
        raise BadKey(f"it is not a JWK Set: {error}") from None
    if "keys" not in parsed and "kty" not in parsed:
        raise BadKey("it is neither a JWK Set nor a JWK: it has neither 'keys' nor 'kty'")
    members = parsed.get("keys", [parsed])
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise BadKey(f"its 'keys' is not a list of at most {MAX_KEYS} keys")
    return members


def _public_member(member: object, allowed: frozenset[str]) -> Key:
    if isinstance(member, dict) and member.get("kty") == "oct":
        raise BadKey("a secret that can be fetched is none; take secret_file for a secret that both sides share")
    return _member.key(member, allowed)


def _key_set(found: Iterable[_Found], read: Callable[[Any], Key]) -> KeySet:
    """Return the keys that *read* makes of what was *found*; name those that are left out.

    The same key twice is one key. Of different keys with one id none is used: which one is meant, a token cannot say.
    An unfit key has its id too; one that is for something else has not.
    """
    keys: dict[bytes, tuple[str, Key]] = {}  # by thumbprint
    skipped = []
    owners: defaultdict[str | None, set[bytes | int]] = defaultdict(set)
    for number, one in enumerate(found):
        try:
            key = read(one.material)
        except BadKey as error:
            skipped.append(f"{one.name}: {error}")
            if not isinstance(error, NotForUs):
                owners[one.key_id].add(number)
        else:
            keys.setdefault(key.thumbprint, (one.name, key))
            owners[one.key_id].add(key.thumbprint)
    usable = []
    for name, key in keys.values():
        if key.key_id is None or len(owners[key.key_id]) == 1:
            usable.append(key)
        else:
            skipped.append(f"{name}: {len(owners[key.key_id])} keys have this kid; give each a kid of its own")
    if not usable:
        raise BadKey("; ".join(("it holds no key that can verify a signature", *skipped)))
    return KeySet(keys=tuple(usable), skipped=tuple(skipped))


def _check_size(document: bytes) -> None:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise BadKey(f"it is {len(document)} bytes long, over {MAX_DOCUMENT_BYTES}")


def _found(member: object, number: int) -> _Found:
    key_id = member.get("kid") if isinstance(member, dict) else None
    if isinstance(key_id, str):
        return _Found(key_name(key_id), key_id, member)
    return _Found(f"key number {number}", None, member)
