"""What a server at the address of get-session may send."""

from __future__ import annotations

import gzip
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from tests.neighbors.lying import Connection, Mode

MIB = 1024 * 1024


def response(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def asked(connection: Connection) -> str:
    """Return the session token in the cookie of the next request."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.read()
    cookie = next(line for line in head.decode().split("\r\n") if line.lower().startswith("cookie: "))
    return unquote(cookie.partition("=")[2]).rpartition(".")[0]


def session(token: str, **user: Any) -> bytes:
    """Return the response with the session of this *token*, whose user has its name before the hyphen."""
    user_id = token.partition("-")[0]
    times = {"createdAt": "2026-01-01T00:00:00.000Z", "expiresAt": "2035-01-01T00:00:00.000Z"}
    user = {"id": user_id, "email": f"{user_id}@example.com", "emailVerified": True, **user}
    return response(json.dumps({"session": {"token": token, "userId": user_id, **times}, "user": user}).encode())


def honest(connection: Connection) -> None:
    """Answer every request: each token of a user has a session."""
    while True:
        connection.send(session(asked(connection)))


def answering(answer: bytes) -> Mode:
    """Answer one request with *answer*, and close the connection."""

    def answer_once(connection: Connection) -> None:
        asked(connection)
        connection.send(answer)

    return answer_once


def pouring(beginning: bytes, more: bytes) -> Mode:
    """Answer the first request with *beginning*, and then *more* without an end."""

    def pour(connection: Connection) -> None:
        asked(connection)
        connection.send(beginning)
        connection.send_endlessly(more)

    return pour


def dripping(connection: Connection) -> None:
    """Send a byte of a body now and then."""
    asked(connection)
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n")
    connection.send_slowly(b" " * 3000)


def dripping_head(connection: Connection) -> None:
    """Send a byte of a head now and then."""
    asked(connection)
    connection.send_slowly(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500)


BAD_RESPONSES = {
    "a redirect to itself": response(b"", "Location: /api/auth/get-session", status="302 Found"),
    "a bomb": response(gzip.compress(b" " * 64 * MIB), "Content-Encoding: gzip"),
    "a bomb that hides": response(gzip.compress(b" " * 64 * MIB)),
    "deep JSON": response(b"[" * 200_000),
    "deep JSON with an end": response(b"[" * 100_000 + b"]" * 100_000),
    "a body of 1 MiB": response(b" " * MIB),
    "a length of 10^18": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n" + b" " * MIB,
    "a chunk of 10^18": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nde0b6b3a7640000\r\n" + b" " * MIB,
    "another status with a long text": b"HTTP/1.1 200 " + b"O" * 60_000 + b"\r\n\r\n",
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + b"x" * MIB,
    "control characters": response(b"\x1b[31m\xe2\x80\xae", status="500 \x1b[31m"),
}


class Unasked:
    """Honest for one request. Then, without a request, it sends *extra* when the test says so, and is honest again."""

    def __init__(self, extra: bytes) -> None:
        self.extra = extra
        self.send_now = threading.Event()

    def __call__(self, connection: Connection) -> None:
        connection.send(session(asked(connection)))
        self.send_now.wait(60)
        connection.send(self.extra)
        honest(connection)


def twice(extra: bytes) -> Mode:
    """Answer the first request with its session and *extra* at once."""

    def send_both(connection: Connection) -> None:
        connection.send(session(asked(connection)) + extra)
        honest(connection)

    return send_both
