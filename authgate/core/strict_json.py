"""A strict JSON parser. It refuses input that two parsers could read differently (RFC 8259, RFC 8725 §2.4)."""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 32

# Also matches a string without an end. Possessive quantifiers: no backtracking, so the time is linear.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[][{}]")


def parse(text: str, *, max_brackets: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value in *text*.

    Raises ValueError, without quoting the input, for invalid JSON, repeated members, nesting deeper than 32, NaN,
    Infinity, numbers beyond a double, and more than *max_brackets* opening brackets (Python makes an object for each).
    """
    _check_brackets(text, max_brackets)
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_finite_integer,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos})") from None


def _check_brackets(text: str, max_brackets: int) -> None:
    # Checked before parsing, because Python's own recursion limit depends on the caller's stack (J11).
    brackets = text.count("{") + text.count("[")
    if brackets > max_brackets:
        raise ValueError(f"it holds more than {max_brackets} brackets")
    if brackets <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "{[" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _no_constant(name: str) -> Any:  # noqa: ANN401 - json's own signature
    raise ValueError(f"{name} is not JSON")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError("a number is beyond the range of a double")
    return number


def _finite_integer(literal: str) -> int:
    _finite(literal)  # Python reads an int of any size, but later computations would fail
    return int(literal)
