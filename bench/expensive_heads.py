"""Request heads that an attacker makes as expensive as a head can be.

`bench/heads.py` measures them, and `tests/test_expensive_heads.py` counts the calls that they cause.

A head is the lines of a subrequest besides `Host`, as a proxy with AuthGate's files could send them, or worse. Nearly
all are forged: they need no account. Those in `OF_USERS` hold the valid cookie of a signed-in user, who adds the rest.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SECRET = "of-the-benchmark-and-of-nobody-else-0123456789-ABCDEFGH"  # noqa: S105 - protects nothing
SESSION_TOKEN = "aSessionTokenOf32LettersAndDigit"  # noqa: S105 - the same
FULL = 60_000  # bytes, about as many as fit into a request head
TOKEN = 16_300  # bytes, about as many as a token may have

SUBREQUEST = {
    "X-Original-Method": "GET",
    "X-Original-URL": "https://app.example.com/api/v1/tasks?page=2",
    "X-Forwarded-For": "203.0.113.7",
}

Lines = tuple[tuple[str, str], ...]


def subrequest(lines: Lines) -> Lines:
    """Return a subrequest with *lines*, which replace the usual ones of the same name."""
    names = {name for name, _ in lines}
    return (*((name, value) for name, value in SUBREQUEST.items() if name not in names), *lines)


def b64(raw: bytes) -> str:
    """Return *raw* in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(text: bytes) -> bytes:
    """Return the HMAC-SHA256 of *text* under the secret."""
    return hmac.new(SECRET.encode(), text, hashlib.sha256).digest()


def jws(body: str, *, issuer: str = "https://secret", algorithm: str = "HS256", signature: bytes | None = None) -> str:
    """Return a token with *issuer* before the members in *body*. Its signature is random."""
    header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    comma = "," * bool(body)
    payload = f'{{"iss":"{issuer}","sub":"{os.urandom(8).hex()}","aud":"tasks","exp":9999999999{comma}{body}}}'
    return f"{b64(header)}.{b64(payload.encode())}.{b64(signature or os.urandom(32))}"


def filled(unit: str, size: int = TOKEN) -> str:
    """Return a member with a list of *unit*, such that a token of it has about *size* bytes."""
    return '"a":[' + ",".join([unit] * ((size * 3 // 4 - 200) // (len(unit) + 1))) + "]"


def ec_signature() -> bytes:
    """Return a signature of ES512 that is in range, so that its verification runs in full."""
    return b"".join(os.urandom(65).rjust(66, b"\0") for _ in range(2))


def jwe(size: int, encryption: str = "A256CBC-HS512") -> str:
    """Return an encrypted token with about *size* bytes of made-up ciphertext, which names no key."""
    vector, tag = (16, 32) if "CBC" in encryption else (12, 16)
    header = json.dumps({"alg": "dir", "enc": encryption}).encode()
    parts = (os.urandom(vector), os.urandom(size * 3 // 64 * 16), os.urandom(tag))
    return f"{b64(header)}.." + ".".join(map(b64, parts))


def compact(inner: str) -> str:
    """Return a data cookie of Better Auth that is signed, with the text *inner*, a JSON object, as its session."""
    inner = f'{{"x":"{os.urandom(8).hex()}",{inner[1:]}'
    end = f',"expiresAt":{int(time.time() + 300) * 1000}'
    signature = b64(signed(f"{inner[:-1]}{end}}}".encode()))
    return b64(f'{{"session":{inner}{end},"signature":"{signature}"}}'.encode())


def token_cookie() -> str:
    """Return Better Auth's session cookie, validly signed."""
    return f"better-auth.session_token={SESSION_TOKEN}.{base64.b64encode(signed(SESSION_TOKEN.encode())).decode()}"


def bearer(token: str) -> Lines:
    """Return the header with *token*."""
    return (("Authorization", f"Bearer {token}"),)


def cookie(text: str) -> Lines:
    """Return the header with the cookies in *text*."""
    return (("Cookie", text),)


def cookies(name: str, values: Iterable[str]) -> Lines:
    """Return one header with a cookie *name* for each of *values*."""
    return cookie("; ".join(f"{name}={value}" for value in values))


def chunks(name: str, value: str, size: int = 3900) -> Lines:
    """Return the cookies in which a browser sends a long *value*."""
    starts = range(0, len(value), size)
    return cookie("; ".join(f"{name}.{number}={value[at : at + size]}" for number, at in enumerate(starts)))


def with_data(data: str) -> Lines:
    """Return Better Auth's valid session cookie, with *data* in chunks."""
    ((name, value),) = chunks("better-auth.session_data", data)
    return ((name, f"{token_cookie()}; {value}"),)


def own_jws(body: str) -> str:
    """Return a token of a signed-in user, validly signed."""
    head = jws(body).rpartition(".")[0]
    return f"{head}.{b64(signed(head.encode()))}"


def cookie_jws(body: str) -> str:
    """Return a forged data cookie of Better Auth's strategy jwt with the members in *body*."""
    return b64(b'{"alg":"HS256"}') + "." + jws(body).partition(".")[2]


def url(target: str, host: str = "app.example.com") -> Lines:
    """Return the header with the address that the client asks for."""
    return (("X-Original-URL", f"https://{host}{target}"),)


def floats(count: int) -> str:
    """Return *count* numbers close to the range of a double."""
    return ",".join(f"1e{290 + number % 10}" for number in range(count))


AUTHJS = "__Secure-authjs.session-token"
NAMES = (
    "access_token",
    "better-auth.session_token",
    "better-auth.session_data",
    "b1.session_token",
    "b1.session_data",
    "b2.session_token",
    "b2.session_data",
    "authjs.session-token",
    AUTHJS,
    "a1.session-token",
    "a2.session-token",
)
NOTHING: Lines = ()

HEADS: dict[str, Callable[[], Lines]] = {
    "no credential": lambda: NOTHING,
    # Public keys: the bound is 8 operations.
    "ES512, 8 keys without kid": lambda: bearer(
        jws("", issuer="https://ec", algorithm="ES512", signature=ec_signature())
    ),
    "ES512, 4 cookies, 8 keys": lambda: cookies(
        "access_token",
        (jws("", issuer="https://ec", algorithm="ES512", signature=ec_signature()) for _ in range(4)),
    ),
    "Ed448, 4 cookies, 8 keys": lambda: cookies(
        "access_token",
        (jws("", issuer="https://ed", algorithm="Ed448", signature=os.urandom(56) + bytes(58)) for _ in range(4)),
    ),
    "PS512, 4 cookies, 8 keys": lambda: cookies(
        "access_token",
        (jws("", issuer="https://ps", algorithm="PS512", signature=b"\0" + os.urandom(511)) for _ in range(4)),
    ),
    "three issuers, 4 cookies": lambda: cookies(
        "access_token",
        [
            jws("", issuer="https://ps", algorithm="PS512", signature=b"\0" + os.urandom(511)),
            jws("", issuer="https://ec", algorithm="ES512", signature=ec_signature()),
            jws("", issuer="https://ed", algorithm="Ed448", signature=os.urandom(56) + bytes(58)),
            jws("", issuer="https://ec", algorithm="ES512", signature=ec_signature()),
        ],
    ),
    # JSON, which is parsed before the signature is verified.
    "JWS of floats": lambda: bearer(jws(f'"a":[{floats(1950)}]')),
    "JWS of short floats": lambda: bearer(jws(filled("1.5"))),
    "JWS of integers": lambda: bearer(jws(filled("7"))),
    "JWS of long integers": lambda: bearer(jws(filled("9" * 300))),
    "JWS of one integer": lambda: bearer(jws('"a":' + "9" * 12000)),
    "JWS of empty objects": lambda: bearer(jws(filled("{}", 4200))),
    "JWS of objects": lambda: bearer(jws(filled('{"":0}', 9700))),
    "JWS of lists": lambda: bearer(jws(filled("[]", 4200))),
    "JWS nested, strings": lambda: bearer(jws(filled('""', 12500) + "," + filled("[]", 4000).replace('"a"', '"b"'))),
    "JWS of empty strings": lambda: bearer(jws(filled('""'))),
    "JWS of escapes": lambda: bearer(jws('"a":"' + "\\u00e9" * 1990 + '"')),
    "JWS of members": lambda: bearer(jws(",".join(f'"{number:x}":0' for number in range(1400)))),
    "JWS of brackets in a string": lambda: bearer(jws('"a":"' + "[" * 1000 + '\\"' * 5000 + '"')),
    "JWS with a header of floats": lambda: bearer(
        b64(('{"alg":"HS256","x":[' + floats(1980) + "]}").encode()) + ".e30." + b64(os.urandom(32))
    ),
    "4 cookies of 4 KB of floats": lambda: cookies("access_token", (jws(f'"a":[{floats(465)}]') for _ in range(4))),
    "4 cookies of 14 KB of floats": lambda: cookies("access_token", (jws(f'"a":[{floats(2000)}]') for _ in range(4))),
    "4 cookies of 14 KB of strings": lambda: cookies(
        "access_token", (jws(filled(f'"{number:09d}"', 14000)) for number in range(4))
    ),
    "4 cookies of 4 KB of objects": lambda: cookies("access_token", (jws(filled("{}", 3900)) for _ in range(4))),
    # Other tokens.
    "60 KB of dots": lambda: bearer("." * FULL),
    "60 KB token": lambda: bearer("a" * FULL),
    "60 KB token of 3 parts": lambda: bearer("a" * (FULL - 2) + ".."),
    "60 KB of commas and bearer": lambda: (("Authorization", ", bearer" * 7000),),
    "60 KB of commas": lambda: (("Authorization", "Bearer " + "," * FULL),),
    "60 KB of commas and spaces": lambda: (("Authorization", "Bearer x," + " " * (FULL - 20) + "x"),),
    "JWE in a header, percent-encoded": lambda: bearer("%41" * 19900 + "...."),
    "JWE in a header, 16 KB, percent-encoded": lambda: bearer("%41" * 5400 + "...."),
    "JWE 45 KB": lambda: cookie(f"{AUTHJS}={jwe(45000)}"),
    "JWE 45 KB in chunks": lambda: chunks(AUTHJS, jwe(45000)),
    "JWE 16 KB in chunks": lambda: chunks(AUTHJS, jwe(16000)),
    "JWE 16 KB in chunks, GCM": lambda: chunks(AUTHJS, jwe(16000, "A256GCM")),
    "JWE 4 x 10 KB": lambda: cookies(AUTHJS, (jwe(10000) for _ in range(4))),
    "JWE 4 x 4 KB": lambda: cookies(AUTHJS, (jwe(3900) for _ in range(4))),
    "100 chunks": lambda: cookie("; ".join(f"{AUTHJS}.{number}={b64(os.urandom(400))}" for number in range(100))),
    "4,000 chunks": lambda: cookie("; ".join(f"{AUTHJS}.{number % 100}=" for number in range(1700))),
    "opaque session, percent-encoded": lambda: cookie(f"{AUTHJS}=" + "%41" * 19900),
    # Cookies.
    "60 KB of ;": lambda: cookie(";" * FULL),
    "60 KB of =;": lambda: cookie("=;" * (FULL // 2)),
    "60 KB of names without =": lambda: cookie("; access_token" * (FULL // 14)),
    "60 KB of spaces": lambda: cookie((";" + " " * 200) * (FULL // 201)),
    "60 KB of spaces after a name": lambda: cookie("access_token" + " " * FULL),
    "590 cookies": lambda: cookie("; ".join(f"c{number}={NAMES[number % len(NAMES)]:x<90}" for number in range(590))),
    "590 empty cookies": lambda: cookie(";" * 590),
    "2,900 cookies of one name": lambda: cookies("access_token", map(str, range(2900))),
    "3,200 similar names": lambda: cookie("; ".join(["a.session-token=1"] * 3200)),
    "similar names that do not end": lambda: cookie(";" + ".session-token" * 4200),
    "4 KB of similar names": lambda: cookie(";.session-token.session_token" * 140),
    "240 Cookie lines": lambda: tuple(("Cookie", f"c{number}=1") for number in range(240)),
    "cookie of redirects": lambda: (
        ("Sec-Fetch-Mode", "navigate"),
        ("Cookie", "__Host-authgate_redirects=" + "." * FULL),
    ),
    "many cookies of redirects": lambda: (
        ("Sec-Fetch-Mode", "navigate"),
        ("Cookie", "__Host-authgate_redirects=a.;" * 2000),
    ),
    # The proxy's headers.
    "60 KB X-Forwarded-For": lambda: (("X-Forwarded-For", ",".join(["10.0.0.1"] * 6600)),),
    "60 KB of commas in X-Forwarded-For": lambda: (("X-Forwarded-For", "," * FULL),),
    "240 lines of X-Forwarded-For": lambda: tuple(("X-Forwarded-For", "10.0.0.1") for _ in range(240)),
    "32 trusted IPv6 addresses": lambda: (
        ("X-Forwarded-For", ",".join(f"fd00::{os.urandom(2).hex()}:{os.urandom(2).hex()}" for _ in range(32))),
    ),
    "60 KB Connection": lambda: (("Connection", ",".join(f"x-{number}" for number in range(7000))),),
    "60 KB of commas in Connection": lambda: (("Connection", "keep-alive" + "," * FULL),),
    "240 odd headers": lambda: tuple((f"X_{number}!~", "1") for number in range(240)),
    "a header name of 60 KB": lambda: (("X" + "!" * FULL, "1"),),
    "240 long odd headers": lambda: tuple((f"X_{number}" + "!~" * 120, "1") for number in range(240)),
    # The address.
    "60 KB path": lambda: url("/" + "a" * FULL),
    "60 KB path, encoded": lambda: url("/" + "%41" * (FULL // 3)),
    "60 KB path of UTF-8": lambda: url("/" + "%C3%A9" * (FULL // 6)),
    "60 KB path of slashes": lambda: url("/" * FULL),
    "60 KB path of segments": lambda: url("/a" * (FULL // 2)),
    "60 KB query": lambda: url("/?" + "a=1&" * (FULL // 4)),
    "8 KB path of UTF-8": lambda: url("/" + "%C3%A9" * 1360),
    "8 KB path, then a wrong end": lambda: url("/" + "a" * 8100 + "%"),
    "8 KB path of data": lambda: url("/a%2Fb;c" * 1000),
    "2 KB path of data": lambda: url("/a%2Fb;c" * 250),
    "1 KB path of data": lambda: url("/a%2Fb;c" * 125),
    "121 labels of a host": lambda: url("/", "a." * 120 + "example"),
    "60 KB host": lambda: url("/", "a" * FULL),
    "60 KB host of labels": lambda: url("/", "a." * (FULL // 2)),
    "host with 15 KB of slashes": lambda: (("X-Original-URL", "x" + "/" * 15_000),),
    "60 KB method": lambda: (("X-Original-Method", "A" * FULL),),
    # What the client is.
    "60 KB Accept": lambda: (("Accept", "," * FULL),),
    "4 lines of Accept": lambda: tuple(("Accept", "," * 1010 + "text/html") for _ in range(4)),
    "Accept with 500 parameters": lambda: (("Accept", "text/html" + ";q" * 500),),
    "Accept with text/html at the end": lambda: (("Accept", "a," * (FULL // 2) + "text/html"),),
    "60 KB Sec-Fetch-Mode": lambda: (("Sec-Fetch-Mode", "navigate," * (FULL // 9)),),
    "60 KB Purpose": lambda: (("Sec-Fetch-Mode", "navigate"), ("Purpose", "x" * FULL)),
    "60 KB Origin": lambda: (("Origin", "https://" + "a" * FULL),),
    "preflight with a 60 KB Origin": lambda: (
        ("X-Original-Method", "OPTIONS"),
        ("Access-Control-Request-Method", "PUT"),
        ("Origin", "https://" + "a" * FULL),
    ),
    "60 KB X-Request-Id": lambda: (("X-Request-Id", "a" * FULL),),
    "60 KB User-Agent": lambda: (("User-Agent", "a" * FULL),),
}

OF_USERS: dict[str, Callable[[], Lines]] = {
    "data cookie of floats": lambda: with_data(compact(f'{{"a":[{floats(1950)}]}}')),
    "data cookie of objects": lambda: with_data(compact("{" + filled("{}", 4200) + "}")),
    "data cookie of 45 KB": lambda: with_data(compact("{" + filled('"x"', 45000) + "}")),
    "data cookie, JWT of floats": lambda: with_data(cookie_jws(f'"a":[{floats(1950)}]')),
    "data cookie, JWE 16 KB": lambda: with_data(jwe(16000)),
    "data cookie, JWE 45 KB": lambda: with_data(jwe(45000)),
    "2 x 2 sessions of Better Auth": lambda: cookie(
        f"{token_cookie()}; better-auth.session_token=x; "
        + "; ".join("better-auth.session_data=" + cookie_jws(f'"a":[{floats(900)}]') for _ in range(2))
    ),
    "Origin of slashes": lambda: (
        ("X-Original-Method", "POST"),
        ("Origin", "http://" + "/" * 15_000),
        ("Cookie", f"access_token={own_jws('')}"),
    ),
    "60 KB Origin that is none": lambda: (
        ("X-Original-Method", "POST"),
        ("Origin", "http://" + "a" * FULL),
        ("Cookie", f"access_token={own_jws('')}"),
    ),
}
