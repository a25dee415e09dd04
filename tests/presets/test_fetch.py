"""`authgate check --fetch` proves a preset: each provider's documents are at their real addresses, over TLS.

A proxy leads the providers' hosts to the tests' issuer, which has the same documents under all of these names. It leads
hosts that are spelled wrong to a port where nothing answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate.presets.providers import PROVIDERS
from tests.support import commands
from tests.support.certificates import Authority
from tests.support.forward_proxy import ForwardProxy, forward_proxy
from tests.support.issuer import Issuer, running_issuer
from tests.support.provider import Provider
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OPENID = "/.well-known/openid-configuration"
KEYS = {"keys": [public_jwk("RS256", "key-1", use="sig")]}

REALM = "https://sso.example.com/realms/shop"
AUTH0 = "https://tenant.eu.auth0.com/"
ENTRA = "https://login.microsoftonline.com/5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8"
POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"
CLERK = "https://clerk.example.com"
SUPABASE = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
FIREBASE_KEYS = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
OKTA = "https://acme.okta.com/oauth2/default"
ZITADEL = "https://acme-x1y2z3.zitadel.cloud"
AUTHENTIK = "https://auth.example.com/application/o/shop/"
CLOUDFLARE = "https://acme.cloudflareaccess.com"
EKS = "https://oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a provider publishes: a key set at *keys*, and the metadata of *issuer*, unless this is empty.

    *settings* are added to those of the provider's page.
    """

    keys: str
    issuer: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def documents(self) -> dict[str, Any]:
        """The documents by their paths."""
        metadata = {"issuer": self.issuer, "jwks_uri": self.keys, "subject_types_supported": ["public"]}
        named = {f"{self.issuer.rstrip('/')}{OPENID}": metadata} if self.issuer else {}
        return {urlsplit(url).path: document for url, document in {**named, self.keys: KEYS}.items()}


PUBLISHED = {
    "keycloak": Published(issuer=REALM, keys=f"{REALM}/protocol/openid-connect/certs"),
    "auth0": Published(issuer=AUTH0, keys=f"{AUTH0}.well-known/jwks.json"),
    "entra": Published(issuer=f"{ENTRA}/v2.0", keys=f"{ENTRA}/discovery/v2.0/keys"),
    "cognito": Published(issuer=POOL, keys=f"{POOL}/.well-known/jwks.json"),
    "clerk": Published(issuer=CLERK, keys=f"{CLERK}/.well-known/jwks.json"),
    "supabase": Published(issuer=SUPABASE, keys=f"{SUPABASE}/.well-known/jwks.json"),
    "firebase": Published(keys=FIREBASE_KEYS),
    "google": Published(issuer="https://accounts.google.com", keys="https://www.googleapis.com/oauth2/v3/certs"),
    "okta": Published(issuer=OKTA, keys=f"{OKTA}/v1/keys"),
    "zitadel": Published(issuer=ZITADEL, keys=f"{ZITADEL}/oauth/v2/keys"),
    "authentik": Published(issuer=AUTHENTIK, keys=f"{AUTHENTIK}jwks/"),
    "cloudflare-access": Published(keys=f"{CLOUDFLARE}/cdn-cgi/access/certs"),
    "kubernetes": Published(issuer=EKS, keys=f"{EKS}/keys", settings={"issuer": EKS, "in_cluster": None}),
}
# Hosts under which the tests' issuer answers, and does not call itself: another spelling of one of its hosts.
ALIASES = ("keycloak.example.com", "tenant.us.auth0.com", "login.example.com", "zitadel.example.com", "idp.example.com")
# Where nothing answers.
UNKNOWN = (
    "sso.example.org",
    "clerk.example.org",
    "acne.cloudflareaccess.com",
    "acme.oktapreview.com",
    "tsrqponmlkjihgfedcba.supabase.co",
)
HOSTS = sorted(
    {urlsplit(url).hostname or "" for one in PUBLISHED.values() for url in (one.issuer, one.keys) if url} | {*ALIASES}
)

NOT_FOUND = "answers 404"
ANOTHER_ISSUER = "its issuer is "
UNREACHABLE = "502"
WRONG = [
    ("keycloak", {"realm_url": "https://sso.example.com/realms/shpo"}, NOT_FOUND),
    ("keycloak", {"realm_url": "https://sso.example.com/auth/realms/shop"}, NOT_FOUND),
    ("keycloak", {"realm_url": "https://keycloak.example.com/realms/shop"}, ANOTHER_ISSUER),
    ("keycloak", {"realm_url": "https://sso.example.org/realms/shop"}, UNREACHABLE),
    ("auth0", {"domain": "tenant.us.auth0.com"}, ANOTHER_ISSUER),
    ("entra", {"tenant": "0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36"}, NOT_FOUND),
    ("entra", {"authority": "login.example.com"}, ANOTHER_ISSUER),
    ("cognito", {"user_pool": "eu-central-1_AbCdEf124"}, NOT_FOUND),
    ("clerk", {"publishable_key": "pk_live_Y2xlcmsuZXhhbXBsZS5vcmck"}, UNREACHABLE),
    ("supabase", {"project_ref": "tsrqponmlkjihgfedcba"}, UNREACHABLE),
    ("supabase", {"project_ref": None, "project_url": "https://login.example.com"}, ANOTHER_ISSUER),
    ("okta", {"authorization_server": "aus9o8wzkhckw9TLa0h7"}, NOT_FOUND),
    ("okta", {"domain": "login.example.com"}, ANOTHER_ISSUER),
    ("okta", {"domain": "acme.oktapreview.com"}, UNREACHABLE),
    ("zitadel", {"domain": "zitadel.example.com"}, ANOTHER_ISSUER),
    ("authentik", {"application": "shpo"}, NOT_FOUND),
    ("authentik", {"url": "https://idp.example.com"}, ANOTHER_ISSUER),
    ("cloudflare-access", {"team": "acne"}, UNREACHABLE),
    ("kubernetes", {"issuer": f"{EKS[:-1]}0", "in_cluster": None}, NOT_FOUND),
]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer"), tls=authority.issue("127.0.0.1", *HOSTS)) as running:
        for path in (running.jwks_path, running.openid_path, running.oauth_path):
            running.withdraw(path)
        yield running


@pytest.fixture(scope="module")
def proxy(issuer: Issuer) -> Iterator[ForwardProxy]:
    address, closed = ("127.0.0.1", urlsplit(issuer.url).port or 0), ("127.0.0.1", 1)
    with forward_proxy(names=dict.fromkeys(HOSTS, address) | dict.fromkeys(UNKNOWN, closed)) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Fetching:
    """Runs `authgate check --fetch` with the configuration of a provider's page, and what the provider publishes."""

    issuer: Issuer
    folder: Path
    route: Mapping[str, str]

    def check(self, name: str, settings: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        documents = PUBLISHED[name].documents
        for path, document in documents.items():
            self.issuer.document(document, on=path)
        try:
            Provider(name).load(self.folder, {**PUBLISHED[name].settings, **settings, **self.route})
            return commands.authgate("check", "--fetch", "--config", self.folder / "authgate.yaml")
        finally:
            for path in documents:
                self.issuer.withdraw(path)


@pytest.fixture
def fetching(issuer: Issuer, proxy: ForwardProxy, authority: Authority, tmp_path: Path) -> Fetching:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    return Fetching(issuer, tmp_path, {"ca_file": str(ca_file), "outbound_proxy": proxy.url})


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_configuration_of_its_page_fetches_the_keys(name: str, fetching: Fetching) -> None:
    ended = fetching.check(name, {})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "is valid." in ended.stdout.splitlines()[0]
    assert re.search(r": 1 key from https://", ended.stdout)


@pytest.mark.parametrize(("name", "settings", "message"), WRONG, ids=str)
def test_a_wrong_value_fails_and_the_message_names_the_address_and_the_cause(
    name: str, settings: dict[str, Any], message: str, fetching: Fetching
) -> None:
    ended = fetching.check(name, settings)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "1 of 1 fetch failed" in ended.stdout.splitlines()[0]
    (line,) = (line for line in ended.stdout.splitlines() if "its keys cannot be loaded" in line)
    assert message in line
    assert f"docs/issuers/{name}.md says where to copy its settings from" in ended.stdout


def test_every_provider_is_here() -> None:
    assert {*PUBLISHED} == {*PROVIDERS}
