"""Attacks with fetched key sets: bad keys in them, and no keys at all (J2, J3, J9, J11, J21, J22)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.issuer import Issuer, SigningKey, by_url, running_issuer
from tests.support.serving import exchange, head, outcome, report, serving_keys, until_outcome
from tests.support.tokens import SECRET, b64, mint, private_key, public_jwk, sign_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def trusted(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


# -- no keys, and departed keys (J9, J22) -----------------------------------------------------------------------------

KNOWN_SECRETS = (
    b"",
    b"secret",
    b"changeme",
    b"your-256-bit-secret",
    b"a-string-secret-at-least-256-bits-long",
    bytes(32),
    bytes(64),
    SECRET,
)


async def test_J9_without_keys_no_token_verifies_under_any_well_known_key(tmp_path: Path, trusted: Issuer) -> None:
    """CVE-2026-31837 (Istio): if the key set could not be fetched, a publicly known key was used."""
    claims = {"iss": trusted.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
    header = {"typ": "JWT", "kid": "K1"}
    tokens = [trusted.token(), trusted.token(header={"kid": None}), trusted.token(header={"kid": "default"})]
    tokens += [
        mint(claims, algorithm=algorithm, header=header)
        for algorithm in ("RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519", "Ed448")
    ]
    for secret in KNOWN_SECRETS:
        for algorithm in ("HS256", "HS384", "HS512"):
            raw = json.dumps({**header, "alg": algorithm}).encode()
            tokens.append(sign_raw(raw, json.dumps(claims).encode(), algorithm, secret))
    trusted.close()
    async with serving_keys(tmp_path, by_url("app", trusted)) as served:
        for token in tokens:
            assert await outcome(served, token) == (503, "keys_unavailable")
        for alg in ("none", "None", ""):
            unsigned = f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(claims).encode())}."
            assert (await outcome(served, unsigned))[0] == 401
        key_report = await report(served)
        assert (key_report["state"], key_report["keys"]) == ("no keys", [])
        assert (await exchange(served.admin, head("/readyz", [("Host", "localhost")]))).status == 503


@pytest.mark.parametrize("how", ["removed", "replaced under its id", "made unfit"])
async def test_J22_a_cached_proof_is_useless_without_its_key(tmp_path: Path, trusted: Issuer, how: str) -> None:
    """GHSA-qvp4, CVE-2026-33496 (Oathkeeper), CWE-613 (liboauth2): a cached result outlived its key."""
    trusted.add("K2")
    trusted.publish("K1", "K2")
    cached, other = trusted.token(key="K1"), trusted.token(key="K2")
    async with serving_keys(tmp_path, by_url("app", trusted, refresh_seconds=1, cooldown_seconds=1)) as served:
        for _ in range(2):
            assert await outcome(served, cached) == (200, "")
            assert await outcome(served, other) == (200, "")
        changed = {
            "removed": [],
            "replaced under its id": [SigningKey.new("K1", "ES256").jwk],
            "made unfit": [{**trusted.keys["K1"].jwk, "use": "enc"}],
        }[how]
        trusted.document({"keys": [trusted.keys["K2"].jwk, *changed]})
        reason = "bad_signature" if how == "replaced under its id" else "unknown_key"
        await until_outcome(served, cached, (401, reason), meanwhile=(200, ""))
        assert await outcome(served, other) == (200, ""), "tokens of other keys can be verified again"


# -- bad keys in a key set (J2, J3, J11, J21) -------------------------------------------------------------------------

OCT = {"kty": "oct", "alg": "HS256", "k": b64(SECRET)}


@pytest.mark.parametrize(
    "secret",
    [OCT, {**OCT, "kid": "K2"}, {**OCT, "kid": "K1"}, {**OCT, "use": "sig"}],
    ids=["no kid", "own", "same", "use"],
)
async def test_J2_a_fetched_key_set_that_mixes_a_secret_with_public_keys_is_refused_completely(
    tmp_path: Path, trusted: Issuer, secret: dict[str, Any]
) -> None:
    trusted.document({"keys": [trusted.keys["K1"].jwk, secret]})
    async with serving_keys(tmp_path, by_url("app", trusted, cooldown_seconds=1)) as served:
        claims = {"iss": trusted.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
        forged = mint(claims, header={"kid": secret.get("kid")})
        assert await outcome(served, forged) == (503, "keys_unavailable")
        assert await outcome(served, trusted.token()) == (503, "keys_unavailable")
        trusted.publish("K1")
        await until_outcome(served, trusted.token(), (200, ""), meanwhile=(503, "keys_unavailable"))
        assert (await outcome(served, forged))[0] == 401


async def test_J2_a_secret_in_a_fetched_key_set_is_not_used(tmp_path: Path, trusted: Issuer) -> None:
    trusted.document({"keys": [{**OCT, "kid": "K1"}]})
    async with serving_keys(tmp_path, by_url("app", trusted)) as served:
        claims = {"iss": trusted.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
        assert await outcome(served, mint(claims, header={"kid": "K1"})) == (503, "keys_unavailable")
        assert (await report(served))["keys"] == []


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
async def test_J2_a_fetched_public_key_is_never_used_as_a_secret(
    tmp_path: Path, trusted: Issuer, algorithm: str
) -> None:
    """CVE-2022-29217, CVE-2026-48526 (PyJWT), CVE-2024-37568 (Authlib), CVE-2024-33663 (python-jose)."""
    tenant = trusted.tenant("/tenant", algorithm)
    key = tenant.keys["K1"]
    public = key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    document = json.dumps({"keys": [key.jwk]}).encode()
    members = [key.jwk[name] for name in ("n", "x", "y") if name in key.jwk]
    forms = [
        *(pem, pem.strip(), der, base64.b64encode(der), document, json.dumps(key.jwk).encode()),
        *(json.dumps(key.jwk, separators=(",", ":"), sort_keys=True).encode(), json.dumps([key.jwk]).encode()),
        *(member.encode() for member in members),
        *(base64.urlsafe_b64decode(member + "==") for member in members),
    ]
    claims = {"iss": tenant.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
    async with serving_keys(tmp_path, by_url("app", tenant)) as served:
        assert await outcome(served, tenant.token()) == (200, "")
        for secret in forms:
            for key_id in ("K1", None, "another"):
                for hmac in ("HS256", "HS384", "HS512"):
                    forged = mint(claims, algorithm=hmac, key=secret, header={"kid": key_id})
                    assert (await outcome(served, forged))[0] == 401
        assert await outcome(served, tenant.token(sub="u2")) == (200, "")


@pytest.mark.parametrize("stated", [True, False], ids=["with alg", "without alg"])
@pytest.mark.parametrize(
    ("algorithm", "others"),
    [("RS256", ("RS384", "RS512", "PS256", "PS384", "PS512")), ("PS384", ("PS256", "PS512", "RS256", "RS384"))],
)
async def test_J3_a_fetched_key_is_used_only_with_its_own_algorithm(
    tmp_path: Path, trusted: Issuer, algorithm: str, others: tuple[str, ...], *, stated: bool
) -> None:
    """CVE-2026-48523 (PyJWT). The right key signs, but with another algorithm."""
    tenant = trusted.tenant("/tenant", algorithm)
    key = tenant.keys["K1"]
    if not stated:
        tenant.document({"keys": [{name: value for name, value in key.jwk.items() if name != "alg"}]})
    only = {} if stated else {"algorithms": [algorithm]}
    async with serving_keys(tmp_path, by_url("app", tenant, **only)) as served:
        assert await outcome(served, tenant.token()) == (200, "")
        claims = {"iss": tenant.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
        for other in others:
            for key_id in ("K1", None):
                token = mint(claims, algorithm=other, key=key.private, header={"kid": key_id})
                assert await outcome(served, token) == (401, "wrong_algorithm"), other


DEEP = {
    "lists": "[" * 10_000,
    "objects": '{"keys":' * 7_000,
    "closed": '{"keys":' + "[" * 10_000 + "]" * 10_000 + "}",
    "in-a-member": '{"keys":[{"kty":"EC","kid":' + "[" * 10_000 + "]" * 10_000 + "}]}",
}


async def test_J11_a_deeply_nested_key_set_fails_like_any_bad_document(tmp_path: Path, trusted: Issuer) -> None:
    """GHSA-8wjv, -w6j9 (PyJWT 2.14, 2.15)."""
    tenants = {kind: trusted.tenant(f"/{kind}") for kind in DEEP}
    for kind, text in DEEP.items():
        tenants[kind].document(text)
    configured = [by_url(kind, tenant, cooldown_seconds=1) for kind, tenant in tenants.items()]
    async with serving_keys(tmp_path, *configured) as served:
        for kind, tenant in tenants.items():
            assert await outcome(served, tenant.token()) == (503, "keys_unavailable")
            assert "not a JWK Set" in (await report(served, kind))["last_error"]
            tenant.publish("K1")
        for tenant in tenants.values():
            await until_outcome(served, tenant.token(), (200, ""), meanwhile=(503, "keys_unavailable"))


BAD_MEMBERS: list[Any] = [
    *([], "x", None, 1, True, {}),
    *({"kty": 1}, {"kty": "XYZ"}, {"kty": ["RSA"]}, {"kty": "RSA"}, {"kty": "EC", "crv": [], "x": "AA", "y": "AA"}),
    *({"kty": "EC", "crv": "P-256", "x": 1, "y": None}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
    *({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, {"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "none"}),
    {"kty": "RSA", "n": "-", "e": "AQAB", "kid": {"a": 1}},
]


async def test_J11_malformed_keys_in_a_fetched_key_set_are_skipped(tmp_path: Path, trusted: Issuer) -> None:
    trusted.document({"keys": [*BAD_MEMBERS, trusted.keys["K1"].jwk]})
    async with serving_keys(tmp_path, by_url("app", trusted)) as served:
        assert await outcome(served, trusted.token()) == (200, "")
        key_report = await report(served)
        assert [key["key_id"] for key in key_report["keys"]] == ["K1"]
        assert len(key_report["skipped"]) == len(BAD_MEMBERS), "each is named"


def encoded_message(message: bytes, length: int) -> bytes:
    """Return EMSA-PKCS1-v1_5 (RFC 8017 §9.2) of *message* with SHA-256. If e is 1, this is a valid signature."""
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    return b"\x00\x01" + b"\xff" * (length - len(info) - 3) + b"\x00" + info


def rsa_jwk(modulus: int, exponent: int) -> dict[str, str]:
    n, e = (b64(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (modulus, exponent))
    return {"kty": "RSA", "alg": "RS256", "n": n, "e": e}


SHORT = rsa.generate_private_key(65537, 1024)
IDENTITY = b"\x01" + bytes(31)  # the neutral point of Ed25519: under this key, one signature is valid for every message

# A key that must not be used, its algorithm, and the signature that an attacker without the private key can make.
BREAKABLE: dict[str, tuple[dict[str, str], str, Callable[[bytes], bytes]]] = {
    "1024 bits": (
        rsa_jwk(SHORT.public_key().public_numbers().n, 65537),
        "RS256",
        lambda message: SHORT.sign(message, padding.PKCS1v15(), hashes.SHA256()),
    ),
    "exponent 1": (
        rsa_jwk(private_key("RS256").public_key().public_numbers().n, 1),
        "RS256",
        lambda message: encoded_message(message, 256),
    ),
    "the neutral point": (
        {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": b64(IDENTITY)},
        "Ed25519",
        lambda _: IDENTITY + bytes(32),
    ),
}


def forged(trusted: Issuer, kind: str, key_id: str) -> str:
    """Return a token of *trusted* that names *key_id* and is signed with the breakable key of this *kind*."""
    _, algorithm, sign = BREAKABLE[kind]
    signing_input = f"{b64(json.dumps({'alg': algorithm, 'kid': key_id}).encode())}.{trusted.token().split('.')[1]}"
    return f"{signing_input}.{b64(sign(signing_input.encode()))}"


@pytest.mark.parametrize("kind", BREAKABLE)
async def test_J21_a_breakable_key_in_a_fetched_key_set_is_not_used(tmp_path: Path, trusted: Issuer, kind: str) -> None:
    """joserfc 1.6.8, PyJWT 2.13, Wycheproof: short RSA keys, e=1, points of small order."""
    trusted.document({"keys": [{**BREAKABLE[kind][0], "kid": "weak"}, trusted.keys["K1"].jwk]})
    async with serving_keys(tmp_path, by_url("app", trusted, cooldown_seconds=1)) as served:
        assert await outcome(served, trusted.token()) == (200, "")
        key_report = await report(served)
        assert [key["key_id"] for key in key_report["keys"]] == ["K1"]
        (skipped,) = key_report["skipped"]
        assert skipped.startswith("key 'weak': ")
        assert await outcome(served, forged(trusted, kind, "weak")) == (401, "unknown_key")
    trusted.document({"keys": [{**BREAKABLE[kind][0], "kid": "K1"}]})
    async with serving_keys(tmp_path, by_url("app", trusted)) as served:
        assert await outcome(served, forged(trusted, kind, "K1")) == (503, "keys_unavailable"), (
            "without other keys, the load fails"
        )
        assert "no key" in (await report(served))["last_error"]


async def test_J21_two_fetched_keys_with_the_same_id_are_both_skipped(tmp_path: Path, trusted: Issuer) -> None:
    twins = [SigningKey.new("twin", "ES256") for _ in range(2)]
    trusted.document({"keys": [*(twin.jwk for twin in twins), trusted.keys["K1"].jwk]})
    async with serving_keys(tmp_path, by_url("app", trusted)) as served:
        assert await outcome(served, trusted.token()) == (200, "")
        for twin in twins:
            trusted.keys["twin"] = twin
            assert (await outcome(served, trusted.token(key="twin")))[0] == 401
        assert len((await report(served))["skipped"]) == 2


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1()], ids=["secp256k1", "secp224r1"])
async def test_J3_a_key_on_another_curve_is_skipped(tmp_path: Path, trusted: Issuer, curve: ec.EllipticCurve) -> None:
    private = ec.generate_private_key(curve)
    numbers = private.public_key().public_numbers()
    length = (curve.key_size + 7) // 8
    x, y = (b64(number.to_bytes(length, "big")) for number in (numbers.x, numbers.y))
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "K2", "x": x, "y": y}
    trusted.document(
        {"keys": [trusted.keys["K1"].jwk, jwk, {**jwk, "crv": curve.name, "kid": "K3"}, public_jwk("ES384", "K4")]}
    )
    async with serving_keys(tmp_path, by_url("app", trusted)) as served:
        assert await outcome(served, trusted.token()) == (200, "")
        assert [key["key_id"] for key in (await report(served))["keys"]] == ["K1", "K4"]
