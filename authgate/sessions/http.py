"""Sessions from Better Auth itself: `GET /get-session`, with the session cookie only, over reused connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
from yarl import URL

from authgate import __version__
from authgate.authorities import Authorities
from authgate.outbound import (
    BoundedConnector,
    OutboundSocket,
    Resolver,
    ResponseTooLong,
    compression_fault,
    explain_error,
    keep_alive,
    read_body,
    redirect_fault,
)
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._reading import Reading
from authgate.sessions._rows import MAX_ROWS_BYTES, is_plausible_token, parse_rows

if TYPE_CHECKING:
    import socket

    from aiohttp.connector import AddrInfoType

    from authgate.core.lookups import FindSession
    from authgate.sessions import StoredRows

MAX_CONNECTIONS = 16
# Less than the 5 s after which Node's HTTP server closes an idle connection.
KEEP_ALIVE_SECONDS = 4.0
CONNECT_SECONDS = 5.0
# A connection is lost if the server acknowledges nothing for this time: a firewall forgot it, or the server is gone.
# This is less than a request waits (3 s): if a connection that was used before is lost, aiohttp asks again, once, on
# another one. Idle connections are probed each second, so those that are lost are closed by then.
LOST_SECONDS = 2
# Better Auth's rate limit has windows of 10 s by default. A response says when the next one begins.
DEFAULT_PAUSE_SECONDS = 10.0
# A response sets the session cookies again, and may have a JWT in a header of its own.
_MAX_HEADER_BYTES = 64 * 1024
# A bound on the raw response: head, interim responses (1xx), and the framing of the body.
MAX_RESPONSE_BYTES = 2 * MAX_ROWS_BYTES
# What encodeURIComponent does not encode, besides letters, digits and _.-~
_UNRESERVED = "!*'()"
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")  # RFC 6265 §4.1.1

_IN_FRONT = "something in front of Better Auth answered; set sessions.http.url to the address of Better Auth itself"
_KEEP = (
    "; customSession and similar plugins must keep both as they are: ({ user, session }) => ({ user, session, … }); "
    "or let AuthGate read PostgreSQL or Redis instead (sessions.postgres, sessions.redis)"
)
_HINTS = {
    401: f"{_IN_FRONT}, not of a proxy that asks AuthGate",
    403: _IN_FRONT,
    404: "is the path right? Better Auth's is <base path>/get-session, by default /api/auth/get-session",
    405: "is the path right? Better Auth's is <base path>/get-session",
}


class HttpStore:
    """Asks Better Auth. The answer comes from its database, because no cookie that could replace it is sent."""

    max_connections = MAX_CONNECTIONS

    def __init__(self, url: str, cookie_name: str, *, ca_file: str | None = None) -> None:
        """*url* is the one of get-session, *cookie_name* the full name of the session cookie, with its prefix.

        With *ca_file*, only its CAs are trusted, otherwise those of the system.
        """
        if not _COOKIE_NAME.fullmatch(cookie_name):
            raise ValueError("not the name of a cookie")
        self._url = URL(url).with_fragment(None).update_query(disableRefresh="true")
        self.where = str(URL(url).with_user(None).with_query(None).with_fragment(None))
        self._cookie_name = cookie_name
        self._authorities = Authorities(ca_file)
        self._reading = Reading()
        self._client: aiohttp.ClientSession | None = None

    async def find(self, question: FindSession) -> StoredRows | None:
        """Return the session whose cookie is `question.signed_token`, None if there is none. Raises `StoreFailed`."""
        if not question.signed_token:
            raise StoreFailed(
                f"{self.where} needs the signed session cookie, but there is none: set the issuer's secret"
            )
        if not is_plausible_token(question.token):
            return None
        try:
            return await self._find(question)
        except aiohttp.ConnectionTimeoutError:
            raise StoreFailed(f"{self.where} cannot be reached: no connection within {CONNECT_SECONDS:g} s") from None
        except ResponseTooLong:
            raise RowsUnusable(f"{self.where} sent a response of more than {MAX_ROWS_BYTES} bytes") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._authorities.forget()
            raise StoreFailed(f"{self.where} cannot be asked: {explain_error(error)}") from None

    async def warning(self) -> str:
        """Return a warning if Better Auth takes session tokens without a signature, "" if nothing shows that."""
        if not await self._takes_unsigned_tokens():
            return ""
        return (
            "the front end takes session tokens without a signature as bearer tokens. Everybody who reads one, in its "
            "database or in an answer of get-session, is that user. There, set bearer({ requireSignature: true })"
        )

    async def _takes_unsigned_tokens(self) -> bool:
        """Whether Better Auth takes a session token without a signature as a bearer. False if it cannot be asked.

        It signs such a token itself and looks the session up. There is none for an invented token, so it deletes the
        session cookie. With `requireSignature`, or without the bearer plugin, it looks nothing up.
        """
        invented = {"Authorization": f"Bearer {secrets.token_hex(16)}", "Accept-Encoding": "identity"}
        with contextlib.suppress(aiohttp.ClientError, OSError, ValueError):  # TimeoutError is an OSError
            async with asyncio.timeout(CONNECT_SECONDS), await self._get(invented) as response:
                return any(
                    line.startswith(f"{self._cookie_name}=;") for line in response.headers.getall("Set-Cookie", ())
                )
        return False

    async def _find(self, question: FindSession) -> StoredRows | None:
        async with await self._get(self._headers(question)) as response:
            self._check(response)
            text = (await read_body(response, MAX_ROWS_BYTES)).decode("utf-8")
        read = partial(parse_rows, text, question.token, self.where, fix=_KEEP)
        return await self._reading.read(read, len(text))

    async def _get(self, headers: dict[str, str]) -> aiohttp.ClientResponse:
        context = await self._authorities.cached_context() if self._url.scheme == "https" else False
        return await self._opened().get(self._url, headers=headers, allow_redirects=False, ssl=context)

    def _headers(self, question: FindSession) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Cookie": f"{self._cookie_name}={quote(question.signed_token, safe=_UNRESERVED)}",
            "User-Agent": f"AuthGate/{__version__}",
        }
        if question.client_ip:  # for Better Auth's rate limit, which counts the requests of each client
            headers["X-Forwarded-For"] = question.client_ip
        return headers

    def _opened(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=BoundedConnector(
                    max_bytes=MAX_RESPONSE_BYTES,
                    limit=MAX_CONNECTIONS,
                    keepalive_timeout=KEEP_ALIVE_SECONDS,
                    resolver=Resolver(),
                    socket_factory=_socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                auto_decompress=False,
                trust_env=False,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._client

    def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise `StoreFailed` if *response* is not an answer of Better Auth."""
        if fault := redirect_fault(response):
            raise StoreFailed(f"{self.where} {fault}")
        if response.status == 429:
            raise StoreFailed(
                f"{self.where} answers 429, too many requests: exclude /get-session from Better Auth's rate limit "
                '(rateLimit.customRules["/get-session"] = false)',
                retry_after_seconds=_pause_seconds(response),
            )
        if response.status != 200:
            hint = _HINTS.get(response.status)
            raise StoreFailed(f"{self.where} answers {response.status}{f': {hint}' if hint else ''}")
        if fault := compression_fault(response):
            raise StoreFailed(f"{self.where} {fault}")

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = OutboundSocket(family, kind, protocol)
    keep_alive(made, idle_seconds=1, unconfirmed_seconds=LOST_SECONDS)
    return made


def _pause_seconds(response: aiohttp.ClientResponse) -> float:
    """Return how many seconds the server asks AuthGate to wait, at least 1."""
    for name in ("X-Retry-After", "Retry-After"):
        text = response.headers.get(name, "").strip()
        if text.isascii() and text.isdigit():
            return max(1.0, float(text[:6]))
    return DEFAULT_PAUSE_SECONDS
