"""What identity providers publish, in the shapes of their own documents: their metadata and their key sets."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.issuer import SigningKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.issuer import Issuer

OPENID = "/.well-known/openid-configuration"

# What `authgate check --fetch` says of a wrong value.
NOT_FOUND = "answers 404"
ANOTHER_ISSUER = "its issuer is "
UNREACHABLE = "502"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Wrong *settings* that a fetch finds, and its *message*.

    *host* is the host that they lead to, if it is not one of the provider's. It has the provider's documents, or does
    not answer: UNREACHABLE.
    """

    settings: Mapping[str, Any]
    message: str
    host: str = ""

    def __str__(self) -> str:
        return str(dict(self.settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a provider publishes: *keys* at *keys_url*, and the metadata of *issuer*, unless this is empty.

    The configuration of the provider's page, with *settings*, leads to it. *keys* are JWKs of `jwk`; those whose `use`
    is sig verify. *beside* are members of the key set beside its keys, *metadata* further members of the metadata,
    *claims* those of a token under these keys that differ from the first of the provider's tests. *wrong* are values
    that a fetch refuses.
    """

    name: str = "as on its page"
    settings: Mapping[str, Any] = field(default_factory=dict)
    issuer: str = ""
    keys_url: str
    keys: Sequence[Mapping[str, Any]] = field(default_factory=lambda: [jwk("a")])
    beside: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_url: str = ""
    content_type: str = "application/json"
    claims: Mapping[str, Any] = field(default_factory=dict)
    wrong: Sequence[Wrong] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def documents(self) -> dict[str, Any]:
        """The documents by their paths: the metadata, then the key set."""
        documents = {self.keys_url: {"keys": self.keys, **self.beside}}
        if self.issuer:
            url = self.metadata_url or f"{self.issuer.rstrip('/')}{OPENID}"
            documents = {url: _metadata(self.issuer, self.keys_url) | dict(self.metadata)} | documents
        return {urlsplit(url).path: document for url, document in documents.items()}

    @property
    def hosts(self) -> set[str]:
        """The hosts that have the documents."""
        urls = (self.issuer, self.keys_url, self.metadata_url)
        others = {wrong.host for wrong in self.wrong if wrong.message != UNREACHABLE}
        return ({urlsplit(url).hostname or "" for url in urls} | others) - {""}

    @property
    def unreachable(self) -> set[str]:
        """The hosts that do not answer."""
        return {wrong.host for wrong in self.wrong if wrong.message == UNREACHABLE}

    def on(self, issuer: Issuer) -> None:
        """Publish the documents on *issuer*."""
        for path, document in self.documents.items():
            issuer.document(document, on=path)
            headers = {"Content-Type": self.content_type, "Cache-Control": "public, max-age=3600"}
            issuer.headers(headers, on=path)


def _metadata(issuer: str, jwks_uri: str) -> dict[str, Any]:
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "userinfo_endpoint": f"{base}/userinfo",
        "jwks_uri": jwks_uri,
        "response_types_supported": ["code", "token", "id_token", "code id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email"],
    }


@cache
def signing_key(key_id: str, algorithm: str = "RS256") -> SigningKey:
    """Return the key of this id. Keys whose ids begin with "old-" share one key pair."""
    if key_id.startswith("old-"):
        return SigningKey(key_id, algorithm, signing_key("old", algorithm).private)
    return SigningKey.new(key_id, algorithm)


def jwk(key_id: str, algorithm: str = "RS256", **changes: Any) -> dict[str, Any]:
    """Return the JWK of `signing_key`, with `alg` and `use`, and with *changes*; a None leaves a member out."""
    members = {**signing_key(key_id, algorithm).jwk, **changes}
    return {name: value for name, value in members.items() if value is not None}


@cache
def _certificate(key_id: str) -> str:
    """Return a certificate of `signing_key`, signed by itself, in DER and base64."""
    private = signing_key(key_id).private
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"signing.{key_id}.example.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=3650))
    return base64.b64encode(builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def certified(key_id: str, chain: int = 1, **changes: Any) -> dict[str, Any]:
    """Return `jwk` of an RSA key with `x5c` of this many certificates, `x5t` and `x5t#S256`."""
    marks = {"x5t": "ZMwFwxBlFzoTyKMwOqKzl-zsjsg", "x5t#S256": "a" * 43}
    return jwk(key_id, **{"x5c": [_certificate(key_id.partition("-")[0])] * chain, **marks, **changes})


def size_bytes(published: Published) -> int:
    """Return the length of the longest document."""
    return max(len(json.dumps(document)) for document in published.documents.values())
