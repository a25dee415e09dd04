"""What the client asked of the proxy, as one proxy adapter read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Protocol, TypeAlias

from authgate.core.errors import Unreadable, quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IPAddress: TypeAlias = IPv4Address | IPv6Address

# ws and wss: some proxies name a WebSocket handshake so (docs/adapters/traefik.md).
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,31}")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])")
# RFC 3986 characters, plus those that browsers and proxies send raw in practice ("|", "^", "{", UTF-8 …). Not: space,
# control characters, "#" (a fragment never travels) and "\" (read as "/" by some).
_TARGET = re.compile(r"/[^\x00-\x20\x7f#\\]*")
_ABSOLUTE_URL = re.compile(r"([A-Za-z]{2,5})://([^/?#\\\s]*)(/\S*)?", re.DOTALL)


class Headers(Protocol):
    """Header fields by case-insensitive name, every value kept. multidict's CIMultiDictProxy is one."""

    def getall(self, key: str, default: tuple[()]) -> Sequence[str]:
        """Return all values of *key* in order, or *default*."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Yield the names as they were sent, one for each field line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a client. Everything in it is what the client sent, or what the trusted proxy says of it.

    *method* is upper-case; *scheme* http or https; *host* lower-case without port or trailing dot; *port* None where
    the client named none; *path* raw, as sent, beginning with "/"; *query* without "?".
    *client_ip* is None where the proxy does not tell.
    """

    method: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: str = field(repr=False)
    headers: Headers = field(repr=False)
    client_ip: IPAddress | None
    adapter: str


def make_request(
    *,
    method: str,
    scheme: str,
    authority: str,
    target: str,
    headers: Headers,
    adapter: str,
    client_ip: IPAddress | None = None,
) -> Request:
    """Return the request that these parts describe; raise `Unreadable` for parts that could be read in two ways.

    *authority* is host[:port] (RFC 3986 §3.2), *target* the origin-form of RFC 9112 §3.2.1 (or "*" with OPTIONS).
    """
    if not _METHOD.fullmatch(method):
        raise _unreadable(f"the method {quoted(method)} is not an upper-case token of at most 32 characters")
    known_scheme = SCHEMES.get(scheme.lower())
    if known_scheme is None:
        raise _unreadable(f"the scheme {quoted(scheme)} is none of {', '.join(SCHEMES)}")
    if target == "*" and method == "OPTIONS":
        target = "/"
    if not _TARGET.fullmatch(target):
        raise _unreadable("the path must begin with '/' and hold no space, control character, '#' or backslash")
    host, port = split_authority(authority)
    path, _, query = target.partition("?")
    return Request(
        method=method,
        scheme=known_scheme,
        host=host,
        port=port,
        path=path,
        query=query,
        headers=headers,
        client_ip=client_ip,
        adapter=adapter,
    )


def split_absolute_url(url: str) -> tuple[str, str, str]:
    """Return (scheme, authority, target) of an absolute http URL; raise `Unreadable` for anything else."""
    match = _ABSOLUTE_URL.fullmatch(url)
    if not match:
        shown = re.split("[?#]", url, maxsplit=1)[0]  # a query or fragment may hold a token (H15)
        raise _unreadable(f"{quoted(shown)} is not an absolute URL (scheme://host/path)")
    scheme, authority, target = match.groups(default="/")
    return scheme, authority, target


def split_authority(authority: str) -> tuple[str, int | None]:
    """Return (host, port) of *authority*: host lower-case, without trailing dot; port None where none is named."""
    if not authority.isascii():  # before lower(), which makes an ASCII "k" of the Kelvin sign (P6)
        raise _unreadable(f"the host {quoted(authority)} is not ASCII; an internationalised name travels as xn--…")
    host, colon, digits = authority.lower().rpartition(":")
    if not colon or host.endswith(":") or "]" in digits:  # no port: a name, or an IPv6 literal like [::1]
        host, digits = authority.lower(), ""
    host = host.removesuffix(".")
    if not _HOST.fullmatch(host):
        raise _unreadable(f"the host {quoted(authority)} is not a host name or address")
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise _unreadable(f"the port of {quoted(authority)} is not a number from 1 to 65535")
    return host, int(digits) if digits else None


def _unreadable(detail: str) -> Unreadable:
    return Unreadable(Reason.UNREADABLE_REQUEST, detail)
