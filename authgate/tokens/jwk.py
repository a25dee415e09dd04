"""Read keys from what operators have: a secret, PEM, a JWK or a JWK Set (RFC 7517). Unfit keys are skipped."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.core.keys import Key, KeySet, key_name
from authgate.tokens import _json, _member, _pem, secrets
from authgate.tokens._key import BadKey, KeyForEncryption, KeyForOtherPurpose, algorithm_for, hmac_key
from authgate.tokens.algorithms import HMAC_MIN_BYTES, ambiguous_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["BadKey", "KeySet", "from_jwks", "from_pem", "from_secret", "from_secret_file"]


MAX_KEYS = 64
# 4 KiB for each key. An RSA key of 4096 bits takes about 3 with its certificate in `x5c`, which many issuers publish.
MAX_DOCUMENT_BYTES = MAX_KEYS * 4 * 1024

# The registered key types that have a public and a private half, supported or not (RFC 7518 §6.1; OKP: RFC 8037;
# AKP: ML-DSA).
_PAIR_TYPES = frozenset({"RSA", "EC", "OKP", "AKP"})


_LINE_BREAK_IN_BYTES = (
    "its secret is binary, and one line break at its end was stripped. Tokens pass, too, if the line break is part of "
    "the secret. Write the secret as a JWK of kty oct (jwks_file), so that its bytes are certain"
)


class _Entry(NamedTuple):
    """One entry of a document: a name for messages, the id that it claims, and the material, not yet read."""

    name: str
    key_id: str | None
    material: Any


def from_secret(secret: bytes, allowed: frozenset[str]) -> KeySet:
    """Return a key set with one key: *secret*, written by an operator, for the one HMAC algorithm in *allowed*."""
    key = hmac_key(secret, algorithm_for("oct", None, None, allowed), key_id=None, is_text=True)
    return KeySet(keys=(key,), warnings=secrets.warnings(secret))


def from_secret_file(content: bytes, allowed: frozenset[str]) -> KeySet:
    """Return a key set with one key: the shared secret in the *content* of a file.

    One line break at the end is not a part of it. In a file of random bytes it may be one of them, so there both
    readings are keys, with a warning.
    """
    _check_size(content)
    secret = secrets.without_line_break(content)
    if not secrets.is_binary(secret):
        return from_secret(secret, allowed)
    algorithm = algorithm_for("oct", None, None, allowed)
    if faults := secrets.faults(secret, 0, is_text=False):
        raise BadKey(*faults)
    readings = [reading for reading in dict.fromkeys((secret, content)) if len(reading) >= HMAC_MIN_BYTES[algorithm]]
    keys = tuple(hmac_key(reading, algorithm, key_id=None, is_text=False) for reading in readings or [secret])
    return KeySet(keys=keys, warnings=(_LINE_BREAK_IN_BYTES,) if secret != content else ())


def from_pem(pem: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the public keys in *pem*: public keys (SPKI, PKCS #1) and X.509 certificates, at most 64.

    An unfit block is skipped. A private key anywhere in *pem* raises `BadKey`, because it must not be there at all.
    """
    _check_size(pem)
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("it holds a private key; give AuthGate the public key only")
    blocks = _pem.blocks(pem)
    if not blocks:
        raise BadKey("it holds no PEM block (-----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----)")
    if len(blocks) > MAX_KEYS:
        raise BadKey(f"it holds {len(blocks)} keys, over {MAX_KEYS}")
    entries = (_Entry(f"PEM block number {number}", None, block) for number, block in enumerate(blocks, 1))
    return _key_set(entries, partial(_pem.key, allowed=allowed))


def from_jwks(document: bytes, allowed: frozenset[str], *, public_only: bool = False) -> KeySet:
    """Return the keys of a JWK or JWK Set, at most 256 KiB and 64 keys. *public_only*: the document was fetched.

    An unfit member is skipped, and the others are used (J11). Raise `BadKey` only if the document is not a JWK Set, has
    no usable key, or mixes secrets with public keys (J2).
    """
    members = _members(document)
    types = {member["kty"] for member in members if isinstance(member, dict) and isinstance(member.get("kty"), str)}
    # Unfit members also count: others may know their public halves, and the same document holds a secret.
    if "oct" in types and types & _PAIR_TYPES:
        raise BadKey("it mixes a shared secret (oct) with public keys; give each its own issuer")
    entries = (_member_entry(member, number) for number, member in enumerate(members, 1))
    return _key_set(entries, partial(_public_member if public_only else _member.key, allowed=allowed))


def _members(document: bytes) -> list[Any]:
    """Return the members of the JWK Set *document*, or *document* itself if it is one JWK. They are not checked yet."""
    _check_size(document)
    try:
        parsed = _json.parse_object(document)
    except ValueError as error:
        raise BadKey(f"it is not a JWK Set: {error}") from None
    if "keys" not in parsed and "kty" not in parsed:
        lacks = (
            "it has neither 'keys' nor 'kty'" if parsed else "it is empty: its issuer may sign with a secret (HS256)"
        )
        raise BadKey(f"it is neither a JWK Set nor a JWK: {lacks}")
    members = parsed.get("keys", [parsed])
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise BadKey(f"its 'keys' is not a list of at most {MAX_KEYS} keys")
    return members


def _public_member(member: object, allowed: frozenset[str]) -> Key:
    if isinstance(member, dict) and member.get("kty") == "oct":
        raise BadKey("a shared secret must not be fetched from a URL, where others can read it; use secret_file for it")
    return _member.key(member, allowed)


def _key_set(entries: Iterable[_Entry], read: Callable[[Any], Key]) -> KeySet:
    """Return the keys that *read* makes from *entries*, with the skipped ones.

    A repeated key counts once. A token names its key by `kid` and `alg` (RFC 7517 §4.5). Different keys that fit the
    same token are all skipped, because the token could mean any of them. An unfit key counts for each algorithm that it
    may be meant for; a key for another purpose does not count.
    """
    keys: dict[bytes, tuple[str, Key]] = {}  # by thumbprint
    skipped = []
    expected = set()
    owners: defaultdict[tuple[str | None, str], set[bytes | int]] = defaultdict(set)  # by id and `alg`
    for number, entry in enumerate(entries):
        try:
            key = read(entry.material)
        except BadKey as error:
            skipped.append(f"{entry.name}: {error}")
            if isinstance(error, KeyForEncryption):
                expected.add(skipped[-1])
            if not isinstance(error, KeyForOtherPurpose):
                for algorithm in _member.possible_algorithms(entry.material):
                    owners[entry.key_id, ambiguous_name(algorithm)].add(number)
        else:
            keys.setdefault(key.thumbprint, (entry.name, key))
            owners[entry.key_id, ambiguous_name(key.algorithm)].add(key.thumbprint)
    usable = []
    for name, key in keys.values():
        count = len(owners[key.key_id, ambiguous_name(key.algorithm)])
        if key.key_id is None or count == 1:
            usable.append(key)
        else:
            same = f"{count} keys have this kid and fit the same tokens ({key.algorithm})"
            skipped.append(f"{name}: {same}; give each its own kid")
    if not usable:
        raise BadKey("; ".join(("it holds no key that can verify a signature", *skipped)))
    return KeySet(keys=tuple(usable), skipped=tuple(skipped), expected=frozenset(expected))


def _check_size(document: bytes) -> None:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise BadKey(f"it is {len(document)} bytes long, over {MAX_DOCUMENT_BYTES}")


def _member_entry(member: object, number: int) -> _Entry:
    key_id = member.get("kid") if isinstance(member, dict) else None
    if isinstance(key_id, str):
        return _Entry(key_name(key_id), key_id, member)
    return _Entry(f"key number {number}", None, member)
