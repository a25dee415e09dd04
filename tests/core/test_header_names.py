"""The one table of header names, and the spellings that servers fold."""

from __future__ import annotations

import pytest

from authgate.core.header_names import MARKS, OVERRIDES, folded, guarded_names, look_alikes, with_trailing_marks

NAMES = ("X-User-Id", "X-Tenant", *OVERRIDES)


@pytest.mark.parametrize("name", NAMES)
def test_each_look_alike_is_read_as_the_name_by_the_most_lenient_server(name: str) -> None:
    others = look_alikes(name)
    assert len(others) == len({*others}) >= (40 if "-" in name else 33)
    assert {folded(other) for other in others} == {name.lower()}
    assert {mark for mark in MARKS if any(mark in other for other in others)} == {*MARKS}


def test_names_with_trailing_marks_are_what_proxies_still_pass() -> None:
    assert with_trailing_marks(["X-User-Id"]) == ("X-User-Id-", "X-User-Id--")
    assert {*with_trailing_marks(["X-User-Id"])} <= {*look_alikes("X-User-Id")}


def test_what_an_adapter_reads_and_what_proxies_remove_must_not_be_imitated() -> None:
    guarded = guarded_names(["X-Forwarded-For"], ["X-User-Id"])
    assert guarded == {
        *(name.lower() for name in OVERRIDES),
        *("x-forwarded-for", "x-user-id", "authorization", "cookie"),
    }
