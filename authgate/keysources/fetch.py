"""One GET of a key set or a metadata document, made so that whatever answers can cost little and lead nowhere else.

No redirects, no cookies, no compression, no more than 64 KiB, no longer than 10 s. A name is looked up once, what it
leads to is checked, and the connection goes to the address that was checked: no DNS rebinding.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cachetools import LRUCache
from yarl import URL

from authgate import __version__
from authgate.authorities import Authorities
from authgate.blocking import BlockingCall
from authgate.core.errors import quoted
from authgate.core.urls import url_fault
from authgate.keysources import LoadFailed, NotOffered
from authgate.keysources._addresses import is_this_machine, literal, why_forbidden
from authgate.keysources._freshness import fresh_seconds
from authgate.outbound import AnswerTooLong, BoundedConnector, compression_fault, explained, read_body, redirect_fault
from authgate.tokens.jwk import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

# Of an answer as it comes: head, interim answers, and the framing of the body.
MAX_ANSWER_BYTES = 2 * MAX_DOCUMENT_BYTES
# For everything together; half of it for a connection, the name's lookup included.
FETCH_SECONDS = 10.0
_MAX_NAMES = 4

# What can be sent back as it came: aiohttp drops bytes that are no UTF-8.
_ETAG = re.compile(r"[\x21-\x7e]{1,256}")

_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"AuthGate/{__version__}",
}
_PROXY_HEADERS = {"User-Agent": _HEADERS["User-Agent"]}

# (family, protocol, address) of each address that a name has.
_Found: TypeAlias = list[tuple[socket.AddressFamily, int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the URLs of one issuer are reached. With *ca_file* only its CAs count, else those of the system.

    *outbound_proxy* is the URL of an HTTP proxy, which then looks up the names.
    """

    allow_http: bool = False
    ca_file: str | None = None
    outbound_proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What was answered: 200 with a *body*, or 304 with None. *etag* and *fresh_seconds* None where there is none."""

    body: bytes | None
    etag: str | None
    fresh_seconds: float | None


class Fetcher:
    """Fetches for one issuer: what hangs here holds up no other."""

    def __init__(self, route: Route, seconds: float = FETCH_SECONDS) -> None:
        """*seconds* bounds one fetch from beginning to end."""
        self.route = route
        self._seconds = seconds
        self._authorities = Authorities(route.ca_file)
        self._lookups: LRUCache[tuple[str, int], BlockingCall[_Found]] = LRUCache(_MAX_NAMES)

    async def get(self, url: str, *, etag: str | None = None, found_at: str | None = None) -> Response:
        """Return what *url* answers, None for a body if it is still the one of *etag*; raise `LoadFailed`.

        No name may lead to a link-local or metadata address. *found_at* is the document in which somebody else wrote
        *url*: then it may not be such an address either, and is a loopback address only if *found_at* is.
        """
        if fault := url_fault(url, allow_http=self.route.allow_http):
            raise LoadFailed(f"{quoted(url, 200)} {fault}")
        try:
            async with asyncio.timeout(self._seconds):
                return await self._get(URL(url), etag, found_at)
        except aiohttp.ConnectionTimeoutError:
            raise LoadFailed(f"{url} cannot be fetched: no connection within {self._seconds / 2:g} s") from None
        except TimeoutError:
            raise LoadFailed(f"{url} does not answer within {self._seconds:g} s") from None
        except AnswerTooLong:
            raise LoadFailed(f"{url} answers with more than {MAX_DOCUMENT_BYTES} bytes") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LoadFailed(f"{url} cannot be fetched: {explained(error)}") from None

    async def _get(self, url: URL, etag: str | None, found_at: str | None) -> Response:
        check = self._address_check(url, found_at)
        proxy = URL(self.route.outbound_proxy) if self.route.outbound_proxy else None
        login = _login(proxy)
        session = aiohttp.ClientSession(  # one for each fetch: they are minutes apart, and nothing is left to be shared
            connector=BoundedConnector(
                max_bytes=MAX_ANSWER_BYTES,
                resolver=_CheckedResolver(self._look_up, check),
                use_dns_cache=False,
                force_close=True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._seconds / 2),
            auto_decompress=False,
            trust_env=False,
        )
        async with (
            session,
            session.get(
                url,
                headers=_HEADERS | ({"If-None-Match": etag} if etag else {}) | (login if url.scheme == "http" else {}),
                allow_redirects=False,
                ssl=await self._tls() if self._speaks_tls(url) else False,
                proxy=proxy.with_user(None) if proxy else None,
                proxy_headers=_PROXY_HEADERS | login,  # of CONNECT only
            ) as response,
        ):
            return await _read(response, asked_with=etag)

    def _speaks_tls(self, url: URL) -> bool:
        return url.scheme == "https" or (self.route.outbound_proxy or "").startswith("https:")

    def _address_check(self, url: URL, found_at: str | None) -> Callable[[str, str], None]:
        """Return what raises `LoadFailed` for an address that a name leads to; check *url*'s own address here."""
        host = url.host or ""
        # A name is not enough: whoever answers for it could have it lead here once its document is read.
        own = found_at is None or (URL(found_at).host == host and is_this_machine(host))
        if found_at is not None and literal(host) is not None:
            _refuse_forbidden(host, host, loopback_allowed=own)
        return partial(_refuse_forbidden, loopback_allowed=own or self.route.outbound_proxy is not None)

    async def _look_up(self, host: str, port: int) -> _Found:
        call = self._lookups.get((host, port))
        if call is None:
            call = self._lookups[host, port] = BlockingCall(partial(_addresses_of, host, port))
        return await call.result(self._seconds)

    async def _tls(self) -> ssl.SSLContext:
        try:
            return await self._authorities.context(self._seconds / 2)
        except ValueError as error:
            raise LoadFailed(str(error)) from None


class _CheckedResolver(AbstractResolver):
    """Gives aiohttp the addresses of a name to connect to: those that were checked."""

    def __init__(self, look_up: Callable[[str, int], Awaitable[_Found]], check: Callable[[str, str], None]) -> None:
        self._look_up = look_up
        self._check = check

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        found = await self._look_up(host, port)
        for _, _, address in found:
            self._check(host, address)  # one bad address is enough: an honest name has none
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, protocol, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _addresses_of(host: str, port: int) -> _Found:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(kind, protocol, str(address[0])) for kind, _, protocol, _, address in found]


def _refuse_forbidden(host: str, address: str, *, loopback_allowed: bool) -> None:
    if why := why_forbidden(ip_address(address), loopback_allowed=loopback_allowed):
        leads = "is" if literal(host) is not None else f"leads to {address},"
        raise LoadFailed(f"{host} {leads} {why}: it is not asked")


def _login(proxy: URL | None) -> dict[str, str]:
    """Return the header line for the user in the proxy's URL: apart from it, because aiohttp's errors quote the URL."""
    if proxy is None or proxy.user is None:
        return {}
    return {"Proxy-Authorization": aiohttp.encode_basic_auth(proxy.user, proxy.password or "")}


async def _read(response: aiohttp.ClientResponse, *, asked_with: str | None) -> Response:
    if fault := redirect_fault(response):
        raise LoadFailed(f"{response.url} {fault}")
    given = response.headers.get("ETag", "")
    etag = given if _ETAG.fullmatch(given) else None
    fresh = fresh_seconds(response.headers)
    if response.status == 304 and asked_with is not None:
        return Response(body=None, etag=etag or asked_with, fresh_seconds=fresh)
    if response.status != 200:
        kind = NotOffered if response.status == 404 else LoadFailed
        raise kind(f"{response.url} answers {response.status}")
    if fault := compression_fault(response):
        raise LoadFailed(f"{response.url} {fault}")
    return Response(body=await read_body(response, MAX_DOCUMENT_BYTES), etag=etag, fresh_seconds=fresh)
