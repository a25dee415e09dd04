"""A strict JSON parser. It refuses input that two parsers could read differently (RFC 8259, RFC 8725 §2.4)."""

from __future__ import annotations

import json
import math
import re
from itertools import islice
from json.scanner import make_scanner
from typing import Any

MAX_DEPTH = 32

# Also matches a string without an end. Possessive quantifiers: no backtracking, so the time is linear.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[][{}]")
# A number that may be beyond a double (1.8e308): its exponent is 300 or more, or 100 or more after 10 digits, or it has
# 200 digits. The pattern begins with a digit, because a search for that skips all other text.
_LARGE = re.compile(
    r"[0-9](?<![0-9.][0-9])(?:"
    r"[0-9]*+(?:\.[0-9]++)?[eE]\+?0*+(?:[3-9][0-9]{2}|[1-9][0-9]{3})[0-9]*+"
    r"|[0-9]{9}[0-9]*+(?:\.[0-9]++)?[eE]\+?0*+[1-9][0-9]{2}[0-9]*+"
    r"|[0-9]{199}[0-9]*+(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)"
)
MAX_LARGE_NUMBERS = 64
# What the bytes of a text are, so that three searches find the few texts whose numbers or brackets must be looked at:
# a digit, the beginning of an exponent, an opening bracket, or anything else. A plus is left out. Each large number has
# three digits of an exponent, or 200 digits.
_CLASSES = bytes(
    {
        **dict.fromkeys(range(256), ord(" ")),
        **dict.fromkeys(b"0123456789", ord("0")),
        **dict.fromkeys(b"eE", ord("e")),
        **dict.fromkeys(b"[{", ord("[")),
    }.values()
)
_MANY_DIGITS = b"0" * 200


class NotJson(ValueError):
    """The text is not JSON at all."""


def parse(text: str, *, max_brackets: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value in *text*.

    Raises ValueError, without quoting the input, for invalid JSON, repeated members, nesting deeper than 32, NaN,
    Infinity, numbers beyond a double, more than 64 numbers close to that, and more than *max_brackets* opening brackets
    (Python makes an object for each).
    """
    classes = text.encode("utf-8", "surrogatepass").translate(_CLASSES, b"+")
    if classes.count(b"[") > min(MAX_DEPTH, max_brackets):
        _check_brackets(text, max_brackets)
    if b"0e000" in classes or _MANY_DIGITS in classes:
        _check_numbers(text)
    try:
        if text.startswith("{"):  # without the calls that `loads` makes, which take longer than to read a token
            value, end = _SCAN(text, 0)
            if end == len(text):
                return value
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotJson(f"it is not JSON ({error.msg} at character {error.pos})") from None
    except StopIteration as stop:  # the scanner found no value where one must be
        raise NotJson(f"it is not JSON (Expecting value at character {stop.value})") from None


def _check_brackets(text: str, max_brackets: int) -> None:
    # Checked before parsing, because Python's own recursion limit depends on the caller's stack (J11).
    if text.count("{") + text.count("[") > max_brackets:
        raise ValueError(f"it holds more than {max_brackets} brackets")
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "{[" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH}")


def _check_numbers(text: str) -> None:
    # Checked before parsing: a function that json calls for each number takes 2 ms for 6,000 of them. Python reads an
    # int of any size, but later computations would fail.
    if not _LARGE.search(text):
        return
    large = [match[0] for match in islice(_LARGE.finditer(_STRING.sub('""', text)), MAX_LARGE_NUMBERS + 1)]
    if len(large) > MAX_LARGE_NUMBERS:
        raise ValueError(f"it holds more than {MAX_LARGE_NUMBERS} numbers that are close to the range of a double")
    if math.inf in map(float, large):
        raise ValueError("a number is beyond the range of a double")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _no_constant(name: str) -> Any:  # noqa: ANN401 - json's own signature
    raise NotJson(f"{name} is not JSON")


# The scanner of the standard library, in C. It begins at a character, and skips no white space before it.
_SCAN = make_scanner(
    json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_no_constant)  # type: ignore[arg-type] # typeshed
)
