"""Read one PEM block: a public key (SPKI or PKCS #1), or a certificate that contains one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from authgate.tokens._key import BadKey, algorithm_for, public_key

if TYPE_CHECKING:
    from authgate.core.keys import Key

_MARKER = b"-----BEGIN "
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def blocks(pem: bytes) -> list[bytes]:
    """Return the blocks of *pem*. Each starts at its BEGIN line; text before the first block is dropped."""
    return [_MARKER + block for block in pem.split(_MARKER)[1:]]


def key(block: bytes, allowed: frozenset[str]) -> Key:
    """Return the key in *block*, or raise `BadKey`. The dates and signatures of a certificate are not checked."""
    try:
        if block.startswith(b"-----BEGIN CERTIFICATE"):
            public: Any = x509.load_pem_x509_certificate(block).public_key()
        else:
            public = load_pem_public_key(block)
    except Exception as error:  # noqa: BLE001 - OpenSSL raises many types; each means "not readable"
        raise BadKey(f"it is not a readable public key ({type(error).__name__})") from None
    key_type, curve = _type_of(public)
    return public_key(public, algorithm_for(key_type, curve, None, allowed), key_id=None)


def _type_of(public: Any) -> tuple[str, str | None]:  # noqa: ANN401 - any of cryptography's public keys
    if isinstance(public, RSAPublicKey):
        return "RSA", None
    if isinstance(public, EllipticCurvePublicKey):
        return "EC", _CURVES.get(public.curve.name, public.curve.name)
    if isinstance(public, (Ed25519PublicKey, Ed448PublicKey)):
        return "OKP", "Ed25519" if isinstance(public, Ed25519PublicKey) else "Ed448"
    return type(public).__name__, None
