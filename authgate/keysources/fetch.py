"""One GET of a key set or a metadata document, safe against a hostile server.

No redirects, no cookies, no compression, at most 256 KiB and 10 s. A host name is resolved once, its addresses are
checked, and the connection goes to a checked address, so DNS rebinding has no effect.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from authgate import __version__
from authgate.authorities import Authorities
from authgate.core.quoting import quoted
from authgate.core.urls import url_fault
from authgate.keysources import LoadFailed, NotOffered
from authgate.keysources._addresses import forbidden_kind, is_this_machine, literal
from authgate.keysources._bearer import BearerFile
from authgate.keysources._freshness import fresh_seconds
from authgate.outbound import (
    BoundedConnector,
    Resolver,
    ResponseTooLong,
    compression_fault,
    explain_error,
    read_body,
    redirect_fault,
)
from authgate.tokens.jwk import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

# A bound on the raw response: head, interim responses (1xx), and the framing of the body.
MAX_RESPONSE_BYTES = MAX_DOCUMENT_BYTES + 64 * 1024
# For the whole fetch. Connecting, DNS included, may take half of it.
FETCH_SECONDS = 10.0

# The entity tags that can be sent back unchanged: aiohttp drops bytes that are not UTF-8.
_ETAG = re.compile(r"[\x21-\x7e]{1,256}")

_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"AuthGate/{__version__}",
}
_PROXY_HEADERS = {"User-Agent": _HEADERS["User-Agent"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How to reach the URLs of one issuer.

    With *ca_file*, only its CAs are trusted, otherwise those of the system. *outbound_proxy* is the URL of an HTTP
    proxy, which then resolves the host names. *token_file* holds a bearer token. It is sent to the origins of
    configured URLs only, and never in clear.
    """

    allow_http: bool = False
    ca_file: str | None = None
    outbound_proxy: str | None = field(default=None, repr=False)
    token_file: str | None = field(default=None, repr=False)  # somebody may write the token itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response: 200 with a *body*, or 304 with None. *etag* and *fresh_seconds* are None if it has none."""

    body: bytes | None
    etag: str | None
    fresh_seconds: float | None


class Fetcher:
    """Fetches for one issuer. A fetch that hangs delays no other issuer."""

    def __init__(self, route: Route, seconds: float = FETCH_SECONDS) -> None:
        """*seconds* bounds one fetch from beginning to end."""
        self.route = route
        self._seconds = seconds
        self._authorities = Authorities(route.ca_file)
        self._resolver = Resolver(seconds)
        self._bearer = BearerFile(route.token_file) if route.token_file is not None else None

    async def get(self, url: str, *, etag: str | None = None, found_at: str | None = None) -> Response:
        """Return the response of *url*; its body is None if *etag* is still current. Raises `LoadFailed`.

        No host name may resolve to a link-local or metadata address. *found_at* is the document that contains *url*, if
        it was not configured: then the URL itself must not have such an address either, may have a loopback address
        only if *found_at* has one, and gets the bearer token only if it has the origin of *found_at*.
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
        except ResponseTooLong:
            raise LoadFailed(f"the response of {url} is longer than {MAX_DOCUMENT_BYTES} bytes") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LoadFailed(f"{url} cannot be fetched: {explain_error(error)}") from None

    async def _get(self, url: URL, etag: str | None, found_at: str | None) -> Response:
        check = self._address_check(url, found_at)
        proxy = URL(self.route.outbound_proxy) if self.route.outbound_proxy else None
        login = _login(proxy)
        bearer = await self._bearer_header(url, found_at)
        session = aiohttp.ClientSession(  # one for each fetch: they are minutes apart, so there is nothing to share
            connector=BoundedConnector(
                max_bytes=MAX_RESPONSE_BYTES,
                resolver=replace(self._resolver, check=check),
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
                headers=_HEADERS
                | bearer
                | ({"If-None-Match": etag} if etag else {})
                | (login if url.scheme == "http" else {}),
                allow_redirects=False,
                ssl=await self._tls() if self._speaks_tls(url) else False,
                proxy=proxy.with_user(None) if proxy else None,
                proxy_headers=_PROXY_HEADERS | login,  # sent with CONNECT only
            ) as response,
        ):
            if self._bearer is not None and (cause := self._bearer.refusal(response.status, bearer)):
                raise LoadFailed(f"{url} answers {response.status}{cause}")
            return await _read(response, sent_etag=etag)

    async def _bearer_header(self, url: URL, found_at: str | None) -> dict[str, str]:
        if self._bearer is None or (found_at is not None and _origin(URL(found_at)) != _origin(url)):
            return {}
        return await self._bearer.header(url, self._seconds / 2, by_proxy=self.route.outbound_proxy is not None)

    def _speaks_tls(self, url: URL) -> bool:
        return url.scheme == "https" or (self.route.outbound_proxy or "").startswith("https:")

    def _address_check(self, url: URL, found_at: str | None) -> Callable[[str, str], None]:
        """Return a check of resolved addresses, which raises `LoadFailed`. Checks an address in *url* at once."""
        host = url.host or ""
        # The same host name is not enough: its owner could make it resolve to this machine later.
        is_trusted = found_at is None or (URL(found_at).host == host and is_this_machine(host))
        if found_at is not None and literal(host) is not None:
            _refuse_forbidden(host, host, loopback_allowed=is_trusted)
        return partial(_refuse_forbidden, loopback_allowed=is_trusted or self.route.outbound_proxy is not None)

    async def _tls(self) -> ssl.SSLContext:
        try:
            return await self._authorities.context(self._seconds / 2)
        except ValueError as error:
            raise LoadFailed(str(error)) from None


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    # yarl's own `origin` keeps a port that the scheme implies.
    return url.scheme, url.host, url.port


def _refuse_forbidden(host: str, address: str, *, loopback_allowed: bool) -> None:
    if kind := forbidden_kind(ip_address(address), loopback_allowed=loopback_allowed):
        verb = "is" if literal(host) is not None else f"resolves to {address},"
        raise LoadFailed(f"{host} {verb} {kind}; AuthGate does not connect to it")


def _login(proxy: URL | None) -> dict[str, str]:
    """Return the header for the user in the proxy's URL. It is kept apart because aiohttp's errors quote the URL."""
    if proxy is None or proxy.user is None:
        return {}
    return {"Proxy-Authorization": aiohttp.encode_basic_auth(proxy.user, proxy.password or "")}


async def _read(response: aiohttp.ClientResponse, *, sent_etag: str | None) -> Response:
    if fault := redirect_fault(response):
        raise LoadFailed(f"{response.url} {fault}")
    etag = response.headers.get("ETag")
    etag = etag if etag is not None and _ETAG.fullmatch(etag) else None
    fresh = fresh_seconds(response.headers)
    if response.status == 304 and sent_etag is not None:
        return Response(body=None, etag=etag or sent_etag, fresh_seconds=fresh)
    if response.status != 200:
        kind = NotOffered if response.status == 404 else LoadFailed
        raise kind(f"{response.url} answers {response.status}")
    if fault := compression_fault(response):
        raise LoadFailed(f"{response.url} {fault}")
    return Response(body=await read_body(response, MAX_DOCUMENT_BYTES), etag=etag, fresh_seconds=fresh)
