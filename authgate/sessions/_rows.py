"""Parse what a store returns: bounded, without repeated members, and only the session of the requested token."""

from __future__ import annotations

import hmac
from typing import Any

from authgate.core import strict_json
from authgate.sessions import RowsUnusable, StoredRows, StoreFailed

# A bound on the JSON of a session and its user together. A user's row may hold a picture.
MAX_ROWS_BYTES = 256 * 1024
# The libraries write two objects; a plugin's columns may hold lists of them. So many objects take at most 4 MiB.
MAX_BRACKETS = 16_384
MAX_TOKEN_CHARACTERS = 4096


def is_plausible_token(token: str) -> bool:
    """Whether a library could have made *token*: printable ASCII, 1 to 4096 characters."""
    return token.isascii() and token.isprintable() and 0 < len(token) <= MAX_TOKEN_CHARACTERS


def decoded(value: bytes, where: str) -> str:
    """Return the text of *value*, which *where* sent. Raises `RowsUnusable` if it is not UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise RowsUnusable(f"{where} did not return a valid session: it is not UTF-8") from None


def parse_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value in *text*. Raises ValueError, without quoting it, where `strict_json.parse` does."""
    return strict_json.parse(text, max_brackets=MAX_BRACKETS)


def parse_rows(text: str, token: str, where: str, *, fix: str = "") -> StoredRows | None:
    """Return the session of *token* from the JSON that *where* sent: {"session", "user"}, or null for no session.

    *fix* begins with "; " and says what to change if the session, its token or the user is left out.

    Raises `RowsUnusable` for an object that is not a valid session, and `StoreFailed` for anything else, also for the
    session of another token: a cache between AuthGate and the store may have sent it.
    """
    try:
        answer = parse_json(text)
    except ValueError as error:
        kind = RowsUnusable if text.startswith("{") else StoreFailed  # not an object: the HTML page of another server?
        raise kind(f"{where} did not return a valid session: {error}") from None
    if answer is None:
        return None
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), dict) for name in ("session", "user")):
        raise StoreFailed(f"{where} did not return a valid session: it is not an object with a session and a user{fix}")
    rows = StoredRows(session=answer["session"], user=answer["user"])
    if not rows.session.get("token"):
        raise RowsUnusable(f"{where} left session.token out, so AuthGate cannot know whose session it is{fix}")
    if not same_token(rows.session.get("token"), token):
        raise StoreFailed(f"{where} returned the session of another token: is there a cache in front of it?")
    return rows


def same_token(stored: object, token: str) -> bool:
    """Whether the *stored* value is *token*, compared in constant time."""
    return isinstance(stored, str) and hmac.compare_digest(stored.encode("utf-8", "replace"), token.encode())
