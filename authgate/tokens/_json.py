"""Parse the JSON objects in tokens and key sets. Only input that every parser reads the same way is accepted."""

from __future__ import annotations

from typing import Any

from authgate.core import strict_json

# How many brackets a document may have. A key set of 64 keys has about 200.
MAX_BRACKETS = 1024


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in *raw*.

    Raise ValueError if it is not UTF-8, begins with a byte order mark, or is refused by `strict_json.parse`. The
    message never quotes the input.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a byte order mark")
    parsed = strict_json.parse(text, max_brackets=MAX_BRACKETS)
    if not isinstance(parsed, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - bad input, not a bug in the caller
    return parsed
