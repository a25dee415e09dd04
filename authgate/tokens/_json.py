"""JSON objects as tokens and key sets hold them: UTF-8, and read in one way only."""

from __future__ import annotations

from typing import Any

from authgate.core import strict_json

# A key set of 64 keys has some 200.
MAX_BRACKETS = 1024


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in *raw*.

    Raises ValueError, without quoting the input, for anything but UTF-8, a byte order mark, and what
    `strict_json.parse` refuses.
    """
    text = raw.decode("utf-8")  # UnicodeDecodeError is a ValueError
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a byte order mark")
    parsed = strict_json.parse(text, max_brackets=MAX_BRACKETS)
    if not isinstance(parsed, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a wrong value, not a programmer's wrong type
    return parsed
