"""Keys from a JWK or JWK Set: each for one algorithm, no id twice, no secret beside public keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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


RSA = public_jwk("RS256", "bad")


def test_a_key_whose_stated_alg_is_not_listed_is_left_out() -> None:
    keys = load({"keys": [GOOD, public_jwk("RS256", "other")]}, frozenset({"RS256"}))
    assert [key.key_id for key in keys.keys] == ["other"]
    assert keys.skipped == ("key 'good': the key is for ES256, but `algorithms` lists only RS256",)


MIXED = "it mixes a shared secret (oct) with public keys; give each its own issuer"


@pytest.mark.parametrize(
    "members",
    [
        [GOOD, OCT],
        [OCT, GOOD],
        [OCT | {"k": ""}, GOOD],
        [OCT, GOOD | {"x": "AA"}],
        [OCT, GOOD | {"use": "enc"}],
        [OCT | {"use": "enc"}, RSA],
        [OCT, RSA | {"d": "AA"}],
        [OCT, {"kty": "AKP"}],
        [OCT, {"kty": "OKP", "crv": "X25519"}],
        [{"kty": "oct"}, {"kty": "RSA"}],
    ],
    ids=range(10),
)
def test_a_set_that_mixes_secrets_and_key_pairs_is_refused_even_if_either_is_unfit(members: list[Any]) -> None:
    assert faults({"keys": members}) == (MIXED,)
    with pytest.raises(jwk.BadKey, match="mixes"):
        jwk.from_jwks(json.dumps({"keys": members}).encode(), ALL_ALGORITHMS, public_only=True)


OTHER = public_jwk("RS256", "other")


@pytest.mark.parametrize(
    "twins",
    [
        [GOOD, public_jwk("RS256", "good")],
        [GOOD, public_jwk("RS256", "good"), public_jwk("ES384", "good")],
        [public_jwk("RS256", "good"), public_jwk("PS256", "good")],
        [GOOD, GOOD, public_jwk("RS256", "good")],
        [GOOD, GOOD | {"x": "AA"}],
        [GOOD, GOOD | {"d": "AA"}],
        [GOOD, public_jwk("RS256", "good", e="Aw")],
        [GOOD, GOOD | {"use": None}],
        [GOOD, GOOD | {"key_ops": ["verify", "verify"]}],
    ],
    ids=["two", "three", "two algorithms", "one of them twice", "bad y", "private", "weak", "bad use", "bad key_ops"],
)
def test_of_different_keys_with_one_kid_none_is_used(twins: list[Any]) -> None:
    keys = load({"keys": [*twins, OTHER]})
    assert [key.key_id for key in keys.keys] == ["other"]
    assert any("keys have this kid; give each key its own kid" in told for told in keys.skipped)
    assert all(told.startswith("key 'good': ") for told in keys.skipped)
    assert "keys have this kid" in faults({"keys": twins})[0]


@pytest.mark.parametrize(
    "twin",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"kty": "AKP"},
        {"crv": "X25519"},
        {"alg": "ECDH-ES"},
    ],
    ids=str,
)
def test_a_key_for_something_else_does_not_take_a_key_of_the_same_kid_with_it(twin: dict[str, Any]) -> None:
    keys = load({"keys": [GOOD, GOOD | twin]})
    assert [key.key_id for key in keys.keys] == ["good"]
    assert len(keys.skipped) == 1


def test_a_key_listed_once_for_each_algorithm_is_used_for_the_one_that_the_issuer_may_use() -> None:
    keys = load({"keys": [public_jwk("RS256", "k"), public_jwk("PS256", "k")]}, frozenset({"PS256"}))
    assert [(key.key_id, key.algorithm) for key in keys.keys] == [("k", "PS256")]


@pytest.mark.parametrize("again", [GOOD, GOOD | {"use": "sig"}, dict(reversed(GOOD.items()))], ids=range(3))
def test_the_same_key_twice_is_one_key(again: dict[str, Any]) -> None:
    keys = load({"keys": [GOOD, again]})
    assert ([key.key_id for key in keys.keys], keys.skipped) == (["good"], ())


def test_the_same_key_under_two_ids_is_two_keys() -> None:
    assert len(load({"keys": [GOOD, GOOD | {"kid": "again"}]}).keys) == 2


def test_a_secret_that_can_be_fetched_is_left_out() -> None:
    with pytest.raises(jwk.BadKey, match="key 'secret': a shared secret must not be fetched"):
        jwk.from_jwks(json.dumps(OCT).encode(), ALL_ALGORITHMS, public_only=True)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_may_be_fetched(algorithm: str) -> None:
    document = json.dumps({"keys": [public_jwk(algorithm, "k1"), 5]}).encode()
    keys = jwk.from_jwks(document, ALL_ALGORITHMS, public_only=True)
    assert [key.algorithm for key in keys.keys] == [algorithm]
    assert keys.skipped == ("key number 2: it is not a JSON object",)


def test_the_fingerprint_does_not_change_with_the_order_of_the_keys() -> None:
    forward, backward = load({"keys": [GOOD, OTHER]}), load({"keys": [OTHER, GOOD]})
    assert forward.fingerprint == backward.fingerprint
    for changed in ([GOOD], [OTHER], [GOOD, OTHER | {"kid": "new"}], [GOOD, OTHER | {"alg": "RS512"}]):
        assert load({"keys": changed}).fingerprint != forward.fingerprint


@pytest.mark.parametrize("allowed", [frozenset({"RS256", "PS256"}), frozenset({"ES256"})], ids=["two", "none"])
def test_a_jwk_without_alg_and_without_one_fitting_algorithm_is_unfit(allowed: frozenset[str]) -> None:
    (fault,) = faults({"keys": [public_jwk("RS256", "k1", alg=None)]}, allowed)
    assert fault.startswith("it holds no key that can verify a signature; key 'k1': ")
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
        ({}, "it is neither a JWK Set nor a JWK"),
        ({"error": "not found"}, "it is neither a JWK Set nor a JWK"),
        (b" " * (jwk.MAX_DOCUMENT_BYTES + 1), "it is 65537 bytes long, over 65536"),
    ],
    ids=range(11),
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
