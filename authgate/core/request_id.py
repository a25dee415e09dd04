"""The id by which a refusal is found in the log: the proxy's, if it sends one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.request import Headers

HEADER = "X-Request-Id"
# The usual ids: a UUID, nginx's $request_id, a ULID. None of these characters has a meaning in HTML, JSON or a log.
FORM = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def request_id(headers: Headers) -> str:
    """Return the id in the subrequest; "" if it has none, several, or one with other characters."""
    values = headers.getall("x-request-id", ())
    return values[0] if len(values) == 1 and FORM.fullmatch(values[0]) else ""
