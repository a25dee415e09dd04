"""Keys from a secret and from PEM: each bound to one algorithm, unfit ones left out and named."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS
from tests.support.tokens import ASYMMETRIC, OTHER_SECRET, SECRET, b64, private_key, public_pem
from tests.tokens.test_secrets import certificate


def pem_of(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def weak_certificate() -> bytes:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def faults_of_pem(pem: bytes, allowed: frozenset[str] = ALL_ALGORITHMS) -> str:
    with pytest.raises(jwk.BadKey) as bad:
        jwk.from_pem(pem, allowed)
    return str(bad.value)


@pytest.mark.parametrize(
    ("allowed", "algorithm"),
    [
        (ALL_ALGORITHMS, "HS256"),
        (frozenset({"HS512"}), "HS512"),
        (frozenset({"HS384", "RS256"}), "HS384"),
    ],
)
def test_a_secret_is_one_key_of_one_algorithm(allowed: frozenset[str], algorithm: str) -> None:
    (key,) = jwk.from_secret(SECRET, allowed).keys
    assert (key.algorithm, key.key_id, key.is_symmetric) == (algorithm, None, True)


@pytest.mark.parametrize(
    ("allowed", "why"),
    [
        ({"RS256"}, "the key is for HS256 or HS384 or HS512, but `algorithms` lists only RS256"),
        ({"HS256", "HS512"}, "a key has exactly one algorithm"),
        (set(), "lists only"),
    ],
)
def test_a_secret_without_one_fitting_algorithm_is_refused(allowed: set[str], why: str) -> None:
    with pytest.raises(jwk.BadKey, match=why):
        jwk.from_secret(SECRET, frozenset(allowed))


def test_a_secret_must_be_long_enough_for_its_algorithm() -> None:
    assert jwk.from_secret(SECRET[:32], frozenset({"HS256"}))
    with pytest.raises(jwk.BadKey, match="at least 64 are needed"):
        jwk.from_secret(SECRET[:32], frozenset({"HS512"}))


def test_a_bad_key_carries_every_fault() -> None:
    with pytest.raises(jwk.BadKey) as bad:
        jwk.from_secret(b" short", ALL_ALGORITHMS)
    assert len(bad.value.faults) == 3
    assert "short" not in str(bad.value)


def test_a_thumbprint_tells_secrets_and_algorithms_apart() -> None:
    sets = [
        jwk.from_secret(SECRET, ALL_ALGORITHMS),
        jwk.from_secret(OTHER_SECRET, ALL_ALGORITHMS),
        jwk.from_secret(SECRET, frozenset({"HS512"})),
    ]
    assert len({keys.fingerprint for keys in sets}) == 3


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_in_pem_is_read(algorithm: str) -> None:
    (key,) = jwk.from_pem(public_pem(algorithm), frozenset({algorithm})).keys
    assert (key.algorithm, key.key_id, key.is_symmetric) == (algorithm, None, False)


@pytest.mark.parametrize(
    ("algorithm", "default"), [("PS512", "RS256"), ("ES384", "ES384"), ("Ed448", "Ed448"), ("Ed25519", "Ed25519")]
)
def test_without_a_list_the_type_of_the_key_says_its_algorithm(algorithm: str, default: str) -> None:
    assert jwk.from_pem(public_pem(algorithm), ALL_ALGORITHMS).keys[0].algorithm == default


def test_pkcs_1_certificates_and_text_around_the_blocks_are_read() -> None:
    pkcs1 = private_key("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    pem = b"# my keys\n" + pkcs1 + b"\nand a certificate\n" + certificate().public_bytes(Encoding.PEM)
    assert [key.algorithm for key in jwk.from_pem(pem, ALL_ALGORITHMS).keys] == ["RS256", "ES256"]


def test_the_same_key_has_the_same_thumbprint_in_every_container() -> None:
    in_certificate = jwk.from_pem(certificate().public_bytes(Encoding.PEM), ALL_ALGORITHMS)
    assert in_certificate.fingerprint == jwk.from_pem(public_pem("ES256"), ALL_ALGORITHMS).fingerprint


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_in_pem_is_refused_even_beside_its_public_one(form: PrivateFormat) -> None:
    private = private_key("RS256").private_bytes(Encoding.PEM, form, NoEncryption())
    assert "private key" in faults_of_pem(private)
    assert "private key" in faults_of_pem(public_pem("RS256") + private)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", "no PEM block"),
        (SECRET, "no PEM block"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a readable public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a readable public key"),
        (public_pem("ES256")[:60], "not a readable public key"),
        (b"-----BEGIN X-----\n", "PEM block number 1: it is not a readable public key"),
        (pem_of(ec.generate_private_key(ec.SECP256K1())), "keys of type EC secp256k1 are not supported"),
        (pem_of(dsa.generate_private_key(2048)), "keys of type DSAPublicKey are not supported"),
        (b" " * (jwk.MAX_DOCUMENT_BYTES + 1), "65537 bytes long, over 65536"),
        (public_pem("Ed25519") * 65, "65 keys, over 64"),
    ],
    ids=range(10),  # keys are made anew in each process
)
def test_what_is_no_sound_pem_is_refused_and_says_why(pem: bytes, why: str) -> None:
    assert why in faults_of_pem(pem)


def test_64_keys_are_not_too_many() -> None:
    pem = b"".join(pem_of(ed25519.Ed25519PrivateKey.generate()) for _ in range(64))
    assert len(jwk.from_pem(pem, ALL_ALGORITHMS).keys) == 64


def test_the_same_key_twice_in_pem_is_one_key() -> None:
    keys = jwk.from_pem(public_pem("Ed25519") * 64, ALL_ALGORITHMS)
    assert (len(keys.keys), keys.skipped) == (1, ())


SMALL_ORDER = Ed25519PublicKey.from_public_bytes(bytes(32)).public_bytes(
    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
)
UNFIT_BLOCKS = {
    "unreadable": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "it is not a readable public key"),
    "unknown": (b"-----BEGIN X-----\n", "it is not a readable public key"),
    "1024 bits": (pem_of(rsa.generate_private_key(65537, 1024)), "the RSA key has 1024 bits"),
    "secp256k1": (pem_of(ec.generate_private_key(ec.SECP256K1())), "keys of type EC secp256k1 are not supported"),
    "DSA": (pem_of(dsa.generate_private_key(2048)), "keys of type DSAPublicKey are not supported"),
    "small order": (SMALL_ORDER, "it is a point of small order on Ed25519"),
    "a weak key's certificate": (weak_certificate(), "the RSA key has 1024 bits"),
}


@pytest.mark.parametrize("kind", UNFIT_BLOCKS)
def test_an_unfit_block_is_left_out_and_named_and_the_others_stay(kind: str) -> None:
    block, why = UNFIT_BLOCKS[kind]
    for pem, number in ((public_pem("ES256") + block, 2), (block + public_pem("ES256"), 1)):
        keys = jwk.from_pem(pem, ALL_ALGORITHMS)
        assert [key.algorithm for key in keys.keys] == ["ES256"]
        (told,) = keys.skipped
        assert told.startswith(f"PEM block number {number}: {why}")
    assert f"it holds no key that can verify a signature; PEM block number 1: {why}" in faults_of_pem(block)


@pytest.mark.parametrize("bits", [1024, 2040])
def test_an_rsa_key_under_2048_bits_is_refused(bits: int) -> None:
    assert f"the RSA key has {bits} bits; 2048 to 8192" in faults_of_pem(pem_of(rsa.generate_private_key(65537, bits)))


def test_a_pem_key_for_an_algorithm_that_is_not_listed_is_refused() -> None:
    assert "the key is for ES256" in faults_of_pem(public_pem("ES256"), frozenset({"RS256"}))


def test_an_rsa_key_and_two_listed_rsa_algorithms_leave_open_which_one_it_is_for() -> None:
    why = faults_of_pem(public_pem("RS256"), frozenset({"RS256", "PS256"}))
    assert "lists RS256 and PS256 for one RSA key" in why


def der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | octets]) + length.to_bytes(octets, "big") + content


def rsa_pem(exponent: int) -> bytes:
    modulus = private_key("RS256").public_key().public_numbers().n
    numbers = b"".join(der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in (modulus, exponent))
    body = base64.encodebytes(der(0x30, numbers))
    return b"-----BEGIN RSA PUBLIC KEY-----\n" + body + b"-----END RSA PUBLIC KEY-----\n"


def explicit_pem(generator: bytes, public: bytes) -> bytes:
    """Return a key on P-256, the curve spelled out instead of named (RFC 3279 §2.3.5), with another generator."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b")
    order = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
    field = der(0x30, bytes.fromhex("06072a8648ce3d0101") + der(2, p.to_bytes(33, "big")))
    curve = der(0x30, der(4, (p - 3).to_bytes(32, "big")) + der(4, b))
    base = der(4, generator) + der(2, order.to_bytes(33, "big")) + der(2, b"\1")
    parameters = der(0x30, der(2, b"\1") + field + curve + base)
    algorithm = der(0x30, bytes.fromhex("06072a8648ce3d0201") + parameters)
    body = base64.encodebytes(der(0x30, algorithm + der(3, b"\0" + public)))
    return b"-----BEGIN PUBLIC KEY-----\n" + body + b"-----END PUBLIC KEY-----\n"


def test_a_curve_with_a_generator_of_the_forgers_own_is_refused() -> None:
    """CVE-2020-0601: with the public key itself as the generator, the private key is 1."""
    point = private_key("ES256").public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    generator = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    sound = generator.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert jwk.from_pem(explicit_pem(sound, point), ALL_ALGORITHMS).keys[0].algorithm == "ES256"
    assert "not a readable public key" in faults_of_pem(explicit_pem(point, point))


@pytest.mark.parametrize("exponent", [2**16 + 1, 2**32 - 1])
def test_an_rsa_key_with_a_sane_exponent_is_read(exponent: int) -> None:
    (key,) = jwk.from_pem(rsa_pem(exponent), ALL_ALGORITHMS).keys
    assert key.material.public_numbers().e == exponent


@pytest.mark.parametrize("exponent", [0, 1, 2, 65536])
def test_an_rsa_key_with_an_exponent_that_keeps_nothing_secret_is_refused(exponent: int) -> None:
    assert "not a readable public key" in faults_of_pem(rsa_pem(exponent))


@pytest.mark.parametrize("exponent", [3, 17, 257, 2**16 - 1, 2**256 + 1])
def test_an_rsa_key_with_an_exponent_outside_fips_186_5_is_refused(exponent: int) -> None:
    assert "is not an odd number between 2^16 and 2^32" in faults_of_pem(rsa_pem(exponent))


def test_random_bytes_in_a_jwk_that_look_like_a_placeholder_or_white_space_are_a_sound_secret() -> None:
    for start in (b"$(", b"${", b" ", b"\n", b'"'):
        secret = start + bytes(range(100, 130)) + start[:1]
        jwks = json.dumps({"kty": "oct", "k": b64(secret)}).encode()
        assert jwk.from_jwks(jwks, ALL_ALGORITHMS).keys[0].material == secret
