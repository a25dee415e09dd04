"""Values of claims keep their types in a comparison."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.values import key, kind

VALUES: list[tuple[Any, str]] = [
    (True, "boolean"),
    ("", "text"),
    ("5", "text"),
    (5, "number"),
    (5.5, "number"),
    (10**400, "number"),
    (float("nan"), "other"),
    (float("inf"), "other"),
    (None, "other"),
    ([], "other"),
    ({}, "other"),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[str(value)[:20] for value, _ in VALUES])
def test_a_value_has_one_kind(value: Any, expected: str) -> None:
    assert kind(value) == expected


def test_values_of_different_types_are_never_equal() -> None:
    assert len({key(value) for value in (True, 1, "1", "true", False, 0, "0", "")}) == 8
    assert key(1) == key(1.0)
