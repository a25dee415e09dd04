"""Shared secrets: which ones are unfit and why, and their fingerprints."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from authgate.tokens import secrets
from authgate.tokens.secrets import without_line_break
from tests.support.public_keys import certificate
from tests.support.tokens import OTHER_SECRET, SECRET, private_key, public_jwk, public_pem

KINDS = ("RS256", "ES256", "ES512", "Ed25519", "Ed448")


def forms(kind: str) -> dict[str, bytes]:
    """Return the key of *kind* in every encoding that a person may paste as a secret."""
    private, public = private_key(kind), private_key(kind).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = public_jwk(kind, "k1")
    encodings = {
        "PEM": public_pem(kind),
        "PEM without its last newline": public_pem(kind).strip(),
        "PEM with CRLF": public_pem(kind).replace(b"\n", b"\r\n"),
        "PEM behind a BOM": b"\xef\xbb\xbf" + public_pem(kind),
        "PEM on one line": public_pem(kind).replace(b"\n", b"\\n"),
        "body of PEM": b"".join(public_pem(kind).splitlines()[1:-1]),
        "body of PEM in lines": b"\n".join(public_pem(kind).splitlines()[1:-1]),
        "DER": der,
        "base64 of DER": base64.b64encode(der),
        "base64url of DER": base64.urlsafe_b64encode(der).rstrip(b"="),
        "hex of DER": der.hex().encode(),
        "base64 of PEM": base64.b64encode(public_pem(kind)),
        "JWK": json.dumps(jwk).encode(),
        "JWK in lines": json.dumps(jwk, indent=2).encode(),
        "JWKS": json.dumps({"keys": [jwk]}).encode(),
        "list of JWKs": json.dumps([jwk]).encode(),
        "base64 of JWK": base64.b64encode(json.dumps(jwk).encode()),
        "base64url of JWKS": base64.urlsafe_b64encode(json.dumps({"keys": [jwk]}).encode()),
        "private PEM": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "private DER": private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    }
    if kind != "Ed448":  # OpenSSH does not support it
        ssh = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        encodings["SSH"] = ssh + b" ada@example.test"
        encodings["body of SSH"] = ssh.split()[1]
        encodings["base64 of SSH"] = base64.b64encode(ssh)
    if kind == "RS256":
        encodings["PKCS #1 PEM"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        encodings["PKCS #1 DER"] = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return encodings


@pytest.mark.parametrize(("kind", "form"), [(kind, form) for kind in KINDS for form in forms(kind)])
def test_a_key_in_any_encoding_is_rejected_as_a_secret(kind: str, form: str) -> None:
    secret = forms(kind)[form]
    assert secrets.is_asymmetric_key(secret)
    assert any("anybody who has the public key could sign" in fault for fault in secrets.faults(secret, 32))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_is_rejected_as_a_secret(encoding: Encoding) -> None:
    assert secrets.is_asymmetric_key(certificate().public_bytes(encoding))
    assert secrets.is_asymmetric_key(base64.b64encode(certificate().public_bytes(encoding)))


@pytest.mark.parametrize("last", [b" ", b"\n", b"\t", b"\r", b"\x0b", b"\x0c"])
def test_a_key_is_recognized_even_if_its_der_ends_in_white_space(last: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(bytes(range(31)) + last)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert secrets.is_asymmetric_key(der)
    assert secrets.is_asymmetric_key(base64.b64encode(der))
    assert secrets.is_asymmetric_key(der.hex().encode())


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        OTHER_SECRET,
        bytes(range(256)),
        b"0" + bytes(range(64)),  # begins like DER
        base64.b64encode(bytes(range(48))),
        bytes(range(32)).hex().encode(),
        b'{"secret": "' + SECRET + b'"}',
        b"[" * 5000,
        b"correct horse battery staple, and more",
        b"\xff\xfe" + SECRET,
    ],
)
def test_a_secret_is_not_mistaken_for_a_key(secret: bytes) -> None:
    assert not secrets.is_asymmetric_key(secret)


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET, b"abcdefgh" * 4])
def test_a_sound_secret_has_no_fault(secret: bytes) -> None:
    assert secrets.faults(secret, 32) == ()


@pytest.mark.parametrize(
    ("secret", "min_bytes", "expected"),
    [
        (SECRET[:31], 32, ["it is 31 bytes long; at least 32 are needed (RFC 7518 §3.2)"]),
        (SECRET[:32], 32, []),
        (SECRET[:47], 48, ["it is 47 bytes long; at least 48 are needed (RFC 7518 §3.2)"]),
        (SECRET + b"\n", 32, ["it begins or ends with white space"]),
        (b" " + SECRET, 32, ["it begins or ends with white space"]),
        (SECRET + b"\t", 32, ["it begins or ends with white space"]),
        (b"\xef\xbb\xbf" + SECRET, 32, ["it begins or ends with white space"]),
        (SECRET + "\u00a0".encode(), 32, ["it begins or ends with white space"]),
        (b'"' + SECRET + b'"', 32, []),
        (b"abcdefg" * 5, 32, ["it has fewer than 8 distinct characters"]),
        (b"abcdefgh" * 4, 32, []),
        (b"", 32, ["it is 0 bytes long", "it has fewer than 8"]),
        (b" aaa ", 32, ["it begins or ends with white space", "it is 5 bytes long", "it has fewer than 8"]),
    ],
)
def test_every_fault_of_a_secret_is_reported_at_once(secret: bytes, min_bytes: int, expected: list[str]) -> None:
    faults = secrets.faults(secret, min_bytes)
    assert len(faults) == len(expected)
    assert all(fault.startswith(beginning) for fault, beginning in zip(faults, expected, strict=True))


@pytest.mark.parametrize("secret", sorted(secrets.WELL_KNOWN))
def test_a_secret_from_documentation_is_rejected_in_lower_and_upper_case(secret: str) -> None:
    for spelling in (secret, secret.upper(), f" {secret}\n"):
        assert any("well-known example" in fault for fault in secrets.faults(spelling.encode(), 32))


def test_the_built_in_default_of_better_auth_has_only_that_fault() -> None:
    (fault,) = secrets.faults(b"better-auth-secret-12345678901234567890", 32)
    assert fault == "it is a well-known example: anybody can sign tokens with it"


def test_no_fault_quotes_the_secret() -> None:
    for secret in (b"hunter2", b"hunter2-hunter2 ", public_pem("ES256")):
        assert all("hunter2" not in fault and "BEGIN" not in fault for fault in secrets.faults(secret, 32))


def test_the_fingerprint_is_eight_hex_digits_of_a_labeled_hash() -> None:
    # docs/troubleshooting.md has a Node one-liner that prints the same fingerprint. A change would break it.
    assert secrets.fingerprint(SECRET) == hashlib.sha256(b"authgate-secret-fingerprint:" + SECRET).hexdigest()[:8]
    assert secrets.fingerprint(SECRET) != secrets.fingerprint(SECRET + b" ")


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (SECRET, SECRET),
        (SECRET + b"\n", SECRET),
        (SECRET + b"\r\n", SECRET),
        (SECRET + b"\n\n", SECRET + b"\n"),
        (SECRET + b"\r", SECRET + b"\r"),
        (SECRET + b" \n", SECRET + b" "),
        (b"\n" + SECRET, b"\n" + SECRET),
        (b"\xff\xfe\n", b"\xff\xfe"),
    ],
)
def test_one_line_break_at_the_end_of_a_file_is_not_part_of_the_secret(content: bytes, secret: bytes) -> None:
    assert without_line_break(content) == secret


@pytest.mark.parametrize("quote", [b'"', b"'", b"`"])
def test_quotes_around_a_secret_are_a_warning_that_does_not_quote_it(quote: bytes) -> None:
    (warning,) = secrets.warnings(quote + SECRET + quote)
    assert "in quotes" in warning
    assert SECRET.decode() not in warning


@pytest.mark.parametrize(
    "secret", [SECRET, b'"' + SECRET, SECRET + b"'", b'"' + SECRET + b"'", b'"', b"", SECRET[:9] * 2]
)
def test_other_secrets_have_no_warning(secret: bytes) -> None:
    assert secrets.warnings(secret) == ()


@pytest.mark.parametrize(
    ("secret", "binary"),
    [
        (SECRET, False),
        (SECRET + b"\n\n", False),
        (b"one line\nand another\tline of a secret", False),
        ("ein Geheimnis mit \u00e4, \u00f6 und \u00fc".encode(), False),
        (bytes(range(7, 55)), True),
        (bytes(reversed(range(10, 58))), True),
        (bytes(range(200, 248)), True),
        (b"\xff\xfe" + SECRET.decode().encode("utf-16-le"), True),
        (SECRET + b"\0" + SECRET, True),
    ],
)
def test_random_bytes_are_told_from_text(secret: bytes, *, binary: bool) -> None:
    assert secrets.is_binary(secret) is binary
