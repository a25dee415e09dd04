"""Keys from a JWK or JWK Set: no id names two keys, and no set mixes secrets and public keys."""

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


def test_a_set_of_secrets_is_read() -> None:
    other = OCT | {"kid": "other", "k": b64(OTHER_SECRET)}
    assert [key.key_id for key in load({"keys": [OCT, other]}).keys] == ["secret", "other"]


RSA = public_jwk("RS256", "bad")
OTHER = public_jwk("RS256", "other")
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
def test_a_set_that_mixes_secrets_and_key_pairs_is_rejected_even_if_one_of_them_is_unfit(members: list[Any]) -> None:
    assert faults({"keys": members}) == (MIXED,)
    with pytest.raises(jwk.BadKey, match="mixes"):
        jwk.from_jwks(json.dumps({"keys": members}).encode(), ALL_ALGORITHMS, public_only=True)


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
def test_different_keys_with_the_same_kid_are_all_skipped(twins: list[Any]) -> None:
    keys = load({"keys": [*twins, OTHER]})
    assert [key.key_id for key in keys.keys] == ["other"]
    assert any("keys have this kid; give each key its own kid" in skipped for skipped in keys.skipped)
    assert all(skipped.startswith("key 'good': ") for skipped in keys.skipped)
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
def test_a_key_for_another_purpose_does_not_block_a_key_of_the_same_kid(twin: dict[str, Any]) -> None:
    keys = load({"keys": [GOOD, GOOD | twin]})
    assert [key.key_id for key in keys.keys] == ["good"]
    assert len(keys.skipped) == 1


def test_a_key_listed_once_per_algorithm_is_used_for_the_allowed_algorithm() -> None:
    keys = load({"keys": [public_jwk("RS256", "k"), public_jwk("PS256", "k")]}, frozenset({"PS256"}))
    assert [(key.key_id, key.algorithm) for key in keys.keys] == [("k", "PS256")]


@pytest.mark.parametrize("again", [GOOD, GOOD | {"use": "sig"}, dict(reversed(GOOD.items()))], ids=range(3))
def test_the_same_key_twice_is_one_key(again: dict[str, Any]) -> None:
    keys = load({"keys": [GOOD, again]})
    assert ([key.key_id for key in keys.keys], keys.skipped) == (["good"], ())


def test_the_same_key_under_two_ids_is_two_keys() -> None:
    assert len(load({"keys": [GOOD, GOOD | {"kid": "again"}]}).keys) == 2


def test_a_secret_in_a_fetched_set_is_skipped() -> None:
    with pytest.raises(jwk.BadKey, match="key 'secret': a shared secret must not be fetched"):
        jwk.from_jwks(json.dumps(OCT).encode(), ALL_ALGORITHMS, public_only=True)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_may_be_fetched(algorithm: str) -> None:
    document = json.dumps({"keys": [public_jwk(algorithm, "k1"), 5]}).encode()
    keys = jwk.from_jwks(document, ALL_ALGORITHMS, public_only=True)
    assert [key.algorithm for key in keys.keys] == [algorithm]
    assert keys.skipped == ("key number 2: it is not a JSON object",)


def test_the_fingerprint_does_not_depend_on_the_order_of_the_keys() -> None:
    forward, backward = load({"keys": [GOOD, OTHER]}), load({"keys": [OTHER, GOOD]})
    assert forward.fingerprint == backward.fingerprint
    for changed in ([GOOD], [OTHER], [GOOD, OTHER | {"kid": "new"}], [GOOD, OTHER | {"alg": "RS512"}]):
        assert load({"keys": changed}).fingerprint != forward.fingerprint


@pytest.mark.parametrize(
    ("document", "message"),
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
def test_a_document_that_is_not_a_jwk_set_is_rejected(document: Any, message: str) -> None:
    (fault,) = faults(document)
    assert fault.startswith(message)


def test_several_keys_may_have_no_kid() -> None:
    assert len(load({"keys": [public_jwk("ES256"), public_jwk("RS256")]}).keys) == 2


def test_no_fault_quotes_a_secret() -> None:
    for fault in faults({"keys": [OCT | {"k": b64(b"hunter2")}, OCT | {"kid": "2", "k": b64(b" hunter2")}]}):
        assert "hunter2" not in fault
        assert b64(b"hunter2") not in fault
