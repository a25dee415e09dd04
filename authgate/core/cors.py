"""CORS: which origins' pages may read a refusal, and which preflights pass (Fetch standard, "CORS protocol")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.core.request import Headers, Request

# What a page of another origin may read of a refusal besides its body.
EXPOSED = ("WWW-Authenticate", "Retry-After", "X-AuthGate-Reason", "X-Request-Id")
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRule:
    """The origins whose pages may read refusals and send preflights, in lower case: "https://app.example.com"."""

    allowed_origins: frozenset[str] = frozenset()

    def origin(self, headers: Headers) -> str:
        """Return the origin that the request comes from if it is allowed; "" if not."""
        origins = headers.getall("origin", ())
        if len(origins) != 1 or not origins[0].isascii():  # lower() turns the Kelvin sign into an ASCII "k" (P6)
            return ""
        return origins[0] if origins[0].lower() in self.allowed_origins else ""

    def check_preflight(self, request: Request) -> None:
        """Refuse *request*, a preflight, if its origin is not allowed."""
        if not self.origin(request.headers):
            origin = quoted(request.headers.getall("origin", ())[0])
            raise Refused(Reason.NO_CREDENTIAL, f"a preflight, and its origin {origin} is not in cors.allowed_origins")


NO_CORS = CorsRule()


def preflight_method(request: Request) -> str:
    """Return the method that a preflight asks for; "" if *request* is not a preflight.

    A preflight is OPTIONS with one Origin and one Access-Control-Request-Method. It carries no credential, and it
    changes nothing.
    """
    if request.method != "OPTIONS":
        return ""
    origins = request.headers.getall("origin", ())
    methods = request.headers.getall("access-control-request-method", ())
    if len(origins) != 1 or not origins[0] or len(methods) != 1 or not _METHOD.fullmatch(methods[0]):
        return ""
    return methods[0]
