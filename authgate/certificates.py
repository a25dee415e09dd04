"""Read certificate and key files, and check that a server can use them.

The functions do no I/O and read no clock. No message quotes a key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from authgate.core.errors import AuthGateError
from authgate.core.quoting import quoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

_SPKI_DER = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class BadFile(AuthGateError):
    """A file cannot be used. *message* says what is wrong, *fix* how to change it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A server's own certificate. *expires_at* is Unix time, *serial* the serial number in hex."""

    expires_at: float
    serial: str
    public_key: PublicKeyTypes


@dataclass(frozen=True, slots=True, kw_only=True)
class CaCertificates:
    """The CA certificates that sign accepted client certificates.

    *der* is all of them in DER. *digest* does not depend on their order in the file. *first_expires_at* is Unix time.
    """

    der: bytes
    digest: bytes
    first_expires_at: float


def read_leaf(pem: bytes, now: float) -> Leaf:
    """Return the first certificate in *pem*. Raise `BadFile` if there is none, or servers cannot use it at *now*."""
    certificate = _certificates(pem)[0]
    try:
        leaf = Leaf(
            expires_at=certificate.not_valid_after_utc.timestamp(),
            serial=f"{certificate.serial_number:x}",
            public_key=certificate.public_key(),
        )
    except (ValueError, UnsupportedAlgorithm):
        raise BadFile("the certificate's type of public key is not supported", "use RSA or ECDSA") from None
    if leaf.expires_at <= now:
        raise BadFile(f"the certificate expired on {_minute(leaf.expires_at)}", "renew it")
    if certificate.not_valid_before_utc.timestamp() > now:
        start = _minute(certificate.not_valid_before_utc.timestamp())
        raise BadFile(f"the certificate is not valid before {start}", "check the clocks of both machines, or wait")
    if not _is_for_servers(certificate):
        fix = "use AuthGate's own certificate, not the proxy's, or make one with extendedKeyUsage=serverAuth"
        raise BadFile("the certificate is for clients only, so every proxy would refuse it", fix)
    return leaf


def check_key(pem: bytes, leaf: Leaf | None) -> None:
    """Raise `BadFile` if *pem* is not an unencrypted private key, or if it does not belong to *leaf* (None: any)."""
    fix = "use the certificate's private key, in PEM; if there are several certificates, put the server's own first"
    key: PrivateKeyTypes
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        remove_it = "remove the passphrase (openssl pkey -in … -out …), and protect the file with its permissions"
        raise BadFile("the private key is encrypted", remove_it) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadFile("it holds no private key in PEM, or a broken one", fix) from None
    if leaf is not None and key.public_key().public_bytes(*_SPKI_DER) != leaf.public_key.public_bytes(*_SPKI_DER):
        raise BadFile("the private key does not belong to the certificate", fix)


def read_ca_certificates(pem: bytes) -> CaCertificates:
    """Return the CA certificates in *pem*. Raise `BadFile` if there is none, or if one is not a CA certificate."""
    certificates = _certificates(pem)
    for certificate in certificates:
        if not _is_ca(certificate):
            name = quoted(certificate.subject.rfc4514_string())
            fix = "use the CA that signs your proxies' certificates, not those certificates themselves"
            raise BadFile(f"the certificate of {name} is not a CA certificate", fix)
    ders = sorted({certificate.public_bytes(Encoding.DER) for certificate in certificates})
    return CaCertificates(
        der=b"".join(ders),
        digest=hashlib.sha256(b"".join(ders)).digest(),
        first_expires_at=min(certificate.not_valid_after_utc.timestamp() for certificate in certificates),
    )


def expiry_warning(subject: str, expires_at: float, now: float, days: int = 7) -> str:
    """Return a sentence about *subject* if it has expired or will within *days* days, "" otherwise."""
    seconds_left = expires_at - now
    if seconds_left <= 0:
        return f"{subject} expired on {_minute(expires_at)}: renew it"
    if seconds_left < days * 86400:
        return f"{subject} expires on {_minute(expires_at)}, in {seconds_left / 86400:.1f} days: renew it"
    return ""


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadFile(
            "it holds no certificate in PEM, or a broken one", "use a file that begins with -----BEGIN CERTIFICATE-----"
        ) from None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _is_for_servers(certificate: x509.Certificate) -> bool:
    """Whether servers may use *certificate*. Without the extension, any use is allowed (RFC 5280 §4.2.1.12)."""
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in uses or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses


def _minute(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M UTC")
