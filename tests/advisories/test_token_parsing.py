"""Attacks with tokens that are large, deeply nested or ambiguous."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authgate.core.credential import MAX_TOKEN_CHARACTERS
from authgate.core.decision import Allow, Deny
from authgate.core.reasons import Reason
from authgate.tokens import jwk, jws
from tests.support.deciding import ALL_ALGORITHMS, decide_token, make_issuer, make_snapshot
from tests.support.serving import Served, bearer_line
from tests.support.tokens import ASYMMETRIC, b64, claims, mint, public_jwk, sign_raw

HEADER = b'{"alg":"HS256"}'
SOUND = json.dumps(claims()).encode()


def _refused(token: str) -> Deny:
    decision = decide_token(token)
    assert isinstance(decision, Deny)
    return decision


def _signed(payload: bytes, header: bytes = HEADER) -> Deny:
    decision = _refused(sign_raw(header, payload))
    assert decision.reason is Reason.MALFORMED_TOKEN
    return decision


class CountingText(str):
    """A string that counts how often it is split."""

    __slots__ = ("splits",)

    def split(self, *arguments: Any) -> list[str]:
        self.splits = getattr(self, "splits", 0) + 1
        return super().split(*arguments)


@pytest.mark.parametrize(
    ("token", "splits"),
    [
        ("." * 1_000_000, 0),
        ("." * MAX_TOKEN_CHARACTERS, 0),
        ("x" * 1_000_000 + ".e30.", 0),
        (f"{'x' * MAX_TOKEN_CHARACTERS}..", 0),
        ("a.b.c.d", 0),
        ("a.b", 0),
        ("", 0),
        ("e30.e30.", 1),
    ],
)
def test_J10_size_and_dots_are_checked_before_a_token_is_split(token: str, splits: int) -> None:
    """CVE-2026-48525 (PyJWT), CVE-2025-27144 (go-jose), CVE-2025-30204 (golang-jwt): thousands of dots."""
    counting = CountingText(token)
    with pytest.raises(Exception, match="malformed_token"):
        jws.parse(counting)
    assert getattr(counting, "splits", 0) == splits


def test_J10_a_token_of_16_KiB_is_accepted_and_a_longer_one_is_refused() -> None:
    def token_of(length: int) -> str:
        fill = next(n for n in range(length) if len(mint(claims(fill="x" * n))) >= length)
        return mint(claims(fill="x" * fill))

    largest = max(
        (token_of(MAX_TOKEN_CHARACTERS - n) for n in range(3)), key=lambda t: (len(t) <= MAX_TOKEN_CHARACTERS, len(t))
    )
    assert MAX_TOKEN_CHARACTERS - 2 <= len(largest) <= MAX_TOKEN_CHARACTERS
    assert isinstance(decide_token(largest), Allow)
    over = _refused(largest + "A" * (MAX_TOKEN_CHARACTERS + 1 - len(largest)))
    assert "over 16384" in over.detail


async def test_J10_the_server_answers_thousands_of_dots_with_401(served: Served) -> None:
    answer = await served.ask("traefik", bearer_line("." * 60_000))
    assert (answer.status, answer.reason) == (401, "malformed_token")


def _deep(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("shape", ["[", '{"a":', "mixed"])
@pytest.mark.parametrize("where", ["header", "payload"])
@pytest.mark.parametrize("closed", [True, False])
def test_J11_deep_nesting_is_refused_without_an_error(shape: str, where: str, *, closed: bool) -> None:
    """GHSA-8wjv and -w6j9 (PyJWT): deep nesting caused a RecursionError."""
    depth = 1900 if shape != "[" else 10_000 if not closed else 5_000
    opening = {"mixed": '[{"a":'}.get(shape, shape)
    closing = {"[": "]", "mixed": "}]"}.get(shape, "}")
    deep = opening * depth + ("1" + closing * depth if closed else "")
    raw = f'{{"alg":"HS256","x":{deep}}}'.encode()[:12_000]
    decision = _signed(raw) if where == "payload" else _signed(SOUND, raw)
    assert "nested deeper" in decision.detail or "more than 1024 brackets" in decision.detail


def test_J11_ordinary_nesting_is_accepted() -> None:
    assert isinstance(decide_token(mint(claims(deep=json.loads(_deep(31))))), Allow)
    assert _refused(mint(claims(deep=json.loads(_deep(32))))).reason is Reason.MALFORMED_TOKEN
    assert isinstance(decide_token(mint(claims(text="[{" * 100, more='\\"[' * 50))), Allow)


MALFORMED_MEMBERS: list[Any] = [
    None,
    7,
    "RSA",
    [],
    {},
    {"kty": None},
    {"kty": ["RSA"]},
    {"kty": "RSA"},
    {"kty": "RSA", "n": 7, "e": "AQAB"},
    {"kty": "RSA", "n": "!!", "e": "AQAB"},
    {"kty": "RSA", "n": "AQ", "e": ""},
    {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
    {"kty": "EC", "crv": ["P-256"]},
    {"kty": "EC", "crv": "secp256k1", "x": "AQ", "y": "AQ"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
    {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "key_ops": 7},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "key_ops": None},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "use": ["sig"]},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "use": "enc"},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "alg": 7},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "alg": "RS256"},
    {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "kid": 7},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ"},
]


@pytest.mark.parametrize("member", MALFORMED_MEMBERS, ids=str)
def test_J11_one_malformed_key_does_not_make_the_others_unusable(member: Any) -> None:
    """GHSA-8wjv (PyJWT): one malformed key in a JWK Set made the others unusable."""
    for members in ([member, public_jwk("ES256", "good")], [public_jwk("ES256", "good"), member]):
        keys = jwk.from_jwks(json.dumps({"keys": members}).encode(), ALL_ALGORITHMS)
        assert [key.key_id for key in keys.keys] == ["good"]
        assert len(keys.skipped) == 1
        token = mint(algorithm="ES256", header={"kid": "good"})
        assert isinstance(decide_token(token, make_snapshot(make_issuer(keys))), Allow)


def _twins(segment: str) -> list[str]:
    """Return other spellings that lenient decoders read as the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [
        segment + "=",
        segment + "==",
        segment + "\n",
        segment[:4] + " " + segment[4:],
        segment[:4] + "\r\n" + segment[4:],
    ]
    twins += [segment[:4] + "*" + segment[4:], segment + "A" if len(segment) % 4 == 0 else segment + "=A"]
    twins += [segment.replace("-", "+").replace("_", "/")] if {"-", "_"} & set(segment) else []
    if len(segment) % 4:
        last = alphabet.index(segment[-1])
        spare = {2: 16, 3: 4}[len(segment) % 4]
        twins += [segment[:-1] + alphabet[last - last % spare + n] for n in range(spare) if n != last % spare]
    return twins


@pytest.mark.parametrize("algorithm", ["HS256", *ASYMMETRIC])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_J12_a_token_has_only_one_spelling(algorithm: str, position: int) -> None:
    """GHSA-hxm8 (PyJWT): padding, unused bits and junk made other spellings of a token, unknown to a denylist."""
    keys = None
    if algorithm != "HS256":
        keys = jwk.from_jwks(json.dumps(public_jwk(algorithm)).encode(), ALL_ALGORITHMS)
    snapshot = make_snapshot(make_issuer(keys))
    for fill in ("", "?", "??", "???>"):  # every length modulo 3, and "-" and "_"
        header = {"alg": algorithm, "fill": fill}
        token = mint(claims(fill=fill), algorithm=algorithm, header=header)
        assert isinstance(decide_token(token, snapshot), Allow)
        segments = token.split(".")
        twins = _twins(segments[position])
        assert len(twins) >= 7
        for twin in twins:
            decision = decide_token(".".join([*segments[:position], twin, *segments[position + 1 :]]), snapshot)
            assert isinstance(decision, Deny)
            assert decision.reason is Reason.MALFORMED_TOKEN


SIGNED = {
    "sub": b'"sub":"admin"',
    "exp": b'"exp":9999999999',
    "aud": b'"aud":"api"',
    "private": b'"private":1',
}


@pytest.mark.parametrize("name", SIGNED)
def test_J16_a_repeated_claim_is_refused(name: str) -> None:
    """RFC 8259 §4, RFC 7519 §4: it depends on the parser which of two members counts."""
    member = SIGNED[name]
    once = b"{" + member + b"," + SOUND[1:]
    if name in {"sub", "exp"}:
        assert "occurs twice" in _signed(once).detail
    else:
        assert isinstance(decide_token(sign_raw(HEADER, once)), Allow)
        assert "occurs twice" in _signed(b"{" + member + b"," + once[1:]).detail


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"HS256","alg":"HS256"}',
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256","\\u0061lg":"none"}',
        b'{"alg":"HS256","kid":"a","kid":"b"}',
        b'{"alg":"HS256","x":{"a":1,"a":2}}',
    ],
)
def test_J16_a_repeated_header_parameter_is_refused(header: bytes) -> None:
    assert "occurs twice" in _signed(SOUND, header).detail


def test_J16_a_repeated_member_in_a_nested_object_is_refused() -> None:
    assert "occurs twice" in _signed(SOUND[:-1] + b',"act":[{"sub":{"a":1,"a":1}}]}').detail


OTHER_ENCODINGS = {
    "byte order mark": b"\xef\xbb\xbf" + SOUND,
    "UTF-16": SOUND.decode().encode("utf-16"),
    "UTF-16 without mark": SOUND.decode().encode("utf-16-le"),
    "UTF-32": SOUND.decode().encode("utf-32"),
    "latin-1": SOUND[:-1] + b',"name":"J\xf6rg"}',
    "overlong": SOUND[:-1] + b',"name":"\xc0\xaf"}',
    "surrogate in UTF-8": SOUND[:-1] + b',"name":"\xed\xa0\x80"}',
    "cut": SOUND[:-1] + b',"name":"\xc3"}',
    "raw control character": SOUND[:-1] + b',"name":"a\nb"}',
    "trailing comma": SOUND[:-1] + b",}",
    "comment": SOUND[:-1] + b"/**/}",
    "single quotes": SOUND.replace(b'"', b"'"),
    "two documents": SOUND + SOUND,
    "NaN": SOUND[:-1] + b',"x":NaN}',
    "Infinity": SOUND[:-1] + b',"x":-Infinity}',
    "beyond a double": SOUND[:-1] + b',"x":1e999}',
    "a list": b"[" + SOUND + b"]",
    "a string": json.dumps(SOUND.decode()).encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", OTHER_ENCODINGS)
def test_J16_only_plain_json_in_utf_8_is_accepted(kind: str) -> None:
    """RFC 8725 §3.7, Wycheproof: encodings and dialects that parsers read differently."""
    _signed(OTHER_ENCODINGS[kind])
    _signed(SOUND, OTHER_ENCODINGS[kind].replace(b'"sub"', b'"alg":"HS256","sub"'))
