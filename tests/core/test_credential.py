"""Finding credentials in a request: where they are, and when there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.core.credential import (
    MAX_SAME_NAMED_COOKIES,
    MAX_TOKEN_CHARACTERS,
    CookiePlace,
    Credential,
    CredentialPlace,
    HeaderPlace,
    SessionPlace,
    UnverifiedToken,
    find_credentials,
    is_sent_by_browsers,
)
from authgate.core.edge_headers import FILLED_FROM_COOKIES
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from tests.support.deciding import PLACES, request_with

if TYPE_CHECKING:
    from collections.abc import Callable

AUTHORIZATION = HeaderPlace(name="Authorization")
COOKIE = CookiePlace(name="access_token")


def make_credential(*parts: tuple[str, str], found_in: str = "header:authorization") -> Credential:
    return Credential(parts=tuple((name, UnverifiedToken(value)) for name, value in parts), found_in=found_in)


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc  ", "abc"),
        ("Bearer a, b", "a, b"),
    ],
)
def test_authorization_holds_the_token_after_bearer(value: str, token: str) -> None:
    (credential,) = AUTHORIZATION.find(CIMultiDict([("authorization", value)]))
    assert (credential.token, credential.found_in, credential.from_cookie) == (token, "header:authorization", False)


@pytest.mark.parametrize(
    "value", ["Basic dXNlcjpwYXNz", "Digest username=x", "", "Bearerabc", "Bearer\tabc", "Bearer", "Bearer  "]
)
def test_authorization_with_another_scheme_or_without_a_token_is_not_a_credential(value: str) -> None:
    assert AUTHORIZATION.find(CIMultiDict([("Authorization", value)])) == ()


@pytest.mark.parametrize(
    "values", [("Bearer a", "Bearer b"), ("Bearer a", "Bearer a"), ("Basic x", "Bearer a")], ids=" and ".join
)
def test_two_authorization_headers_are_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as refused:
        AUTHORIZATION.find(CIMultiDict([("Authorization", value) for value in values]))
    assert refused.value.reason is Reason.AMBIGUOUS_CREDENTIAL


@pytest.mark.parametrize("value", ["Bearer a, Bearer b", "Bearer a,bearer b", "Basic x, Bearer b"])
def test_two_credentials_joined_by_a_comma_are_refused(value: str) -> None:
    with pytest.raises(Refused) as refused:
        AUTHORIZATION.find(CIMultiDict([("Authorization", value)]))
    assert refused.value.reason is Reason.AMBIGUOUS_CREDENTIAL


@pytest.mark.parametrize(("value", "token"), [("abc", "abc"), ("Bearer abc", "abc"), (" abc\t", "abc")])
def test_another_header_holds_the_token_with_or_without_bearer(value: str, token: str) -> None:
    (credential,) = HeaderPlace(name="X-Token").find(CIMultiDict([("x-token", value)]))
    assert (credential.token, credential.found_in) == (token, "header:x-token")


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title], ids=["lower", "upper", "title"])
@pytest.mark.parametrize("name", sorted(FILLED_FROM_COOKIES))
def test_browsers_send_a_header_that_an_edge_fills_from_a_cookie(name: str, spell: Callable[[str], str]) -> None:
    place = HeaderPlace(name=spell(name))
    (credential,) = place.find(CIMultiDict([(name, "a.b.c")]))
    assert place.sent_by_browsers
    assert is_sent_by_browsers(credential.found_in)
    assert not credential.from_cookie


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (AUTHORIZATION, False),
        (HeaderPlace(name="X-Access-Token"), False),
        (HeaderPlace(name="X-Cf-Access-Jwt-Assertion"), False),
        (COOKIE, True),
        (SessionPlace(issuer_name="app", part="session_token", name="access_token"), True),
    ],
    ids=["Authorization", "a header of scripts", "a similar header", "cookie", "session"],
)
def test_browsers_send_cookies_and_no_other_header(place: CredentialPlace, *, expected: bool) -> None:
    names = [place.name] if isinstance(place, HeaderPlace) else []
    headers = CIMultiDict([("Cookie", "access_token=a.b.c"), *((name, "Bearer a.b.c") for name in names)])
    (credential,) = place.find(headers)
    assert (place.sent_by_browsers, is_sent_by_browsers(credential.found_in)) == (expected, expected)


def test_an_empty_header_holds_no_credential() -> None:
    assert HeaderPlace(name="X-Token").find(CIMultiDict([("X-Token", " ")])) == ()


def test_a_cookie_is_found_by_its_exact_name() -> None:
    headers = CIMultiDict([("Cookie", 'Access_Token=no; access_token2=no; access_token="abc"; x=1')])
    (credential,) = COOKIE.find(headers)
    assert (credential.token, credential.found_in, credential.from_cookie) == ("abc", "cookie:access_token", True)


@pytest.mark.parametrize("line", ["access_token", "access_token=", 'access_token=""', "x=access_token"])
def test_a_cookie_without_a_value_holds_no_credential(line: str) -> None:
    assert COOKIE.find(CIMultiDict([("Cookie", line)])) == ()


@pytest.mark.parametrize(
    "value",
    [
        "Bearer a.b.c",
        '"Bearer a.b.c"',
        "Bearer%20a.b.c",
        '"Bearer%20a.b.c"',
        "Bearer+a.b.c",
        "bearer a.b.c",
        "BEARER%20a.b.c",
        "Bearer  a.b.c",
        ' "Bearer a.b.c" ',
        "a.b.c",
        '"a.b.c"',
    ],
)
def test_a_cookie_may_hold_the_token_after_bearer(value: str) -> None:
    cookies = CIMultiDict([("Cookie", f"theme=dark; access_token={value}; lang=en")])
    assert [credential.token for credential in COOKIE.find(cookies)] == ["a.b.c"]


@pytest.mark.parametrize(
    "value", ["Bearera.b.c", "JWT a.b.c", "xBearer a.b.c", "a.Bearer b.c", "Bearer:a.b.c", "Bearer.b.c"]
)
def test_nothing_else_is_taken_off_a_cookie(value: str) -> None:
    assert [found.token for found in COOKIE.find(CIMultiDict([("Cookie", f"access_token={value}")]))] == [value]


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", '"Bearer "', "Bearer%20", "bearer+"])
def test_a_cookie_with_bearer_alone_holds_no_credential(value: str) -> None:
    assert COOKIE.find(CIMultiDict([("Cookie", f"access_token={value}")])) == ()


def test_the_same_token_with_and_without_bearer_is_one_credential() -> None:
    line = 'access_token=a.b.c; access_token="Bearer a.b.c"; access_token=Bearer%20a.b.c'
    assert len(COOKIE.find(CIMultiDict([("Cookie", line)]))) == 1


def test_cookies_with_the_same_name_and_value_are_one_credential() -> None:
    headers = CIMultiDict([("Cookie", "access_token=a; access_token=a"), ("Cookie", "access_token=a")])
    assert [credential.token for credential in COOKIE.find(headers)] == ["a"]


def test_cookies_with_the_same_name_and_different_values_are_all_found_in_order() -> None:
    headers = CIMultiDict([("Cookie", "access_token=b; access_token=a; access_token=b")])
    assert [credential.token for credential in COOKIE.find(headers)] == ["b", "a"]


@pytest.mark.parametrize("count", [MAX_SAME_NAMED_COOKIES, MAX_SAME_NAMED_COOKIES + 1])
def test_more_than_four_different_cookies_with_the_same_name_are_refused(count: int) -> None:
    headers = CIMultiDict([("Cookie", "; ".join(f"access_token={number}" for number in range(count)))])
    if count <= 4:
        assert len(COOKIE.find(headers)) == count
        return
    with pytest.raises(Refused) as refused:
        COOKIE.find(headers)
    assert refused.value.reason is Reason.AMBIGUOUS_CREDENTIAL


@pytest.mark.parametrize(
    ("headers", "found_in"),
    [
        ([("Authorization", "Bearer a"), ("Cookie", "access_token=b")], ["header:authorization"]),
        ([("Authorization", "Basic a"), ("Cookie", "access_token=b")], ["cookie:access_token"]),
        ([("Cookie", "access_token=b")], ["cookie:access_token"]),
        ([("Cookie", "other=b")], []),
    ],
)
def test_the_first_place_that_holds_a_credential_decides(headers: list[tuple[str, str]], found_in: list[str]) -> None:
    assert [credential.found_in for credential in find_credentials(request_with(*headers), PLACES)] == found_in


def test_the_configured_order_of_places_decides() -> None:
    request = request_with(("Authorization", "Bearer a"), ("Cookie", "access_token=b"))
    assert [credential.token for credential in find_credentials(request, (COOKIE, AUTHORIZATION))] == ["b"]


def test_no_two_credentials_share_a_digest() -> None:
    credentials = [
        make_credential(("token", "ab")),
        make_credential(("token", "a"), ("b", "")),
        make_credential(("tokena", "b")),
        make_credential(("token", "a"), ("token", "b")),
        make_credential(("token", "\udcff")),
        make_credential(),
    ]
    assert len({credential.digest() for credential in credentials}) == len(credentials)


def test_the_digest_tells_cookies_from_headers_and_does_not_depend_on_the_name_of_the_place() -> None:
    in_header, in_cookie = make_credential(("token", "a")), make_credential(("token", "a"), found_in="cookie:x")
    assert in_header.digest() != in_cookie.digest()
    assert in_header.digest() == make_credential(("token", "a"), found_in="header:x-token").digest()
    assert in_cookie.digest() == make_credential(("token", "a"), found_in="cookie:y").digest()


def test_the_repr_of_a_credential_hides_its_parts_and_a_credential_may_have_no_token() -> None:
    assert "hunter2" not in repr(make_credential(("token", "hunter2")))
    assert make_credential(("session", "x")).token == ""


@pytest.mark.parametrize(
    ("cookie", "similar_name"),
    [
        ("better-auth.session_token=x", "'better-auth.session_token', without the prefix '__Secure-',"),
        ("better-auth.session_token.0=x", "'better-auth.session_token', without the prefix '__Secure-',"),
        (
            "__Host-__Secure-better-auth.session_token=x",
            "'__Host-__Secure-better-auth.session_token', with the prefix '__Host-',",
        ),
        ("a=1; acme.session_token=x", "'acme.session_token'"),
        ("other.session_data=x", None),
        ("session_token=x", None),
    ],
)
def test_the_message_points_out_a_session_cookie_with_a_similar_name(cookie: str, similar_name: str | None) -> None:
    place = SessionPlace(issuer_name="app", part="session_token", name="__Secure-better-auth.session_token")
    message = place.describe_absence(CIMultiDict([("Cookie", cookie)]))
    if similar_name is None:
        assert message == "cookie __Secure-better-auth.session_token"
    else:
        assert f"found {similar_name} instead: check that `url`" in message


def test_a_token_has_a_bounded_size_wherever_it_is() -> None:
    longest = "a" * MAX_TOKEN_CHARACTERS
    lines = {
        "header Authorization": ("Authorization", f"Bearer {longest}"),
        "cookie access_token": ("Cookie", f"access_token={longest}"),
    }
    for place, (name, value) in lines.items():
        (credential,) = find_credentials(request_with((name, value)), PLACES)
        assert credential.token == longest
        with pytest.raises(Refused) as refused:
            find_credentials(request_with((name, value + "a")), PLACES)
        assert refused.value.reason is Reason.MALFORMED_TOKEN
        assert place in refused.value.detail


def test_another_scheme_of_authorization_may_be_longer_because_it_is_not_read() -> None:
    """Kerberos sends tickets of up to 48 KB with Negotiate."""
    assert AUTHORIZATION.find(CIMultiDict([("Authorization", f"Negotiate {'a' * 48_000}")])) == ()


@pytest.mark.parametrize(
    "place", [COOKIE, SessionPlace(issuer_name="app", part="session", name="access_token", chunked=True)]
)
def test_all_cookies_of_one_name_together_have_the_size_of_a_token(place: CredentialPlace) -> None:
    values = [letter * (MAX_TOKEN_CHARACTERS // 4) for letter in "abcd"]  # as much as a browser keeps
    line = "; ".join(f"access_token={value}" for value in values)
    assert len(place.find(CIMultiDict([("Cookie", line)]))) == len(values)
    with pytest.raises(Refused) as refused:
        place.find(CIMultiDict([("Cookie", f"{line}d")]))
    assert refused.value.reason is Reason.AMBIGUOUS_CREDENTIAL


def test_a_data_cookie_that_is_too_long_counts_as_incomplete() -> None:
    place = SessionPlace(issuer_name="app", part="token", name="t", data_part="data", data_name="d")
    for size, expected in ((MAX_TOKEN_CHARACTERS, "x" * MAX_TOKEN_CHARACTERS), (MAX_TOKEN_CHARACTERS + 1, "")):
        chunks = ["x" * 4000] * (size // 4000) + ["x" * (size % 4000)]
        line = "; ".join(("t=1", *(f"d.{number}={chunk}" for number, chunk in enumerate(chunks))))
        (credential,) = place.find(CIMultiDict([("Cookie", line)]))
        assert credential.part("data") == expected
