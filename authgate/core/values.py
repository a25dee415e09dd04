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
