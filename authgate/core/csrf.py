"""Protection against cross-site request forgery: a browser also sends cookies with requests that another site makes.

An edge then fills its header from its cookie (`edge_headers.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.core.errors import Refused, Unreadable
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.core.request import split_authority

if TYPE_CHECKING:
    from authgate.core.request import Headers, Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1
_DEFAULT_PORTS = {80, 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrfRule:
    """The origins, besides the request's own, that may send unsafe requests with a credential that the browser adds.

    They are lower-case, such as "https://app.example.com".
    """

    allowed_origins: frozenset[str]

    def check(self, request: Request) -> None:
        """Refuse *request* if it comes from another site. The browser adds its credential by itself."""
        if request.method in SAFE_METHODS and not _is_websocket_handshake(request):
            return
        site = _single(request.headers, "Sec-Fetch-Site")
        if site in {"same-origin", "none"}:
            return
        origin = _single(request.headers, "Origin")
        if site is None and origin is None:
            return  # on a cross-site request a browser sends at least one of the two (Fetch standard)
        if origin is not None and origin.isascii() and origin.lower() in self.allowed_origins:
            return
        if site is None and origin is not None and _host_of(origin) == _without_default(request.host, request.port):
            return
        raise Refused(Reason.CSRF, f"Sec-Fetch-Site is {_shown(site)}, Origin is {_shown(origin)}")


def _is_websocket_handshake(request: Request) -> bool:
    # Traefik 3.7.15 removes the hop-by-hop Upgrade header from the subrequest, but keeps Sec-WebSocket-*.
    upgrades = request.headers.getall("upgrade", ())
    if upgrades and any("websocket" in value.lower() for value in upgrades):
        return True
    return bool(request.headers.getall("sec-websocket-key", ()))


def _shown(value: str | None) -> str:
    return "absent" if value is None else quoted(value)


def _single(headers: Headers, name: str) -> str | None:
    values = headers.getall(name.lower(), ())
    if len(values) > 1:
        raise Refused(Reason.CSRF, f"the header {name} was sent {len(values)} times")
    return values[0] if values else None


def _host_of(origin: str) -> tuple[str, int | None] | None:
    """Return (host, port) of an Origin header; None for "null" and for anything else without a host."""
    scheme, separator, authority = origin.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        return None
    try:
        return _without_default(*split_authority(authority))
    except Unreadable:
        return None


def _without_default(host: str, port: int | None) -> tuple[str, int | None]:
    # Schemes are not compared, because TLS may end in front of the proxy. So 80 and 443 both count as the default port.
    return host, None if port in _DEFAULT_PORTS else port
