"""Keys from a JWK or JWK Set: no id names two keys, and no set mixes secrets and public keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import ASYMMETRIC, OTHER_SECRET, SECRET, b64, public_jwk

if TYPE_CHECKING:
    from authgate.core.keys import KeySet

GOOD = public_jwk("ES256", "good")
OCT = {"kty": "oct", "kid": "secret", "alg": "HS256", "k": b64(SECRET)}


def without_alg(member: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in member.items() if name != "alg"}


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


def other_key(algorithm: str, key_id: str = "good", **more: Any) -> dict[str, Any]:
    """Return the JWK of a new key for *algorithm*. It is not the key of `public_jwk`."""
    new = {
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "Ed448": ed448.Ed448PrivateKey.generate,
    }[algorithm]()
    jwk = jwt.get_algorithm_by_name("EdDSA" if algorithm == "Ed448" else algorithm).to_jwk(
        new.public_key(), as_dict=True
    )
    return {"kty": "", **jwk, "kid": key_id, **more} | ({} if "alg" in more else {"alg": algorithm})


RS256, RS512, PS256, ES384 = (public_jwk(algorithm, "good") for algorithm in ("RS256", "RS512", "PS256", "ES384"))
NEW_RSA = other_key("RS256")

# Members of one kid, and the algorithms of those that are used. The others are skipped.
NAMESAKES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "an RSA key and an EC key": ([GOOD, RS256], ["ES256", "RS256"]),
    "two curves": ([GOOD, ES384, RS256], ["ES256", "ES384", "RS256"]),
    "one key listed once for each alg": ([RS256, RS512, PS256], ["RS256", "RS512", "PS256"]),
    "two RSA keys for different alg": ([RS512, NEW_RSA], ["RS512", "RS256"]),
    "one key listed with and without alg": ([RS256, without_alg(RS256)], ["RS256"]),
    "one key listed twice": ([GOOD, GOOD, RS256], ["ES256", "RS256"]),
    "two keys for one alg": ([GOOD, other_key("ES256")], []),
    "two keys for one alg beside another alg": ([GOOD, RS256, other_key("ES256")], ["RS256"]),
    "two keys for one alg, one of them without alg": ([RS256, without_alg(NEW_RSA), RS512], ["RS512"]),
    "three keys for one alg": ([GOOD, other_key("ES256"), other_key("ES256")], []),
    # A token with alg EdDSA could mean either.
    "two Edwards curves": ([public_jwk("Ed25519", "good"), other_key("Ed448"), GOOD], ["ES256"]),
    # A key that is unfit counts for the alg that it is meant for.
    "a bad coordinate": ([GOOD, GOOD | {"x": "AA"}], []),
    "a private key": ([GOOD, GOOD | {"d": "AA"}, RS256], ["RS256"]),
    "a use of the wrong type": ([GOOD, GOOD | {"use": None}], []),
    "a repeated key_ops": ([GOOD, GOOD | {"key_ops": ["verify", "verify"]}], []),
    "an alg of the wrong type": ([GOOD, GOOD | {"alg": None}, RS256], ["RS256"]),
    "a weak RSA key": ([GOOD, RS256 | {"e": "Aw"}], ["ES256"]),
    "a weak RSA key for another alg": ([RS256, RS512 | {"e": "Aw"}], ["RS256"]),
    "a weak RSA key without alg": ([RS256, without_alg(NEW_RSA) | {"e": "Aw"}, GOOD], ["ES256"]),
    # A key for another purpose does not count.
    "a key for encryption": ([GOOD | {"use": "enc"}, other_key("ES256")], ["ES256"]),
    "an RSA key for encryption": ([RS256 | {"use": "enc", "alg": "RSA-OAEP"}, NEW_RSA], ["RS256"]),
    "an RSA key for encryption by its alg": ([RS256 | {"alg": "RSA-OAEP"}, NEW_RSA], ["RS256"]),
    "operations for encryption": ([GOOD | {"key_ops": ["encrypt"]}, other_key("ES256")], ["ES256"]),
    "an unknown type": ([GOOD | {"kty": "AKP"}, GOOD], ["ES256"]),
    "a curve for agreement": ([GOOD | {"crv": "X25519"}, GOOD], ["ES256"]),
}  # fmt: skip


@pytest.mark.parametrize(("members", "used"), NAMESAKES.values(), ids=NAMESAKES)
def test_of_the_keys_with_one_kid_those_are_skipped_that_fit_the_same_tokens(
    members: list[dict[str, Any]], used: list[str]
) -> None:
    """RFC 7517 §4.5: members may share a kid if their types differ. A token's alg says which one it means."""
    for ordered in (members, members[::-1]):
        keys = load({"keys": [*ordered, OTHER]})
        assert sorted(key.algorithm for key in keys.keys if key.key_id == "good") == sorted(used)
        assert [key.key_id for key in keys.keys if key.key_id != "good"] == ["other"]
        assert all(skipped.startswith("key 'good': ") for skipped in keys.skipped)
        assert len(keys.skipped) in {0, len(members) - len(used)}


def test_keys_that_are_skipped_for_their_kid_say_so() -> None:
    keys = load({"keys": [GOOD, RS256, other_key("ES256")]})
    assert (
        keys.skipped == ("key 'good': 2 keys have this kid and fit the same tokens (ES256); give each its own kid",) * 2
    )


def test_a_key_listed_once_per_algorithm_is_used_for_the_allowed_algorithm() -> None:
    keys = load({"keys": [RS256, PS256, RS512]}, frozenset({"PS256"}))
    assert [(key.key_id, key.algorithm) for key in keys.keys] == [("good", "PS256")]
    # Keys without alg are for the only algorithm that is allowed.
    assert load({"keys": [RS256, without_alg(NEW_RSA)]}, frozenset({"RS512"})).keys[0].algorithm == "RS512"


@pytest.mark.parametrize("again", [GOOD, GOOD | {"use": "sig"}, dict(reversed(GOOD.items()))], ids=range(3))
def test_the_same_key_twice_is_one_key(again: dict[str, Any]) -> None:
    keys = load({"keys": [GOOD, again]})
    assert ([key.key_id for key in keys.keys], keys.skipped) == (["good"], ())


def test_a_key_that_is_listed_for_two_issuers_is_skipped_because_a_token_cannot_say_which_it_means() -> None:
    keys = load({"keys": [GOOD | {"issuer": "https://a.example"}, GOOD | {"issuer": "https://b.example"}, OTHER]})
    assert ([key.key_id for key in keys.keys], len(keys.skipped)) == (["other"], 2)


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
    for change in ({"kid": "new"}, {"alg": "RS512"}, {"issuer": "https://a.example"}):
        assert load({"keys": [GOOD, OTHER | change]}).fingerprint != forward.fingerprint
    for changed in ([GOOD], [OTHER]):
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
        ({}, "it is neither a JWK Set nor a JWK: it is empty: its issuer may sign with a secret (HS256)"),
        ({"error": "not found"}, "it is neither a JWK Set nor a JWK"),
        (b" " * (jwk.MAX_DOCUMENT_BYTES + 1), "it is 262145 bytes long, over 262144"),
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
