"""Attacks on encrypted session cookies: compression, the choice of the key, and oracles."""

from __future__ import annotations

import json
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwe
from joserfc.errors import DecodeError
from joserfc.jwk import OctKey, RSAKey

from authgate.core.reasons import Reason
from authgate.tokens import derived
from tests.support import session_cookies as cookies
from tests.support.deciding import bearer, decide_now, make_snapshot
from tests.support.session_deciding import AUTHJS, AUTHJS_PLACES, NAME, authjs, better_auth, refused
from tests.support.tokens import SECRET, b64, unb64


def test_J17_a_compressed_token_is_refused_before_it_is_opened() -> None:
    """CVE-2024-33664 (python-jose), CVE-2024-28180 (go-jose), CVE-2024-28122 (jwx): decompression bombs."""
    key = derived.authjs((SECRET,), (NAME,)).keys[0]
    bomb = json.dumps(cookies.authjs_claims(x="0" * 1_000_000)).encode()
    assert len(zlib.compress(bomb)) < 4096
    sealed = cookies.encrypted(bomb, key.material, {"enc": key.algorithm, "kid": key.key_id, "zip": "DEF"})
    assert len(sealed) < 8192
    assert "'zip'" in refused(authjs(sealed), Reason.MALFORMED_TOKEN)
    assert "'zip'" in refused(better_auth(sealed), Reason.MALFORMED_TOKEN)


def test_J17_a_token_over_16_kib_is_refused_before_it_is_split() -> None:
    long = "a" * 16_400
    refused(better_auth(long), Reason.MALFORMED_TOKEN)
    refused(authjs(f"{long}.a.a.a.a"), Reason.MALFORMED_TOKEN)


@pytest.mark.parametrize("algorithm", ["PBES2-HS256+A128KW", "A256KW", "A256GCMKW", "ECDH-ES", "none", "", "DIR", None])
def test_J18_only_direct_encryption_under_the_shared_key_is_accepted(algorithm: str | None) -> None:
    """GHSA-2c7c (go-jose), CVE-2023-6681 (jwcrypto): the sender chooses the number of password iterations."""
    header, _, *rest = cookies.authjs_cookie().split(".")
    changed = json.loads(unb64(header)) | {"alg": algorithm, "p2c": 2_000_000_000, "p2s": "AAAA"}
    if algorithm is None:
        del changed["alg"]
    token = ".".join([b64(json.dumps(changed).encode()), "AAAA", *rest])
    refused(authjs(token), Reason.WRONG_ALGORITHM)
    refused(better_auth(token), Reason.WRONG_ALGORITHM)


def _flip_bit(token: str, part: int, position: int) -> str:
    parts = token.split(".")
    raw = bytearray(unb64(parts[part]))
    raw[position] ^= 1
    parts[part] = b64(bytes(raw))
    return ".".join(parts)


@pytest.mark.parametrize("part", [2, 3, 4], ids=["the vector", "the ciphertext", "the tag"])
@pytest.mark.parametrize("encryption", ["A256CBC-HS512", "A256GCM"])
def test_J19_every_error_in_the_encryption_has_the_same_detail(encryption: str, part: int) -> None:
    """CVE-2026-28490 (Authlib), GHSA-rm8v (jwx): answers that tell padding from tag open a cookie byte by byte.

    The padding depends on the last two blocks. This test does not measure the duration of a refusal, which would be
    noise. The next test shows that there is nothing to measure: a token with a wrong tag is not decrypted.
    """
    cookie = cookies.authjs_cookie(encryption=encryption)
    length = len(unb64(cookie.split(".")[part]))
    positions = {*range(min(12, length)), *range(max(0, length - 32), length)}
    details = {refused(authjs(_flip_bit(cookie, part, at)), Reason.UNDECRYPTABLE_TOKEN) for at in positions}
    assert details == {refused(authjs(_flip_bit(cookie, 4, 3)), Reason.UNDECRYPTABLE_TOKEN)}


@pytest.mark.parametrize("cut", [0, 1, 15], ids=lambda cut: f"{cut} bytes short of whole blocks")
def test_J19_a_token_with_a_wrong_tag_is_not_decrypted(cut: int) -> None:
    """Only whole blocks can be decrypted: if the library tried it, it would report the length and not the tag."""
    key = next(key for key in derived.authjs((SECRET,), (NAME,)).keys if key.algorithm == "A256CBC-HS512")
    header, _, vector, ciphertext, _ = cookies.authjs_cookie().split(".")
    short = unb64(ciphertext)[: len(unb64(ciphertext)) - cut]
    token = ".".join([header, "", vector, b64(short), b64(bytes(64))[:43]])
    registry = jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512"], strict_check_header=False)
    with pytest.raises(DecodeError, match="tag does not match"):
        jwe.decrypt_compact(token, key.material, registry=registry)
    assert "tried 1 key: " in refused(authjs(token), Reason.UNDECRYPTABLE_TOKEN)
    if cut:  # the same with the right tag, which needs the key: this is decrypted
        encryption = registry.get_enc("A256CBC-HS512")
        material = key.material.raw_value
        tag = encryption._hmac(short, header.encode(), unb64(vector), material[:32])
        with pytest.raises(ValueError, match="multiple of the block length"):
            jwe.decrypt_compact(".".join([header, "", vector, b64(short), b64(tag)]), key.material, registry=registry)


@pytest.mark.filterwarnings("ignore:JWE algorithm")  # joserfc warns about these algorithms
@pytest.mark.parametrize("algorithm", ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"])
def test_J20_a_token_encrypted_for_a_public_key_is_refused(algorithm: str) -> None:
    """CVE-2023-51774: anyone with the public key can encrypt for it. That is not a signature."""
    key = RSAKey.import_key(rsa.generate_private_key(65537, 2048))
    registry = jwe.JWERegistry(algorithms=[algorithm, "A256GCM"])
    header = {"alg": algorithm, "enc": "A256GCM"}
    token = jwe.encrypt_compact(header, json.dumps(cookies.authjs_claims()).encode(), key, registry=registry)
    refused(authjs(token), Reason.WRONG_ALGORITHM)
    refused(decide_now(bearer(token), make_snapshot(AUTHJS, places=AUTHJS_PLACES)), Reason.WRONG_ALGORITHM)


def test_J20_the_plain_secret_and_a_key_in_the_header_are_not_used() -> None:
    forged_key = OctKey.import_key(b"k" * 32)
    for key in (OctKey.import_key(SECRET[:32]), forged_key):
        header = {"enc": "A256GCM", "jwk": forged_key.as_dict(), "jku": "https://evil.example/keys"}
        token = cookies.encrypted(json.dumps(cookies.authjs_claims()).encode(), key, header)
        refused(authjs(token), Reason.UNDECRYPTABLE_TOKEN)
