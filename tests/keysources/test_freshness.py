"""How long a response is fresh (RFC 9111 §4.2)."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from authgate.keysources._freshness import fresh_seconds

DATE = ("Date", "Fri, 15 Jan 2027 08:00:00 GMT")
HOUR_LATER = ("Expires", "Fri, 15 Jan 2027 09:00:00 GMT")
HOUR_EARLIER = ("Expires", "Fri, 15 Jan 2027 07:00:00 GMT")

CASES: list[tuple[list[tuple[str, str]], float | None]] = [
    ([], None),
    ([DATE], None),
    ([("Cache-Control", "public")], None),
    ([("Cache-Control", "")], None),
    ([("Cache-Control", "s-maxage=60")], None),  # for shared caches
    ([("Age", "10")], None),
    # max-age, §5.2.2.1
    ([("Cache-Control", "max-age=300")], 300),
    ([("cache-control", "public, MAX-AGE=300 , must-revalidate")], 300),
    ([("Cache-Control", 'max-age="300"')], 300),
    ([("Cache-Control", "max-age=0")], 0),
    ([("Cache-Control", "max-age=0000000000000000300")], 300),
    ([("Cache-Control", "max-age=300, max-age=5")], 300),  # §4.2.1: the first
    ([("Cache-Control", "max-age=300"), ("Cache-Control", "max-age=5")], 300),
    ([("Cache-Control", f"max-age={2**31 + 5}")], 2.0**31),
    ([("Cache-Control", "max-age=" + "9" * 10_000)], 2.0**31),
    # §4.2.1: invalid freshness is stale
    ([("Cache-Control", "max-age")], 0),
    ([("Cache-Control", "max-age=")], 0),
    ([("Cache-Control", "max-age=-1")], 0),
    ([("Cache-Control", "max-age=1.5")], 0),
    ([("Cache-Control", "max-age=1e9")], 0),
    ([("Cache-Control", "max-age=٣")], 0),
    ([("Cache-Control", "max-age=soon"), DATE, HOUR_LATER], 0),
    # max-age goes before Expires, §5.3
    ([("Cache-Control", "max-age=300"), DATE, HOUR_LATER], 300),
    # no-store and no-cache
    ([("Cache-Control", "no-store")], 0),
    ([("Cache-Control", "max-age=300, no-cache")], 0),
    ([("Cache-Control", "max-age=300"), ("Cache-Control", "no-store")], 0),
    # Age, §5.1
    ([("Cache-Control", "max-age=300"), ("Age", "100")], 200),
    ([("Cache-Control", "max-age=300"), ("Age", "301")], 0),
    ([("Cache-Control", "max-age=300"), ("Age", "-5")], 300),
    ([("Cache-Control", "max-age=300"), ("Age", "old")], 300),
    ([DATE, HOUR_LATER, ("Age", "600")], 3000),
    # Expires
    ([DATE, HOUR_LATER], 3600),
    ([DATE, HOUR_EARLIER], 0),
    ([DATE, ("Expires", "0")], 0),
    ([DATE, ("Expires", "-1")], 0),
    ([DATE, ("Expires", "")], 0),
    ([("Date", "yesterday"), HOUR_LATER], 0),
    ([HOUR_LATER], 0),
    ([DATE, ("Expires", "Fri, 15 Jan 99999 09:00:00 GMT")], 0),
    ([DATE, ("Expires", "Friday, 15-Jan-27 09:00:00 GMT")], 3600),  # RFC 850, as RFC 9110 §5.6.7 asks for
]


@pytest.mark.parametrize(("headers", "expected"), CASES, ids=repr)
def test_the_headers_say_how_long_a_response_is_fresh(headers: list[tuple[str, str]], expected: float | None) -> None:
    assert fresh_seconds(CIMultiDict(headers)) == expected


TEXT = st.text() | st.from_regex(r"(max-age|no-store|[a-z]+)=?[\"0-9, -]*") | st.datetimes().map(str)
DATES = st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,8} ([A-Z]{3}|[+-][0-9]{1,5})")


@given(
    headers=st.dictionaries(
        st.sampled_from(["Cache-Control", "Age", "Expires", "Date"]), TEXT | DATES | st.just(DATE[1])
    )
)
@example(headers={"Expires": "Mon, 1 Jan 1 00:00:00 +2359", "Date": "Fri, 31 Dec 9999 23:59:59 -2359"})
@example(headers={"Expires": "Fri, 15 Jan 2027 09:00:00 +9999999", "Date": DATE[1]})
@example(headers={"Expires": "Fri, 15 Jan 2027 09:00:00 -0000", "Date": "Fri, 15 Jan 2027"})
def test_any_text_gives_none_or_a_finite_number_of_seconds(headers: dict[str, str]) -> None:
    seconds = fresh_seconds(CIMultiDict(headers))
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
