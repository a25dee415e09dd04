"""Public keys in PEM for tests, unusual ones included, and a certificate."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.tokens import private_key


@cache
def certificate() -> x509.Certificate:
    """Return an expired certificate of the ES256 key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, private_key("ES256").public_key(), 1)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2021, 1, 1, tzinfo=UTC)
    )
    return builder.sign(private_key("ES256"), hashes.SHA256())


def weak_certificate() -> bytes:
    """Return a certificate of an RSA key with 1024 bits, in PEM."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem_of(key: Any) -> bytes:
    """Return the public half of *key* in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def rsa_pem(exponent: int) -> bytes:
    """Return the RS256 key's modulus with another *exponent*, in PEM (PKCS #1)."""
    modulus = private_key("RS256").public_key().public_numbers().n
    numbers = b"".join(_der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (modulus, exponent))
    body = base64.encodebytes(_der(0x30, numbers))
    return b"-----BEGIN RSA PUBLIC KEY-----\n" + body + b"-----END RSA PUBLIC KEY-----\n"


def explicit_pem(generator: bytes, public: bytes) -> bytes:
    """Return a key on P-256 in PEM. It lists the parameters of the curve instead of naming it (RFC 3279 §2.3.5).

    *generator* replaces the generator of the curve.
    """
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b")
    order = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
    field = _der(0x30, bytes.fromhex("06072a8648ce3d0101") + _der(2, p.to_bytes(33, "big")))
    curve = _der(0x30, _der(4, (p - 3).to_bytes(32, "big")) + _der(4, b))
    base = _der(4, generator) + _der(2, order.to_bytes(33, "big")) + _der(2, b"\1")
    parameters = _der(0x30, _der(2, b"\1") + field + curve + base)
    algorithm = _der(0x30, bytes.fromhex("06072a8648ce3d0201") + parameters)
    body = base64.encodebytes(_der(0x30, algorithm + _der(3, b"\0" + public)))
    return b"-----BEGIN PUBLIC KEY-----\n" + body + b"-----END PUBLIC KEY-----\n"


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | octets]) + length.to_bytes(octets, "big") + content
