"""Find credentials in a request. Nothing in a credential is verified here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar, NewType, Protocol

from authgate.core.cookies import (
    all_cookies,
    cookie_values,
    similar_names,
    values_in,
    whole_or_chunked,
    whole_or_chunked_in,
)
from authgate.core.edge_headers import is_filled_from_cookie
from authgate.core.errors import Refused
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.request import Headers, Request

UnverifiedToken = NewType("UnverifiedToken", str)

# Some proxies join repeated field lines with a comma (RFC 9110 §5.3). Linear: every match begins at a comma.
_ANOTHER_BEARER = re.compile(r",[ \t]*bearer ", re.IGNORECASE)

# Some front ends write the value of the header Authorization into the cookie. Libraries encode its space or quote it.
_BEARER = re.compile(r"(?i)\Abearer(?:(?: |%20|\+)+|\Z)")

# A browser sends cookies of the same name side by side if their Path or Domain differ. More than this is an attack.
MAX_SAME_NAMED_COOKIES = 4
# The longest token, and the most that all cookies of one name may have. A browser keeps no cookie over 4 KiB, and
# Node.js, which makes tokens in several cookies, reads 16 KiB of headers by default.
MAX_TOKEN_CHARACTERS = 16 * 1024
_MAX_VALUE_CHARACTERS = MAX_TOKEN_CHARACTERS + len("Bearer ")


@quick_dataclass(frozen=True, slots=True)
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
        for part, value in self.parts:
            if part == name:
                return value
        return None

    @property
    def from_cookie(self) -> bool:
        """Whether the credential is a cookie."""
        return self.found_in.startswith("cookie:")

    def digest(self) -> bytes:
        """Return the SHA-256 of all parts. Each text has its length before it, so no two credentials share a digest."""
        text = _place_text(self.found_in, self.issuer_name)
        for name, value in self.parts:
            text += f"{len(name)}:{name}{len(value)}:{value}"
        return sha256(text.encode("utf-8", "surrogatepass")).digest()  # accepts lone surrogates


# The places are those of a configuration, so there are few.
@lru_cache(maxsize=64)
def _place_text(found_in: str, issuer_name: str) -> str:
    """Return what a digest begins with: the place, as a part without a name."""
    # The place counts, because some keys depend on the cookie's name and some tokens are accepted only in a header.
    place = found_in if issuer_name else "cookie" if found_in.startswith("cookie:") else "header"
    return f"0:{len(place)}:{place}"


@lru_cache(maxsize=64)
def is_sent_by_browsers(found_in: str) -> bool:
    """Whether browsers send a credential that was *found_in* this place by themselves."""
    return found_in.startswith("cookie:") or is_filled_from_cookie(found_in.removeprefix("header:"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderPlace:
    """A request header that may hold a token.

    Authorization holds "Bearer <token>". Any other header holds the token with or without "Bearer".
    """

    name: str
    _lower_name: str = field(init=False, repr=False, compare=False)
    _found_in: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep what each request needs."""
        object.__setattr__(self, "_lower_name", self.name.lower())
        object.__setattr__(self, "_found_in", f"header:{self.name.lower()}")

    @property
    def sent_by_browsers(self) -> bool:
        """Whether an edge fills this header from a cookie."""
        return is_filled_from_cookie(self.name)

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential in this header. It quotes no value."""
        is_present = any(headers.getall(self._lower_name, ()))
        return f"header {self.name}" + (" (present, but not 'Bearer <token>')" if is_present else "")

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return the credential in this header, if any. Refuse more than one."""
        values = headers.getall(self._lower_name, ())
        if not values:
            return ()
        if len(values) > 1:
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"the header {self.name} was sent {len(values)} times")
        value = values[0].strip(" \t")
        if value.startswith("Bearer ") and "," not in value and len(value) <= _MAX_VALUE_CHARACTERS:
            token: str | None = value[7:].strip(" ")  # `_token` would return the same
        else:
            token = self._token(value)
        return (Credential((("token", UnverifiedToken(token)),), self._found_in),) if token else ()

    def _token(self, value: str) -> str | None:
        scheme, _, rest = value.partition(" ")
        is_bearer = scheme.lower() == "bearer"
        is_other_scheme = not is_bearer and self._lower_name == "authorization"
        if not is_other_scheme and len(value) > _MAX_VALUE_CHARACTERS:
            raise _too_long(f"header {self.name}", len(value))
        if _ANOTHER_BEARER.search(value):
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"the header {self.name} holds more than one credential")
        if is_other_scheme:
            return None  # Basic, Digest … are meant for another server
        return rest.strip(" ") if is_bearer else value


@dataclass(frozen=True, slots=True, kw_only=True)
class CookiePlace:
    """A cookie that may hold a token."""

    name: str
    sent_by_browsers: ClassVar[bool] = True
    _found_in: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep what each request needs."""
        object.__setattr__(self, "_found_in", f"cookie:{self.name}")

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential in this cookie."""
        is_present = bool(cookie_values(headers, self.name))
        return f"cookie {self.name}" + (" (present, but empty)" if is_present else "")

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return one credential for each distinct, non-empty cookie of this name, without a "Bearer " before it."""
        values: dict[str, None] = {}
        for value in cookie_values(headers, self.name):
            if token := _BEARER.sub("", value) if value[:6].lower() == "bearer" else value:
                values[token] = None
        if len(values) > MAX_SAME_NAMED_COOKIES:
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, f"{len(values)} cookies named {self.name} have different values")
        _check_size(self.name, [*values])
        return tuple([Credential((("token", UnverifiedToken(value)),), self._found_in) for value in values])


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
    _found_in: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep what each request needs."""
        object.__setattr__(self, "_found_in", f"cookie:{self.name}")

    def describe_absence(self, headers: Headers) -> str:
        """Return the message for a request that has no credential in these cookies, with a hint at likely mistakes."""
        message = f"cookie {self.name}"
        if self.data_name and whole_or_chunked(headers, self.data_name):
            message += f" (only cookie {self.data_name} is present)"
        if similar := similar_names(headers, self.name):
            message += (
                f" (found {' and '.join(similar)} instead: check that `url` has the front end's scheme, https or "
                "http, and that `cookies` has the right names)"
            )
        return message

    def find(self, headers: Headers) -> tuple[Credential, ...]:
        """Return one credential for each combination of distinct, non-empty cookies of these names."""
        cookies = all_cookies(headers)
        tokens: Sequence[str]
        if self.chunked:
            tokens = whole_or_chunked_in(cookies, self.name)
        else:
            tokens = values_in(cookies, self.name)
            if len(tokens) > 1 or "" in tokens:
                tokens = [*dict.fromkeys(filter(None, tokens))]
        if not tokens:
            return ()
        data_values = whole_or_chunked_in(cookies, self.data_name) if self.data_name else ()
        if len(tokens) > 1 or len(data_values) > 1 or len(cookies) > MAX_TOKEN_CHARACTERS:
            return self._combinations(tokens, data_values)
        part = (self.part, UnverifiedToken(tokens[0]))
        parts = (part, (self.data_part, UnverifiedToken(data_values[0]))) if data_values else (part,)
        return (Credential(parts, self._found_in, self.issuer_name),)

    def _combinations(self, tokens: Sequence[str], data_values: Sequence[str]) -> tuple[Credential, ...]:
        """Return a credential for each of *tokens* with each of *data_values*. Refuse too many, or too long ones."""
        count = len(tokens) * max(1, len(data_values))
        if count > MAX_SAME_NAMED_COOKIES:
            names = f"{self.name} and {self.data_name}" if self.data_name else self.name
            message = f"cookies named {names} have different values, in {count} combinations"
            raise Refused(Reason.AMBIGUOUS_CREDENTIAL, message)
        _check_size(self.name, tokens)
        if sum(map(len, data_values)) > MAX_TOKEN_CHARACTERS:
            data_values = ("",)  # like data with a gap: without it, the session store knows the user
        found: list[tuple[tuple[str, UnverifiedToken], ...]] = []
        for token in tokens:
            part = (self.part, UnverifiedToken(token))
            found += [(part, (self.data_part, UnverifiedToken(data))) for data in data_values] or [(part,)]
        return tuple(Credential(parts, self._found_in, self.issuer_name) for parts in found)


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


def _check_size(name: str, values: Sequence[str]) -> None:
    """Refuse cookies called *name* that have more characters than a token may have, all of them together."""
    characters = sum(map(len, values))
    if characters <= MAX_TOKEN_CHARACTERS:
        return
    if len(values) == 1:
        raise _too_long(f"cookie {name}", characters)
    raise Refused(
        Reason.AMBIGUOUS_CREDENTIAL,
        f"{len(values)} cookies named {name} have {characters} characters together, over {MAX_TOKEN_CHARACTERS}",
    )


def _too_long(place: str, characters: int) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, f"the {place} has {characters} characters, over {MAX_TOKEN_CHARACTERS}")
