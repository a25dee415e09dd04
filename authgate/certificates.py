"""What certificate and key files say. Pure: bytes and the time in, facts or a fault out; no message quotes a key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from authgate.core.errors import AuthGateError, quoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

_PUBLIC = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class BadFile(AuthGateError):
    """A file cannot be used: *message* is wrong with it, and how to *fix* it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The certificate that a server shows: until when it is valid (Unix time), and its serial number in hex."""

    expires_at: float
    serial: str
    public_key: PublicKeyTypes


@dataclass(frozen=True, slots=True, kw_only=True)
class CaCertificates:
    """The CAs whose certificates are accepted, in DER; *digest* is the same for the same ones in any order."""

    der: bytes
    digest: bytes
    first_expires_at: float


def read_leaf(pem: bytes, now: float) -> Leaf:
    """Return the first certificate of *pem*; raise `BadFile` if there is none, or no server may show it at *now*."""
    leaf = _certificates(pem)[0]
    try:
        found = Leaf(
            expires_at=leaf.not_valid_after_utc.timestamp(),
            serial=f"{leaf.serial_number:x}",
            public_key=leaf.public_key(),
        )
    except (ValueError, UnsupportedAlgorithm):
        raise BadFile("its certificate has a public key that is not supported", "use RSA or ECDSA") from None
    if found.expires_at <= now:
        raise BadFile(f"the certificate expired on {_day(found.expires_at)}", "renew it")
    if leaf.not_valid_before_utc.timestamp() > now:
        day = _day(leaf.not_valid_before_utc.timestamp())
        raise BadFile(f"the certificate is not valid before {day}", "check the clocks of both machines, or wait")
    if not _is_for_servers(leaf):
        fix = "is it the proxy's? Write AuthGate's own, or make one with extendedKeyUsage=serverAuth"
        raise BadFile("the certificate is for clients only, and every proxy would refuse it", fix)
    return found


def check_key(pem: bytes, leaf: Leaf | None) -> None:
    """Raise `BadFile` if *pem* is not the private key of *leaf* (None: of any), or is encrypted."""
    fits = "write the private key of the certificate, in PEM; of several certificates the server's own comes first"
    key: PrivateKeyTypes
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        fix = "take the passphrase off (openssl pkey -in … -out …) and let permissions protect the file"
        raise BadFile("the private key is encrypted", fix) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadFile("it holds no private key in PEM that can be read", fits) from None
    if leaf is not None and key.public_key().public_bytes(*_PUBLIC) != leaf.public_key.public_bytes(*_PUBLIC):
        raise BadFile("the private key does not belong to the certificate", fits)


def read_ca_certificates(pem: bytes) -> CaCertificates:
    """Return the CA certificates of *pem*; raise `BadFile` if there is none, or one that is not a CA's."""
    found = _certificates(pem)
    for certificate in found:
        if not _is_authority(certificate):
            name = quoted(certificate.subject.rfc4514_string())
            fix = "write the CA that signs your proxies' certificates, not those certificates themselves"
            raise BadFile(f"the certificate of {name} is not a CA's", fix)
    ders = sorted({certificate.public_bytes(Encoding.DER) for certificate in found})
    return CaCertificates(
        der=b"".join(ders),
        digest=hashlib.sha256(b"".join(ders)).digest(),
        first_expires_at=min(certificate.not_valid_after_utc.timestamp() for certificate in found),
    )


def expiry_warning(message: str, expires_at: float, now: float, days: int = 7) -> str:
    """Return a sentence if *message* expires within *days* days, or has expired; else nothing."""
    left = expires_at - now
    if left <= 0:
        return f"{message} expired on {_day(expires_at)}"
    if left < days * 86400:
        return f"{message} expires on {_day(expires_at)}, in {left / 86400:.1f} days: renew it"
    return ""


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadFile("it holds no certificate in PEM that can be read", "write -----BEGIN CERTIFICATE-----…") from None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _is_for_servers(certificate: x509.Certificate) -> bool:
    """RFC 5280 §4.2.1.12: without the extension it is for everything."""
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in uses or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M UTC")
