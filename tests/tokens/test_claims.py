"""Claims that decide must have the right type. Claims that describe the user count as absent if their type is wrong."""

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


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"a": "x", "b": "y"}, "x"),
        ({"a": "", "b": "y"}, "y"),
        ({"a": 1, "b": "y"}, "y"),
        ({"a": ["x"]}, None),
        ({}, None),
    ],
)
def test_text_returns_the_first_non_empty_string(payload: dict[str, Any], expected: str | None) -> None:
    assert _claims.text(payload, "a", "b") == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"a": True}, True),
        ({"a": False, "b": True}, False),
        ({"a": "true"}, True),
        ({"a": "false"}, False),
        ({"a": "True", "b": True}, True),
        ({"a": 1}, None),
        ({"a": "yes"}, None),
        ({"a": None}, None),
        ({}, None),
    ],
)
def test_a_flag_is_a_boolean_or_its_lower_case_spelling(payload: dict[str, Any], *, expected: bool | None) -> None:
    assert _claims.flag(payload, "a", "b") is expected


@pytest.mark.parametrize(
    ("payload", "separator", "expected"),
    [
        ({"a": ["x", "y"]}, ",", ("x", "y")),
        ({"a": "x, y ,,"}, ",", ("x", "y")),
        ({"a": "x  y"}, " ", ("x", "y")),
        ({"a": ["x, y", " ", "z "]}, ",", ("x, y", "z")),
        ({"a": ["x", 1], "b": "y"}, ",", ("y",)),
        ({"a": 7, "b": ["y"]}, ",", ("y",)),
        ({"a": "", "b": "y"}, ",", ()),
        ({"a": [], "b": "y"}, ",", ()),
        ({"a": {"x": 1}}, ",", ()),
        ({}, ",", ()),
    ],
)
def test_a_string_list_is_a_list_or_a_separated_string(
    payload: dict[str, Any], separator: str, expected: tuple[str, ...]
) -> None:
    assert _claims.string_list(payload, "a", "b", separator=separator) == expected
