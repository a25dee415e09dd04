"""Cookies and the header Authorization. The input: a line that chooses the place, then one line for each header line.

What `core/credential.py` finds with one regular expression must be what a plain reading finds (RFC 6265 §4.2.1), in a
bounded number of steps.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from multidict import CIMultiDict

from authgate.core.cookies import MAX_COOKIES
from authgate.core.credential import MAX_SAME_NAMED_COOKIES, CookiePlace, HeaderPlace, SessionPlace
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from tests.fuzz.inputs import chosen, lines_of, received
from tests.support.ruling import count_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.credential import CredentialPlace

WORDS = (
    *(b"app=", b"app.0=", b"app.1=", b"app.01=", b"app.data=", b"app.data.0=", b"; ", b";", b'"', b"=", b".", b"\t"),
    *(b"bearer ", b"Bearer%20", b"bearer+", b"Bearer", b", Bearer ", b"Basic ", b"eyJ", b"a.b.c"),
)

_COOKIE = CookiePlace(name="app")
_HEADER = HeaderPlace(name="Authorization")
_OTHER_HEADER = HeaderPlace(name="X-Token")
_SESSION = SessionPlace(issuer_name="app", part="token", name="app", data_part="data", data_name="app.data")
_CHUNKED = SessionPlace(issuer_name="app", part="token", name="app", chunked=True)

# The length of a head that is full of cookies, and how many calls reading it may cost.
_HEAD_CHARACTERS = 32 * 1024
_MAX_CALLS = 2 * MAX_COOKIES + 100

_PLACES: tuple[CookiePlace | SessionPlace | HeaderPlace, ...] = (_COOKIE, _SESSION, _CHUNKED, _HEADER, _OTHER_HEADER)

Parts: TypeAlias = tuple[tuple[str, str], ...]


def check(data: bytes) -> None:
    first, *rest = lines_of(data)
    place = chosen(first[:1], _PLACES)
    lines = [received(line) for line in rest]
    name = place.name if isinstance(place, HeaderPlace) else "Cookie"
    found = _found(place, name, lines)
    if isinstance(place, HeaderPlace):
        _check_header(place, lines, found)
    else:
        assert found == _reference(place, lines)
    if isinstance(found, tuple):
        assert len(found) <= MAX_SAME_NAMED_COOKIES
    _check_work(place, name, lines)


def _found(place: CredentialPlace, name: str, lines: Sequence[str]) -> tuple[Parts, ...] | Reason:
    try:
        credentials = place.find(CIMultiDict((name, line) for line in lines))
    except Refused as refused:
        return refused.reason
    # Two credentials that differ never share a digest: the cache of proofs is keyed by it.
    assert len({credential.digest() for credential in credentials}) == len(credentials)
    return tuple(credential.parts for credential in credentials)


def _check_header(place: HeaderPlace, lines: list[str], found: tuple[Parts, ...] | Reason) -> None:
    if len(lines) > 1:
        assert found is Reason.AMBIGUOUS_CREDENTIAL
    elif isinstance(found, tuple) and found:
        (((_, token),),) = found
        assert token == token.strip(" ")
        assert token in lines[0]
        assert lines[0].strip(" \t").lower().startswith("bearer ") or place is not _HEADER
        assert not any(part.strip(" \t").lower().startswith("bearer ") for part in lines[0].split(",")[1:])


def _check_work(place: CredentialPlace, name: str, lines: Sequence[str]) -> None:
    """Fill a head with these lines, and count the steps that Python makes."""
    line = ";".join(lines)
    many = (line + ";") * (_HEAD_CHARACTERS // (len(line) + 1))
    headers = CIMultiDict([(name, many)])

    def read() -> None:
        try:
            found = place.find(headers)
        except Refused:
            return
        if not found:
            place.describe_absence(headers)

    read()  # compiles expressions that were not used yet
    calls = count_calls(read).total()
    assert calls <= _MAX_CALLS, f"{calls} calls"


# The plain reading.


def _pairs(lines: list[str]) -> list[tuple[str, str]]:
    split = (pair.partition("=") for line in lines for pair in line.split(";"))
    return [(name.strip(" \t"), _unquoted(value.strip(" \t"))) for name, equals, value in split if equals]


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value.startswith('"') and value.endswith('"') else value


def _reference(place: CookiePlace | SessionPlace, lines: list[str]) -> tuple[Parts, ...] | Reason:
    cookies = [cookie for line in lines for cookie in line.split(";")]
    if len(cookies) > MAX_COOKIES or any(re.match("[ \t]{5}", cookie) for cookie in cookies):
        return Reason.AMBIGUOUS_CREDENTIAL
    if isinstance(place, CookiePlace):
        values = [_without_bearer(value) for name, value in _pairs(lines) if name == place.name]
        found: list[Parts] = [(("token", value),) for value in dict.fromkeys(values) if value]
    else:
        tokens = _session_values(lines, place.name, chunked=place.chunked)
        data = _session_values(lines, place.data_name, chunked=True) if place.data_name else []
        combined = product(tokens, data) if data else ((token,) for token in tokens)
        found = [tuple(zip((place.part, place.data_part), values, strict=False)) for values in combined]
    return Reason.AMBIGUOUS_CREDENTIAL if len(found) > MAX_SAME_NAMED_COOKIES else tuple(found)


def _without_bearer(value: str) -> str:
    if value.lower() == "bearer":
        return ""
    rest = value[len("bearer") :]
    while value.lower().startswith("bearer") and rest.startswith((" ", "%20", "+")):
        value = rest = rest.removeprefix("%20") if rest.startswith("%20") else rest[1:]
        if not rest.startswith((" ", "%20", "+")):
            return rest
        value = f"bearer{rest}"
    return value


def _session_values(lines: list[str], name: str, *, chunked: bool) -> list[str]:
    pairs = _pairs(lines)
    if (whole := [value for found, value in pairs if found == name and value]) or not chunked:
        return list(dict.fromkeys(whole))
    chunks = [{value for found, value in pairs if found == f"{name}.{number}"} for number in range(100)]
    if not any(any(values) for values in chunks):
        return []
    count = sum(map(bool, chunks))
    is_complete = all(len(values) == 1 for values in chunks[:count])
    return ["".join("".join(values) for values in chunks[:count]) if is_complete else ""]
