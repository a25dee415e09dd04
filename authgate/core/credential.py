"""Credentials as they were found in a request: nothing in them may be believed yet."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NewType, TypeAlias

from authgate.core.errors import Refused, quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.request import Headers, Request

UnverifiedToken = NewType("UnverifiedToken", str)

# Some proxies join repeated field lines with a comma (RFC 9110 §5.3). Linear: every match begins at a comma.
_ANOTHER_BEARER = re.compile(r",[ \t]*bearer ", re.IGNORECASE)

# Browsers send same-named cookies of different Path or Domain side by side; more than this many is an attack.
MAX_SAME_NAMED_COOKIES = 4
# Of the cookies, in which a name is looked for that an operator may have meant.
_MAX_SEARCHED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a client offers as its proof: named parts, because some formats need two cookies or the cookie's name.

    *found_in* is "header:authorization", "cookie:<name>" and so on. *issuer_name* is the issuer whose cookie it is, or
    "" if the token itself has to say.
    """

    parts: tuple[tuple[str, UnverifiedToken], ...] = field(repr=False)
    found_in: str
    issuer_name: str = ""

    @property
    def token(self) -> UnverifiedToken:
        """The part named "token", or an empty one."""
        return self.part("token") or UnverifiedToken("")

    def part(self, name: str) -> UnverifiedToken | None:
        """Return the part called *name*, None where there is none."""
        return next((value for part, value in self.parts if part == name), None)

    @property
    def size(self) -> int:
        """How many characters all parts have."""
        return sum(len(value) for _, value in self.parts)

    @property
    def from_cookie(self) -> bool:
        """Whether a browser sent it by itself, so that cross-site requests carry it too."""
        return self.found_in.startswith("cookie:")

    def digest(self) -> bytes:
        """Return SHA-256 over all parts, each length-prefixed so that no two credentials share one."""
        hasher = hashlib.sha256()
        # Some keys hang on a cookie's name, and some tokens count in a header alone.
        place = self.found_in if self.issuer_name else "cookie" if self.from_cookie else "header"
        parts = (*self.parts, ("", place))
        for part in parts:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlace:
    """The cookies of one session of *issuer_name*: *name* holds its *part*, *data_name* the cached copy of its data.

    *data_name* "": there is none such. A cookie that is too long for one is sent as `<name>.0`, `<name>.1`, …, if it is
    the data cookie or *chunked*.
    """

    issuer_name: str
    part: str
    name: str
    chunked: bool = False
    data_part: str = ""
    data_name: str = ""

    def nothing_in(self, headers: Headers) -> str:
        """Say where nothing was found."""
        told = f"cookie {self.name}"
        if self.data_name and _values(headers, self.data_name, chunked=True):
            told += f" (cookie {self.data_name} is there, but alone)"
        if others := _names_like(headers, self.name):
            told += (
                f" (there is {' and '.join(others)}: is `url` the front end's, https or http, or are `cookies` others?)"
            )
        return told

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return one credential for each combination of differing, non-empty cookies of these names."""
        tokens = _values(headers, self.name, chunked=self.chunked)
        if not tokens:
            return ()
        beside = _values(headers, self.data_name, chunked=True) if self.data_name else ()
        count = len(tokens) * max(1, len(beside))
        if count > MAX_SAME_NAMED_COOKIES:
            message = f"differing cookies are named {self.name} or {self.data_name}: {count} combinations"
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, message)
        if not beside:
            return tuple(self._credential((self.part, token)) for token in tokens)
        return tuple(
            self._credential((self.part, token), (self.data_part, data)) for token in tokens for data in beside
        )

    def _credential(self, *parts: tuple[str, str]) -> Credential:
        found = tuple((name, UnverifiedToken(value)) for name, value in parts)
        return Credential(parts=found, found_in=f"cookie:{self.name}", issuer_name=self.issuer_name)


CredentialPlace: TypeAlias = HeaderPlace | CookiePlace | SessionPlace


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
        for match in _cookie(name).finditer(f";{line}"):
            yield _unquoted(match[1])


def _values(headers: Headers, name: str, *, chunked: bool) -> tuple[str, ...]:
    """Return the differing, non-empty values of the cookie *name*; "" for one whose chunks do not make a whole.

    The cookie itself counts before its chunks, as with the libraries. Chunks that are not 0, 1, 2 … without a gap, or
    of which one comes with two values, make no value (Auth.js would join whatever begins with the name).
    """
    whole = tuple(dict.fromkeys(value for value in cookie_values(headers, name) if value))
    if whole or not chunked:
        return whole
    chunks: dict[int, str] = {}
    disagree = False
    for line in headers.getall("Cookie", ()):
        for match in _chunk(name).finditer(f";{line}"):
            position, value = int(match[1]), _unquoted(match[2])
            disagree = disagree or chunks.setdefault(position, value) != value
    if not any(chunks.values()):
        return ()
    if disagree or sorted(chunks) != list(range(len(chunks))):
        return ("",)
    return ("".join(chunks[position] for position in range(len(chunks))),)


def _names_like(headers: Headers, name: str) -> list[str]:
    """Return up to two names of cookies that end as *name* does: of another prefix, most often."""
    last_word = name.rpartition(".")[2]
    lines = "; ".join(headers.getall("Cookie", ()))[:_MAX_SEARCHED]
    found = re.findall(rf";\s*([!-:<>-~]{{1,60}}\.{re.escape(last_word)})\s*=", f";{lines}")
    return [quoted(one) for one in dict.fromkeys(found) if one != name][:2]


def _unquoted(value: str) -> str:
    value = value.strip(" \t")
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


@lru_cache(maxsize=64)
def _cookie(name: str) -> re.Pattern[str]:
    # One pass in C: a head may hold 64 KiB of "=;=;=;" that a loop would take apart pair by pair. It begins with a
    # plain ";", which the line is given at its front, too: that is looked for six times as fast as "(?:^|;)".
    return re.compile(rf";[ \t]*{re.escape(name)}[ \t]*=([^;]*)")


@lru_cache(maxsize=64)
def _chunk(name: str) -> re.Pattern[str]:
    # Of at most 100 chunks, as Better Auth makes them; "01" is no number that it writes.
    return re.compile(rf";[ \t]*{re.escape(name)}\.(0|[1-9][0-9]?)[ \t]*=([^;]*)")


def _one_token(token: str, found_in: str) -> Credential:
    return Credential(parts=(("token", UnverifiedToken(token)),), found_in=found_in)
