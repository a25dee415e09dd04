"""Attacks with the header or the form of a token: algorithm none, keys in the header, encryption, JSON forms."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from authgate.core.decision import Allow, Deny
from authgate.core.reasons import Reason
from authgate.tokens import jwk
from tests.support.deciding import ALL_ALGORITHMS, decide_token, make_issuer, make_snapshot
from tests.support.tokens import ASYMMETRIC, SECRET, b64, claims, mint, private_key, public_jwk, public_pem, sign_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

NONES = ("none", "None", "NONE", "nOnE", "noNe", "", " none", "none ", "n\u006fne\0", "null", "NoNe", "\uff4eone")


def _refused(token: str, snapshot: Any = None) -> Reason:
    decision = decide_token(token, snapshot)
    assert isinstance(decision, Deny)
    return decision.reason


def _public_snapshot(algorithm: str = "Ed25519", **changes: Any) -> Any:
    keys = jwk.from_jwks(json.dumps(public_jwk(algorithm, "k1")).encode(), ALL_ALGORITHMS)
    return make_snapshot(make_issuer(keys, **changes))


@pytest.mark.parametrize("spelling", NONES)
@pytest.mark.parametrize("signed", ["not", "with the secret", "with an empty secret"])
def test_J1_none_is_not_an_algorithm_in_any_spelling(spelling: str, signed: str) -> None:
    """CVE-2026-28802 (Authlib), CVE-2015-2951: alg none, in upper or lower case, with an empty signature."""
    header, payload = json.dumps({"alg": spelling}).encode(), json.dumps(claims()).encode()
    token = sign_raw(header, payload, key=SECRET if signed == "with the secret" else b"")
    if signed == "not":
        token = token.rpartition(".")[0] + "."
    assert _refused(token) is Reason.WRONG_ALGORITHM
    assert _refused(token, make_snapshot(make_issuer(algorithms=ALL_ALGORITHMS))) is Reason.WRONG_ALGORITHM
    assert _refused(token, _public_snapshot()) is Reason.WRONG_ALGORITHM


@pytest.mark.parametrize("alg", [None, True, 0, [], ["HS256"], {"HS256": 1}])
def test_J1_an_algorithm_that_is_not_a_string_is_malformed(alg: object) -> None:
    assert _refused(sign_raw(json.dumps({"alg": alg}).encode(), json.dumps(claims()).encode())) is (
        Reason.MALFORMED_TOKEN
    )
    assert _refused(sign_raw(b"{}", json.dumps(claims()).encode())) is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize("algorithm", ["HS256", *ASYMMETRIC])
def test_J1_an_empty_signature_is_never_valid(algorithm: str) -> None:
    snapshot = make_snapshot() if algorithm == "HS256" else _public_snapshot(algorithm)
    token = mint(algorithm=algorithm, header={"kid": "k1"})
    assert isinstance(decide_token(token, snapshot), Allow)
    assert _refused(token.rpartition(".")[0] + ".", snapshot) is Reason.BAD_SIGNATURE


_events: list[str] | None = None


def _record_event(event: str, arguments: tuple[Any, ...]) -> None:
    if _events is not None and event.startswith(("socket.connect", "socket.getaddrinfo", "socket.send", "urllib")):
        _events.append(event)


sys.addaudithook(_record_event)


@contextmanager
def _network_watched() -> Iterator[list[str]]:
    """Yield the network operations that this process starts while the context lasts."""
    global _events  # noqa: PLW0603 - an audit hook cannot be removed, only switched off
    _events = events = []
    try:
        yield events
    finally:
        _events = None


def test_J4_the_watch_records_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, _network_watched() as events:
        socket.create_connection(server.getsockname()).close()
    assert "socket.connect" in events


def _header_keys(forger: Any, url: str) -> dict[str, dict[str, Any]]:
    public = forger.public_key()
    forged_jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw()), "alg": "Ed25519", "kid": "k1"}
    return {
        "jwk": {"jwk": forged_jwk},
        "jwk and no kid": {"jwk": forged_jwk, "kid": None},
        "jwk of the known kid": {"jwk": forged_jwk, "kid": "k1"},
        "jku": {"jku": f"{url}/jwks.json"},
        "jku with an unknown kid": {"jku": f"{url}/jwks.json", "kid": "new"},
        "x5u": {"x5u": f"{url}/cert.pem"},
        "x5c": {"x5c": [b64(public.public_bytes_raw())]},
        "kid as URL": {"kid": f"{url}/key"},
        "kid as path": {"kid": "../../../dev/null"},
        "iss as URL": {},
    }


@pytest.mark.parametrize("kind", _header_keys(ed25519.Ed25519PrivateKey.generate(), ""))
def test_J4_a_key_in_the_header_is_neither_used_nor_fetched(kind: str) -> None:
    """CVE-2026-27962 (Authlib), CVE-2018-0114: the forger's key, in `jwk` or at `jku`, was trusted."""
    forger = ed25519.Ed25519PrivateKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        payload = claims(iss=url)
        token = mint(payload, algorithm="Ed25519", key=forger, header=_header_keys(forger, url)[kind])
        sound = mint(payload, algorithm="Ed25519", header={"kid": "k1", "jku": url, "x5u": url})
        with _network_watched() as events:
            assert _refused(token, _public_snapshot()) in {Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY}
            assert isinstance(decide_token(sound, _public_snapshot()), Allow)  # `jku` and `x5u` are ignored
        assert events == []
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["unknown"], "unknown": 1},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["alg"]},
        {"crit": None},
        {"crit": "b64"},
        {"b64": False, "crit": ["b64"]},
        {"b64": False},
        {"b64": True},
        {"b64": True, "crit": ["b64"]},
        {"crit": ["http://openbanking.org.uk/iat"]},
    ],
)
def test_J5_crit_and_b64_are_never_accepted(header: dict[str, Any]) -> None:
    """CVE-2026-32597 (PyJWT), CVE-2025-59420 (Authlib), joserfc 1.8.0: unknown critical parameters were ignored."""
    raw = json.dumps({"alg": "HS256", **header}).encode()
    assert _refused(sign_raw(raw, json.dumps(claims()).encode())) is Reason.MALFORMED_TOKEN


def test_J5_a_detached_or_unencoded_payload_is_refused() -> None:
    header, _payload, signature = mint().split(".")
    assert _refused(f"{header}..{signature}") is Reason.MALFORMED_TOKEN
    assert _refused(f"{header}.{json.dumps(claims())}.{signature}") is Reason.MALFORMED_TOKEN


def _json_forms() -> dict[str, str]:
    header, payload, signature = mint().split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    forged = b64(json.dumps(claims(sub="admin")).encode())
    return {
        "flattened": json.dumps(flat),
        "flattened, without spaces": json.dumps(flat, separators=(",", ":")),
        "general": json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        "unprotected header": json.dumps(flat | {"header": {"alg": "none"}}),
        "python-jwt": json.dumps({f"  {header}.{forged}.": "", **flat}),
        "python-jwt, no space": '{"' + f'{header}.{forged}.":"","protected":"{header}","payload":"{payload}"' + "}",
        "array": json.dumps([mint()]),
        "string": json.dumps(mint()),
        "encoded": b64(json.dumps(flat).encode()),
    }


@pytest.mark.parametrize("form", _json_forms())
def test_J15_only_the_compact_serialization_is_accepted(form: str) -> None:
    """CVE-2022-39227 (python-jwt): a token was verified as JSON and read in compact form."""
    assert _refused(_json_forms()[form]) is Reason.MALFORMED_TOKEN


def test_J17_a_compressed_token_is_refused() -> None:
    """CVE-2024-33664 (python-jose), CVE-2024-28180 (go-jose), CVE-2024-28122 (jwx): decompression bombs."""
    for value in ("DEF", "", None, True):
        raw = json.dumps({"alg": "HS256", "zip": value}).encode()
        assert _refused(sign_raw(raw, json.dumps(claims()).encode())) is Reason.MALFORMED_TOKEN


def _jwe(header: dict[str, Any], content_key: bytes, encrypted_key: bytes, plain: bytes) -> str:
    protected = b64(json.dumps(header).encode())
    nonce = bytes(12)
    sealed = AESGCM(content_key).encrypt(nonce, plain, protected.encode())
    return ".".join([protected, *(b64(part) for part in (encrypted_key, nonce, sealed[:-16], sealed[-16:]))])


def _jwes() -> dict[str, str]:
    """Return one JWE for each attack. A recipient with our keys could open all of them."""
    public: rsa.RSAPublicKey = private_key("RS256").public_key()
    content_key = bytes(range(32))
    oaep = public.encrypt(content_key, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    plain, nested = json.dumps(claims()).encode(), mint().encode()
    return {
        "J17 zip": _jwe({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, SECRET[:32], b"", bytes(9000)),
        "J18 PBES2": _jwe(
            {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2**31 - 1, "p2s": b64(SECRET)},
            content_key,
            oaep,
            plain,
        ),
        "J19 RSA1_5": _jwe(
            {"alg": "RSA1_5", "enc": "A256GCM"}, content_key, public.encrypt(content_key, padding.PKCS1v15()), plain
        ),
        "J20 for the public key": _jwe({"alg": "RSA-OAEP", "enc": "A256GCM"}, content_key, oaep, plain),
        "J20 with a signed token inside": _jwe(
            {"alg": "RSA-OAEP", "enc": "A256GCM", "cty": "JWT"}, content_key, oaep, nested
        ),
        "J20 under the secret": _jwe({"alg": "dir", "enc": "A256GCM"}, SECRET[:32], b"", plain),
    }


@pytest.mark.parametrize("kind", _jwes())
def test_J18_J19_J20_an_encrypted_token_is_never_accepted(kind: str) -> None:
    """GHSA-2c7c (go-jose), CVE-2023-6681 (jwcrypto), CVE-2026-28490 (Authlib), GHSA-rm8v (jwx), CVE-2023-51774.

    All refusals are the same, whatever is wrong: there is no oracle.
    """
    token = _jwes()[kind]
    rsa_keys = jwk.from_pem(public_pem("RS256"), frozenset({"RS256"}))
    for snapshot in (make_snapshot(), make_snapshot(make_issuer(rsa_keys))):
        assert _refused(token, snapshot) is Reason.MALFORMED_TOKEN
        assert _refused(token[:-4] + "AAAA", snapshot) is Reason.MALFORMED_TOKEN
