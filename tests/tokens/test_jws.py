"""Compact JWS: parsed strictly, and verified with one key and one algorithm at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate.core.attempts import Attempts
from authgate.core.credential import MAX_TOKEN_CHARACTERS
from authgate.core.errors import Refused
from authgate.core.keys import Key, KeySet
from authgate.core.reasons import Reason
from authgate.tokens import jwk, jws
from tests.support.deciding import ALL_ALGORITHMS, secret_keys
from tests.support.tokens import ASYMMETRIC, HMAC, OTHER_SECRET, SECRET, b64, mint, public_jwk, sign_raw

HEADER = b'{"alg":"HS256"}'


def keys_of(*members: dict[str, Any]) -> KeySet:
    return jwk.from_jwks(json.dumps({"keys": members}).encode(), ALL_ALGORITHMS)


def verified(token: str, keys: KeySet, allowed: frozenset[str] = ALL_ALGORITHMS) -> Key:
    """Return the key that verifies *token*."""
    return jws.verify_signature(jws.parse(token), keys, allowed, Attempts())


def refusal(token: str, keys: KeySet, allowed: frozenset[str] = ALL_ALGORITHMS) -> Refused:
    with pytest.raises(Refused) as refused:
        verified(token, keys, allowed)
    return refused.value


def with_header(**members: Any) -> str:
    return sign_raw(json.dumps({"alg": "HS256", **members}).encode(), b"{}")


def test_a_token_is_parsed_into_its_parts() -> None:
    parsed = jws.parse(mint({"sub": "u"}, header={"kid": "k1"}))
    assert (parsed.algorithm, parsed.key_id, parsed.token_type) == ("HS256", "k1", "JWT")
    assert parsed.payload == {"sub": "u"}
    assert len(parsed.signature) == 32
    assert "sub" not in repr(parsed)


def test_kid_and_typ_may_be_absent() -> None:
    parsed = jws.parse(sign_raw(HEADER, b"{}"))
    assert (parsed.key_id, parsed.token_type) == (None, None)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b", id="one dot"),
        pytest.param("a.b.c.d", id="three dots"),
        pytest.param("." * 1_000_000, id="a million dots"),
        pytest.param("..", id="empty parts"),
        pytest.param(f"{b64(HEADER)}.{b64(b'{}')}.\u00e4", id="not ASCII"),
        pytest.param(f"{b64(HEADER)}=.{b64(b'{}')}.AA", id="padded header"),
        pytest.param(f"{b64(HEADER)}.{b64(b'{}')}.AB", id="stray bits in the signature"),
        pytest.param(f"{b64(HEADER)} .{b64(b'{}')}.AA", id="white space"),
        pytest.param(sign_raw(HEADER, b"[]"), id="payload a list"),
        pytest.param(sign_raw(HEADER, b"\xff"), id="payload not UTF-8"),
        pytest.param(sign_raw(HEADER, b'{"sub":"a","sub":"b"}'), id="claim twice"),
        pytest.param(sign_raw(b'{"alg":"HS256","alg":"none"}', b"{}"), id="alg twice"),
        pytest.param(sign_raw(b"{}", b"{}"), id="no alg"),
        pytest.param(sign_raw(b'{"alg":null}', b"{}"), id="alg null"),
        pytest.param(sign_raw(b'{"alg":["HS256"]}', b"{}"), id="alg a list"),
        pytest.param(with_header(crit=["exp"], exp=1), id="crit"),
        pytest.param(with_header(crit=[]), id="empty crit"),
        pytest.param(with_header(b64=False), id="b64 false"),
        pytest.param(with_header(b64=True), id="b64 true"),
        pytest.param(with_header(zip="DEF"), id="zip"),
        pytest.param(with_header(kid=1), id="kid a number"),
        pytest.param(with_header(kid=None), id="kid null"),
        pytest.param(with_header(kid="k" * 257), id="kid too long"),
        pytest.param(with_header(typ=["JWT"]), id="typ a list"),
    ],
)
def test_a_token_that_is_not_exactly_a_compact_jws_is_malformed(token: str) -> None:
    with pytest.raises(Refused) as refused:
        jws.parse(token)
    assert refused.value.reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_refusal_of_a_padded_token_says_so_and_names_who_writes_such_tokens(part: int) -> None:
    parts = sign_raw(HEADER, b"{}").split(".")
    parts[part] += "=="
    with pytest.raises(Refused) as refused:
        jws.parse(".".join(parts))
    assert refused.value.reason is Reason.MALFORMED_TOKEN
    assert "padding" in refused.value.detail
    assert "AWS ALB" in refused.value.detail


@pytest.mark.parametrize(
    "header", [{"kid": ""}, {"kid": "k" * 256}, {"cty": "x"}, {"jwk": {}}, {"x5c": ["x"]}], ids=str
)
def test_header_parameters_that_change_nothing_are_let_be(header: dict[str, Any]) -> None:
    assert jws.parse(with_header(**header)).algorithm == "HS256"


def test_a_token_may_have_16_kib_and_no_byte_more() -> None:
    frame = len(sign_raw(HEADER, b'{"a":""}'))
    payload = b'{"a":"' + b"x" * ((MAX_TOKEN_CHARACTERS - frame) * 3 // 4) + b'"}'
    token = sign_raw(HEADER, payload)
    assert MAX_TOKEN_CHARACTERS - 4 < len(token) <= MAX_TOKEN_CHARACTERS
    assert jws.parse(token).payload
    with pytest.raises(Refused, match="malformed"):
        jws.parse(sign_raw(HEADER, payload[:-2] + b'xxxx"}'))


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_signature_verifies_with_its_key(algorithm: str) -> None:
    keys = keys_of(public_jwk(algorithm, "k1"))
    key = verified(mint(algorithm=algorithm, header={"kid": "k1"}), keys, frozenset({algorithm}))
    assert (key.key_id, key.algorithm) == ("k1", algorithm)


@pytest.mark.parametrize("algorithm", HMAC)
def test_an_hmac_verifies_with_its_secret(algorithm: str) -> None:
    keys = secret_keys(algorithm=algorithm)
    key = verified(mint(algorithm=algorithm), keys, frozenset({algorithm}))
    assert key is keys.keys[0]


@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed448"])
def test_eddsa_stands_for_both_edwards_curves(algorithm: str) -> None:
    token = mint(algorithm=algorithm, header={"alg": "EdDSA"})
    key = verified(token, keys_of(public_jwk(algorithm)), frozenset({"Ed25519", "Ed448"}))
    assert key.algorithm == algorithm


@pytest.mark.parametrize("algorithm", [*ASYMMETRIC, *HMAC])
def test_a_changed_byte_anywhere_breaks_the_signature(algorithm: str) -> None:
    keys = secret_keys(algorithm=algorithm) if algorithm in HMAC else keys_of(public_jwk(algorithm))
    header, payload, signature = mint(algorithm=algorithm).split(".")
    other_payload = b64(b'{"sub":"admin"}')
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for token in (f"{header}.{other_payload}.{signature}", f"{header}.{payload}.{flipped}", f"{header}.{payload}."):
        assert refusal(token, keys, frozenset({algorithm})).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", "hs256", "HS257", "HS256 ", "RS256", "EdDSA"])
def test_an_algorithm_that_is_not_allowed_is_refused_before_any_key_is_tried(alg: str) -> None:
    token = sign_raw(json.dumps({"alg": alg}).encode(), b"{}")
    refused = refusal(token, secret_keys(), frozenset({"HS256"}))
    assert refused.reason is Reason.WRONG_ALGORITHM
    assert "accepted: HS256" in refused.detail


@pytest.mark.parametrize(
    ("alg", "key"), [("RS256", "PS256"), ("RS512", "RS256"), ("ES256", "ES384"), ("HS256", "RS256"), ("EdDSA", "RS256")]
)
def test_an_algorithm_other_than_the_keys_own_is_refused_even_if_allowed(alg: str, key: str) -> None:
    token = sign_raw(json.dumps({"alg": alg}).encode(), b"{}")
    refused = refusal(token, keys_of(public_jwk(key)))
    assert refused.reason is Reason.WRONG_ALGORITHM
    assert f"the key is for {key}" in refused.detail


def test_the_kid_chooses_the_key() -> None:
    keys = keys_of(public_jwk("RS256", "rsa"), public_jwk("ES256", "ec"), public_jwk("Ed25519", "ed"))
    token = mint(algorithm="ES256", header={"kid": "ec"})
    assert verified(token, keys).key_id == "ec"


def test_a_token_whose_kid_names_another_key_is_not_tried_with_the_right_key() -> None:
    keys = keys_of(public_jwk("RS256", "rsa"), public_jwk("ES256", "ec"))
    assert refusal(mint(algorithm="ES256", header={"kid": "rsa"}), keys).reason is Reason.WRONG_ALGORITHM


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES256", "Ed25519"])
def test_of_the_keys_with_its_kid_the_one_for_its_alg_verifies_a_token(algorithm: str) -> None:
    keys = keys_of(*(public_jwk(name, "k") for name in ("RS256", "RS384", "RS512", "ES256", "Ed25519")))
    token = mint(algorithm=algorithm, header={"kid": "k"})
    assert verified(token, keys).algorithm == algorithm


def test_the_refusal_of_a_token_says_that_the_key_which_it_means_is_skipped() -> None:
    keys = keys_of(public_jwk("RS256", "k"), public_jwk("Ed25519", "k"), other_key("Ed25519", "k"))
    refused = refusal(mint(algorithm="Ed25519", header={"kid": "k"}), keys)
    assert refused.reason is Reason.WRONG_ALGORITHM
    assert "the key is for RS256; another key with its kid is skipped: 2 keys have this kid" in refused.detail


def test_an_unknown_kid_is_refused_as_an_unknown_key_and_is_quoted_in_part() -> None:
    refused = refusal(mint(algorithm="ES256", header={"kid": "\x1b" + "k" * 200}), keys_of(public_jwk("ES256", "ec")))
    assert refused.reason is Reason.UNKNOWN_KEY
    assert len(refused.detail) < 100
    assert refused.detail.isprintable()


def test_a_key_without_kid_verifies_tokens_with_any_kid() -> None:
    token = mint(algorithm="ES256", header={"kid": "whatever"})
    assert verified(token, keys_of(public_jwk("ES256"))).key_id is None


def oct_key(number: int | None, secret: bytes) -> dict[str, str]:
    key_id = {} if number is None else {"kid": f"k{number}"}
    return {"kty": "oct", "alg": "HS256", "k": b64(secret)} | key_id


def other_key(algorithm: str, key_id: str | None = None) -> dict[str, Any]:
    """Return the public JWK of a key that signed nothing."""
    x = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return public_jwk(algorithm, key_id) | {"x": b64(x)}


@pytest.mark.parametrize(
    ("members", "algorithm", "reason"),
    [
        pytest.param([other_key("Ed25519")], "Ed25519", Reason.UNKNOWN_KEY, id="public, none verifies"),
        pytest.param([other_key("Ed25519") for _ in range(3)], "Ed25519", Reason.UNKNOWN_KEY, id="several public"),
        pytest.param([other_key("Ed25519")], "ES256", Reason.WRONG_ALGORITHM, id="public, none fits"),
        pytest.param([other_key("Ed25519", "a")], "ES256", Reason.UNKNOWN_KEY, id="with ids only"),
        pytest.param(
            [other_key("Ed25519"), public_jwk("RS256", "a")], "ES256", Reason.UNKNOWN_KEY, id="with and without ids"
        ),
        pytest.param(
            [other_key("Ed25519"), public_jwk("RS256", "a")], "RS256", Reason.UNKNOWN_KEY, id="only one with an id fits"
        ),
        pytest.param([oct_key(None, OTHER_SECRET)], "HS256", Reason.BAD_SIGNATURE, id="secret"),
        pytest.param([oct_key(None, OTHER_SECRET)], "HS512", Reason.WRONG_ALGORITHM, id="secret, none fits"),
        pytest.param(
            [oct_key(None, OTHER_SECRET), oct_key(1, SECRET)],
            "HS256",
            Reason.BAD_SIGNATURE,
            id="secrets, one with an id",
        ),
        pytest.param(
            [oct_key(None, OTHER_SECRET), oct_key(1, SECRET)], "HS512", Reason.UNKNOWN_KEY, id="secrets, none fits"
        ),
    ],
)
def test_an_unknown_kid_may_name_a_newer_key(members: list[dict[str, Any]], algorithm: str, reason: Reason) -> None:
    token = mint(algorithm=algorithm, header={"kid": "new"})
    assert refusal(token, keys_of(*members)).reason is reason


@pytest.mark.parametrize(
    ("members", "algorithm", "may_help"),
    [
        ([public_jwk("RS256", "k")], "ES256", True),
        ([public_jwk("RS256")], "ES256", True),
        ([public_jwk("RS256", "k")], "HS256", False),
        ([oct_key(None, SECRET)], "ES256", False),
    ],
    ids=["named", "without ids", "as a secret", "a secret"],
)
def test_an_alg_of_no_key_may_be_that_of_a_newer_public_key(
    members: list[dict[str, Any]], algorithm: str, *, may_help: bool
) -> None:
    refused = refusal(mint(algorithm=algorithm, header={"kid": "k"}), keys_of(*members))
    assert (refused.reason, refused.newer_keys_may_help) == (Reason.WRONG_ALGORITHM, may_help)


@pytest.mark.parametrize("header", [{}, {"kid": "a"}], ids=["no kid", "its kid"])
def test_a_bad_signature_under_a_known_key_is_not_an_unknown_key(header: dict[str, str]) -> None:
    refused = refusal(mint(algorithm="Ed25519", header=header), keys_of(other_key("Ed25519", "a")))
    assert refused.reason is Reason.BAD_SIGNATURE


def test_a_token_without_kid_is_tried_against_every_fitting_key() -> None:
    keys = keys_of(public_jwk("RS256", "rsa"), public_jwk("ES256", "ec"))
    assert verified(mint(algorithm="ES256"), keys).key_id == "ec"


@pytest.mark.parametrize(("position", "is_tried"), [(jws.MAX_KEYS_TRIED - 1, True), (jws.MAX_KEYS_TRIED, False)])
def test_a_token_without_kid_is_tried_against_at_most_eight_keys(position: int, *, is_tried: bool) -> None:
    secrets = [OTHER_SECRET + b"%d" % number for number in range(position)] + [SECRET]
    keys = keys_of(*(oct_key(number, secret) for number, secret in enumerate(secrets)))
    if is_tried:
        assert verified(mint(), keys).key_id == f"k{position}"
    else:
        detail = refusal(mint(), keys).detail
        assert "its alg is HS256; tried 8 keys: " in detail
        assert detail.count("secret with fingerprint ") == 8


class CountingKey:
    """A public key that verifies no signature, and counts how often it was tried."""

    def __init__(self) -> None:
        self.count = 0

    def verify(self, *_: object) -> None:
        self.count += 1
        raise InvalidSignature


@pytest.mark.parametrize("header", [{}, {"kid": "unknown"}], ids=["no kid", "unknown kid"])
def test_a_token_costs_at_most_eight_verifications_and_only_with_its_own_algorithm(header: dict[str, str]) -> None:
    counting, other = CountingKey(), CountingKey()
    keys = [
        Key(key_id=None, algorithm=algorithm, material=material, thumbprint=bytes([number]))
        for number in range(32)
        for algorithm, material in (("RS256", counting), ("RS512", other), ("PS256", other))
    ]
    refusal(mint(algorithm="RS256", header=header), KeySet(keys=tuple(keys)))
    assert (counting.count, other.count) == (8, 0)


def test_without_keys_no_token_verifies() -> None:
    assert refusal(mint(), KeySet(keys=())).reason is Reason.UNKNOWN_KEY


def test_keys_in_the_header_are_never_used() -> None:
    own = public_jwk("ES256", "mine")
    token = mint(algorithm="ES256", header={"jwk": own, "jku": "https://evil.example", "kid": "mine"})
    assert refusal(token, keys_of(public_jwk("RS256", "theirs"))).reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(("algorithm", "is_private"), [("HS384", False), ("RS256", True)])
def test_a_refusal_speaks_of_a_private_key_only_if_one_signed(algorithm: str, *, is_private: bool) -> None:
    token = sign_raw(json.dumps({"alg": algorithm}).encode(), b"{}")
    refused = refusal(token, jwk.from_secret(SECRET, frozenset({"HS256"})))
    assert refused.reason is Reason.WRONG_ALGORITHM
    assert ("private key" in refused.detail) is is_private


def kept_headers() -> list[str]:
    return [*jws._HEADERS]


def test_a_header_is_kept_once_a_signature_over_it_has_verified_and_not_before() -> None:
    token = mint(header={"kid": "kept", "nonce": "n"})
    header = token.partition(".")[0]
    first = jws.parse(token)
    refusal(f"{token[:-4]}AAAA", secret_keys())
    assert header not in kept_headers()
    jws.verify_signature(first, secret_keys(), frozenset({"HS256"}), Attempts())
    assert header in kept_headers()
    assert jws.parse(token) == first
    assert jws.parse(token).has_nonce


def test_few_headers_are_kept_and_no_long_one() -> None:
    for number in range(2 * jws._MAX_HEADERS):
        verified(mint(header={"kid": f"k{number}"}), secret_keys())
    long = mint(header={"x": "x" * jws._MAX_HEADER_CHARACTERS})
    verified(long, secret_keys())
    assert len(kept_headers()) == jws._MAX_HEADERS
    assert sum(map(len, kept_headers())) <= jws._MAX_HEADERS * jws._MAX_HEADER_CHARACTERS
    assert mint(header={"kid": f"k{number}"}).partition(".")[0] in kept_headers()
    assert long.partition(".")[0] not in kept_headers()


def test_a_key_set_keeps_what_to_try_for_few_names_and_only_of_tokens_that_it_verified() -> None:
    keys = secret_keys()
    refusal(mint(key=OTHER_SECRET), keys)
    refusal(mint(), keys, frozenset({"HS512"}))
    assert not keys.prepared
    for number in range(2 * jws._MAX_PREPARED):
        verified(mint(header={"kid": f"k{number}"}), keys)
    assert len(keys.prepared) == jws._MAX_PREPARED
    assert SECRET.decode() not in repr(keys)
    assert refusal(mint(key=OTHER_SECRET, header={"kid": f"k{number}"}), keys).reason is Reason.BAD_SIGNATURE
    assert refusal(mint(header={"kid": f"k{number}"}), keys, frozenset({"HS512"})).reason is Reason.WRONG_ALGORITHM


def test_what_a_key_set_keeps_is_not_kept_by_the_next() -> None:
    keys, next_keys = keys_of(public_jwk("Ed25519", "k")), keys_of(other_key("Ed25519", "k"))
    token = mint(algorithm="Ed25519", header={"kid": "k"})
    verified(token, keys)
    assert keys == keys_of(public_jwk("Ed25519", "k"))
    assert refusal(token, next_keys).reason is Reason.BAD_SIGNATURE
