"""The composition root: a configuration becomes issuers, places and headers; its announcement tells the truth."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate import wiring
from authgate.config.load import load
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.decision import Allow, Deny
from authgate.core.errors import ConfigError
from authgate.core.reasons import Reason
from authgate.tokens import LruProofCache
from authgate.tokens.secrets import fingerprint
from tests.support.deciding import bearer, decide_now
from tests.support.entra import ACCESS, API, PAGE, TENANT
from tests.support.prefixes import as_one
from tests.support.tokens import OTHER_SECRET, SECRET, claims, mint, public_jwk, public_pem

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import Prepared


def verified(folder: Path, *issuers: dict[str, Any], **settings: Any) -> Prepared:
    entries = [{"name": "app", "preset": "jwt", "audiences": "any"} | issuer for issuer in issuers]
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": as_one(entries), **settings}), encoding="utf-8")
    return wiring.prepare(load(str(path), {}))


def secret(**settings: Any) -> dict[str, Any]:
    return {"secret": SECRET.decode()} | settings


def key_file(folder: Path, setting: str, *algorithms: str) -> dict[str, Any]:
    """Return an issuer's settings for a file of the tests' keys."""
    path = folder / f"{setting}.keys"
    if setting == "pem_file":
        path.write_bytes(b"".join(public_pem(algorithm) for algorithm in algorithms))
    else:
        members = [public_jwk(algorithm, algorithm) for algorithm in algorithms]
        path.write_text(json.dumps({"keys": members}), encoding="utf-8")
    return {setting: str(path)}


@pytest.mark.parametrize("setting", ["pem_file", "jwks_file"])
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES512", "Ed25519"])
def test_a_file_of_public_keys_verifies_tokens(tmp_path: Path, setting: str, algorithm: str) -> None:
    snapshot = verified(tmp_path, key_file(tmp_path, setting, algorithm)).snapshot
    assert isinstance(decide_now(bearer(mint(algorithm=algorithm)), snapshot), Allow)
    assert isinstance(decide_now(bearer(mint()), snapshot), Deny)


def test_a_secret_verifies_tokens(tmp_path: Path) -> None:
    snapshot = verified(tmp_path, secret()).snapshot
    assert isinstance(decide_now(bearer(mint()), snapshot), Allow)
    assert decide_now(bearer(mint(key=OTHER_SECRET)), snapshot).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("settings", "changes", "header", "reason"),
    [
        ({"audiences": ["api", "web"]}, {"aud": "web"}, {}, None),
        ({"audiences": ["api"]}, {"aud": "web"}, {}, Reason.WRONG_AUDIENCE),
        ({"audiences": ["api"]}, {}, {}, Reason.WRONG_AUDIENCE),
        ({"issuer": "a"}, {"iss": "a"}, {}, None),
        ({"issuer": "a"}, {"iss": "b"}, {}, Reason.UNKNOWN_ISSUER),
        ({"required_claims": ["jti"]}, {"exp": None, "jti": "x"}, {}, None),
        ({"required_claims": ["jti"]}, {}, {}, Reason.MISSING_CLAIM),
        ({"token_types": ["application/X+JWT"]}, {}, {"typ": "x+jwt"}, None),
        ({"token_types": ["x+jwt"]}, {}, {"typ": "JWT"}, Reason.WRONG_TYPE),
        ({"algorithms": ["HS512"]}, {}, {}, Reason.WRONG_ALGORITHM),
    ],
)
def test_each_setting_of_an_issuer_reaches_the_verification(
    tmp_path: Path, settings: dict[str, Any], changes: dict[str, Any], header: dict[str, str], reason: Reason | None
) -> None:
    decision = decide_now(
        bearer(mint(claims(**changes), header=header)), verified(tmp_path, secret(**settings)).snapshot
    )
    assert (decision.reason if isinstance(decision, Deny) else None) is reason


def test_the_other_settings_reach_the_snapshot(tmp_path: Path) -> None:
    snapshot = verified(
        tmp_path,
        secret(),
        leeway_seconds=5,
        credentials=[{"cookie": "sid"}, {"header": "X-Token"}],
        headers={"X-Plan": "claims.plan"},
        csrf={"mode": "enforce", "allowed_origins": ["https://a.example"]},
    ).snapshot
    (policy,) = snapshot.policies.policies
    assert policy.places == (CookiePlace(name="sid"), HeaderPlace(name="X-Token"))
    assert [(output.header, output.source) for output in policy.outputs] == [("X-Plan", "claims.plan")]
    assert policy.csrf is not None
    assert (snapshot.leeway_seconds, policy.csrf.allowed_origins) == (5, {"https://a.example"})


def test_csrf_protection_is_on_unless_it_is_turned_off(tmp_path: Path) -> None:
    for mode, is_on in (("enforce", True), ("off", False)):
        (policy,) = verified(tmp_path, secret(), csrf={"mode": mode}).snapshot.policies.policies
        assert (policy.csrf is not None) is is_on


def test_adding_an_issuer_changes_the_fingerprint_of_the_other(tmp_path: Path) -> None:
    alone = verified(tmp_path, secret()).snapshot.issuers[0]
    other = {"name": "two", "issuer": "b", "secret": OTHER_SECRET.decode()}
    beside = verified(tmp_path, secret(), other).snapshot.issuers[0]
    assert (beside.other_iss, alone.other_iss) == ({"b"}, frozenset())
    assert alone.fingerprint != beside.fingerprint


def test_adding_the_issuer_of_one_tenant_changes_the_fingerprint_of_the_issuer_for_all_tenants(tmp_path: Path) -> None:
    """The tokens of this tenant go to the new issuer. A cached proof of the other one must not pass for them."""
    keys = key_file(tmp_path, "jwks_file", "RS256")
    every = {"preset": "entra", "tenants": "any", "audiences": [API], **keys}
    one = {"preset": "entra", "tenant": TENANT, "audiences": [PAGE], "name": "one", **keys}
    snapshot = verified(tmp_path, every).snapshot
    cached = replace(snapshot, proofs=LruProofCache())
    request = bearer(mint({**ACCESS, "aud": API}, algorithm="RS256", header={"kid": "RS256"}))
    assert isinstance(decide_now(request, cached), Allow)
    assert isinstance(decide_now(request, cached), Allow)
    changed = replace(verified(tmp_path, every, one).snapshot, proofs=cached.proofs)
    assert isinstance(decide_now(request, changed), Deny)


def test_the_announcement_says_what_is_accepted_under_which_secret_and_not_the_secret(tmp_path: Path) -> None:
    prepared = verified(tmp_path, secret(issuer="https://issuer.example", audiences=["web", "api"]))
    (announcement,) = prepared.announcements
    assert announcement == (
        "issuer app accepts HS256 JWTs with iss https://issuer.example and aud api or web under its secret with "
        f"fingerprint {fingerprint(SECRET)}; it accepts no session cookies"
    )
    assert prepared.fingerprints == {"app": fingerprint(SECRET)}
    assert SECRET.decode() not in repr(prepared)


def test_the_announcement_of_public_keys_counts_them_and_names_the_algorithms_that_they_are_for(tmp_path: Path) -> None:
    prepared = verified(tmp_path, key_file(tmp_path, "jwks_file", "RS256", "ES256"))
    assert "accepts ES256/RS256 JWTs with any iss and any aud under its 2 public keys" in prepared.announcements[0]
    assert prepared.fingerprints == {}


def test_a_key_that_is_left_out_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    encrypting = public_jwk("RS256", "c") | {"use": "enc", "alg": "RSA-OAEP"}  # Keycloak publishes one in each realm
    keys = [public_jwk("ES256", "a"), {"kty": "AKP", "kid": "b"}, encrypting]
    path.write_text(json.dumps({"keys": keys}), encoding="utf-8")
    (warning,) = verified(tmp_path, {"jwks_file": str(path), "audiences": ["tasks"]}).warnings
    assert warning.startswith("issuer app: skipped key 'b': key type 'AKP'")


async def test_a_key_file_is_read_anew_at_every_load(tmp_path: Path) -> None:
    prepared = verified(tmp_path, key_file(tmp_path, "pem_file", "ES256"))
    source = prepared.key_sets["app"].source
    assert [key.algorithm for key in prepared.snapshot.issuer("app").key_set.keys] == ["ES256"]
    assert (await source.load()).keys is None, "the file holds what was read at the start"
    key_file(tmp_path, "pem_file", "ES384")
    newer = (await source.load()).keys
    assert newer is not None
    assert [key.algorithm for key in newer.keys] == ["ES384"]


@pytest.mark.parametrize("kind", ["pem_file", "jwks_file"])
def test_a_key_file_over_256_kib_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "keys").write_bytes(b" " * 270_000)
    with pytest.raises(ConfigError, match="it is longer than 262144 bytes"):
        verified(tmp_path, {kind: str(tmp_path / "keys")})


async def test_what_is_built_serves_the_verified_configuration() -> None:
    prepared = wiring.prepare(load(None, {"JWT_SECRET": SECRET.decode(), "AUTHGATE_LISTEN": "unix:/run/authgate.sock"}))
    app = wiring.build(prepared)
    assert app.live.config is prepared.config
    assert app.live.gate.snapshot.issuers == prepared.snapshot.issuers
    # The built gate reads the real clock: one token expired in 1970, the other is valid until 2242.
    expired = await app.live.gate.decide(bearer(mint({"sub": "u", "exp": 1})))
    assert isinstance(expired, Deny)
    assert expired.reason is Reason.EXPIRED
    assert isinstance(await app.live.gate.decide(bearer(mint({"sub": "u", "exp": 2**33}))), Allow)


def test_a_configuration_with_problems_is_never_verified() -> None:
    loaded = load(None, {"JWT_SECRET": SECRET.decode()})
    assert wiring.prepare(loaded).config is loaded.config
    with pytest.raises(ConfigError):
        wiring.prepare(dataclasses.replace(loaded, config=None))
