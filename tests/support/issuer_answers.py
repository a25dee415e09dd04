"""The answers of the issuer in tests/support/issuer.py: correct ones, and many broken ones.

HTTP is written by hand, because a broken issuer may send any bytes.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Parts = AsyncIterator[bytes]
STREAMED_BYTES = 16 * 1024


@dataclass
class Path:
    """The document at one path, its headers, and how requests are answered."""

    document: bytes
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None  # "strong" or "weak"
    behavior: str = "ok"
    options: dict[str, Any] = field(default_factory=dict)
    times: int | None = None  # for how many more requests; None: always
    answered: int = 0  # since the behavior was set


@dataclass
class Reply:
    """One answer. *framing* is how the client learns where it ends."""

    status: int
    headers: dict[str, str]
    body: bytes
    framing: str = "length"  # or "chunked"

    def head(self) -> bytes:
        length = (
            {"Content-Length": str(len(self.body))} if self.framing == "length" else {"Transfer-Encoding": "chunked"}
        )
        if self.status == HTTPStatus.NOT_MODIFIED:
            length = {}
        lines = {"Date": formatdate(usegmt=True), "Content-Type": "application/json", **length, **self.headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n{text}\r\n".encode()

    def raw(self) -> bytes:
        if self.framing == "length" or self.status == HTTPStatus.NOT_MODIFIED:
            return self.head() + self.body
        return self.head() + _chunk(self.body) + b"0\r\n\r\n"


class HangUp(Exception):
    """The connection ends here, with FIN, or RST if *reset*."""

    def __init__(self, *, reset: bool = False) -> None:
        self.reset = reset


def _chunk(raw: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(raw), raw) if raw else b""


def _sound(path: Path, asked: dict[str, str], document: bytes | None = None) -> Reply:
    """Return 200 and *document* (the path's own by default), or 304 where the client has it already."""
    body = path.document if document is None else document
    headers = dict(path.headers)
    if path.etag:
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers["ETag"] = f"W/{tag}" if path.etag == "weak" else tag
        if tag in [given.strip().removeprefix("W/") for given in asked.get("if-none-match", "").split(",")]:
            return Reply(304, headers, b"")
    return Reply(200, headers, body)


def _with_keys(path: Path, change: Callable[[list[Any]], list[Any]]) -> bytes:
    document = json.loads(path.document)
    return json.dumps({**document, "keys": change(document["keys"])}).encode()


async def _ok(path: Path, asked: dict[str, str]) -> Parts:
    yield _sound(path, asked).raw()


async def _bearer(path: Path, asked: dict[str, str], *, token: str) -> Parts:
    """The correct document for this bearer token, else 401, as the API server of Kubernetes."""
    knows_client = asked.get("authorization") == f"Bearer {token}"
    yield (_sound(path, asked) if knows_client else Reply(401, path.headers, b'{"kind": "Status"}')).raw()


async def _slow(path: Path, asked: dict[str, str], *, seconds: float) -> Parts:
    await asyncio.sleep(seconds)
    yield _sound(path, asked).raw()


async def _trickle(path: Path, asked: dict[str, str], *, seconds: float, head: bool = True) -> Parts:
    """One byte every *seconds*. The head is sent at once unless *head* is true."""
    reply = _sound(path, asked)
    slowly = reply.raw()
    if not head:
        yield reply.head()
        slowly = reply.body
    for byte in slowly:
        await asyncio.sleep(seconds)
        yield bytes((byte,))


async def _status(path: Path, asked: dict[str, str], *, code: int, headers: dict[str, str] | None = None) -> Parts:
    body = json.dumps({"error": f"told to answer {code}"}).encode()
    yield Reply(code, {**path.headers, **(headers or {})}, b"" if code in {204, 304} else body).raw()


async def _body(path: Path, asked: dict[str, str], *, text: str, headers: dict[str, str] | None = None) -> Parts:
    yield Reply(200, {**path.headers, **(headers or {})}, text.encode("utf-8", "surrogateescape")).raw()


async def _garbage(path: Path, asked: dict[str, str]) -> Parts:
    yield Reply(200, path.headers, bytes(range(256)) * 4).raw()


async def _malformed(path: Path, asked: dict[str, str]) -> Parts:
    yield Reply(200, path.headers, path.document[:-1]).raw()


async def _empty_set(path: Path, asked: dict[str, str]) -> Parts:
    yield _sound(path, asked, b'{"keys": []}').raw()


async def _bad_key(path: Path, asked: dict[str, str], *, jwk: dict[str, Any] | None = None) -> Parts:
    """A malformed key (or *jwk*) before the good ones."""
    bad = {"kty": "RSA", "kid": "bad", "alg": "RS256", "n": "!", "e": "AQAB"} if jwk is None else jwk
    yield _sound(path, asked, _with_keys(path, lambda keys: [bad, *keys])).raw()


async def _many_keys(path: Path, asked: dict[str, str], *, count: int = 65) -> Parts:
    """Copies of the first key with other kids after the good ones: *count* keys in total."""

    def more(keys: list[Any]) -> list[Any]:
        return keys + [{**keys[0], "kid": f"many-{number}"} for number in range(count - len(keys))]

    yield _sound(path, asked, _with_keys(path, more)).raw()


async def _huge(path: Path, asked: dict[str, str], *, size: int = 1 << 20, chunked: bool = True) -> Parts:
    """The correct document, padded with white space to *size* bytes and streamed."""
    reply = Reply(200, path.headers, path.document, "chunked")
    if not chunked:
        reply.headers, reply.framing = {**path.headers, "Content-Length": str(size)}, "length"
    framed = _chunk if chunked else bytes
    yield reply.head() + framed(path.document)
    left = size - len(path.document)
    while left > 0:
        yield framed(b" " * min(left, STREAMED_BYTES))
        left -= STREAMED_BYTES
    yield b"0\r\n\r\n" if chunked else b""


async def _gzip(path: Path, asked: dict[str, str], *, padding: int = 0) -> Parts:
    """The compressed document, even if the client does not accept that, with *padding* bytes of white space in it."""
    reply = _sound(path, asked)
    if reply.status == HTTPStatus.OK:
        reply.headers["Content-Encoding"] = "gzip"
        reply.body = gzip.compress(reply.body + b" " * padding)
    yield reply.raw()


async def _wrong_length(path: Path, asked: dict[str, str], *, by: int) -> Parts:
    """A Content-Length that is *by* bytes too large (or too small); then the connection ends."""
    wrong = {"Content-Length": str(len(path.document) + by)}
    yield Reply(200, {**path.headers, **wrong}, path.document).raw()
    raise HangUp


async def _cut_off(path: Path, asked: dict[str, str], *, chunked: bool = False) -> Parts:
    """The head and half of the body; then the connection ends."""
    reply = Reply(200, path.headers, path.document, "chunked" if chunked else "length")
    half = path.document[: len(path.document) // 2]
    yield reply.head() + (_chunk(half) if chunked else half)
    raise HangUp


async def _drop(path: Path, asked: dict[str, str], *, reset: bool = False) -> Parts:
    """No answer: the connection ends after the request was read."""
    yield b""
    raise HangUp(reset=reset)


async def _redirect(path: Path, asked: dict[str, str], *, to: str, code: int = 302) -> Parts:
    yield Reply(code, {**path.headers, "Location": to}, b"").raw()


async def _flapping(path: Path, asked: dict[str, str], *, code: int = 500) -> Parts:
    """The correct document and an error in turn."""
    reply = _sound(path, asked) if path.answered % 2 else Reply(code, path.headers, b"{}")
    yield reply.raw()


BEHAVIORS = {
    "ok": _ok,
    "bearer": _bearer,
    "slow": _slow,
    "trickle": _trickle,
    "status": _status,
    "body": _body,
    "garbage": _garbage,
    "malformed": _malformed,
    "empty_set": _empty_set,
    "bad_key": _bad_key,
    "many_keys": _many_keys,
    "huge": _huge,
    "gzip": _gzip,
    "wrong_length": _wrong_length,
    "cut_off": _cut_off,
    "drop": _drop,
    "redirect": _redirect,
    "flapping": _flapping,
}
