"""Keys. The input: a line of two characters, then a document. The second character chooses the algorithms.

The first is the kind of document: "j" for a JWK Set that a file has, "u" for one that was fetched from a URL, "p" for
PEM, "f" for a file with a secret.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from authgate.core.attempts import Attempts
from authgate.core.errors import Refused
from authgate.tokens import jwk, jws
from authgate.tokens._base64url import encode
from authgate.tokens.algorithms import ALL_ALGORITHMS, HMAC_MIN_BYTES, ambiguous_name
from tests.fuzz.inputs import chosen

if TYPE_CHECKING:
    from authgate.core.keys import Key, KeySet

WORDS = (
    *(b'"keys":[', b'"kty":"RSA"', b'"kty":"EC"', b'"kty":"OKP"', b'"kty":"oct"', b'"crv":"P-256"', b'"crv":"Ed25519"'),
    *(b'"crv":"P-521"', b'"crv":"Ed448"', b'"alg":"ES256"', b'"alg":"EdDSA"', b'"alg":"RS256"', b'"use":"sig"'),
    *(b'"use":"enc"', b'"key_ops":["verify"]', b'"kid":"a"', b'"n":"', b'"e":"AQAB"', b'"x":"', b'"y":"', b'"k":"'),
    *(b'"d":"', b'"p":"', b'"oth":[]', b'"x5c":[', b'"issuer":"', b'"e":"AQ"', b"-----BEGIN PUBLIC KEY-----\n"),
    *(b"-----END PUBLIC KEY-----\n", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN RSA PUBLIC KEY-----\n"),
    *(b"-----BEGIN PRIVATE KEY-----\n", b"\r\n", b"\\ud800", b"null", b"changeme"),
)

_ALLOWED = (
    ALL_ALGORITHMS,
    frozenset({"ES256"}),
    frozenset({"RS256", "PS256"}),
    frozenset({"HS256"}),
    frozenset({"Ed25519", "Ed448"}),
    frozenset({"HS512", "ES512", "RS512"}),
)
_PUBLIC = (EllipticCurvePublicKey, Ed25519PublicKey, Ed448PublicKey, RSAPublicKey)
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}


def check(data: bytes) -> None:
    first, _, document = data.partition(b"\n")
    kind, allowed = first[:1], chosen(first[1:2], _ALLOWED)
    try:
        keys = _read(kind, document, allowed)
    except jwk.BadKey as error:
        _check_text(str(error))
        return
    assert 1 <= len(keys.keys) <= jwk.MAX_KEYS
    for key in keys.keys:
        _check_key(key, allowed, public_only=kind in {b"u", b"p"})
        _check_use(keys, key)
    for text in (*keys.skipped, *keys.warnings):
        _check_text(text)
    _check_names(keys.keys)
    if kind in {b"j", b"u"}:
        _check_against(document, keys.keys)


def _read(kind: bytes, document: bytes, allowed: frozenset[str]) -> KeySet:
    if kind == b"p":
        return jwk.from_pem(document, allowed)
    if kind == b"f":
        return jwk.from_secret_file(document, allowed)
    return jwk.from_jwks(document, allowed, public_only=kind == b"u")


def _check_text(text: str) -> None:
    assert text
    assert text.isprintable(), text


def _check_key(key: Key, allowed: frozenset[str], *, public_only: bool) -> None:
    assert key.algorithm in allowed
    assert key.key_id is None or 1 <= len(key.key_id) <= jws.MAX_KEY_ID_CHARACTERS
    assert key.label.isascii()
    assert key.label.isprintable()
    if key.is_symmetric:
        assert not public_only
        assert len(key.material) >= HMAC_MIN_BYTES[key.algorithm]
    else:
        assert isinstance(key.material, _PUBLIC)


def _check_use(keys: KeySet, key: Key) -> None:
    """A key that was accepted can be used: a wrong signature is refused, and nothing else is raised."""
    header = json.dumps({"alg": key.algorithm} | ({"kid": key.key_id} if key.key_id else {})).encode()
    for signature in (b"", b"\0" * 64, b"\xff" * 256, b"\0" * 132):
        token = jws.parse(f"{encode(header)}.{encode(b'{}')}.{encode(signature)}")
        try:
            jws.verify_signature(token, keys, frozenset({key.algorithm}), Attempts())
        except Refused:
            continue
        raise AssertionError(f"{key} verifies {signature!r}")


def _check_names(keys: tuple[Key, ...]) -> None:
    """A token's `kid` and `alg` mean one key."""
    named = [(key.key_id, ambiguous_name(key.algorithm)) for key in keys if key.key_id is not None]
    assert len(set(named)) == len(named)
    assert len({key.thumbprint for key in keys}) == len(keys)


def _check_against(document: bytes, keys: tuple[Key, ...]) -> None:
    """Each key is one of the document's members, which is public or a secret, and no key for another use."""
    read = json.loads(document)
    members: list[Any] = [member for member in read.get("keys", [read]) if isinstance(member, dict)]
    usable = [member for member in members if _is_usable(member)]
    assert len(keys) <= len(usable)
    assert all(key.key_id in [member.get("kid") for member in usable] for key in keys)
    types = [member.get("kty") for member in members]
    assert "oct" not in types or not any(pair in types for pair in ("RSA", "EC", "OKP"))


def _is_usable(member: dict[str, Any]) -> bool:
    operations = member.get("key_ops", ["verify"])
    for_verifying = member.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    return for_verifying and (member.get("kty") == "oct" or not _PRIVATE & member.keys())
