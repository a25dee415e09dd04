"""Cross-site request forgery: a browser sends cookies by itself, so a cookie alone does not prove intent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.core.errors import Refused, Unreadable, quoted
from authgate.core.reasons import Reason
from authgate.core.request import split_authority

if TYPE_CHECKING:
    from authgate.core.request import Headers, Request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1
_DEFAULT_PORTS = {80, 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrfRule:
    """Origins besides the request's own that may send unsafe requests with a cookie, as "https://app.example.com"."""

    allowed_origins: frozenset[str]

    def check(self, request: Request) -> None:
        """Refuse *request*, whose credential is a cookie, if a browser sent it from another site."""
        if request.method in SAFE_METHODS and not _is_websocket_handshake(request):
            return
        site = _single(request.headers, "Sec-Fetch-Site")
        if site in {"same-origin", "none"}:
            return
        origin = _single(request.headers, "Origin")
        if site is None and origin is None:
            return  # not a browser's cross-site request: browsers send at least one of them (Fetch standard)
        if origin is not None and origin.lower() in self.allowed_origins:
            return
        if site is None and origin is not None and _host_of(origin) == _without_default(request.host, request.port):
            return
        raise Refused(Reason.CSRF, f"Sec-Fetch-Site is {_shown(site)}, Origin is {_shown(origin)}")


def _is_websocket_handshake(request: Request) -> bool:
    # Traefik takes the hop-by-hop Upgrade header off the subrequest, Sec-WebSocket-* stay (seen with 3.7.15).
    upgrades = request.headers.getall("Upgrade", ())
    return any("websocket" in value.lower() for value in upgrades) or bool(
        request.headers.getall("Sec-WebSocket-Key", ())
    )


def _shown(value: str | None) -> str:
    return "absent" if value is None else quoted(value)


def _single(headers: Headers, name: str) -> str | None:
    values = headers.getall(name, ())
    if len(values) > 1:
        raise Refused(Reason.CSRF, f"the header {name} came {len(values)} times")
    return values[0] if values else None


def _host_of(origin: str) -> tuple[str, int | None] | None:
    """Return (host, port) of an Origin header, or None for "null" and anything else that names no host."""
    scheme, separator, authority = origin.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        return None
    try:
        return _without_default(*split_authority(authority))
    except Unreadable:
        return None


def _without_default(host: str, port: int | None) -> tuple[str, int | None]:
    # The scheme is not compared (TLS may end before the proxy), so neither is which default port it implies.
    return host, None if port in _DEFAULT_PORTS else port
