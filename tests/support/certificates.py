"""Certificates, valid and invalid, made by CAs of the tests."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

SERVER_NAME = "authgate.internal"
_USES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.certificate).serial_number

    @property
    def encrypted_key(self) -> bytes:
        key = load_pem_private_key(self.key, None)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase-canary"))

    def write(self, folder: Path, name: str = "tls") -> Path:
        """Write <name>.crt and <name>.key into *folder*, and return it."""
        folder.mkdir(exist_ok=True, parents=True)
        (folder / f"{name}.crt").write_bytes(self.certificate)
        (folder / f"{name}.key").write_bytes(self.key)
        return folder


class Authority:
    """A CA."""

    def __init__(self, name: str = "test CA") -> None:
        self._ca = trustme.CA(organization_name=name, key_type=trustme.KeyType.ECDSA)
        self.pem = self._ca.cert_pem.bytes()

    def issue(
        self, *names: str, days: tuple[float, float] = (-1, 30), uses: tuple[str, ...] = ("server", "client")
    ) -> Pair:
        """Return a certificate for *names* (DNS, IP, or URI), valid between these *days* from now."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(self.pem)
        signing_key = load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's")]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USES[use] for use in uses]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        certificate = made.sign(signing_key, hashes.SHA256())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Pair(certificate.public_bytes(Encoding.PEM), pem)

    def server(self, **options: tuple[float, float]) -> Pair:
        """Return a certificate for AuthGate."""
        return self.issue(SERVER_NAME, "127.0.0.1", **options)

    def context(self, client: Pair | None = None, folder: Path | None = None) -> ssl.SSLContext:
        """Return the context of a client that trusts this CA. The certificate *client* is written into *folder*."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if client is not None:
            assert folder is not None
            name = f"client-{client.serial}"
            client.write(folder, name)
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        return context


def _name(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
