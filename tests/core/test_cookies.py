"""Finding cookies by name, in any number that a browser sends."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from authgate.core.cookies import MAX_COOKIES, cookie_values, similar_names, whole_or_chunked
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.redirects import count_redirects
from tests.support.deciding import request_with
from tests.support.tokens import NOW


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=1; b=2", ["1"]),
        ("b=2;a=1", ["1"]),
        ("\ta = 1 ;b=2", ["1"]),
        ('a="1"; b="2"', ["1"]),
        ('a="', ['"']),
        ("a=1=2; a=", ["1=2", ""]),
        ("aa=1; ba=1; a.b=1; b=a=1; A=1", []),
        ("a", []),
        ("", []),
        (";=;=;;a=1;=", ["1"]),
    ],
)
def test_the_values_of_a_cookie_are_read_according_to_rfc_6265(line: str, expected: list[str]) -> None:
    assert list(cookie_values(CIMultiDict([("Cookie", line)]), "a")) == expected


def test_the_name_of_a_cookie_is_not_a_pattern() -> None:
    assert list(cookie_values(CIMultiDict([("Cookie", "axb=1; a.b=2")]), "a.b")) == ["2"]


def test_the_cookies_of_several_lines_are_one_list() -> None:
    """HTTP/2 allows a client to split the header (RFC 9113 §8.2.3)."""
    assert cookie_values(CIMultiDict([("Cookie", "a=1; b=2"), ("Cookie", "a=3")]), "a") == ["1", "3"]


def test_more_cookies_than_a_browser_keeps_are_refused_wherever_they_are() -> None:
    line = "a=1" + "; b=2" * (MAX_COOKIES - 1)
    assert cookie_values(CIMultiDict([("Cookie", line)]), "a") == ["1"]
    for lines in ([line + ";"], [line, "c=3"], [";" * MAX_COOKIES], ["; "] * (MAX_COOKIES + 1)):
        headers = CIMultiDict([("Cookie", one) for one in lines])
        for search in (cookie_values, whole_or_chunked, similar_names):
            with pytest.raises(Refused) as refused:
                search(headers, "a")
            assert refused.value.reason is Reason.AMBIGUOUS_CREDENTIAL
        assert count_redirects(request_with(*headers.items()), NOW).record.redirects == 0


@pytest.mark.parametrize("space", [" ", "\t", " \t"])
def test_many_spaces_before_a_cookie_are_refused(space: str) -> None:
    assert cookie_values(CIMultiDict([("Cookie", f"b=2;{space}a=1{space * 9}")]), "a") == ["1"]
    with pytest.raises(Refused) as refused:
        cookie_values(CIMultiDict([("Cookie", f"b=2;{space * 5}a=1")]), "a")
    assert refused.value.reason is Reason.AMBIGUOUS_CREDENTIAL


def test_a_whole_cookie_takes_precedence_over_chunks() -> None:
    headers = CIMultiDict([("Cookie", 'a.0=x; a.1=y; a="z"; a=; a=z')])
    assert whole_or_chunked(headers, "a") == ("z",)
    assert whole_or_chunked(CIMultiDict([("Cookie", "a.1=y; a.0=x; a=; a.02=n; a.100=n")]), "a") == ("xy",)
    assert whole_or_chunked(CIMultiDict([("Cookie", "a.0=x; a.2=y")]), "a") == ("",)
    assert whole_or_chunked(CIMultiDict([("Cookie", "a.0=x; a.0=y")]), "a") == ("",)
    assert whole_or_chunked(CIMultiDict([("Cookie", "aa.0=x")]), "a") == ()


@pytest.mark.parametrize("line", ["a.0=; a.0=x", "a.0=x; a.0="])
def test_a_chunk_with_two_values_is_incomplete_whichever_comes_first(line: str) -> None:
    assert whole_or_chunked(CIMultiDict([("Cookie", line)]), "a") == ("",)


@pytest.mark.parametrize("spaces", [" " * 5, "\t" * 5, " \t  \t", "\t    ", "    \t"])
def test_five_spaces_or_tabs_before_a_cookie_are_refused_and_four_are_not(spaces: str) -> None:
    headers = CIMultiDict([("Cookie", f"a=1;{spaces}b=2")])
    with pytest.raises(Refused):
        cookie_values(headers, "b")
    assert cookie_values(CIMultiDict([("Cookie", f"a=1;{spaces[1:]}b=2")]), "b") == ["2"]
