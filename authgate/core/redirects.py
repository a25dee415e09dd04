"""Count redirects to the sign-in page, to end loops.

A sign-in that does not give AuthGate a valid session sends the browser back, and AuthGate sends it to sign in again.
A cookie counts that for each address. It is not signed: a client that changes it only changes what it sees itself.
Requests of several tabs for different addresses are counted apart.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from authgate.core.cookies import cookie_values
from authgate.core.errors import Refused
from authgate.core.sign_in import origin_of

if TYPE_CHECKING:
    from authgate.core.request import Request

COOKIE = "authgate_redirects"
MAX_REDIRECTS = 5
WINDOW_SECONDS = 30
_MAX_ADDRESSES = 8  # the cookie stays under 250 bytes
_MAX_COOKIE_CHARACTERS = 250
_RECORD = re.compile(r"([A-Za-z0-9_-]{8}):(\d{1,12}):(\d)")


class _Record(NamedTuple):
    address: str  # a digest
    first_at: int
    redirects: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How often a browser was redirected from one address in the last 30 s, and its other addresses."""

    record: _Record
    others: tuple[_Record, ...]
    scheme: str

    @property
    def is_loop(self) -> bool:
        """Whether one more redirect would only repeat what has not worked."""
        return self.record.redirects >= MAX_REDIRECTS

    def set_cookie(self) -> str:
        """Return the Set-Cookie value after one more redirect; after a loop, one that counts from the beginning."""
        # The highest counts stay: if the oldest had to go, nine tabs in a loop would never count to two.
        records = sorted(self.others, key=lambda one: one.redirects, reverse=True)[: _MAX_ADDRESSES - 1]
        if not self.is_loop:
            records.append(self.record._replace(redirects=self.record.redirects + 1))
        value = ".".join(f"{one.address}:{one.first_at}:{one.redirects}" for one in records)
        life = WINDOW_SECONDS if value else 0
        secure = "; Secure" if self.scheme == "https" else ""
        return f"{cookie_name(self.scheme)}={value}; Max-Age={life}; Path=/; HttpOnly; SameSite=Lax{secure}"


def cookie_name(scheme: str) -> str:
    """Return the name of the cookie. With its prefix, browsers take it from no other host of the same domain."""
    return f"__Host-{COOKIE}" if scheme == "https" else COOKIE


def count_redirects(request: Request, now: float) -> Counted:
    """Return how often the browser that sends *request* was redirected from its address before."""
    url = f"{origin_of(request)}{request.path}?{request.query}".encode("utf-8", "surrogateescape")
    address = urlsafe_b64encode(hashlib.sha256(url).digest()[:6]).decode()
    records = [one for one in _records(request) if 0 <= now - one.first_at < WINDOW_SECONDS]
    mine = next((one for one in records if one.address == address), _Record(address, int(now), 0))
    others = tuple(one for one in records if one.address != address)
    return Counted(mine, others, scheme=request.scheme)


def _records(request: Request) -> list[_Record]:
    """Return what the cookie says. A cookie that AuthGate did not write counts nothing."""
    try:
        values = cookie_values(request.headers, cookie_name(request.scheme))
    except Refused:  # too many cookies: no browser sends them
        return []
    matches = map(_RECORD.fullmatch, values[0][:_MAX_COOKIE_CHARACTERS].split(".")) if values else ()
    return [_Record(match[1], int(match[2]), int(match[3])) for match in matches if match]
