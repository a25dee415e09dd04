"""Keys from what operators have: a secret, PEM, JWK or JWK Set (RFC 7517). Unfit keys are named, never used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt.exceptions import PyJWTError

from authgate.core.errors import AuthGateError
from authgate.core.keys import Key, KeySet
from authgate.tokens import _base64url, _json, _roca, secrets
from authgate.tokens.algorithms import ALGORITHMS, ALL_ALGORITHMS, FITTING, HMAC_MIN_BYTES, fully_specified

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DOCUMENT_BYTES = 64 * 1024
MAX_KEYS = 64
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_BASE64URL_MEMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",), "oct": ("k",)}


class BadKey(AuthGateError):
    """Key material that must not be used. *faults* says, one sentence each, everything that is wrong with it."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _NotForUs(AuthGateError):
    """A member of a JWK Set that is for something else, or that nobody can read: left out, the others stay."""


def from_secret(secret: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the one key that *secret*, written by an operator, is: for the one HMAC algorithm in *allowed*."""
    return KeySet(keys=(_hmac_key(secret, _one_algorithm("oct", None, None, allowed), key_id=None, is_text=True),))


def from_secret_file(content: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the one key that a file with a shared secret holds."""
    _check_size(content)
    return from_secret(secrets.without_line_break(content), allowed)


def from_pem(pem: bytes, allowed: frozenset[str]) -> KeySet:
    """Return the public keys of *pem*: public keys (SPKI, PKCS #1) and X.509 certificates, 64 at most.

    A certificate serves as a container of its key: its dates and signatures are not looked at.
    """
    _check_size(pem)
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("it holds a private key; give AuthGate the public key only")
    blocks = _pem_blocks(pem)
    if not blocks:
        raise BadKey("it holds no PEM block (-----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----)")
    if len(blocks) > MAX_KEYS:
        raise BadKey(f"it holds {len(blocks)} keys, over {MAX_KEYS}")
    return KeySet(keys=tuple(_pem_key(block, allowed) for block in blocks))


def from_jwks(document: bytes, allowed: frozenset[str], *, public_only: bool = False) -> KeySet:
    """Return the keys of a JWK or JWK Set, 64 KiB and 64 keys at most.

    A member for another use, of an unknown type, or malformed is skipped and named (J11). Weak, private and doubled
    keys, and secrets mixed with public keys, refuse the whole set: they are somebody's mistake.
    """
    _check_size(document)
    try:
        parsed = _json.parse_object(document)
    except ValueError as error:
        raise BadKey(f"it is not a JWK Set: {error}") from None
    members = parsed.get("keys") if "keys" in parsed else [parsed]
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise BadKey(f"its 'keys' is not a list of at most {MAX_KEYS} keys")
    keys: list[Key] = []
    skipped: list[str] = []
    faults: list[str] = []
    for position, member in enumerate(members):
        try:
            keys.append(_jwk_key(member, allowed))
        except _NotForUs as error:
            skipped.append(f"{_named(member, position)}: {error}")
        except BadKey as error:
            faults.extend(f"{_named(member, position)}: {fault}" for fault in error.faults)
    faults.extend(_set_faults(keys))
    if not keys and not faults:
        faults.append("it holds no key that can verify a signature" + "".join(f"; {reason}" for reason in skipped))
    if faults:
        raise BadKey(*faults)
    return KeySet(keys=tuple(keys), skipped=tuple(skipped))


def _set_faults(keys: Sequence[Key]) -> list[str]:
    faults = []
    if len({key.is_symmetric for key in keys}) > 1:
        faults.append("it mixes a shared secret (oct) with public keys; give each an issuer of its own")
    ids = [key.key_id for key in keys if key.key_id is not None]
    faults.extend(f"two keys have the kid {key_id!r}" for key_id in sorted({i for i in ids if ids.count(i) > 1}))
    return faults


def _jwk_key(jwk: Any, allowed: frozenset[str]) -> Key:  # noqa: ANN401 - a member of the document, of any type
    if not isinstance(jwk, dict):
        raise _NotForUs("not a JSON object")
    key_type, curve, key_id = jwk.get("kty"), jwk.get("crv"), jwk.get("kid")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise _NotForUs("'use' or 'key_ops' does not allow to verify with it")
    if not isinstance(key_type, str) or not isinstance(curve, (str, type(None))) or (key_type, curve) not in FITTING:
        raise _NotForUs(f"key type {key_type!r:.40} with curve {curve!r:.40} is not supported")
    if key_id is not None and not isinstance(key_id, str):
        raise _NotForUs("'kid' is not a string")
    if {"d", "p", "q"} & jwk.keys():
        raise BadKey("it is a private key; give AuthGate the public key only")
    for name in _BASE64URL_MEMBERS[key_type]:
        try:
            _base64url.decode(jwk[name])
        except (KeyError, ValueError, TypeError):
            raise _NotForUs(f"{name!r} is missing or not unpadded base64url") from None
    algorithm = _one_algorithm(key_type, curve, jwk.get("alg"), allowed)
    if key_type == "oct":
        return _hmac_key(_base64url.decode(jwk["k"]), algorithm, key_id=key_id, is_text=False)
    try:
        material = ALGORITHMS[algorithm].from_jwk(jwk)
    except (PyJWTError, ValueError, TypeError, KeyError) as error:
        raise _NotForUs(f"not a valid {key_type} key ({type(error).__name__})") from None
    return _public_key(material, algorithm, key_id=key_id)


def _pem_blocks(pem: bytes) -> list[bytes]:
    marker = b"-----BEGIN "
    return [marker + block for block in pem.split(marker)[1:]]


def _pem_key(block: bytes, allowed: frozenset[str]) -> Key:
    try:
        if block.startswith(b"-----BEGIN CERTIFICATE"):
            material: Any = x509.load_pem_x509_certificate(block).public_key()
        else:
            material = load_pem_public_key(block)
    except Exception as error:  # noqa: BLE001 - OpenSSL's errors are many; each means: not a readable public key
        raise BadKey(f"it holds a PEM block that is no public key ({type(error).__name__})") from None
    key_type, curve = _type_of(material)
    return _public_key(material, _one_algorithm(key_type, curve, None, allowed), key_id=None)


def _type_of(material: Any) -> tuple[str, str | None]:  # noqa: ANN401 - any of cryptography's public keys
    if isinstance(material, RSAPublicKey):
        return "RSA", None
    if isinstance(material, EllipticCurvePublicKey):
        return "EC", _CURVES.get(material.curve.name, material.curve.name)
    if isinstance(material, (Ed25519PublicKey, Ed448PublicKey)):
        return "OKP", "Ed25519" if isinstance(material, Ed25519PublicKey) else "Ed448"
    return type(material).__name__, None


def _one_algorithm(key_type: str, curve: str | None, stated: object, allowed: frozenset[str]) -> str:
    """Return the one algorithm of a key: the stated `alg`; else the one of *allowed* that fits; else the default."""
    fitting = FITTING.get((key_type, curve), ())
    if not fitting:
        raise BadKey(f"keys of type {key_type} {curve or ''} are not supported".replace("  ", " "))
    wanted = fitting
    if stated is not None:
        if not isinstance(stated, str):
            raise _NotForUs("'alg' is not a string")
        wanted = tuple(name for name in fitting if name in fully_specified((stated,)))
        if not wanted:
            raise _NotForUs(f"alg {stated!r:.40} does not fit a key of type {key_type}")
    usable = tuple(name for name in wanted if name in allowed)
    if not usable:
        message = f"the key is for {' or '.join(wanted)}, but `algorithms` lists only {', '.join(sorted(allowed))}"
        raise _NotForUs(message) if stated is not None else BadKey(message)
    if len(usable) == 1 or allowed == ALL_ALGORITHMS:
        return usable[0]
    raise BadKey(f"`algorithms` lists {' and '.join(usable)} for one {key_type} key; a key has exactly one algorithm")


def _hmac_key(secret: bytes, algorithm: str, *, key_id: str | None, is_text: bool) -> Key:
    if faults := secrets.faults(secret, HMAC_MIN_BYTES[algorithm], is_text=is_text):
        raise BadKey(*faults)
    # Not the secret's plain hash: a thumbprint may be shown.
    thumbprint = _thumbprint(algorithm, key_id, b"secret:" + secret)
    return Key(
        key_id=key_id,
        algorithm=algorithm,
        material=secret,
        thumbprint=thumbprint,
        secret_fingerprint=secrets.fingerprint(secret),
    )


def _public_key(material: Any, algorithm: str, *, key_id: str | None) -> Key:  # noqa: ANN401 - cryptography's keys
    if isinstance(material, RSAPublicKey):
        _check_rsa(material)
    encoded = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    thumbprint = _thumbprint(algorithm, key_id, encoded)
    return Key(key_id=key_id, algorithm=algorithm, material=material, thumbprint=thumbprint)


def _check_rsa(key: RSAPublicKey) -> None:
    # That the exponent is odd and at least 3, cryptography sees to when it loads the key.
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise BadKey(f"the RSA key has {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")
    if _roca.is_weak(key.public_numbers().n):
        raise BadKey("the RSA key is weak: its primes have the structure of ROCA (CVE-2017-15361)")


def _thumbprint(algorithm: str, key_id: str | None, material: bytes) -> bytes:
    return hashlib.sha256(repr((algorithm, key_id)).encode() + material).digest()


def _check_size(document: bytes) -> None:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise BadKey(f"it is {len(document)} bytes long, over {MAX_DOCUMENT_BYTES}")


def _named(member: object, position: int) -> str:
    key_id = member.get("kid") if isinstance(member, dict) else None
    return f"key {key_id!r:.80}" if isinstance(key_id, str) else f"key number {position + 1}"
