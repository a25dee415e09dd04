"""Issuers made from the configuration: their key files are read and checked at the start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.rejections import assert_only, jwt_file, rejected
from tests.support.tokens import SECRET, b64, public_jwk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("setting", ["pem_file", "jwks_file"])
def test_an_rsa_key_under_2048_bits_is_rejected(tmp_path: Path, setting: str) -> None:
    key = rsa.generate_private_key(65537, 1024).public_key()
    modulus = b64(key.public_numbers().n.to_bytes(128, "big"))
    content = {
        "pem_file": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "jwks_file": json.dumps({"keys": [public_jwk("RS256", n=modulus)]}).encode(),
    }[setting]
    (tmp_path / "keys").write_bytes(content)
    problems = rejected(jwt_file(tmp_path, {setting: str(tmp_path / "keys")}))
    assert_only(problems, f"issuers[0].{setting}", "the RSA key has 1024 bits; 2048 to 8192 are accepted")


def test_a_secret_and_public_keys_in_one_set_are_rejected(tmp_path: Path) -> None:
    keys = [public_jwk("RS256", "a"), {"kty": "oct", "kid": "b", "alg": "HS256", "k": b64(SECRET)}]
    (tmp_path / "jwks").write_text(json.dumps({"keys": keys}), encoding="utf-8")
    problems = rejected(jwt_file(tmp_path, {"jwks_file": str(tmp_path / "jwks")}))
    assert_only(problems, "issuers[0].jwks_file", "it mixes a shared secret (oct) with public keys")


@pytest.mark.parametrize("setting", ["secret_file", "pem_file", "jwks_file"])
def test_a_key_file_that_cannot_be_read_is_rejected(tmp_path: Path, setting: str) -> None:
    for unreadable in (tmp_path / "missing", tmp_path):
        problems = rejected(jwt_file(tmp_path, {setting: str(unreadable)}))
        assert_only(problems, f"issuers[0].{setting}", "cannot read")
        assert "mounted" in problems[0].fix


def test_a_secret_file_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"0123456789" * 26215)
    assert_only(rejected(JWT_SECRET_FILE=str(tmp_path / "s")), "issuers[0].secret_file", "longer than 262144")
