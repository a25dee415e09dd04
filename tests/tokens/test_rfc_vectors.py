"""The examples of RFC 7515, 7517, 7520 and 8037: keys are read, signatures verify, other forms are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from authgate.core.attempts import Attempts
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens import jwk, jws
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import b64, unb64


def vectors(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parents[1] / "vectors" / f"{name}.json").read_bytes())


RFC7515, RFC7517, RFC7520, RFC8037 = map(vectors, ("rfc7515", "rfc7517", "rfc7520", "rfc8037"))


def load(document: Any, allowed: frozenset[str] = ALL_ALGORITHMS) -> jwk.KeySet:
    return jwk.from_jwks(json.dumps(document).encode(), allowed)


def fault(document: Any) -> str:
    with pytest.raises(jwk.BadKey) as bad:
        load(document)
    return str(bad.value)


def unverified(compact: str, algorithm: str, key_id: str | None) -> jws.UnverifiedJws:
    """Return the parts of *compact*. Its payload need not be JSON: in some of the RFCs it is a sentence."""
    signing_input, _, signature = compact.rpartition(".")
    return jws.UnverifiedJws(
        algorithm=algorithm,
        key_id=key_id,
        token_type=None,
        payload={},
        signing_input=signing_input.encode(),
        signature=unb64(signature),
    )


# By section: the algorithm, the key and the compact serialization.
SIGNED = {
    **{
        f"RFC 7515 {example['section']}": (example["algorithm"], example["key"], example["compact"])
        for example in RFC7515["signatures"]
    },
    **{
        f"RFC 7520 {example['section']}": (example["algorithm"], RFC7520["keys"][example["key"]], example["compact"])
        for example in RFC7520["signatures"]
    },
    "RFC 8037 A.5": ("EdDSA", RFC8037["A.2"], RFC8037["A.4"]),
}


@pytest.mark.parametrize("section", SIGNED)
def test_a_published_signature_verifies_and_a_changed_one_does_not(section: str) -> None:
    algorithm, key, compact = SIGNED[section]
    allowed = frozenset({"Ed25519"} if algorithm == "EdDSA" else {algorithm})
    header = json.loads(unb64(compact.split(".")[0]))
    assert header["alg"] == algorithm
    keys = load(key, allowed)
    parsed = unverified(compact, algorithm, header.get("kid"))
    assert jws.verify_signature(parsed, keys, allowed, Attempts()) is keys.keys[0]
    last = "A" if compact[-2] != "A" else "B"
    for changed in (compact[:-2] + last + compact[-1], compact.replace(".", ".A", 1)):
        with pytest.raises(Refused):
            jws.verify_signature(unverified(changed, algorithm, header.get("kid")), keys, allowed, Attempts())


@pytest.mark.parametrize("section", ["RFC 7515 A.1", "RFC 7515 A.2", "RFC 7515 A.3"])
def test_a_published_jwt_is_parsed_and_verified(section: str) -> None:
    algorithm, key, compact = SIGNED[section]
    parsed = jws.parse(compact)
    assert parsed.payload["iss"] == "joe"
    assert jws.verify_signature(parsed, load(key), ALL_ALGORITHMS, Attempts()).algorithm == algorithm


@pytest.mark.parametrize(
    "section", [section for section in SIGNED if section[4:] not in {"7515 A.1", "7515 A.2", "7515 A.3"}]
)
def test_a_payload_that_is_not_a_json_object_is_malformed_whatever_its_signature(section: str) -> None:
    with pytest.raises(Refused) as refused:
        jws.parse(SIGNED[section][2])
    assert refused.value.reason is Reason.MALFORMED_TOKEN


def test_rfc_7515_a_5_an_unsecured_jws_is_refused() -> None:
    (unsecured,) = (example for example in RFC7515["refused"] if example["what"] == "unsecured")
    with pytest.raises(Refused) as refused:
        jws.verify_signature(jws.parse(unsecured["serialized"]), load(unsecured["key"]), ALL_ALGORITHMS, Attempts())
    assert refused.value.reason is Reason.WRONG_ALGORITHM


OTHER_FORMS = {
    "RFC 7515 A.6": RFC7515["refused"][1]["serialized"],
    **{f"RFC 7520 {example['section']} {example['form']}": example["serialized"] for example in RFC7520["refused"]},
}


@pytest.mark.parametrize("section", OTHER_FORMS)
def test_a_detached_payload_and_the_json_serializations_are_malformed(section: str) -> None:
    with pytest.raises(Refused) as refused:
        jws.parse(OTHER_FORMS[section])
    assert refused.value.reason is Reason.MALFORMED_TOKEN


def test_rfc_7517_a_1_public_keys() -> None:
    keys = load(RFC7517["A.1"])
    assert [(key.key_id, key.algorithm) for key in keys.keys] == [("2011-04-29", "RS256")]
    assert keys.skipped == ("key '1': 'use' does not allow verifying: it is not \"sig\"",)


def test_rfc_7517_a_2_private_keys_are_skipped() -> None:
    assert fault(RFC7517["A.2"]).count("it is a PRIVATE key") == 2
    keys = load({"keys": [*RFC7517["A.2"]["keys"], RFC7517["B"]]})
    assert [key.key_id for key in keys.keys] == ["1b94c"]
    assert [skipped.partition(", ")[0] for skipped in keys.skipped] == [
        "key '1': it is a PRIVATE key",
        "key '2011-04-29': it is a PRIVATE key",
    ]


def test_rfc_7517_a_3_symmetric_keys() -> None:
    keys = load(RFC7517["A.3"])
    assert [(key.key_id, key.algorithm) for key in keys.keys] == [("HMAC key used in JWS A.1 example", "HS256")]
    assert keys.skipped == ("key number 1: alg 'A128KW' does not fit a key of type oct",)
    assert keys.keys[0].material == unb64(RFC7515["signatures"][0]["key"]["k"])


def test_rfc_7517_b_the_key_of_a_certificate() -> None:
    (key,) = load(RFC7517["B"]).keys
    assert (key.key_id, key.algorithm) == ("1b94c", "RS256")
    body = RFC7517["B"]["x5c"][0].encode()
    pem = b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n"
    (contained,) = jwk.from_pem(pem, ALL_ALGORITHMS).keys
    assert contained.material.public_numbers() == key.material.public_numbers()


@pytest.mark.parametrize(("section", "algorithm"), [("3.1", "ES512"), ("3.3", "RS256"), ("3.5", "HS256")])
def test_rfc_7520_keys_that_verify_are_read(section: str, algorithm: str) -> None:
    (key,) = load(RFC7520["keys"][section]).keys
    assert (key.key_id, key.algorithm) == (RFC7520["keys"][section]["kid"], algorithm)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("3.2", "it is a PRIVATE key"),
        ("3.4", "it is a PRIVATE key"),
        ("3.6", "'use' does not allow verifying"),
    ],
)
def test_rfc_7520_keys_that_do_not_verify_are_rejected(section: str, message: str) -> None:
    assert message in fault(RFC7520["keys"][section])


def test_rfc_8037_a_1_a_private_key_is_rejected() -> None:
    assert "it is a PRIVATE key" in fault(RFC8037["A.1"])


def test_rfc_8037_a_2_and_a_3_a_public_key_and_its_thumbprint() -> None:
    (key,) = load(RFC8037["A.2"]).keys
    members = {"crv": "Ed25519", "kty": "OKP", "x": b64(key.material.public_bytes_raw())}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()  # RFC 7638 §3
    assert b64(hashlib.sha256(canonical).digest()) == RFC8037["A.3"]
