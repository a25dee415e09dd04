"""Claims that decide must have the right type. Claims that describe the user cannot be read if their type is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens import _claims

LAST = _claims.MAX_NUMERIC_DATE


@pytest.mark.parametrize(("value", "seconds"), [(0, 0.0), (1_800_000_000, 1.8e9), (1.5, 1.5), (LAST, float(LAST))])
def test_a_numeric_date_is_a_plain_number_of_seconds(value: Any, seconds: float) -> None:
    assert _claims.numeric_date({"exp": value}, "exp") == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "1800000000",
        "",
        [1],
        {},
        float("nan"),
        float("inf"),
        -float("inf"),
        -1,
        -0.5,
        LAST + 1,
        1.8e12,
    ],
)
def test_any_other_numeric_date_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as refused:
        _claims.numeric_date({"exp": value}, "exp")
    assert refused.value.reason is Reason.MALFORMED_TOKEN
    assert "'exp'" in refused.value.detail


@pytest.mark.parametrize("value", ["", None, 1, True, ["a"], {"a": 1}, "\ud83d"])
def test_a_subject_that_is_not_a_non_empty_string_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as refused:
        _claims.string_or_uri({"sub": value}, "sub")
    assert refused.value.reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize(
    ("value", "expected"), [("a", {"a"}), (["a"], {"a"}), (["a", "b", "a"], {"a", "b"}), (["https://x"], {"https://x"})]
)
def test_an_audience_is_a_string_or_a_list_of_strings(value: Any, expected: set[str]) -> None:
    assert _claims.audiences({"aud": value}) == expected


@pytest.mark.parametrize("value", ["", None, 1, True, [], [""], ["a", ""], ["a", 1], [["a"]], {"a": 1}])
def test_any_other_audience_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as refused:
        _claims.audiences({"aud": value})
    assert refused.value.reason is Reason.MALFORMED_TOKEN


def test_an_absent_claim_is_accepted() -> None:
    assert _claims.numeric_date({}, "exp") is None
    assert _claims.string_or_uri({}, "sub") is None
    assert _claims.audiences({}) == frozenset()


UNREADABLE = "unreadable"


def read(reader: Any, value: Any) -> Any:
    try:
        return reader(value)
    except _claims.Unreadable:
        return UNREADABLE


@pytest.mark.parametrize(
    ("value", "text", "identifier", "flag"),
    [
        ("x", "x", "x", UNREADABLE),
        ("7", "7", "7", UNREADABLE),
        (7, UNREADABLE, "7", UNREADABLE),
        (10**30, UNREADABLE, str(10**30), UNREADABLE),
        (1.5, UNREADABLE, UNREADABLE, UNREADABLE),
        (True, UNREADABLE, UNREADABLE, True),
        (False, UNREADABLE, UNREADABLE, False),
        ("true", "true", "true", True),
        ("false", "false", "false", False),
        ("True", "True", "True", UNREADABLE),
        ("1", "1", "1", True),
        ("0", "0", "0", False),
        (1, UNREADABLE, "1", UNREADABLE),
        (0, UNREADABLE, "0", UNREADABLE),
        ("\ud83d", "\ud83d", UNREADABLE, UNREADABLE),
        ([], UNREADABLE, UNREADABLE, UNREADABLE),
        (["x"], UNREADABLE, UNREADABLE, UNREADABLE),
        ({}, UNREADABLE, UNREADABLE, UNREADABLE),
    ],
    ids=repr,
)
def test_a_text_an_id_and_a_flag_each_have_their_types(value: Any, text: Any, identifier: Any, flag: Any) -> None:
    assert read(_claims.text, value) == text
    assert read(_claims.identifier, value) == identifier
    assert read(_claims.flag, value) is flag


@pytest.mark.parametrize(
    ("value", "separator", "expected"),
    [
        (["x", "y"], ",", ("x", "y")),
        ("x, y ,,", ",", ("x", "y")),
        ("x  y", " ", ("x", "y")),
        ("x y", None, ("x y",)),
        (["x, y", " ", "z "], ",", ("x, y", "z")),
        ({"x": 1, "y": {"z": None}}, ",", ("x", "y")),
        ([], ",", ()),
        ({}, ",", ()),
        (["x", 1], ",", UNREADABLE),
        ([["x"]], ",", UNREADABLE),
        (["x", None], ",", UNREADABLE),
        (7, ",", UNREADABLE),
        (True, ",", UNREADABLE),
    ],
    ids=repr,
)
def test_words_are_in_a_list_in_a_separated_string_or_the_names_of_members(
    value: Any, separator: str | None, expected: Any
) -> None:
    assert read(lambda claim: _claims.words(claim, separator), value) == expected


def test_a_null_of_a_row_is_no_for_a_flag_and_otherwise_absent() -> None:
    row = {"banned": None, "isAnonymous": None, "role": None, "name": "Ada", "x": False}
    assert _claims.without_nulls(row) == {"banned": False, "isAnonymous": False, "name": "Ada", "x": False}
    assert _claims.without_nulls({}) == {}
