"""Members of a JWK Set: an unfit one is skipped and named, and the others are used (J11, J21)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authgate.core.keys import key_name
from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import OTHER_SECRET, SECRET, b64, private_key, public_jwk, public_pem, unb64

if TYPE_CHECKING:
    from authgate.core.keys import KeySet

GOOD = public_jwk("ES256", "good")
OCT = {"kty": "oct", "kid": "secret", "alg": "HS256", "k": b64(SECRET)}
RSA = public_jwk("RS256", "bad")
EC = public_jwk("ES256", "bad")
ED = public_jwk("Ed25519", "bad")
MODULUS = private_key("RS256").public_key().public_numbers().n


def load(document: Any) -> KeySet:
    return jwk.from_jwks(json.dumps(document).encode(), ALL_ALGORITHMS)


def fault(document: Any) -> str:
    with pytest.raises(jwk.BadKey) as bad:
        load(document)
    return str(bad.value)


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def without(member: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in member.items() if other != name}


# One bad member per row, and the beginning of the message about it.
BAD: dict[str, tuple[Any, str]] = {
    # The member itself (RFC 7517 §4).
    "a string": ("x", "it is not a JSON object"),
    "null": (None, "it is not a JSON object"),
    "a list": ([GOOD], "it is not a JSON object"),
    "empty": ({}, "key type None with curve None is not supported"),
    "type unknown": (EC | {"kty": "AKP"}, "key type 'AKP' with curve 'P-256' is not supported"),
    "type in small letters": (EC | {"kty": "ec"}, "key type 'ec' with curve 'P-256'"),
    "type a list": (EC | {"kty": ["EC"]}, "key type ['EC'] with"),
    "type of another key": (EC | {"kty": "RSA"}, "key type 'RSA' with curve 'P-256'"),
    "type missing": (without(EC, "kty"), "key type None with curve 'P-256'"),
    "curve unknown": (EC | {"crv": "secp256k1"}, "key type 'EC' with curve 'secp256k1'"),
    "curve of key agreement": (ED | {"crv": "X25519"}, "key type 'OKP' with curve 'X25519'"),
    "curve a number": (EC | {"crv": 1}, "key type 'EC' with curve 1"),
    "curve a list": (EC | {"crv": ["P-256"]}, "key type 'EC' with curve ['P-256']"),
    "curve missing": (without(EC, "crv"), "key type 'EC' with curve None"),
    # Its purpose (RFC 7517 §4.2, §4.3).
    "for encryption": (EC | {"use": "enc"}, "'use' does not allow verifying"),
    "use in capitals": (EC | {"use": "SIG"}, "'use' does not allow verifying"),
    "use empty": (EC | {"use": ""}, "'use' does not allow verifying"),
    "use null": (EC | {"use": None}, "'use' is not a string"),
    "use a list": (EC | {"use": ["sig"]}, "'use' is not a string"),
    "for signing only": (EC | {"key_ops": ["sign"]}, "'key_ops' does not allow verifying"),
    "no operation": (EC | {"key_ops": []}, "'key_ops' does not allow verifying"),
    "operations a number": (EC | {"key_ops": 5}, "'key_ops' is not a list of strings"),
    "operations null": (EC | {"key_ops": None}, "'key_ops' is not a list of strings"),
    "operations a string": (EC | {"key_ops": "verify"}, "'key_ops' is not a list of strings"),
    "operations with a number": (EC | {"key_ops": ["verify", 1]}, "'key_ops' is not a list of strings"),
    "operations with a list": (EC | {"key_ops": ["verify", []]}, "'key_ops' is not a list of strings"),
    "operation twice": (EC | {"key_ops": ["verify", "verify"]}, "'key_ops' names an operation twice"),
    "use allows, operations do not": (EC | {"use": "sig", "key_ops": ["encrypt"]}, "'key_ops' does not allow"),
    "operations allow, use does not": (EC | {"use": "enc", "key_ops": ["verify"]}, "'use' does not allow"),
    # Its id (RFC 7517 §4.5).
    "kid a number": (EC | {"kid": 1}, "'kid' is not a string"),
    "kid null": (EC | {"kid": None}, "'kid' is not a string"),
    "kid a list": (EC | {"kid": ["bad"]}, "'kid' is not a string"),
    "kid empty": (EC | {"kid": ""}, "its 'kid' has 0 characters; 1 to 256 are accepted"),
    "kid too long": (EC | {"kid": "k" * 257}, "its 'kid' has 257 characters; 1 to 256 are accepted"),
    # Its algorithm (RFC 7517 §4.4).
    "alg of another type": (EC | {"alg": "RS256"}, "alg 'RS256' does not fit a key of type EC"),
    "alg of another curve": (EC | {"alg": "ES384"}, "alg 'ES384' does not fit a key of type EC"),
    "alg of another Edwards curve": (ED | {"alg": "Ed448"}, "alg 'Ed448' does not fit a key of type OKP"),
    "alg of secrets": (RSA | {"alg": "HS256"}, "alg 'HS256' does not fit a key of type RSA"),
    "alg of encryption": (RSA | {"alg": "RSA-OAEP"}, "alg 'RSA-OAEP' does not fit a key of type RSA"),
    "alg unknown": (EC | {"alg": "ES256K"}, "alg 'ES256K' does not fit"),
    "alg none": (EC | {"alg": "none"}, "alg 'none' does not fit"),
    "alg in small letters": (EC | {"alg": "es256"}, "alg 'es256' does not fit"),
    "alg empty": (EC | {"alg": ""}, "alg '' does not fit"),
    "alg null": (EC | {"alg": None}, "'alg' is not a string"),
    "alg a list": (EC | {"alg": ["ES256"]}, "'alg' is not a string"),
    # A private key (RFC 7518 §6.2.2, §6.3.2).
    **{
        f"private by {name}": (
            RSA | {name: "AA"},
            "it is a PRIVATE key, and anybody who has seen this document can sign",
        )
        for name in ("d", "p", "q", "dp", "dq", "qi", "oth")
    },
    "private EC": (EC | {"d": "AA"}, "it is a PRIVATE key"),
    "private Ed25519": (ED | {"d": "AA"}, "it is a PRIVATE key"),
    "private for encryption": (EC | {"d": "AA", "use": "enc"}, "it is a PRIVATE key"),
    "private of unknown type": ({"kty": "AKP", "kid": "bad", "d": "AA"}, "it is a PRIVATE key"),
    # The encoding of its numbers (RFC 7515 §2).
    "coordinate missing": (without(EC, "y"), "'y' is missing or not unpadded base64url"),
    "coordinate a number": (EC | {"x": 5}, "'x' is missing or not unpadded base64url"),
    "coordinate null": (EC | {"x": None}, "'x' is missing or not unpadded base64url"),
    "coordinate a list": (EC | {"x": [5]}, "'x' is missing or not unpadded base64url"),
    "coordinate padded": (EC | {"x": EC["x"] + "="}, "'x' is missing or not unpadded base64url"),
    "coordinate with space": (EC | {"x": EC["x"] + " "}, "'x' is missing or not unpadded base64url"),
    "coordinate with line break": (EC | {"x": EC["x"] + "\n"}, "'x' is missing or not unpadded base64url"),
    "coordinate not ASCII": (EC | {"x": "\u00e4"}, "'x' is missing or not unpadded base64url"),
    "coordinate in plain base64": (EC | {"x": "+/" + EC["x"][2:]}, "'x' is missing or not unpadded base64url"),
    "coordinate with stray bits": (EC | {"x": "A" * 42 + "B"}, "'x' is missing or not unpadded base64url"),
    "modulus padded": (RSA | {"n": RSA["n"] + "=="}, "'n' is missing or not unpadded base64url"),
    "exponent padded": (RSA | {"e": "AQAB===="}, "'e' is missing or not unpadded base64url"),
    "modulus missing": (without(RSA, "n"), "'n' is missing or not unpadded base64url"),
    "exponent missing": (without(RSA, "e"), "'e' is missing or not unpadded base64url"),
    # RSA (FIPS 186-5 §5.4, SP 800-89 §5.3.3).
    "modulus empty": (RSA | {"n": ""}, "the RSA key has 0 bits; 2048 to 8192 are accepted"),
    "1024 bits": (RSA | {"n": number(MODULUS >> 1024 | 1)}, "the RSA key has 1024 bits"),
    "2047 bits": (RSA | {"n": number(MODULUS >> 1 | 1)}, "the RSA key has 2047 bits"),
    "8193 bits": (RSA | {"n": number(1 << 8192 | 1)}, "the RSA key has 8193 bits"),
    "48 KiB of modulus": (RSA | {"n": "_" * 40_000}, "the RSA key has 240000 bits"),
    "modulus even": (RSA | {"n": number(MODULUS + 1)}, "the RSA key's modulus has a small prime factor"),
    "modulus times 3": (RSA | {"n": number(MODULUS * 3)}, "the RSA key's modulus has a small prime factor"),
    "modulus times 751": (RSA | {"n": number(MODULUS * 751)}, "the RSA key's modulus has a small prime factor"),
    "exponent empty": (RSA | {"e": ""}, "the RSA key's exponent 0 is not an odd number between 2^16 and 2^32"),
    "exponent 1": (RSA | {"e": "AQ"}, "the RSA key's exponent 1 is not an odd number between 2^16 and 2^32"),
    "exponent 3": (RSA | {"e": "Aw"}, "the RSA key's exponent 3 is not an odd number between"),
    "exponent 65535": (RSA | {"e": number(65535)}, "the RSA key's exponent 65535 is not an odd number between"),
    "exponent 65536": (RSA | {"e": number(65536)}, "the RSA key's exponent 65536 is not an odd number between"),
    "exponent even": (RSA | {"e": number(2**64)}, "the RSA key's exponent is not an odd number between"),
    "exponent 2^32 + 1": (RSA | {"e": number(2**32 + 1)}, "the RSA key's exponent is not an odd number between"),
    "exponent as long as the modulus": (
        RSA | {"e": number(MODULUS - 2)},
        "the RSA key's exponent is not an odd number",
    ),
    # The NIST curves (RFC 7518 §6.2.1).
    "point off the curve": (EC | {"y": EC["x"]}, "it is not a valid EC key on the curve P-256"),
    "point of another curve": (EC | {"x": b64(b"\1" * 32)}, "it is not a valid EC key on the curve P-256"),
    "point at infinity": (EC | {"x": "A" * 43, "y": "A" * 43}, "it is not a valid EC key on the curve P-256"),
    "coordinate over the field": (EC | {"x": b64(b"\xff" * 32)}, "it is not a valid EC key on the curve P-256"),
    "coordinate too short": (EC | {"x": "AA"}, "its coordinates have 1 and 32 octets; those of P-256 have 32"),
    "coordinate too long": (EC | {"y": b64(b"\1" * 33)}, "its coordinates have 32 and 33 octets; those of P-256"),
    "coordinate of zeros": (EC | {"y": b64(b"\0" * 33)}, "it is not a valid EC key on the curve P-256"),
    "coordinate without its zero": (EC | {"y": b64(unb64(EC["y"])[1:])}, "its coordinates have 32 and 31 octets"),
    "P-384's point as P-256's": (
        public_jwk("ES384", "bad") | {"crv": "P-256", "alg": "ES256"},
        "its coordinates have 48 and 48 octets",
    ),
    # The Edwards curves (RFC 8032). test_edwards.py has all points of small order.
    "Ed25519 too short": (ED | {"x": b64(b"x" * 31)}, "it is 31 octets long; an Ed25519 key has 32"),
    "Ed25519 with a zero before": (ED | {"x": b64(b"\0" + unb64(ED["x"]))}, "it is 33 octets long; an Ed25519 key has"),
    "Ed25519 with Ed448's length": (ED | {"x": b64(b"x" * 57)}, "it is 57 octets long; an Ed25519 key has 32"),
    "Ed25519 off the curve": (ED | {"x": b64(b"\2" + bytes(31))}, "it is not a point on the curve Ed25519"),
    "Ed25519 not canonical": (ED | {"x": b64(b"\xff" * 32)}, "it is not the canonical encoding of a point on Ed25519"),
    "Ed25519 of small order": (ED | {"x": b64(b"\1" + bytes(31))}, "it is a point of small order on Ed25519"),
    "Ed448 of small order": (
        {"kty": "OKP", "crv": "Ed448", "kid": "bad", "x": b64(bytes(57))},
        "it is a point of small order on Ed448",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_member_is_skipped_and_named_and_the_others_are_used(kind: str) -> None:
    bad, message = BAD[kind]
    for members in ([bad, GOOD], [GOOD, bad]):
        keys = load({"keys": members})
        assert [key.key_id for key in keys.keys] == ["good"]
        (skipped,) = keys.skipped
        name = f"key number {members.index(bad) + 1}"
        if isinstance(bad, dict) and isinstance(bad.get("kid"), str):
            name = key_name(bad["kid"])
        assert skipped.startswith(f"{name}: {message}")


@pytest.mark.parametrize("kind", BAD)
def test_a_set_with_only_bad_members_is_rejected_with_the_cause(kind: str) -> None:
    bad, message = BAD[kind]
    rejection = fault({"keys": [bad]})
    assert rejection.startswith("it holds no key that can verify a signature; key ")
    assert message in rejection


# The same for secrets, which must not be in a set with public keys.
BAD_SECRETS = {
    "without k": (without(OCT, "k"), "'k' is missing or not unpadded base64url"),
    "k a number": (OCT | {"k": 5}, "'k' is missing or not unpadded base64url"),
    "k padded": (OCT | {"k": base64.urlsafe_b64encode(SECRET[:32]).decode()}, "'k' is missing or not unpadded"),
    "empty": (OCT | {"k": ""}, "it is 0 bytes long; at least 32 are needed"),
    "31 bytes": (OCT | {"k": b64(SECRET[:31])}, "it is 31 bytes long; at least 32 are needed"),
    "47 bytes for HS384": (OCT | {"alg": "HS384", "k": b64(SECRET[:47])}, "it is 47 bytes long; at least 48"),
    "63 bytes for HS512": (OCT | {"alg": "HS512", "k": b64(SECRET[:63])}, "it is 63 bytes long; at least 64"),
    "zeros": (OCT | {"k": b64(bytes(64))}, "it has fewer than 8 distinct characters"),
    "an example": (OCT | {"k": b64(b"a-string-secret-at-least-256-bits-long")}, "it is a well-known example"),
    "a public key": (OCT | {"k": b64(public_pem("ES256"))}, "it is a public or private key, not a shared secret"),
    "an AES key": (OCT | {"alg": "A256KW"}, "alg 'A256KW' does not fit a key of type oct"),
    "with a curve": (OCT | {"crv": "P-256"}, "key type 'oct' with curve 'P-256' is not supported"),
    "for encryption": (OCT | {"use": "enc"}, "'use' does not allow verifying"),
    "for signing only": (OCT | {"key_ops": ["sign"]}, "'key_ops' does not allow verifying"),
}


@pytest.mark.parametrize("kind", BAD_SECRETS)
def test_a_bad_secret_is_skipped_and_named_and_rejected_if_it_is_alone(kind: str) -> None:
    bad, message = BAD_SECRETS[kind]
    keys = load({"keys": [OCT | {"kid": "good", "k": b64(OTHER_SECRET)}, bad]})
    assert [key.key_id for key in keys.keys] == ["good"]
    assert keys.skipped[0].startswith(f"key 'secret': {message}")
    assert f"key 'secret': {message}" in fault(bad)


def test_every_bad_member_is_named_and_counted() -> None:
    members = [member for member, _ in BAD.values()]
    assert len(members) > 64
    for chunk in (members[:60], members[60:]):
        assert len(load({"keys": [*chunk, GOOD]}).skipped) == len(chunk)


@pytest.mark.parametrize(
    "extra",
    [
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"use": "sig", "key_ops": ["verify"]},
        {"kid": "k"},
        {"kid": "k" * 256},
        {"kid": "\u00e4 \u2603"},
        {"x5c": ["x"], "x5t": 1, "unknown": {}},
    ],
    ids=str,
)
def test_a_sound_key_may_have_these_members(extra: dict[str, Any]) -> None:
    assert load(GOOD | extra).skipped == ()


@pytest.mark.parametrize(
    ("key", "numbers"),
    [(RSA, "n"), (RSA, "e"), (RSA, "ne"), (EC, "x"), (EC, "y"), (EC, "xy")],
    ids=lambda value: value[:2] if isinstance(value, str) else value["kty"],
)
@pytest.mark.parametrize("zeros", [1, 9])
def test_a_number_may_begin_with_zero_octets(key: dict[str, Any], numbers: str, zeros: int) -> None:
    # RFC 7518 §6.3.1.1 warns that some libraries write one, for example Java's BigInteger. It is the same key.
    padded = key | {name: b64(bytes(zeros) + unb64(key[name])) for name in numbers}
    assert load(padded).fingerprint == load(key).fingerprint


TENANT = "https://login.microsoftonline.com/{tenantid}/v2.0"  # as Entra's key sets have it


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        (TENANT, TENANT),
        ("x" * 2048, "x" * 2048),
        ("x" * 2049, None),
        ("", None),
        (None, None),
        (5, None),
        ([TENANT], None),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("member", [RSA, EC, ED], ids=lambda member: member["kty"])
def test_the_issuer_of_a_key_is_kept_if_it_is_text_and_says_nothing_otherwise(
    member: dict[str, Any], stated: Any, kept: str | None
) -> None:
    (key,) = load(member | {"issuer": stated}).keys
    assert (key.key_id, key.issuer) == ("bad", kept)
    assert load(member).keys[0].issuer is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
# Sound members with up to three values replaced.
MEMBERS = st.tuples(
    st.sampled_from([RSA, EC, ED, public_jwk("Ed448"), public_jwk("ES512")]),
    st.dictionaries(
        st.sampled_from(["kty", "crv", "use", "key_ops", "alg", "kid", "n", "e", "x", "y", "d"]),
        JSON | st.binary(max_size=70).map(b64) | st.sampled_from(["EC", "OKP", "RSA", "P-256", "Ed25519", ["verify"]]),
        max_size=3,
    ),
).map(lambda pair: pair[0] | pair[1])


@given(st.lists(MEMBERS | JSON, max_size=4))
def test_a_good_key_is_used_whatever_the_other_members_are_and_each_of_them_is_used_or_named(
    members: list[Any],
) -> None:
    dicts = [member for member in members if isinstance(member, dict)]
    assume(not any(member.get("kty") == "oct" or member.get("kid") == "good" for member in dicts))
    keys = load({"keys": [*members, GOOD]})
    assert keys.keys[-1].key_id == "good"
    assert len(keys.keys) + len(keys.skipped) <= len(members) + 1
    assert all(skipped.isprintable() for skipped in keys.skipped)
