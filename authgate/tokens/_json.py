"""JSON objects read in one way only: what two parsers could read differently is refused (RFC 8259, RFC 8725 §2.4)."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 32
# Opening ones, for each of which Python makes an object: a key set of 64 keys has some 200.
MAX_BRACKETS = 1024


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in *raw*.

    Raises ValueError, without quoting the input, for anything but UTF-8, a byte order mark, repeated members, nesting
    deeper than 32, NaN, Infinity, and numbers beyond a double.
    """
    text = raw.decode("utf-8")  # UnicodeDecodeError is a ValueError
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a byte order mark")
    _check_depth(text)
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_finite_integer,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos})") from None
    if not isinstance(parsed, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a wrong value, not a programmer's wrong type
    return parsed


def _check_depth(text: str) -> None:
    # Counted beforehand: where Python's own recursion limit strikes depends on the caller's stack (J11).
    brackets = text.count("{") + text.count("[")
    if brackets > MAX_BRACKETS:
        raise ValueError(f"it holds more than {MAX_BRACKETS} brackets")
    if brackets <= MAX_DEPTH:
        return
    depth = 0
    in_string = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif in_string:
            escaped = character == "\\"
            in_string = character != '"'
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested deeper than {MAX_DEPTH}")
        elif character in "}]":
            depth -= 1


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
        raise ValueError("a number is beyond what a double holds")
    return number


def _finite_integer(literal: str) -> int:
    _finite(literal)  # an int of any size would do for Python, not for what computes with it later
    return int(literal)
