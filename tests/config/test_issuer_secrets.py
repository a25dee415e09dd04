"""Secrets of issuers: an unfit one is rejected with every reason and without being quoted."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.rejections import GOOD, assert_only, rejected
from tests.support.tokens import private_key, public_jwk, public_pem

if TYPE_CHECKING:
    from pathlib import Path


def encodings() -> dict[str, bytes]:
    public = private_key("RS256").public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = json.dumps(public_jwk("RS256", "k1")).encode()
    return {
        "PEM": public_pem("RS256").strip(),
        "base64 of PEM": base64.b64encode(public_pem("RS256")),
        "base64 of DER": base64.b64encode(der),
        "JWK": key,
        "JWKS": b'{"keys":[' + key + b"]}",
        "base64 of JWK": base64.b64encode(key),
        "SSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    }


@pytest.mark.parametrize("name", ["JWT_SECRET", "BETTER_AUTH_SECRET"])
@pytest.mark.parametrize("encoding", encodings())
def test_a_secret_that_is_a_public_key_is_rejected(name: str, encoding: str) -> None:
    problems = rejected(**{name: encodings()[encoding].decode()})
    assert_only(problems, f"issuers[0].secret_env ({name})", "anybody who has the public key could sign")


@pytest.mark.parametrize("padding", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"xx", b"x\n", b"x\r", b"\r\n", b"\n\n"])
def test_a_secret_file_that_is_a_public_key_in_der_is_rejected(tmp_path: Path, padding: bytes, last: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(bytes(range(30)) + last)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "secret").write_bytes(der + padding)
    problems = rejected(JWT_SECRET_FILE=str(tmp_path / "secret"))
    assert any("anybody who has the public key could sign" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (GOOD[:31], "it is 31 bytes long; at least 32 are needed"),
        (GOOD + " ", "white space"),
        (GOOD + "\n", "white space"),
        ("\t" + GOOD, "white space"),
        ("abcdefg" * 6, "fewer than 8 distinct characters"),
        ("better-auth-secret-12345678901234567890", "well-known example"),
        ("a-string-secret-at-least-256-bits-long", "well-known example"),
    ],
)
def test_a_weak_secret_is_rejected(secret: str, message: str) -> None:
    assert_only(rejected(JWT_SECRET=secret), "issuers[0].secret_env (JWT_SECRET)", message)


def test_every_weakness_of_a_secret_is_reported() -> None:
    problems = rejected(JWT_SECRET=" hunter2")
    assert [problem.message.split(" ")[1:3] for problem in problems] == [["begins", "or"], ["is", "8"]]
    assert all("hunter2" not in str(problem) for problem in problems)
