"""How the values of claims are compared: with their types, because 1 is not true and "5" is not 5."""

from __future__ import annotations

import math


def kind(value: object) -> str:
    """Return "boolean", "text" or "number"; "other" for null, an object, a list, NaN and infinity."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return "number"
    return "other"


def key(value: object) -> object:
    """Return what stands for *value* in a comparison. A text is its own key. 1 and True have different keys."""
    return value if isinstance(value, str) else (kind(value), value)


def type_name(value: object) -> str:
    """Return the type of a claim in words: "text", "a list", "an integer"."""
    if isinstance(value, str):
        return "text" if is_unicode(value) else "text that is not Unicode"
    if isinstance(value, bool):
        return "a boolean"
    names = ((int, "an integer"), (float, "a number with a fraction"), (dict, "an object"), ((list, tuple), "a list"))
    return next((name for types, name in names if isinstance(value, types)), "null")


def is_unicode(text: str) -> bool:
    """Whether *text* is free of lone surrogates, which JSON can express but UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_absent(value: object) -> bool:
    """Whether a claim with *value* counts as absent: null, and every empty text, list and object."""
    return value is None or value in ("", [], {})
