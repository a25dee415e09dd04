"""Read one member of a JWK Set (RFC 7517 §4): a sound key for verifying signatures, or raise `BadKey`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from authgate.tokens import _base64url, _edwards, _lint
from authgate.tokens._key import BadKey, KeyForEncryption, KeyForOtherPurpose, algorithm_for, hmac_key, public_key
from authgate.tokens.algorithms import FITTING, fully_specified
from authgate.tokens.jws import MAX_KEY_ID_CHARACTERS

if TYPE_CHECKING:
    from authgate.core.keys import Key

# The members of private keys: RFC 7518 §6.2.2, §6.3.2; RFC 8037 §2.
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
# The longest `issuer` of a member that is kept.
_MAX_ISSUER_CHARACTERS = 2048
# RFC 7518 §6.2.1.2: a coordinate has the full length of the curve's field, given here in octets.
_NIST_CURVES: dict[str, tuple[EllipticCurve, int]] = {
    "P-256": (SECP256R1(), 32),
    "P-384": (SECP384R1(), 48),
    "P-521": (SECP521R1(), 66),
}


def key(member: object, allowed: frozenset[str]) -> Key:
    """Return the key in *member*, for one of the *allowed* algorithms, or raise `BadKey`."""
    if not isinstance(member, dict):
        raise BadKey("it is not a JSON object")
    key_type, curve = member.get("kty"), member.get("crv")
    if key_type != "oct" and _PRIVATE & member.keys():
        raise BadKey(
            "it is a PRIVATE key, and anybody who has seen this document can sign with it: "
            "make a new key pair and give AuthGate the public key only"
        )
    if not isinstance(key_type, str) or not isinstance(curve, (str, type(None))) or (key_type, curve) not in FITTING:
        raise KeyForOtherPurpose(f"key type {key_type!r:.40} with curve {curve!r:.40} is not supported")
    _check_purpose(member)
    key_id = _text(member, "kid")
    # A token that names a longer id is refused, so such a key could never be used.
    if key_id is not None and not 1 <= len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise BadKey(f"its 'kid' has {len(key_id)} characters; 1 to {MAX_KEY_ID_CHARACTERS} are accepted")
    algorithm = algorithm_for(key_type, curve, _text(member, "alg"), allowed)
    if key_type == "oct":
        return hmac_key(_octets(member, "k"), algorithm, key_id=key_id, is_text=False)
    return public_key(_public(key_type, curve, member), algorithm, key_id=key_id, issuer=_issuer(member))


def possible_algorithms(member: object) -> tuple[str, ...]:
    """Return the algorithms that the unfit *member* may be meant for: its `alg`, else all of its type."""
    if not isinstance(member, dict):
        return ()
    key_type, curve, stated = member.get("kty"), member.get("crv"), member.get("alg")
    if not isinstance(key_type, str) or not isinstance(curve, (str, type(None))):
        return ()
    fitting = FITTING.get((key_type, curve), ())
    return tuple(name for name in fitting if not isinstance(stated, str) or name in fully_specified((stated,)))


def _check_purpose(member: dict[str, Any]) -> None:
    """Raise `BadKey` if `use` or `key_ops` does not allow verifying signatures (RFC 7517 §4.2, §4.3)."""
    use = _text(member, "use")
    if use not in {None, "sig"}:
        kind = KeyForEncryption if use == "enc" else KeyForOtherPurpose
        raise kind("'use' does not allow verifying: it is not \"sig\"")
    if "key_ops" not in member:
        return
    operations = member["key_ops"]
    if not isinstance(operations, list) or not all(isinstance(operation, str) for operation in operations):
        raise BadKey("'key_ops' is not a list of strings")
    if len(set(operations)) != len(operations):
        raise BadKey("'key_ops' names an operation twice (RFC 7517 §4.3)")
    if "verify" not in operations:
        raise KeyForOtherPurpose("'key_ops' does not allow verifying: it does not contain \"verify\"")


def _public(key_type: str, curve: str | None, member: dict[str, Any]) -> Any:  # noqa: ANN401 - cryptography's keys
    try:
        if key_type == "RSA":
            return _rsa(_octets(member, "n"), _octets(member, "e"))
        if key_type == "EC":
            return _ec(str(curve), _octets(member, "x"), _octets(member, "y"))
        return _okp(str(curve), _octets(member, "x"))
    except (ValueError, UnsupportedAlgorithm):  # OpenSSL's own message would not help an operator
        raise BadKey(f"it is not a valid {key_type} key{f' on the curve {curve}' if curve else ''}") from None


def _rsa(modulus: bytes, exponent: bytes) -> Any:  # noqa: ANN401 - cryptography's keys
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if fault := _lint.rsa_fault(n, e):  # before cryptography computes with the numbers
        raise BadKey(fault)
    return RSAPublicNumbers(e, n).public_key()


def _ec(curve_name: str, x: bytes, y: bytes) -> Any:  # noqa: ANN401 - cryptography's keys
    curve, octets = _NIST_CURVES[curve_name]
    if not (_has_octets(x, octets) and _has_octets(y, octets)):
        raise BadKey(f"its coordinates have {len(x)} and {len(y)} octets; those of {curve_name} have {octets}")
    return EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key()


def _has_octets(number: bytes, octets: int) -> bool:
    """Whether *number* has this length, apart from zeros before it: Java's BigInteger writes one before a high bit."""
    return len(number) >= octets >= len(number.lstrip(b"\0"))


def _okp(curve_name: str, x: bytes) -> Any:  # noqa: ANN401 - cryptography's keys
    if fault := _edwards.fault(curve_name, x):
        raise BadKey(fault)
    return (Ed25519PublicKey if curve_name == "Ed25519" else Ed448PublicKey).from_public_bytes(x)


def _issuer(member: dict[str, Any]) -> str | None:
    """Return the member `issuer`. No RFC registers it, so a value that cannot be an issuer says nothing."""
    issuer = member.get("issuer")
    return issuer if isinstance(issuer, str) and 1 <= len(issuer) <= _MAX_ISSUER_CHARACTERS else None


def _octets(member: dict[str, Any], name: str) -> bytes:
    value = member.get(name)
    try:
        if isinstance(value, str):
            return _base64url.decode(value)
    except ValueError:
        pass
    raise BadKey(f"{name!r} is missing or not unpadded base64url")


def _text(member: dict[str, Any], name: str) -> str | None:
    if name not in member:
        return None
    value = member[name]
    if not isinstance(value, str):
        raise BadKey(f"{name!r} is not a string")
    return value
