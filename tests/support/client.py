"""A client that sends exactly the given bytes, which HTTP libraries refuse to do."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for header, value in self.headers if header.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    path: str = "/api/echo",
    *headers: str,
    method: str = "GET",
    body: bytes | None = None,
    host: str = "app.example.com",
    address: str = "127.0.0.1",
    tls: tuple[ssl.SSLContext, str] | None = None,
) -> Answer:
    """Send one request with these raw header lines and return the answer. *tls* is a context and the server's name."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((address, port), timeout=TIMEOUT_SECONDS))
        if tls:
            context, name = tls
            connection = stack.enter_context(context.wrap_socket(connection, server_hostname=name))
        connection.sendall(head + (body or b""))
        response = stack.enter_context(closing(http.client.HTTPResponse(connection, method=method)))
        response.begin()
        return Answer(response.status, response.getheaders(), response.read())


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def cookie(token: str) -> str:
    return f"Cookie: theme=dark; access_token={token}; lang=en"
