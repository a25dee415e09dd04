"""What a store answers, read in one way only: bounded, without repeated members, and about the token that was asked."""

from __future__ import annotations

import hmac
import sys
from typing import Any

from authgate.core import strict_json
from authgate.sessions import RowsUnusable, StoredRows, StoreFailed

# Of a session and its user together, as JSON. A user's row may hold a picture.
MAX_ROWS_BYTES = 256 * 1024
# Libraries write two. A plugin's columns may hold lists of objects: as many as take 4 MiB in memory at most.
MAX_BRACKETS = 16_384
MAX_TOKEN_CHARACTERS = 4096


def could_be_a_token(token: str) -> bool:
    """Say whether *token* is one that a library could have made: printable ASCII, at most 4096 characters."""
    return token.isascii() and token.isprintable() and 0 < len(token) <= MAX_TOKEN_CHARACTERS


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value in *text*; raise ValueError, without quoting it, for what `strict_json.parse` refuses."""
    return strict_json.parse(text, max_brackets=MAX_BRACKETS)


def parse_rows(text: str, token: str, where: str) -> StoredRows | None:
    """Return the session of *token* in the JSON *text*, {"session", "user"} or null, that came from *where*.

    Raises `RowsUnusable` for an object that is no session, and `StoreFailed` for anything else, a session of another
    token above all: a cache in between may hold it.
    """
    try:
        answer = parse_json(text)
    except ValueError as error:
        kind = RowsUnusable if text.startswith("{") else StoreFailed  # an HTML page, say: another server's altogether
        raise kind(f"{where} answers what is no session: {error}") from None
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
