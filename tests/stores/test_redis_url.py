"""URLs of Redis as people write them, and the messages for those that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.stores._redis_url import parse_redis_url


def fault_of(url: str) -> str | None:
    """Return the message for *url*, None if it is valid."""
    try:
        parse_redis_url(url)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", ("cache", 6379, 0, "", "", False)),
        ("rediss://app:p%40ss@cache:6380/3", ("cache", 6380, 3, "app", "p@ss", True)),
        ("redis://:p@[::1]/?db=2", ("::1", 6379, 2, "", "p", False)),
        ("redis://default:p@cache/0?family=0", ("cache", 6379, 0, "default", "p", False)),
        ("redis://a:p@ss:é|^%25@my_cache:1", ("my_cache", 1, 0, "a", "p@ss:é|^%", False)),
        ("REDISS://münchen/15", ("münchen", 6379, 15, "", "", True)),
    ],
)
def test_a_url_is_parsed(url: str, expected: tuple[Any, ...]) -> None:
    address = parse_redis_url(url)
    parsed = (address.host, address.port, address.database, address.user, address.password, address.tls)
    assert parsed == expected
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://app:canary@cache", "redis://cache:6379/0"),
        ("rediss://app:canary@[::1]:6380/3", "rediss://[::1]:6380/3"),
    ],
)
def test_the_address_for_messages_has_no_user_and_no_password(url: str, where: str) -> None:
    assert parse_redis_url(url).where == where


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "is not a redis or rediss URL"),
        ("cache:6379", "is not a redis or rediss URL"),
        ("http://cache", "is not a redis or rediss URL"),
        ("redis://", "empty host"),
        ("redis:cache", "empty host"),
        ("redis:/cache", "empty host"),
        ("redis://:can#ary@cache", "%23"),
        ("redis://:can/ary@cache", "%2F"),
        ("redis://:can?ary@cache", "%3F"),
        ("redis://cache:0", "from 1 to 65535"),
        ("redis://cache:x", "invalid port number"),
        ("redis://cache:65536", "invalid port number"),
        ("redis://cache/x", "has a database that is not a number"),
        ("rediss://:canary@cache?ssl_cert_reqs=none", "certificates are verified"),
        ("redis://[::1", "invalid IPv6 address"),
        ("redis://a b", "white space"),
        ("redis://a%20b", "white space"),
        ("redis://a%0Ab", "white space"),
        ("redis://cache/100000", "not a number of at most 5 digits"),
        (f"redis://{'a' * 4096}", "at most 4096 characters"),
    ],
)
def test_the_message_for_an_invalid_url_does_not_quote_the_password(url: str, part: str) -> None:
    fault = fault_of(url)
    assert fault is not None
    assert part in fault
    assert "ary" not in fault


@given(st.text(), st.text(alphabet="@:/?#%&=[] abc123\\\0"))
def test_any_text_is_parsed_or_rejected_and_no_message_quotes_a_password(anything: str, mess: str) -> None:
    fault_of(anything)
    assert "canary" not in (fault_of(f"redis://app:canary{mess}canary@cache") or "")
