"""The client's request, which an adapter reads from the proxy's subrequest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Protocol, TypeAlias

from authgate.core.errors import Unreadable
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IPAddress: TypeAlias = IPv4Address | IPv6Address

# Some proxies send ws or wss for a WebSocket handshake (docs/adapters/traefik.md).
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_USUAL_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,31}")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])")
# RFC 3986 characters, plus those that browsers and proxies send unencoded in practice ("|", "^", "{", UTF-8 …).
# Excluded: space, control characters, "#" (a fragment is never sent) and "\" (some servers read it as "/"). These are
# refused under every policy, also if none matches by path; what else is ambiguous: core/spellings.py.
_TARGET = re.compile(r"/[^\x00-\x20\x7f#\\]*")
# A host of 255 characters, a dot, and a port.
_MAX_AUTHORITY_CHARACTERS = 262
_ABSOLUTE_URL = re.compile(r"([A-Za-z]{2,5})://([^/?#\\\s]*)(/\S*)?", re.DOTALL)


class Headers(Protocol):
    """Header fields by lower-case name, with all values, such as multidict's CIMultiDictProxy."""

    def getall(self, key: str, default: tuple[()]) -> Sequence[str]:
        """Return all values of *key*, a name in lower case, in order; *default* if there are none."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Yield the names as sent, one for each field line."""
        ...


@dataclass(slots=True, kw_only=True)  # nobody changes one, but a frozen one takes three times as long to make
class Request:
    """A client's request: the headers that the client sent, and what the trusted proxy reports about the rest.

    *method* is upper-case. *scheme* is http or https. *host* is lower-case, without a port or trailing dot. *port* is
    None if the client named none. *path* is as sent and begins with "/". *query* has no "?". *client_ip* is None if the
    proxy does not send it.
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
    """Return the request with these parts; raise `Unreadable` if a part is ambiguous.

    *authority* is host[:port] (RFC 3986 §3.2). *target* is in origin-form (RFC 9112 §3.2.1), or "*" with OPTIONS.
    """
    if method not in _USUAL_METHODS and not _METHOD.fullmatch(method):
        raise _unreadable(f"the method {quoted(method)} is not an upper-case token of at most 32 characters")
    if method == "CONNECT":  # Caddy turns a WebSocket's CONNECT of HTTP/3 (RFC 9220) into a GET after it has asked
        raise _unreadable("the method CONNECT opens a tunnel, and the service would get another method")
    known_scheme = SCHEMES.get(scheme.lower())
    if known_scheme is None:
        raise _unreadable(f"the scheme {quoted(scheme)} is not one of {', '.join(SCHEMES)}")
    if target == "*" and method == "OPTIONS":
        target = "/"
    if not _TARGET.fullmatch(target):
        raise _unreadable(
            "the path must begin with '/' and must not contain a space, control character, '#' or backslash"
        )
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
        raise _unreadable(f"{_without_user(shown)} is not an absolute URL (scheme://host/path)")
    scheme, authority, target = match.groups(default="/")
    return scheme, authority, target


@lru_cache(maxsize=256)  # most requests have one of a few
def split_authority(authority: str) -> tuple[str, int | None]:
    """Return (host, port) of *authority*. The port may be None.

    The host is lower-case, without a trailing dot. An IPv6 address has its one short spelling: [::1].
    """
    if len(authority) > _MAX_AUTHORITY_CHARACTERS:
        raise _unreadable(f"the host has over {_MAX_AUTHORITY_CHARACTERS} characters")
    if not authority.isascii():  # before lower(), which turns the Kelvin sign into an ASCII "k" (P6)
        raise _unreadable(f"the host {_without_user(authority)} is not ASCII; send an internationalized name as xn--…")
    host, colon, digits = authority.lower().rpartition(":")
    if not colon or host.endswith(":") or "]" in digits:  # no port: a name, or an IPv6 literal like [::1]
        host, digits = authority.lower(), ""
    host = host.removesuffix(".")
    address = _address(host)
    if address is None or not _HOST.fullmatch(address):
        raise _unreadable(f"the host {_without_user(authority)} is not a host name or address")
    host = address
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise _unreadable(f"the port of {quoted(host)} is not a number from 1 to 65535")
    return host, int(digits) if digits else None


def _address(host: str) -> str | None:
    """Return *host*, an IPv6 address in its short spelling (RFC 5952); None if it is none within brackets."""
    if not host.startswith("["):
        return host
    try:
        return f"[{IPv6Address(host[1:].removesuffix(']'))}]" if host.endswith("]") else None
    except ValueError:
        return None


def _without_user(text: str) -> str:
    """Return the authority or URL *text* quoted, without the user and password that it may hold."""
    _, at, rest = text.rpartition("@")
    return quoted(f"***@{rest}" if at else text)


def _unreadable(detail: str) -> Unreadable:
    return Unreadable(Reason.UNREADABLE_REQUEST, detail)
