"""Sessions by asking Better Auth itself: `GET /get-session`, with the session cookie alone, over kept connections."""

from __future__ import annotations

import re
import socket
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from authgate import __version__
from authgate.blocking import in_daemon_thread
from authgate.outbound import (
    BoundedConnector,
    ResponseTooLong,
    compression_fault,
    explain_error,
    read_body,
    redirect_fault,
)
from authgate.sessions import RowsUnusable, StoreFailed
from authgate.sessions._rows import MAX_ROWS_BYTES, could_be_a_token, parse_rows
from authgate.sessions._trust import Trust

if TYPE_CHECKING:
    from authgate.core.lookups import FindSession
    from authgate.sessions import StoredRows

MAX_CONNECTIONS = 16
# Less than the 5 s after which Node's HTTP server closes a connection that nobody uses.
KEEP_ALIVE_SECONDS = 4.0
CONNECT_SECONDS = 5.0
# Better Auth counts in windows of 10 s by default, and says when the next one begins.
DEFAULT_PAUSE_SECONDS = 10.0
# Answers carry the session anew in cookies, and as a JWT in a header of its own.
_MAX_HEADER_BYTES = 64 * 1024
# Of an answer as it comes: head, interim answers, and the framing of the body.
MAX_RESPONSE_BYTES = 2 * MAX_ROWS_BYTES
# What encodeURIComponent leaves alone, besides letters, digits and _.-~
_UNRESERVED = "!*'()"
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")  # RFC 6265 §4.1.1

_IN_FRONT = "something in front of it answers; give the address at which Better Auth itself listens"
_HINTS = {
    401: f"{_IN_FRONT}, not that of a proxy that asks AuthGate",
    403: _IN_FRONT,
    404: "is that its path? Better Auth's is <base path>/get-session, /api/auth/get-session by default",
    405: "is that its path? Better Auth's is <base path>/get-session",
}


class HttpStore:
    """Better Auth's own answer, which comes from its database: no cookie that could replace it is sent along."""

    def __init__(self, url: str, cookie_name: str, *, ca_file: str | None = None) -> None:
        """*url* is that of get-session, *cookie_name* the full name of the session cookie, prefix included.

        For https only the CAs in *ca_file* count, where it is given.
        """
        if not _COOKIE_NAME.fullmatch(cookie_name):
            raise ValueError("not the name of a cookie")
        self._url = URL(url).with_fragment(None).update_query(disableRefresh="true")
        self.where = str(URL(url).with_user(None).with_query(None).with_fragment(None))
        self._cookie_name = cookie_name
        self._trust = Trust(ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def find(self, wanted: FindSession) -> StoredRows | None:
        """Return the session whose cookie is `wanted.signed_token`, None if there is none; raise `StoreFailed`."""
        if not wanted.signed_token:
            raise StoreFailed(f"{self.where} needs the signed cookie, and there is none: set the secret")
        if not could_be_a_token(wanted.token):
            return None
        try:
            return await self._find(wanted)
        except aiohttp.ConnectionTimeoutError:
            raise StoreFailed(f"{self.where} cannot be reached: no connection in {CONNECT_SECONDS:g} s") from None
        except ResponseTooLong:
            raise RowsUnusable(f"{self.where} answers with more than {MAX_ROWS_BYTES} bytes") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._trust.forget()
            raise StoreFailed(f"{self.where} cannot be asked: {explain_error(error)}") from None

    async def _find(self, wanted: FindSession) -> StoredRows | None:
        async with self._opened().get(
            self._url,
            headers=self._headers(wanted),
            allow_redirects=False,
            ssl=await self._trust.context() if self._url.scheme == "https" else False,
        ) as response:
            self._check(response)
            text = (await read_body(response, MAX_ROWS_BYTES)).decode("utf-8")
        return parse_rows(text, wanted.token, self.where)

    def _headers(self, wanted: FindSession) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Cookie": f"{self._cookie_name}={quote(wanted.signed_token, safe=_UNRESERVED)}",
            "User-Agent": f"AuthGate/{__version__}",
        }
        if wanted.client_ip:  # Better Auth counts requests for each client
            headers["X-Forwarded-For"] = wanted.client_ip
        return headers

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=BoundedConnector(
                    max_bytes=MAX_RESPONSE_BYTES,
                    limit=MAX_CONNECTIONS,
                    keepalive_timeout=KEEP_ALIVE_SECONDS,
                    resolver=_Resolver(),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                auto_decompress=False,
                trust_env=False,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session

    def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise `StoreFailed` where *response* is not the answer to the question."""
        if fault := redirect_fault(response):
            raise StoreFailed(f"{self.where} {fault}")
        if response.status == 429:
            raise StoreFailed(
                f"{self.where} answers 429, it is asked too often: take /get-session out of Better Auth's rate limit "
                '(rateLimit.customRules["/get-session"] = false)',
                retry_after_seconds=_pause_seconds(response),
            )
        if response.status != 200:
            hint = _HINTS.get(response.status)
            raise StoreFailed(f"{self.where} answers {response.status}{f': {hint}' if hint else ''}")
        if fault := compression_fault(response):
            raise StoreFailed(f"{self.where} {fault}")

    async def close(self) -> None:
        """Let go of every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Resolver(AbstractResolver):
    """Looks names up in threads that never keep the process from ending."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await in_daemon_thread(partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM))
        return [
            ResolveResult(
                hostname=host, host=str(at[0]), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, at in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _pause_seconds(response: aiohttp.ClientResponse) -> float:
    """Return how long the server wants not to be asked: at least a second."""
    for name in ("X-Retry-After", "Retry-After"):
        text = response.headers.get(name, "").strip()
        if text.isascii() and text.isdigit():
            return max(1.0, float(text[:6]))
    return DEFAULT_PAUSE_SECONDS
