"""What a store answers, read in one way only: bounded, without repeated members, and about the token that was asked."""

from __future__ import annotations

import hmac
import json
import math
import sys
from typing import Any

from authgate.sessions import StoredRows, StoreFailed

# Of a session and its user together, as JSON. A user's row may hold a picture.
MAX_ROWS_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_TOKEN_CHARACTERS = 4096


def could_be_a_token(token: str) -> bool:
    """Say whether *token* is one that a library could have made: printable ASCII, at most 4096 characters."""
    return token.isascii() and token.isprintable() and 0 < len(token) <= MAX_TOKEN_CHARACTERS


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value in *text*; raise ValueError, without quoting it, where two parsers could differ over it.

    That is: repeated members, NaN, Infinity, numbers beyond a double, nesting deeper than 32.
    """
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos})") from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH}") from None
    _check_depth(parsed)
    return parsed


def parse_rows(text: str, token: str, where: str) -> StoredRows | None:
    """Return the session of *token* in the JSON *text*, {"session", "user"} or null, that came from *where*.

    Raises `StoreFailed` for anything else, a session of another token above all: a cache in between may hold it.
    """
    try:
        answer = parse_json(text)
    except ValueError as error:
        raise StoreFailed(f"{where} answers what is no session: {error}") from None
    if answer is None:
        return None
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), dict) for name in ("session", "user")):
        raise StoreFailed(f"{where} answers what is no session: it is not an object with a session and a user")
    rows = StoredRows(session=answer["session"], user=answer["user"])
    if not same_token(rows.session.get("token"), token):
        raise StoreFailed(f"{where} answers with the session of another token: is there a cache in between?")
    return rows


def same_token(found: object, wanted: str) -> bool:
    """Say whether *found* is the token *wanted*."""
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "replace"), wanted.encode())


def weight(rows: StoredRows) -> int:
    """Return about how many bytes *rows* take in memory."""
    total = 0
    rest: list[Any] = [rows.session, rows.user]
    while rest:
        value = rest.pop()
        total += sys.getsizeof(value)
        if isinstance(value, dict):
            rest.extend(value)
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
    return total


def _check_depth(parsed: Any) -> None:  # noqa: ANN401 - any JSON value
    level = [parsed]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
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
        raise ValueError("a number is beyond what a double holds")
    return number


def _integer(literal: str) -> int:
    _finite(literal)
    return int(literal)
