"""The metadata and the key sets of known providers, in their real shapes, at their real addresses, over TLS.

A proxy leads every host of HOSTS to the tests' issuer. The shapes are those of the providers' own documents.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from authgate.core.decision import Allow, Deny
from authgate.keysources import LoadFailed
from authgate.keysources.fetch import Route
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.tokens.algorithms import ALL_ALGORITHMS
from authgate.tokens.jwk import MAX_KEYS
from tests.support.deciding import decide_token, make_issuer, make_snapshot
from tests.support.forward_proxy import forward_proxy
from tests.support.issuer import Issuer, SigningKey, running_issuer
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource
    from tests.support.certificates import Authority

OPENID = "/.well-known/openid-configuration"
TENANT = "11111111-2222-3333-4444-555555555555"
ENTRA = "https://login.microsoftonline.com"
CLOUD = {"cloud_instance_name": "microsoftonline.com"}
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"


@cache
def key(key_id: str, algorithm: str = "RS256") -> SigningKey:
    """Return the key of this id. Keys whose ids begin with "old" have one key pair: it signs nothing here."""
    if key_id.startswith("old-"):
        return SigningKey(key_id, algorithm, key("old", algorithm).private)
    return SigningKey.new(key_id, algorithm)


def signed(key_id: str, algorithm: str, issuer: str, *, by: str) -> str:
    """Return a token of *issuer* that names the key *key_id* and is signed with the key *by*."""
    signing = key(by, algorithm).private
    return mint(claims(iss=issuer, aud="tasks"), algorithm=algorithm, key=signing, header={"kid": key_id})


def member(key_id: str, algorithm: str = "RS256", *, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return the JWK of `key`, with `alg` and `use`, *without* these members and with *more*."""
    return {name: value for name, value in key(key_id, algorithm).jwk.items() if name not in without} | more


@cache
def certificate(key_id: str) -> bytes:
    """Return a certificate of `key`, signed by itself, in DER."""
    private = key(key_id).private
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"signing.{key_id}.example.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=3650))
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER)


def with_certificates(jwk: dict[str, Any], chain: int = 1) -> dict[str, Any]:
    """Return *jwk* with `x5c` of this many certificates, `x5t` and `x5t#S256`."""
    text = base64.b64encode(certificate(jwk["kid"].partition("-")[0])).decode()
    return jwk | {"x5c": [text] * chain, "x5t": "ZMwFwxBlFzoTyKMwOqKzl-zsjsg", "x5t#S256": "a" * 43}


def metadata(issuer: str, jwks_uri: str, **more: Any) -> dict[str, Any]:
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
        **more,
    }


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider publishes. *used* are the ids of the keys that verify; the first signs."""

    issuer: str
    jwks_url: str
    document: dict[str, Any]
    used: tuple[str, ...]
    algorithm: str = "RS256"
    metadata: dict[str, Any] | None = None
    metadata_url: str = ""
    content_type: str = "application/json"
    skipped: int = 0


def discovered(issuer: str, jwks_url: str, keys: list[Any], used: tuple[str, ...], **options: Any) -> Provider:
    """Return a provider with metadata at the usual address. *options* are those of `Provider`."""
    shape = options.pop("shape", {})
    return Provider(
        issuer,
        jwks_url,
        {"keys": keys},
        used,
        **{
            "metadata": metadata(issuer, jwks_url, **shape),
            "metadata_url": f"{issuer.rstrip('/')}{OPENID}",
        }
        | options,
    )


KEYCLOAK = "https://keycloak.example.com/realms/main"
OKTA = "https://dev-1234.okta.com/oauth2/default"
SUPABASE = "https://abcdefghijkl.supabase.co/auth/v1"
COGNITO = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123"
FIREBASE = "https://securetoken.google.com/tasks-1234"
AUTHENTIK = "https://authentik.example.com/application/o/tasks/"
KUBERNETES = "https://kubernetes.default.svc.cluster.local"


def providers() -> dict[str, Provider]:
    return {
        "auth0: the issuer ends with a slash, several algorithms": discovered(
            "https://tenant.eu.auth0.com/",
            "https://tenant.eu.auth0.com/.well-known/jwks.json",
            [with_certificates(member("a")), with_certificates(member("b"))],
            ("a", "b"),
            shape={"id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"]},
            content_type="application/json; charset=utf-8",
        ),
        "authentik: the issuer has a path and ends with a slash": discovered(
            AUTHENTIK, f"{AUTHENTIK}jwks/", [with_certificates(member("a"))], ("a",)
        ),
        "keycloak: an encryption key beside the signing key, a long document": discovered(
            KEYCLOAK,
            f"{KEYCLOAK}/protocol/openid-connect/certs",
            [with_certificates(member("b", alg="RSA-OAEP", use="enc")), with_certificates(member("a"))],
            ("a",),
            skipped=1,
            shape={
                f"{name}_alg_values_supported": ["RS256", "PS512", "ES384", "EdDSA", "HS256", "none"]
                for name in ("id_token_signing", "userinfo_signing", "request_object_signing", "id_token_encryption")
            }
            | {f"extension_{number}": [f"value-{number}"] * 20 for number in range(150)}
            | {"claims_supported": [f"claim_{number}" for number in range(1000)]},
        ),
        "entra: no alg, an issuer in each key": discovered(
            f"{ENTRA}/{TENANT}/v2.0",
            f"{ENTRA}/{TENANT}/discovery/v2.0/keys",
            [
                with_certificates(member(key_id, without=("alg",), issuer=f"{ENTRA}/{tenant}/v2.0", **CLOUD))
                for key_id, tenant in (("a", TENANT), ("b", "{tenantid}"), ("c", CONSUMERS))
            ],
            ("a", "b", "c"),
            shape={"tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com", "msgraph_host": "x"},
        ),
        "cognito": discovered(COGNITO, f"{COGNITO}/.well-known/jwks.json", [member("a"), member("b")], ("a", "b")),
        "clerk": discovered(
            "https://clerk.example.com", "https://clerk.example.com/.well-known/jwks.json", [member("a")], ("a",)
        ),
        "supabase: ES256, with key_ops": discovered(
            SUPABASE,
            f"{SUPABASE}/.well-known/jwks.json",
            [member("e", "ES256", key_ops=["verify"], ext=True)],
            ("e",),
            algorithm="ES256",
        ),
        "google: the keys are on another host": discovered(
            "https://accounts.google.com",
            "https://www.googleapis.com/oauth2/v3/certs",
            [member("a"), member("b")],
            ("a", "b"),
        ),
        "firebase: the keys are on another host, with @ in the path": discovered(
            FIREBASE,
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            [member("a"), member("b")],
            ("a", "b"),
        ),
        "google's proxy (IAP): ES256, no metadata": Provider(
            "https://cloud.google.com/iap",
            "https://www.gstatic.com/iap/verify/public_key-jwk",
            {"keys": [member("e", "ES256"), member("f", "ES256")]},
            ("e", "f"),
            algorithm="ES256",
        ),
        "okta: a path of its own": discovered(OKTA, f"{OKTA}/v1/keys", [member("a")], ("a",)),
        "okta: RFC 8414, the well-known path before the issuer's": discovered(
            OKTA,
            f"{OKTA}/v1/keys",
            [member("a")],
            ("a",),
            metadata_url="https://dev-1234.okta.com/.well-known/oauth-authorization-server/oauth2/default",
        ),
        "zitadel": discovered(
            "https://tasks-1234.zitadel.cloud", "https://tasks-1234.zitadel.cloud/oauth/v2/keys", [member("a")], ("a",)
        ),
        "cloudflare access: certificates beside the keys, no metadata": Provider(
            "https://team.cloudflareaccess.com",
            "https://team.cloudflareaccess.com/cdn-cgi/access/certs",
            {
                "keys": [member("a"), member("b")],
                "public_cert": {"kid": "a", "cert": "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n"},
                "public_certs": [
                    {"kid": kid, "cert": "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n"}
                    for kid in "ab"
                ],
            },
            ("a", "b"),
        ),
        "kubernetes: the keys are at the address of one API server": discovered(
            KUBERNETES,
            "https://192.168.199.22:6443/openid/v1/jwks",
            [member("a")],
            ("a",),
            content_type="application/jwk-set+json",
        ),
        "40 RSA keys with their certificates": discovered(
            "https://login.example.com",
            "https://login.example.com/keys",
            [with_certificates(member(kid), chain=2) for kid in ("a", *(f"old-{number}" for number in range(39)))],
            ("a", *(f"old-{number}" for number in range(39))),
        ),
    }


PROVIDERS = providers()
HOSTS = sorted(
    {urlsplit(url).hostname or "" for provider in PROVIDERS.values() for url in (provider.issuer, provider.jwks_url)}
)


@dataclass(frozen=True, slots=True)
class Host:
    """All hosts of all providers: one issuer, without documents of its own."""

    issuer: Issuer
    paths: set[str] = field(default_factory=set)

    def publish(self, url: str, document: Any, content_type: str = "application/json") -> None:
        path = urlsplit(url).path
        self.issuer.document(document, on=path)
        self.issuer.headers({"Content-Type": content_type, "Cache-Control": "public, max-age=3600"}, on=path)
        self.paths.add(path)


@pytest.fixture(scope="module")
def host_process(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("providers"), tls=authority.issue("127.0.0.1", *HOSTS)) as running:
        for path in (running.jwks_path, running.openid_path, running.oauth_path):
            running.withdraw(path)
        yield running


@pytest.fixture
def host(host_process: Issuer) -> Iterator[Host]:
    host_process.forget()
    host = Host(host_process)
    yield host
    for path in host.paths:
        host_process.withdraw(path)


@pytest.fixture
def route(host: Host, ca_file: str) -> Iterator[Route]:
    address = ("127.0.0.1", urlsplit(host.issuer.url).port or 0)
    with forward_proxy(names=dict.fromkeys(HOSTS, address)) as proxy:
        yield Route(ca_file=ca_file, outbound_proxy=proxy.url)


def source_of(provider: Provider, host: Host, route: Route) -> KeySource:
    """Publish what *provider* publishes, and return the source of its keys."""
    host.publish(provider.jwks_url, provider.document, provider.content_type)
    if provider.metadata is None:
        return JwksUrlSource(provider.jwks_url, route, ALL_ALGORITHMS)
    host.publish(provider.metadata_url, provider.metadata)
    return DiscoverySource(provider.issuer, route, ALL_ALGORITHMS)


async def keys_of(source: KeySource) -> KeySet:
    loaded = await source.load()
    assert loaded.keys is not None
    return loaded.keys


@pytest.mark.parametrize("name", PROVIDERS)
async def test_the_keys_that_sign_are_loaded_and_a_token_under_each_is_accepted(
    name: str, host: Host, route: Route
) -> None:
    provider = PROVIDERS[name]
    keys = await keys_of(source_of(provider, host, route))
    asked = [request.path for request in host.issuer.requests()]
    fetched = (provider.metadata_url, provider.jwks_url) if provider.metadata else (provider.jwks_url,)
    assert asked[-len(fetched) :] == [urlsplit(url).path for url in fetched]
    assert [loaded.key_id for loaded in keys.keys] == [*provider.used]
    assert {loaded.algorithm for loaded in keys.keys} == {provider.algorithm}
    assert (len(keys.skipped), keys.unfit) == (provider.skipped, ())
    snapshot = make_snapshot(make_issuer(keys, iss=provider.issuer, audiences=frozenset({"tasks"})))
    for key_id in provider.used:
        own = signed(key_id, provider.algorithm, provider.issuer, by=key_id)
        assert isinstance(decide_token(own, snapshot), Allow)
        forged = signed(key_id, provider.algorithm, provider.issuer, by="stranger")
        assert isinstance(decide_token(forged, snapshot), Deny)


def test_forty_keys_with_their_certificates_are_longer_than_64_kib_and_no_provider_has_too_many() -> None:
    assert len(json.dumps(PROVIDERS["40 RSA keys with their certificates"].document)) > 64 * 1024
    assert all(len(provider.document["keys"]) <= MAX_KEYS for provider in PROVIDERS.values())


async def test_the_keys_of_entra_keep_whose_tokens_they_sign(host: Host, route: Route) -> None:
    keys = await keys_of(source_of(PROVIDERS["entra: no alg, an issuer in each key"], host, route))
    issuers = [f"{ENTRA}/{tenant}/v2.0" for tenant in (TENANT, "{tenantid}", CONSUMERS)]
    assert [loaded.issuer for loaded in keys.keys] == issuers


@pytest.mark.parametrize("audience", ["common", "organizations"])
async def test_the_metadata_of_entra_for_all_tenants_is_refused_with_the_advice_to_name_one(
    audience: str, host: Host, route: Route
) -> None:
    issuer = f"{ENTRA}/{audience}/v2.0"
    keys = f"{ENTRA}/{audience}/discovery/v2.0/keys"
    host.publish(f"{issuer}{OPENID}", metadata(f"{ENTRA}/{{tenantid}}/v2.0", keys))
    host.publish(keys, {"keys": [member("a", without=("alg",))]})
    with pytest.raises(LoadFailed) as failed:
        await DiscoverySource(issuer, route, ALL_ALGORITHMS).load()
    assert "this document is for all tenants" in str(failed.value)
    assert "with the id of the tenant in place of {tenantid}" in str(failed.value)
    assert host.issuer.requests(urlsplit(keys).path) == []


@pytest.mark.parametrize(
    "content_type",
    ["application/jwk-set+json", "text/plain; charset=utf-8", "text/html", "application/octet-stream", "nonsense"],
)
async def test_the_content_type_of_a_document_does_not_count(content_type: str, host: Host, route: Route) -> None:
    provider = PROVIDERS["zitadel"]
    source = source_of(provider, host, route)
    host.publish(provider.metadata_url, provider.metadata, content_type)
    host.publish(provider.jwks_url, provider.document, content_type)
    assert [loaded.key_id for loaded in (await keys_of(source)).keys] == ["a"]
