"""The page where users sign in, and the address to which it sends them back.

Some sign-in pages follow any return address, so AuthGate gives them only harmless ones: the address of the request
itself, on a host that the configuration names, and its path and query for any other host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from authgate.core.spellings import spelling_in

if TYPE_CHECKING:
    from authgate.core.request import Request

MAX_RETURN_BYTES = 2048  # of the encoded address. Proxies and sign-in pages bound the URL that it becomes a part of.
MAX_AGE = "max_age"  # OpenID Connect Core §3.1.2.1
DEFAULT_PORTS = {"http": 80, "https": 443}
# A browser that resolves //evil.example or /\evil.example leaves the site. Some pages decode the address twice.
_OTHER_HOST = re.compile(r"/(?:[/\\]|%2f|%5c)", re.IGNORECASE)


def port_key(scheme: str, port: int | None) -> int | None:
    """Return *port*, None for the port that *scheme* implies: both name the same place."""
    return None if port == DEFAULT_PORTS.get(scheme) else port


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Where to send browsers that must sign in.

    *url* is absolute, without a fragment, and *host*, *port* and *path* are its parts; *port* is None if it is the one
    of the scheme. *return_hosts* are the hosts that users may be sent back to, each with its port, None for the usual
    one. *https_hosts* are those that the configuration names with https: the proxy reports http for them if TLS ends
    before it. *parameter* is the query parameter with the return address. *data* are the settings of `paths` that say
    `data`.
    """

    url: str
    host: str
    port: int | None
    path: str
    parameter: str
    return_hosts: frozenset[tuple[str, int | None]]
    https_hosts: frozenset[tuple[str, int | None]] = frozenset()
    data: frozenset[str] = frozenset()

    def location(self, request: Request, max_age: int | None = None) -> str:
        """Return the URL to redirect *request* to. *max_age* asks for a new sign-in, in seconds (RFC 9470 §4)."""
        address = self._return_address(request)
        return self.address(max_age, *([f"{self.parameter}={address}"] if address else []))

    def address(self, max_age: int | None, *parameters: str) -> str:
        """Return the URL of the page with *parameters*, which are encoded, and with *max_age* unless that is None."""
        query = "&".join([*parameters, *([] if max_age is None else [f"{MAX_AGE}={max_age}"])])
        return f"{self.url}{'&' if '?' in self.url else '?'}{query}" if query else self.url

    def is_for(self, request: Request) -> bool:
        """Whether *request* is for the sign-in page itself. A redirect there would never end."""
        asked = (request.host, port_key(request.scheme, request.port), request.path.rstrip("/"))
        return asked == (self.host, self.port, self.path.rstrip("/"))

    def _return_address(self, request: Request) -> str:
        """Return the address of *request*, percent-encoded; "" if it is too long or servers read it differently."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        if len(target) > MAX_RETURN_BYTES:
            return ""
        host = (request.host, port_key(request.scheme, request.port))
        if spelling_in(request.path, data=self.data) or _OTHER_HOST.match(request.path):
            return ""
        origin = origin_of(request)
        if host in self.https_hosts:
            origin = f"https://{origin.partition('://')[2]}"
        address = f"{origin}{target}" if host in self.return_hosts else target
        encoded = quote(address.encode("utf-8", "surrogateescape"), safe="")
        return encoded if len(encoded) <= MAX_RETURN_BYTES else ""


def origin_of(request: Request) -> str:
    """Return scheme://host[:port] of *request*, without a port that the scheme implies."""
    port = port_key(request.scheme, request.port)
    return f"{request.scheme}://{request.host}" + ("" if port is None else f":{port}")
