"""Attacks with a public key as a shared secret, with a key under the wrong algorithm, and with weak keys."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate.config.load import load
from authgate.core.decision import Allow, Deny
from authgate.core.errors import ConfigError
from authgate.core.reasons import Reason
from authgate.tokens import jwk, secrets
from authgate.wiring import prepare
from tests.support.deciding import ALL_ALGORITHMS, decide_token, make_issuer, make_snapshot
from tests.support.tokens import SECRET, b64, mint, private_key, public_jwk, public_pem

if TYPE_CHECKING:
    from pathlib import Path

# One algorithm for each kind of key.
KINDS = ("RS256", "ES256", "ES512", "Ed25519", "Ed448")
PKCS1_KINDS = {"RS256"}


def _certificate(algorithm: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(start).not_valid_after(start + dt.timedelta(days=365))
    key = private_key(algorithm)
    return builder.public_key(key.public_key()).sign(key, None if algorithm.startswith("Ed") else hashes.SHA256())


def _ssh2(openssh: bytes) -> bytes:
    body = openssh.split()[1]
    return b"---- BEGIN SSH2 PUBLIC KEY ----\n" + body + b"\n---- END SSH2 PUBLIC KEY ----"


def public_forms(algorithm: str) -> dict[str, bytes]:
    """Return the public key of *algorithm* in every usual form."""
    public = private_key(algorithm).public_key()
    pem = public_pem(algorithm)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk_text = json.dumps(public_jwk(algorithm, "k1"))
    certificate = _certificate(algorithm)
    forms = {
        "PEM": pem,
        "PEM without its last line break": pem.strip(),
        "PEM with CR LF": pem.replace(b"\n", b"\r\n").strip(),
        "PEM on one line": pem.strip().replace(b"\n", b"\\n"),
        "PEM after a byte order mark": b"\xef\xbb\xbf" + pem.strip(),
        "PEM in UTF-16": pem.decode().encode("utf-16"),
        "PEM body alone": b"\n".join(pem.strip().split(b"\n")[1:-1]),
        "DER": der,
        "DER in base64": base64.b64encode(der),
        "DER in base64url": b64(der).encode(),
        "DER in hex": der.hex().encode(),
        "PEM in base64": base64.b64encode(pem),
        "certificate in PEM": certificate.public_bytes(Encoding.PEM).strip(),
        "certificate in DER": certificate.public_bytes(Encoding.DER),
        "certificate in base64, as x5c has it": base64.b64encode(certificate.public_bytes(Encoding.DER)),
        "JWK": jwk_text.encode(),
        "JWK without spaces": json.dumps(public_jwk(algorithm), separators=(",", ":")).encode(),
        "JWK with escapes": jwk_text.replace('"kty"', '"\\u006bty"').encode(),
        "JWK after a byte order mark": b"\xef\xbb\xbf" + jwk_text.encode(),
        "JWK in UTF-16": jwk_text.encode("utf-16"),
        "JWK in base64": base64.b64encode(jwk_text.encode()),
        "JWK Set": json.dumps({"keys": [public_jwk(algorithm, "k1")]}).encode(),
        "array of JWKs": json.dumps([public_jwk(algorithm, "k1")]).encode(),
    }
    if algorithm != "Ed448":  # OpenSSH has no Ed448
        openssh = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        forms |= {
            "SSH": openssh,
            "SSH with a comment": openssh + b" user@host",
            "SSH blob in base64": openssh.split()[1],
            "SSH blob": base64.b64decode(openssh.split()[1]),
            "SSH2 (RFC 4716)": _ssh2(openssh),
        }
    if algorithm in PKCS1_KINDS:
        pkcs1 = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        forms |= {
            "PKCS #1 PEM": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1).strip(),
            "PKCS #1 DER": pkcs1,
            "PKCS #1 DER in base64": base64.b64encode(pkcs1),
        }
    return forms


FORMS = [(algorithm, form) for algorithm in KINDS for form in public_forms(algorithm)]


@pytest.mark.parametrize(("algorithm", "form"), FORMS)
def test_J2_a_public_key_in_any_encoding_is_rejected_as_a_secret(tmp_path: Path, algorithm: str, form: str) -> None:
    """CVE-2022-29217, CVE-2026-48526 (PyJWT), CVE-2024-37568 (Authlib), CVE-2024-33663 (python-jose).

    GHSA-r6x4, -ffc3, -p4g4, -w2cx and -pxh4 (PyJWT up to 2.13) passed a check for "-----BEGIN".
    """
    file = tmp_path / "secret"
    file.write_bytes(public_forms(algorithm)[form])
    with pytest.raises(ConfigError) as error:
        prepare(load(None, {"JWT_SECRET_FILE": str(file)}))
    assert any("public or private key" in problem.message for problem in error.value.problems)


@pytest.mark.parametrize(("algorithm", "form"), FORMS)
@pytest.mark.parametrize("key_id", [None, "k1"])
def test_J2_a_token_signed_with_the_public_key_as_secret_is_refused(
    algorithm: str, form: str, key_id: str | None
) -> None:
    secret = public_forms(algorithm)[form]
    document = json.dumps({"keys": [public_jwk(algorithm, "k1")]}).encode()
    for keys in (
        jwk.from_pem(public_pem(algorithm), frozenset({algorithm})),
        jwk.from_jwks(document, frozenset({algorithm})),
    ):
        assert isinstance(_decide(mint(algorithm=algorithm), keys), Allow)
        for hmac in ("HS256", "HS384", "HS512"):
            forged = mint(algorithm=hmac, key=secret, header={"kid": key_id})
            refused = _decide(forged, keys)
            assert isinstance(refused, Deny)
            assert refused.reason is Reason.WRONG_ALGORITHM
            # Even an issuer with HMAC in its list of algorithms does not use the key as a secret.
            refused = _decide(forged, keys, algorithms=ALL_ALGORITHMS)
            assert isinstance(refused, Deny)
            assert refused.reason is Reason.WRONG_ALGORITHM


def _decide(token: str, keys: Any, **changes: Any) -> Allow | Deny:
    return decide_token(token, make_snapshot(make_issuer(keys, **changes)))


@pytest.mark.parametrize("last", [b" ", b"\n", b"\r", b"\t", b"\x0b", b"\x0c"])
def test_J2_a_base64_key_whose_last_byte_is_white_space_is_recognized(last: bytes) -> None:
    """Such a key must not be stripped after decoding: it would not load any more, and would be accepted as a secret."""
    while True:
        public = ed25519.Ed25519PrivateKey.generate().public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if der.endswith(last):
            break
    assert secrets.is_asymmetric_key(base64.b64encode(der))


def test_J2_a_real_secret_is_not_mistaken_for_a_key() -> None:
    for secret in (SECRET, base64.b64encode(bytes(range(64))), bytes(range(32)).hex().encode(), b'{"a":1}' * 6):
        assert not secrets.is_asymmetric_key(secret)


def test_J2_a_key_set_that_mixes_a_secret_with_public_keys_is_refused() -> None:
    mixed = {"keys": [public_jwk("RS256", "k1"), {"kty": "oct", "kid": "k2", "alg": "HS256", "k": b64(SECRET)}]}
    with pytest.raises(jwk.BadKey, match="mixes a shared secret"):
        jwk.from_jwks(json.dumps(mixed).encode(), ALL_ALGORITHMS)


@pytest.mark.parametrize("unfit", ["the secret", "the public key"])
def test_J2_a_mixed_key_set_is_refused_even_if_the_secret_or_the_public_key_is_unfit(unfit: str) -> None:
    """The issuer may correct the unfit key later, and both kinds would be used."""
    public = public_jwk("RS256", "k1") | ({"use": "enc"} if unfit == "the public key" else {})
    secret = {"kty": "oct", "kid": "k2", "alg": "HS256", "k": "" if unfit == "the secret" else b64(SECRET)}
    with pytest.raises(jwk.BadKey, match="mixes a shared secret"):
        jwk.from_jwks(json.dumps({"keys": [public, secret]}).encode(), ALL_ALGORITHMS)


@pytest.mark.parametrize("form", public_forms("RS256"))
def test_J2_a_public_key_in_any_encoding_is_refused_as_a_secret_in_a_key_set(form: str) -> None:
    member = {"kty": "oct", "kid": "k1", "alg": "HS256", "k": b64(public_forms("RS256")[form])}
    with pytest.raises(jwk.BadKey, match=r"'k1': .*public or private key, not a shared secret"):
        jwk.from_jwks(json.dumps({"keys": [member]}).encode(), ALL_ALGORITHMS)


def test_J2_an_issuer_with_a_secret_and_public_keys_is_rejected_at_start_up(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(public_pem("RS256"))
    config = tmp_path / "authgate.yaml"
    config.write_text(
        f"issuers: [{{name: app, preset: jwt, audiences: any, secret_env: S, pem_file: {tmp_path / 'key.pem'}}}]"
    )
    with pytest.raises(ConfigError, match="one issuer has one source of keys"):
        prepare(load(str(config), {"S": SECRET.decode()}))


@pytest.mark.parametrize("claimed", ["RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "Ed25519", "EdDSA", "HS256"])
def test_J3_a_key_is_used_only_with_its_own_algorithm(claimed: str) -> None:
    """CVE-2026-48523 (PyJWT): the alg of the header was allowed, but the key was for another algorithm."""
    both = [public_jwk("RS256", "rsa"), public_jwk("ES256", "ec")]
    keys = jwk.from_jwks(json.dumps({"keys": both}).encode(), ALL_ALGORITHMS)
    signing = "Ed25519" if claimed == "EdDSA" else claimed
    token = mint(algorithm=signing, header={"alg": claimed, "kid": "rsa"})
    decision = _decide(token, keys, algorithms=ALL_ALGORITHMS)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.WRONG_ALGORITHM


def test_J3_an_algorithm_that_the_issuer_does_not_list_is_refused_although_the_key_fits() -> None:
    keys = jwk.from_jwks(
        json.dumps({"keys": [public_jwk("RS256", "a"), public_jwk("ES256", "b")]}).encode(), ALL_ALGORITHMS
    )
    for algorithm, key_id, allowed in (("RS256", "a", {"ES256"}), ("ES256", "b", {"RS256"})):
        token = mint(algorithm=algorithm, header={"kid": key_id})
        assert isinstance(_decide(token, keys, algorithms=ALL_ALGORITHMS), Allow)
        decision = _decide(token, keys, algorithms=frozenset(allowed))
        assert isinstance(decision, Deny)
        assert decision.reason is Reason.WRONG_ALGORITHM


WEAK_SECRETS = {
    "empty": b"",
    "one byte": b"x",
    "31 bytes": SECRET[:31],
    "too few characters": b"ab" * 40,
    "an example": b"a-string-secret-at-least-256-bits-long",
    "surrounded by space": b" " + SECRET,
}


@pytest.mark.parametrize("kind", WEAK_SECRETS)
def test_J21_a_weak_secret_is_rejected_at_start_up(tmp_path: Path, kind: str) -> None:
    """joserfc 1.6.8, PyJWT 2.13, Wycheproof: empty and short HMAC keys."""
    file = tmp_path / "secret"
    file.write_bytes(WEAK_SECRETS[kind])
    with pytest.raises(ConfigError) as error:
        prepare(load(None, {"JWT_SECRET_FILE": str(file)}))
    assert error.value.problems[0].setting == "issuers[0].secret_file"


@pytest.mark.parametrize(("algorithm", "length"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_J21_a_secret_must_be_at_least_as_long_as_the_hash(algorithm: str, length: int) -> None:
    assert jwk.from_secret(SECRET[:length], frozenset({algorithm})).keys
    with pytest.raises(jwk.BadKey, match=f"{length - 1} bytes long"):
        jwk.from_secret(SECRET[: length - 1], frozenset({algorithm}))


# The mark of ROCA's broken generator: modulo each of these primes, the modulus is a power of 65537, here 65537^0 = 1.
_PRIMES = (2, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


def _roca_modulus() -> int:
    product = 1
    for prime in _PRIMES:
        product *= prime
    return (2**2048 - 1) // product * product + 1 - product


def _rsa_jwk(modulus: int, exponent: int) -> dict[str, str]:
    def encoded(number: int) -> str:
        return b64(number.to_bytes((number.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "alg": "RS256", "n": encoded(modulus), "e": encoded(exponent)}


def _modulus(bits: int) -> int:
    return rsa.generate_private_key(65537, bits).public_key().public_numbers().n


# The weak key, and a part of the message about it.
WEAK_KEYS = {
    "1024 bits": (lambda: _rsa_jwk(_modulus(1024), 65537), "1024 bits"),
    "ROCA": (lambda: _rsa_jwk(_roca_modulus(), 65537), "CVE-2017-15361"),
    "a modulus with a factor 3": (lambda: _rsa_jwk(_modulus(2048) * 3, 65537), "small prime factor"),
    "exponent 1": (lambda: _rsa_jwk(_modulus(2048), 1), "exponent 1 is not an odd number between"),
    "exponent 3": (lambda: _rsa_jwk(_modulus(2048), 3), "exponent 3 is not an odd number between"),
    "even exponent": (lambda: _rsa_jwk(_modulus(2048), 65536), "exponent 65536 is not an odd number between"),
    "no modulus": (lambda: _rsa_jwk(_modulus(2048), 65537) | {"n": ""}, "0 bits"),
    "a secret of 31 bytes": (lambda: {"kty": "oct", "alg": "HS256", "k": b64(SECRET[:31])}, "31 bytes long"),
    "an empty secret": (lambda: {"kty": "oct", "alg": "HS256", "k": ""}, "0 bytes long"),
    "no secret": (lambda: {"kty": "oct", "alg": "HS256"}, "'k' is missing"),
    "a point off the curve": (lambda: public_jwk("ES256") | {"y": public_jwk("ES256")["x"]}, "not a valid EC key"),
    "a point of small order": (lambda: public_jwk("Ed25519") | {"x": b64(bytes(32))}, "small order"),
    "for encryption": (lambda: public_jwk("ES256") | {"use": "enc"}, "'use' does not allow"),
    "a private key": (lambda: public_jwk("ES256") | {"d": b64(bytes(32))}, "a PRIVATE key"),
}


@pytest.mark.parametrize("kind", WEAK_KEYS)
def test_J21_a_weak_key_is_rejected_at_start_up(tmp_path: Path, kind: str) -> None:
    file, config = tmp_path / "jwks.json", tmp_path / "authgate.yaml"
    make_weak_key, message = WEAK_KEYS[kind]
    file.write_text(json.dumps({"keys": [make_weak_key()]}))
    config.write_text(f"issuers: [{{name: app, preset: jwt, audiences: any, jwks_file: {file}}}]")
    with pytest.raises(ConfigError) as error:
        prepare(load(str(config), {}))
    (problem,) = error.value.problems
    assert problem.setting == "issuers[0].jwks_file"
    assert message in problem.message


def test_J21_a_good_key_is_accepted_at_start_up(tmp_path: Path) -> None:
    file, config = tmp_path / "jwks.json", tmp_path / "authgate.yaml"
    file.write_text(json.dumps({"keys": [_rsa_jwk(_modulus(2048), 65537)]}))
    config.write_text(f"issuers: [{{name: app, preset: jwt, audiences: any, jwks_file: {file}}}]")
    assert prepare(load(str(config), {})).snapshot.issuers[0].key_set.keys


@pytest.mark.parametrize("kind", WEAK_KEYS)
def test_J21_a_weak_key_beside_a_good_one_is_skipped_and_named(kind: str) -> None:
    make_weak_key, message = WEAK_KEYS[kind]
    weak = make_weak_key() | {"kid": "weak"}
    good = public_jwk("ES256", "good")
    if weak["kty"] == "oct":
        good = {"kty": "oct", "kid": "good", "alg": "HS256", "k": b64(SECRET)}
    keys = jwk.from_jwks(json.dumps({"keys": [good, weak]}).encode(), ALL_ALGORITHMS)
    assert [key.key_id for key in keys.keys] == ["good"]
    (skipped,) = keys.skipped
    assert skipped.startswith("key 'weak': ")
    assert message in skipped


def test_J21_two_keys_with_the_same_id_are_both_skipped() -> None:
    """Wycheproof, json_web_key 4: two keys have the same id, and either could be the attacker's."""
    key = public_jwk("RS256", "k1")
    new = rsa.generate_private_key(65537, 2048).public_key()
    twin = {"kty": "RSA", "kid": "k1", "e": "AQAB", "n": b64(new.public_numbers().n.to_bytes(256, "big"))}
    for other in (twin, key | {"n": "AQAB="}, key | {"n": "AQAB"}, key | {"d": "AQAB"}):
        with pytest.raises(jwk.BadKey, match="2 keys have this kid"):
            jwk.from_jwks(json.dumps({"keys": [key, other]}).encode(), ALL_ALGORITHMS)
