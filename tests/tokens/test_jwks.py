"""Keys from a JWK or JWK Set: odd members are left out and named, somebody's mistakes refuse the set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import ASYMMETRIC, OTHER_SECRET, SECRET, b64, public_jwk

if TYPE_CHECKING:
    from authgate.core.keys import KeySet

GOOD = public_jwk("ES256", "good")
OCT = {"kty": "oct", "kid": "secret", "alg": "HS256", "k": b64(SECRET)}


def load(document: Any, allowed: frozenset[str] = ALL_ALGORITHMS) -> KeySet:
    return jwk.from_jwks(document if isinstance(document, bytes) else json.dumps(document).encode(), allowed)


def faults(document: Any, allowed: frozenset[str] = ALL_ALGORITHMS) -> tuple[str, ...]:
    with pytest.raises(jwk.BadKey) as bad:
        load(document, allowed)
    return bad.value.faults


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_jwk_is_read_alone_and_in_a_set(algorithm: str) -> None:
    alone = load(public_jwk(algorithm, "k1"))
    assert [(key.key_id, key.algorithm) for key in alone.keys] == [("k1", algorithm)]
    assert load({"keys": [public_jwk(algorithm, "k1")]}) == alone


@pytest.mark.parametrize(
    ("algorithm", "allowed", "expected"),
    [
        ("PS256", ALL_ALGORITHMS, "RS256"),
        ("PS256", frozenset({"PS384", "ES256"}), "PS384"),
        ("Ed25519", ALL_ALGORITHMS, "Ed25519"),
        ("ES512", ALL_ALGORITHMS, "ES512"),
    ],
)
def test_a_jwk_without_alg_gets_the_one_that_is_listed_or_its_types_default(
    algorithm: str, allowed: frozenset[str], expected: str
) -> None:
    assert load(public_jwk(algorithm, alg=None), allowed).keys[0].algorithm == expected


@pytest.mark.parametrize("curve", ["Ed25519", "Ed448"])
def test_alg_eddsa_becomes_the_algorithm_of_the_curve(curve: str) -> None:
    assert load(public_jwk(curve, alg="EdDSA")).keys[0].algorithm == curve


def test_a_set_of_secrets_is_read() -> None:
    other = OCT | {"kid": "other", "k": b64(OTHER_SECRET)}
    assert [key.key_id for key in load({"keys": [OCT, other]}).keys] == ["secret", "other"]


# Members that are for something else, or that nobody can read.
ODD: dict[str, Any] = {
    "a string": "x",
    "null": None,
    "a list": [GOOD],
    "empty": {},
    "for encryption": GOOD | {"use": "enc"},
    "use a list": GOOD | {"use": ["sig"]},
    "for signing only": GOOD | {"key_ops": ["sign"]},
    "no operation": GOOD | {"key_ops": []},
    "operations a number": GOOD | {"key_ops": 5},
    "operations null": GOOD | {"key_ops": None},
    "operations a string": GOOD | {"key_ops": "verify"},
    "type unknown": GOOD | {"kty": "AKP"},
    "type a list": GOOD | {"kty": ["EC"]},
    "type missing": {"kid": "x", "x": "AA", "y": "AA"},
    "curve unknown": GOOD | {"crv": "secp256k1"},
    "curve a number": GOOD | {"crv": 1},
    "curve missing": {name: value for name, value in GOOD.items() if name != "crv"},
    "kid a number": GOOD | {"kid": 1},
    "coordinate missing": {name: value for name, value in GOOD.items() if name != "y"},
    "coordinate a number": GOOD | {"x": 5},
    "coordinate a list": GOOD | {"x": [5]},
    "coordinate padded": GOOD | {"x": GOOD["x"] + "="},
    "coordinate not ASCII": GOOD | {"x": "\u00e4"},
    "point not on the curve": GOOD | {"x": b64(b"\1" * 32)},
    "coordinate too short": GOOD | {"x": "AA"},
    "alg of another type": GOOD | {"alg": "RS256"},
    "alg unknown": GOOD | {"alg": "ES256K"},
    "alg none": GOOD | {"alg": "none"},
    "alg a list": GOOD | {"alg": ["ES256"]},
    "secret without k": {"kty": "oct", "kid": "x"},
    "modulus missing": {"kty": "RSA", "e": "AQAB"},
    "modulus empty": {"kty": "RSA", "e": "AQAB", "n": ""},
    "exponent 1": public_jwk("RS256") | {"e": "AQ"},
    "exponent even": public_jwk("RS256") | {"e": b64(b"\1\0\0")},
    "Ed25519 too short": {"kty": "OKP", "crv": "Ed25519", "x": b64(b"x" * 31)},
    "Ed25519 with Ed448's length": {"kty": "OKP", "crv": "Ed25519", "x": b64(b"x" * 57)},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_member_is_left_out_and_named_and_the_others_stay(odd: Any) -> None:
    keys = load({"keys": [odd, public_jwk("RS256", "other")]})
    assert [key.key_id for key in keys.keys] == ["other"]
    assert len(keys.skipped) == 1
    assert keys.skipped[0].startswith(("key 'good': ", "key 'x': ", "key number 1: "))


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_set_of_odd_members_only_is_refused(odd: Any) -> None:
    (fault,) = faults({"keys": [odd]})
    assert fault.startswith("it holds no key that can verify a signature; key ")


def test_a_key_whose_stated_alg_is_not_listed_is_left_out() -> None:
    keys = load({"keys": [GOOD, public_jwk("RS256", "other")]}, frozenset({"RS256"}))
    assert [key.key_id for key in keys.keys] == ["other"]
    assert keys.skipped == ("key 'good': the key is for ES256, but `algorithms` lists only RS256",)


WEAK = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([GOOD | {"d": "AA"}], ["key 'good': it is a private key"], id="private"),
        pytest.param([GOOD, public_jwk("RS256", "r", p="AA")], ["key 'r': it is a private key"], id="private RSA"),
        pytest.param([GOOD, OCT], ["it mixes a shared secret (oct) with public keys"], id="secret and public keys"),
        pytest.param([GOOD, GOOD], ["two keys have the kid 'good'"], id="kid twice"),
        pytest.param(
            [GOOD, public_jwk("RS256", "weak", n=b64(WEAK.to_bytes(128, "big")))],
            ["key 'weak': the RSA key has 1024 bits"],
            id="weak RSA",
        ),
        pytest.param([OCT | {"k": b64(b"abcdefgh")}], ["key 'secret': it is 8 bytes long"], id="short secret"),
        pytest.param(
            [GOOD | {"d": "AA"}, OCT | {"k": ""}, GOOD, public_jwk("RS256", "good")],
            [
                "key 'good': it is a private key",
                "key 'secret': it is 0 bytes long",
                "key 'secret': it has fewer than 8",
                "two keys have the kid 'good'",
            ],
            id="all at once",
        ),
    ],
)
def test_a_mistake_refuses_the_whole_set_and_every_one_is_named(members: list[Any], expected: list[str]) -> None:
    found = faults({"keys": members})
    assert len(found) == len(expected)
    assert all(told.startswith(start) for told, start in zip(found, expected, strict=True))


@pytest.mark.parametrize("allowed", [frozenset({"RS256", "PS256"}), frozenset({"ES256"})], ids=["two", "none"])
def test_a_jwk_without_alg_and_without_one_fitting_algorithm_refuses_the_set(allowed: frozenset[str]) -> None:
    (fault,) = faults({"keys": [public_jwk("RS256", "k1", alg=None)]}, allowed)
    assert fault.startswith("key 'k1': ")
    assert "`algorithms` lists" in fault


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "it is not a JWK Set: it is not JSON"),
        (b"[]", "it is not a JWK Set: it is not a JSON object"),
        (b'{"keys":[],"keys":[]}', "it is not a JWK Set: a member occurs twice"),
        (b"\xff", "it is not a JWK Set: "),
        ({"keys": {}}, "its 'keys' is not a list of at most 64 keys"),
        ({"keys": None}, "its 'keys' is not a list of at most 64 keys"),
        ({"keys": [GOOD] * 65}, "its 'keys' is not a list of at most 64 keys"),
        ({"keys": []}, "it holds no key that can verify a signature"),
        ({}, "it holds no key that can verify a signature; key number 1: "),
        (b" " * (jwk.MAX_DOCUMENT_BYTES + 1), "it is 65537 bytes long, over 65536"),
    ],
    ids=range(10),
)
def test_what_is_no_jwk_set_is_refused(document: Any, why: str) -> None:
    (fault,) = faults(document)
    assert fault.startswith(why)


def test_keys_without_kid_may_be_several() -> None:
    assert len(load({"keys": [public_jwk("ES256"), public_jwk("RS256")]}).keys) == 2


def test_no_fault_quotes_a_secret() -> None:
    for fault in faults({"keys": [OCT | {"k": b64(b"hunter2")}, OCT | {"kid": "2", "k": b64(b" hunter2")}]}):
        assert "hunter2" not in fault
        assert b64(b"hunter2") not in fault


@pytest.mark.parametrize("listed", [{"RS256", "PS256"}, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}])
def test_a_key_for_which_several_algorithms_are_listed_is_refused(listed: set[str]) -> None:
    with pytest.raises(jwk.BadKey, match="a key has exactly one algorithm"):
        jwk.from_jwks(json.dumps(public_jwk("RS256", alg=None)).encode(), frozenset(listed))
