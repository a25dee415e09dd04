"""Keys by URL: what a fetched set may hold, and what is left when there is none (J2, J3, J9, J11, J21, J22)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.issuer import Issuer, SigningKey, issuer
from tests.support.keyed import by_url
from tests.support.served_keys import outcome, report, serving_keys, until_outcome
from tests.support.serving import exchange, head
from tests.support.tokens import SECRET, b64, mint, private_key, public_jwk, sign_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Issuer]:
    with issuer(tmp_path) as running:
        yield running


# -- what is left when there are no keys (J9, J22) --------------------------------------------------------------------

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


async def test_J9_without_keys_nothing_verifies_and_there_is_no_other_key(tmp_path: Path, one: Issuer) -> None:
    """CVE-2026-31837 (Istio): where the key set could not be had, a key that everybody knows was taken."""
    claims = {"iss": one.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
    header = {"typ": "JWT", "kid": "K1"}
    tokens = [one.token(), one.token(header={"kid": None}), one.token(header={"kid": "default"})]
    tokens += [
        mint(claims, algorithm=algorithm, header=header)
        for algorithm in ("RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519", "Ed448")
    ]
    for secret in KNOWN_SECRETS:
        for algorithm in ("HS256", "HS384", "HS512"):
            raw = json.dumps({**header, "alg": algorithm}).encode()
            tokens.append(sign_raw(raw, json.dumps(claims).encode(), algorithm, secret))
    one.close()
    async with serving_keys(tmp_path, by_url("app", one)) as served:
        for token in tokens:
            assert await outcome(served, token) == (503, "keys_unavailable")
        for alg in ("none", "None", ""):
            unsigned = f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(claims).encode())}."
            assert (await outcome(served, unsigned))[0] == 401
        told = await report(served)
        assert (told["state"], told["keys"]) == ("no keys", [])
        assert (await exchange(served.admin, head("/readyz", [("Host", "localhost")]))).status == 503


@pytest.mark.parametrize("how", ["removed", "replaced under its id", "made unfit"])
async def test_J22_a_remembered_proof_dies_with_its_key(tmp_path: Path, one: Issuer, how: str) -> None:
    """GHSA-qvp4, CVE-2026-33496 (Oathkeeper), CWE-613 (liboauth2): what was remembered outlived what it rested on."""
    one.add("K2")
    one.publish("K1", "K2")
    remembered, other = one.token(key="K1"), one.token(key="K2")
    async with serving_keys(tmp_path, by_url("app", one, refresh_seconds=1, cooldown_seconds=1)) as served:
        for _ in range(2):
            assert await outcome(served, remembered) == (200, "")
            assert await outcome(served, other) == (200, "")
        changed = {
            "removed": [],
            "replaced under its id": [SigningKey.new("K1", "ES256").jwk],
            "made unfit": [{**one.keys["K1"].jwk, "use": "enc"}],
        }[how]
        one.document({"keys": [one.keys["K2"].jwk, *changed]})
        reason = "bad_signature" if how == "replaced under its id" else "unknown_key"
        await until_outcome(served, remembered, (401, reason), meanwhile=(200, ""))
        assert await outcome(served, other) == (200, ""), "the proofs of other keys may be made anew"


# -- what a key set holds (J2, J3, J11, J21) --------------------------------------------------------------------------

OCT = {"kty": "oct", "alg": "HS256", "k": b64(SECRET)}


@pytest.mark.parametrize(
    "secret",
    [OCT, {**OCT, "kid": "K2"}, {**OCT, "kid": "K1"}, {**OCT, "use": "sig"}],
    ids=["no kid", "own", "same", "use"],
)
async def test_J2_a_set_by_url_that_mixes_a_secret_with_public_keys_is_refused_whole(
    tmp_path: Path, one: Issuer, secret: dict[str, Any]
) -> None:
    one.document({"keys": [one.keys["K1"].jwk, secret]})
    async with serving_keys(tmp_path, by_url("app", one, cooldown_seconds=1)) as served:
        claims = {"iss": one.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
        forged = mint(claims, header={"kid": secret.get("kid")})
        assert await outcome(served, forged) == (503, "keys_unavailable")
        assert await outcome(served, one.token()) == (503, "keys_unavailable")
        one.publish("K1")
        await until_outcome(served, one.token(), (200, ""), meanwhile=(503, "keys_unavailable"))
        assert (await outcome(served, forged))[0] == 401


async def test_J2_a_secret_that_can_be_fetched_is_no_key(tmp_path: Path, one: Issuer) -> None:
    one.document({"keys": [{**OCT, "kid": "K1"}]})
    async with serving_keys(tmp_path, by_url("app", one)) as served:
        claims = {"iss": one.url, "sub": "u1", "aud": "tasks", "exp": 9_999_999_999}
        assert await outcome(served, mint(claims, header={"kid": "K1"})) == (503, "keys_unavailable")
        assert (await report(served))["keys"] == []


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
async def test_J2_the_fetched_public_key_is_no_secret_in_any_form(tmp_path: Path, one: Issuer, algorithm: str) -> None:
    """CVE-2022-29217, CVE-2026-48526 (PyJWT), CVE-2024-37568 (Authlib), CVE-2024-33663 (python-jose)."""
    tenant = one.tenant("/tenant", algorithm)
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
async def test_J3_a_fetched_key_is_used_with_its_own_algorithm_only(
    tmp_path: Path, one: Issuer, algorithm: str, others: tuple[str, ...], *, stated: bool
) -> None:
    """CVE-2026-48523 (PyJWT). The very key signs, under an algorithm that it is not for."""
    tenant = one.tenant("/tenant", algorithm)
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


async def test_J11_a_deeply_nested_set_is_an_ordinary_failure(tmp_path: Path, one: Issuer) -> None:
    """GHSA-8wjv, -w6j9 (PyJWT 2.14, 2.15)."""
    tenants = {kind: one.tenant(f"/{kind}") for kind in DEEP}
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


async def test_J11_no_malformed_member_kills_a_fetched_set(tmp_path: Path, one: Issuer) -> None:
    one.document({"keys": [*BAD_MEMBERS, one.keys["K1"].jwk]})
    async with serving_keys(tmp_path, by_url("app", one)) as served:
        assert await outcome(served, one.token()) == (200, "")
        told = await report(served)
        assert [key["key_id"] for key in told["keys"]] == ["K1"]
        assert len(told["skipped"]) == len(BAD_MEMBERS), "each is named"


def encoded_message(message: bytes, length: int) -> bytes:
    """Return EMSA-PKCS1-v1_5 (RFC 8017 §9.2) of *message* under SHA-256: with e=1, a signature that holds."""
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    return b"\x00\x01" + b"\xff" * (length - len(info) - 3) + b"\x00" + info


def rsa_jwk(modulus: int, exponent: int) -> dict[str, str]:
    n, e = (b64(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (modulus, exponent))
    return {"kty": "RSA", "alg": "RS256", "n": n, "e": e}


SHORT = rsa.generate_private_key(65537, 1024)
IDENTITY = b"\x01" + bytes(31)  # the neutral point of Ed25519: with it as key, one signature holds for every message

# A key that must not be used, its algorithm, and how whoever knows only the public key, or broke it, signs with it.
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


def forged(one: Issuer, kind: str, key_id: str) -> str:
    """Return a token of *one* that names *key_id* and is signed with the breakable key of this *kind*."""
    _, algorithm, sign = BREAKABLE[kind]
    signing_input = f"{b64(json.dumps({'alg': algorithm, 'kid': key_id}).encode())}.{one.token().split('.')[1]}"
    return f"{signing_input}.{b64(sign(signing_input.encode()))}"


@pytest.mark.parametrize("kind", BREAKABLE)
async def test_J21_a_breakable_key_of_a_fetched_set_verifies_nothing(tmp_path: Path, one: Issuer, kind: str) -> None:
    """joserfc 1.6.8, PyJWT 2.13, Wycheproof: short RSA keys, e=1, points of small order."""
    one.document({"keys": [{**BREAKABLE[kind][0], "kid": "weak"}, one.keys["K1"].jwk]})
    async with serving_keys(tmp_path, by_url("app", one, cooldown_seconds=1)) as served:
        assert await outcome(served, one.token()) == (200, "")
        told = await report(served)
        assert [key["key_id"] for key in told["keys"]] == ["K1"]
        (skipped,) = told["skipped"]
        assert skipped.startswith("key 'weak': ")
        assert await outcome(served, forged(one, kind, "weak")) == (401, "unknown_key")
    one.document({"keys": [{**BREAKABLE[kind][0], "kid": "K1"}]})
    async with serving_keys(tmp_path, by_url("app", one)) as served:
        assert await outcome(served, forged(one, kind, "K1")) == (503, "keys_unavailable"), "alone it is no set"
        assert "no key" in (await report(served))["last_error"]


async def test_J21_a_doubled_key_id_of_a_fetched_set_means_neither_key(tmp_path: Path, one: Issuer) -> None:
    twins = [SigningKey.new("twin", "ES256") for _ in range(2)]
    one.document({"keys": [*(twin.jwk for twin in twins), one.keys["K1"].jwk]})
    async with serving_keys(tmp_path, by_url("app", one)) as served:
        assert await outcome(served, one.token()) == (200, "")
        for twin in twins:
            one.keys["twin"] = twin
            assert (await outcome(served, one.token(key="twin")))[0] == 401
        assert len((await report(served))["skipped"]) == 2


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1()], ids=["secp256k1", "secp224r1"])
async def test_J3_a_key_on_another_curve_is_left_out(tmp_path: Path, one: Issuer, curve: ec.EllipticCurve) -> None:
    private = ec.generate_private_key(curve)
    numbers = private.public_key().public_numbers()
    length = (curve.key_size + 7) // 8
    x, y = (b64(number.to_bytes(length, "big")) for number in (numbers.x, numbers.y))
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "K2", "x": x, "y": y}
    one.document(
        {"keys": [one.keys["K1"].jwk, jwk, {**jwk, "crv": curve.name, "kid": "K3"}, public_jwk("ES384", "K4")]}
    )
    async with serving_keys(tmp_path, by_url("app", one)) as served:
        assert await outcome(served, one.token()) == (200, "")
        assert [key["key_id"] for key in (await report(served))["keys"]] == ["K1", "K4"]
