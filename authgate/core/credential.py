"""Find credentials in a request. Nothing in a credential is verified here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NewType, Protocol

from authgate.core.edge_headers import is_filled_from_cookie
from authgate.core.errors import Refused, quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.request import Headers, Request

UnverifiedToken = NewType("UnverifiedToken", str)

# Some proxies join repeated field lines with a comma (RFC 9110 §5.3). Linear: every match begins at a comma.
_ANOTHER_BEARER = re.compile(r",[ \t]*bearer ", re.IGNORECASE)

# Some front ends write the value of the header Authorization into the cookie. Libraries encode its space or quote it.
_BEARER = re.compile(r"(?i)\Abearer(?:(?: |%20|\+)+|\Z)")

# A browser sends cookies of the same name side by side if their Path or Domain differ. More than this is an attack.
MAX_SAME_NAMED_COOKIES = 4
# How many characters of the Cookie header to search for a similar cookie name.
_MAX_SEARCHED_CHARACTERS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An unverified credential, as named parts: some formats need two cookies.

    *found_in* is "header:authorization", "cookie:<name>" and so on. *issuer_name* is the issuer that the cookie belongs
    to; "" if only the token can name its issuer.
    """

    parts: tuple[tuple[str, UnverifiedToken], ...] = field(repr=False)
    found_in: str
    issuer_name: str = ""

    @property
    def token(self) -> UnverifiedToken:
        """The part named "token", or an empty token."""
        return self.part("token") or UnverifiedToken("")

    def part(self, name: str) -> UnverifiedToken | None:
        """Return the part called *name*, or None."""
        return next((value for part, value in self.parts if part == name), None)

    @property
    def size(self) -> int:
        """The total length of the parts, in characters."""
        return sum(len(value) for _, value in self.parts)

    @property
    def from_cookie(self) -> bool:
        """Whether the credential is a cookie."""
        return self.found_in.startswith("cookie:")

    @property
    def sent_by_browsers(self) -> bool:
        """Whether browsers send the credential by themselves, also with requests that another site makes."""
        return self.from_cookie or is_filled_from_cookie(self.found_in.removeprefix("header:"))

    def digest(self) -> bytes:
        """Return the SHA-256 of all parts. Each part is length-prefixed, so no two credentials share a digest."""
        hasher = hashlib.sha256()
        # The place counts, because some keys depend on the cookie's name and some tokens are accepted only in a header.
        place = self.found_in if self.issuer_name else "cookie" if self.from_cookie else "header"
        parts = (*self.parts, ("", place))
        for part in parts:
            for text in part:
                encoded = text.encode("utf-8", "surrogatepass")  # accepts lone surrogates
                hasher.update(b"%d:%b" % (len(encoded), encoded))
        return hasher.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPlace:
    """A request header that may hold a token.

    Authorization holds "Bearer <token>". Any other header holds the token with or without "Bearer".
    """

    name: str

    @property
    def sent_by_browsers(self) -> bool:
        """Whether an edge fills this header from a cookie."""
        return is_filled_from_cookie(self.name)

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential in this header. It quotes no value."""
        is_present = any(headers.getall(self.name, ()))
        return f"header {self.name}" + (" (present, but not 'Bearer <token>')" if is_present else "")

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return the credential in this header, if any. Refuse more than one."""
        values = headers.getall(self.name, ())
        if not values:
            return ()
        if len(values) > 1:
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"the header {self.name} was sent {len(values)} times")
        token = self._token(values[0].strip(" \t"))
        if token is None:
            return ()
        return (_single_token(token, f"header:{self.name.lower()}"),)

    def _token(self, value: str) -> str | None:
        scheme, _, rest = value.partition(" ")
        if _ANOTHER_BEARER.search(value):
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"the header {self.name} holds more than one credential")
        if scheme.lower() == "bearer":
            return rest.strip(" ") or None
        if self.name.lower() == "authorization":
            return None  # another scheme (Basic, Digest …) is meant for another server
        return value or None


@dataclass(frozen=True, slots=True, kw_only=True)
class CookiePlace:
    """A cookie that may hold a token."""

    name: str
    sent_by_browsers: ClassVar[bool] = True

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential in this cookie."""
        is_present = any(True for _ in cookie_values(headers, self.name))
        return f"cookie {self.name}" + (" (present, but empty)" if is_present else "")

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return one credential for each distinct, non-empty cookie of this name, without a "Bearer " before it."""
        values = dict.fromkeys(
            token
            for value in cookie_values(headers, self.name)
            if (token := _BEARER.sub("", value) if value[:6].lower() == "bearer" else value)
        )
        if len(values) > MAX_SAME_NAMED_COOKIES:
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"{len(values)} cookies named {self.name} have different values")
        return tuple(_single_token(value, f"cookie:{self.name}") for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlace:
    """The cookies of a session of *issuer_name*.

    The cookie *name* holds the part *part*. The cookie *data_name*, if not "", holds a cached copy of the session's
    data. A long data cookie is sent in chunks: `<data_name>.0`, `<data_name>.1` and so on. The cookie *name* may be
    sent in chunks only if *chunked*.
    """

    issuer_name: str
    part: str
    name: str
    chunked: bool = False
    data_part: str = ""
    data_name: str = ""
    sent_by_browsers: ClassVar[bool] = True

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential in these cookies, with a hint at likely mistakes."""
        message = f"cookie {self.name}"
        if self.data_name and _values(headers, self.data_name, chunked=True):
            message += f" (only cookie {self.data_name} is present)"
        if similar_names := _similar_names(headers, self.name):
            message += (
                f" (found {' and '.join(similar_names)} instead: check that `url` has the front end's scheme, https or "
                "http, and that `cookies` has the right names)"
            )
        return message

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return one credential for each combination of distinct, non-empty cookies of these names."""
        tokens = _values(headers, self.name, chunked=self.chunked)
        if not tokens:
            return ()
        data_values = _values(headers, self.data_name, chunked=True) if self.data_name else ()
        count = len(tokens) * max(1, len(data_values))
        if count > MAX_SAME_NAMED_COOKIES:
            names = f"{self.name} and {self.data_name}" if self.data_name else self.name
            message = f"cookies named {names} have different values, in {count} combinations"
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, message)
        if not data_values:
            return tuple(self._credential((self.part, token)) for token in tokens)
        return tuple(
            self._credential((self.part, token), (self.data_part, data)) for token in tokens for data in data_values
        )

    def _credential(self, *parts: tuple[str, str]) -> Credential:
        unverified = tuple((name, UnverifiedToken(value)) for name, value in parts)
        return Credential(parts=unverified, found_in=f"cookie:{self.name}", issuer_name=self.issuer_name)


class CredentialPlace(Protocol):
    """Where a request may hold a credential: `HeaderPlace`, `CookiePlace` or `SessionPlace`."""

    @property
    def sent_by_browsers(self) -> bool:
        """Whether browsers send what is here by themselves, also with requests that another site makes."""
        ...

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential here."""
        ...

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return the credentials that are here, or raise `Refused`."""
        ...


def find_credentials(request: Request, places: Sequence[CredentialPlace]) -> tuple[Credential, ...]:
    """Return the credentials in the first of *places* that has any.

    There are several only if cookies of the same name have different values. Later places are not searched, even if the
    credential is bad: the request is then refused.
    """
    for place in places:
        if credentials := place.find(request.headers):
            return credentials
    return ()


def cookie_values(headers: Headers, name: str) -> Iterator[str]:
    """Yield the values of all cookies called *name*, in order (RFC 6265 §4.2.1), without surrounding quotes."""
    for line in headers.getall("Cookie", ()):
        for match in _cookie(name).finditer(f";{line}"):
            yield _unquoted(match[1])


def _values(headers: Headers, name: str, *, chunked: bool) -> tuple[str, ...]:
    """Return the distinct, non-empty values of the cookie *name*; ("",) if its chunks are incomplete.

    A whole cookie takes precedence over chunks, as it does in the libraries. Chunks are incomplete if their numbers are
    not 0, 1, 2 … without a gap, or if a chunk has two values. (Auth.js joins every cookie with this prefix.)
    """
    whole = tuple(dict.fromkeys(value for value in cookie_values(headers, name) if value))
    if whole or not chunked:
        return whole
    chunks: dict[int, str] = {}
    conflict = False
    for line in headers.getall("Cookie", ()):
        for match in _chunk(name).finditer(f";{line}"):
            position, value = int(match[1]), _unquoted(match[2])
            conflict = conflict or chunks.setdefault(position, value) != value
    if not any(chunks.values()):
        return ()
    if conflict or sorted(chunks) != list(range(len(chunks))):
        return ("",)
    return ("".join(chunks[position] for position in range(len(chunks))),)


def _similar_names(headers: Headers, name: str) -> list[str]:
    """Return up to two names of cookies that end like *name*, and how they differ if it is the prefix."""
    last_word = name.rpartition(".")[2]
    lines = "; ".join(headers.getall("Cookie", ()))[:_MAX_SEARCHED_CHARACTERS]
    # A long cookie is sent in chunks, whose names end with .0, .1 and so on.
    names = re.findall(rf";\s*([!-:<>-~]{{1,60}}\.{re.escape(last_word)})(?:\.\d\d?)?\s*=", f";{lines}")
    return [quoted(similar) + _prefix_apart(similar, name) for similar in dict.fromkeys(names) if similar != name][:2]


def _prefix_apart(similar: str, name: str) -> str:
    """Return the prefix that alone keeps *similar* from being *name*, in words; "" if they differ otherwise."""
    if name.endswith(similar):
        return f", without the prefix {quoted(name.removesuffix(similar))},"
    return f", with the prefix {quoted(similar.removesuffix(name))}," if similar.endswith(name) else ""


def _unquoted(value: str) -> str:
    value = value.strip(" \t")
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


@lru_cache(maxsize=64)
def _cookie(name: str) -> re.Pattern[str]:
    # One pass in C: a request head may hold 64 KiB of "=;=;=;", which a Python loop would split pair by pair. Callers
    # put a ";" before the line, because a search for a plain ";" is six times as fast as one for "(?:^|;)".
    return re.compile(rf";[ \t]*{re.escape(name)}[ \t]*=([^;]*)")


@lru_cache(maxsize=64)
def _chunk(name: str) -> re.Pattern[str]:
    # Better Auth makes at most 100 chunks, and never writes "01".
    return re.compile(rf";[ \t]*{re.escape(name)}\.(0|[1-9][0-9]?)[ \t]*=([^;]*)")


def _single_token(token: str, found_in: str) -> Credential:
    return Credential(parts=(("token", UnverifiedToken(token)),), found_in=found_in)
