"""The id of a user: what may be one, and the header that carries it."""

from __future__ import annotations

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.values import type_name

# Services take the user from this header. It never comes without a value for a signed-in user.
HEADER = "x-user-id"


def user_id(value: object, source: str, *, integers: bool, hint: str = "") -> str | None:
    """Return *value* as the id of a user; None if it is null or empty.

    An id is a text, or with *integers* also an integer, which is written in decimal. Raise `Refused` for any other
    value. *source* says in the message where it comes from; *hint* ends the message.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and integers:
        return str(value)
    if not isinstance(value, str) or type_name(value) != "text":
        raise Refused(Reason.MALFORMED_TOKEN, f"{source} is {type_name(value)}, not a non-empty string{hint}")
    return value
