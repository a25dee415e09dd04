"""Quick dataclasses: frozen for the type checker, with slots and equality, and made without a call for each field."""

from __future__ import annotations

from dataclasses import field, fields, replace

import pytest

from authgate.core.quick_dataclass import quick_dataclass, replaced
from tests.support.ruling import count_calls


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point on a plane."""

    x: int
    y: int = 0
    name: str = field(default="", repr=False, compare=False)


def test_it_is_a_dataclass_with_slots() -> None:
    assert Point(x=1, name="a") == Point(x=1, name="b") != Point(x=2)
    assert repr(Point(x=1, name="a")) == f"{Point.__qualname__}(x=1, y=0)"
    assert replace(Point(x=1), y=3) == Point(x=1, y=3)
    assert [each.name for each in fields(Point)] == ["x", "y", "name"]
    assert not hasattr(Point(x=1), "__dict__")
    with pytest.raises(TypeError):
        hash(Point(x=1))


def test_making_one_calls_its_constructor_and_nothing_else() -> None:
    assert count_calls(lambda: Point(x=1, y=2)).total() == 2  # with the lambda


def test_a_copy_has_every_field_and_the_changes() -> None:
    point = Point(x=1, y=2, name="a")
    copy = replaced(point, y=3)
    assert (copy.x, copy.y, copy.name) == (1, 3, "a")
    assert (point.y, type(copy)) == (2, Point)
    with pytest.raises(TypeError):
        replaced(point, z=1)
    assert count_calls(lambda: replaced(point, y=3)).total() == 3  # with the lambda and the constructor
