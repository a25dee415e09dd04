"""Credentials as they were found in a request: nothing in them may be believed yet."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NewType, TypeAlias

from authgate.core.errors import Refused
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.request import Headers, Request

UnverifiedToken = NewType("UnverifiedToken", str)

# Some proxies join repeated field lines with a comma (RFC 9110 §5.3). Linear: every match begins at a comma.
_ANOTHER_BEARER = re.compile(r",[ \t]*bearer ", re.IGNORECASE)

# Browsers send same-named cookies of different Path or Domain side by side; more than this many is an attack.
MAX_SAME_NAMED_COOKIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a client offers as its proof: named parts, because some formats need two cookies or the cookie's name.

    *found_in* is "header:authorization", "cookie:<name>" and so on.
    """

    parts: tuple[tuple[str, UnverifiedToken], ...] = field(repr=False)
    found_in: str

    @property
    def token(self) -> UnverifiedToken:
        """The part named "token", or an empty one."""
        return next((value for name, value in self.parts if name == "token"), UnverifiedToken(""))

    @property
    def from_cookie(self) -> bool:
        """Whether a browser sent it by itself, so that cross-site requests carry it too."""
        return self.found_in.startswith("cookie:")

    def digest(self) -> bytes:
        """Return SHA-256 over all parts, each length-prefixed so that no two credentials share one."""
        hasher = hashlib.sha256()
        for part in self.parts:
            for text in part:
                encoded = text.encode("utf-8", "surrogatepass")  # takes lone surrogates of every kind
                hasher.update(b"%d:%b" % (len(encoded), encoded))
        return hasher.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPlace:
    """A request header that may hold a token: Authorization as "Bearer <token>", any other with or without it."""

    name: str

    def nothing_in(self, headers: Headers) -> str:
        """Say where nothing was found, without quoting what is there."""
        is_there = any(headers.getall(self.name, ()))
        return f"header {self.name}" + (" (it is there, but is not 'Bearer <token>')" if is_there else "")

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return the one credential in this header, or none; refuse two."""
        values = headers.getall(self.name, ())
        if not values:
            return ()
        if len(values) > 1:
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"the header {self.name} came {len(values)} times")
        token = self._token(values[0].strip(" \t"))
        if token is None:
            return ()
        return (_one_token(token, f"header:{self.name.lower()}"),)

    def _token(self, value: str) -> str | None:
        scheme, _, rest = value.partition(" ")
        if _ANOTHER_BEARER.search(value):
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"the header {self.name} holds more than one credential")
        if scheme.lower() == "bearer":
            return rest.strip(" ") or None
        if self.name.lower() == "authorization":
            return None  # another scheme (Basic, Digest …) is for somebody else
        return value or None


@dataclass(frozen=True, slots=True, kw_only=True)
class CookiePlace:
    """A cookie that may hold a token."""

    name: str

    def nothing_in(self, headers: Headers) -> str:
        """Say where nothing was found."""
        is_there = any(True for _ in cookie_values(headers, self.name))
        return f"cookie {self.name}" + (" (it is there, but empty)" if is_there else "")

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return one credential for each differing, non-empty cookie of this name."""
        values = dict.fromkeys(value for value in cookie_values(headers, self.name) if value)
        if len(values) > MAX_SAME_NAMED_COOKIES:
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"{len(values)} differing cookies are named {self.name}")
        return tuple(_one_token(value, f"cookie:{self.name}") for value in values)


CredentialPlace: TypeAlias = HeaderPlace | CookiePlace


def find_credentials(request: Request, places: Sequence[CredentialPlace]) -> tuple[Credential, ...]:
    """Return what the first of *places* that holds anything holds: none, one, or same-named cookies that differ.

    The first place decides: where it holds a bad credential the request is refused, there is no falling through.
    """
    for place in places:
        if found := place.find(request.headers):
            return found
    return ()


def cookie_values(headers: Headers, name: str) -> Iterator[str]:
    """Yield the value of every cookie called *name*, in order (RFC 6265 §4.2.1), without surrounding quotes."""
    for line in headers.getall("Cookie", ()):
        for match in _cookie(name).finditer(line):
            value = match[1].strip(" \t")
            yield value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


@lru_cache(maxsize=64)
def _cookie(name: str) -> re.Pattern[str]:
    # One pass in C: a head may hold 64 KiB of "=;=;=;" that a loop would take apart pair by pair.
    return re.compile(rf"(?:^|;)[ \t]*{re.escape(name)}[ \t]*=([^;]*)")


def _one_token(token: str, found_in: str) -> Credential:
    return Credential(parts=(("token", UnverifiedToken(token)),), found_in=found_in)
