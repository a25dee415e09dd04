"""What a client is: a browser that shows the reply to a person, or a program that reads it.

Browsers state it in Sec-Fetch-Mode (Fetch Metadata). They send that header to https and to localhost only, so elsewhere
the header Accept has to do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.request import Headers, Request

# RFC 9110 §9.2.1. Only these may be sent again after a sign-in: a redirect turns a POST into a GET without its body.
_REPEATABLE = frozenset({"GET", "HEAD"})
# Without Sec-Fetch-Mode: a WebSocket handshake, other Fetch Metadata, and what libraries for scripts send.
_OF_NO_PAGE = ("sec-websocket-key", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user", "x-requested-with")
# The first entry for HTML, with its parameters.
_HTML = re.compile(r"(?:\A|,)\s*+text/html\s*+(?:;([^,]*+))?(?:,|\Z)", re.IGNORECASE)
_REFUSES = re.compile(r"(?:\A|;)\s*+q\s*+=\s*+0(?:\.0{1,3})?\s*+(?:;|\Z)", re.IGNORECASE)
# Browsers send one line of about 130 characters.
_MAX_ACCEPT_LINES = 4
_MAX_ACCEPT_CHARACTERS = 1024


def shows_pages(headers: Headers) -> bool:
    """Whether the reply is shown to a person: a link was followed, an address typed, or a form sent.

    Requests of scripts, WebSocket handshakes and requests of programs return false.
    """
    modes = headers.getall("sec-fetch-mode", ())
    if modes:
        return [*modes] == ["navigate"] and not headers.getall("sec-websocket-key", ())
    for value in headers.getall("accept", ())[:_MAX_ACCEPT_LINES]:
        if _names_html(value):
            return not any(headers.getall(name, ()) for name in _OF_NO_PAGE)
    return False


def may_redirect(request: Request) -> bool:
    """Whether the client may be sent to another page: a person will see it, and can come back to this request."""
    return request.method in _REPEATABLE and shows_pages(request.headers)


def is_prefetch(headers: Headers) -> bool:
    """Whether a browser loads a page in advance, before anybody asked for it."""
    purposes = (*headers.getall("sec-purpose", ()), *headers.getall("purpose", ()))
    return any("prefetch" in purpose.lower() for purpose in purposes)


def _names_html(accept: str) -> bool:
    """Whether *accept* names HTML. A client that accepts anything (`*/*`) does not, and one with q=0 refuses it."""
    html = _HTML.search(accept[:_MAX_ACCEPT_CHARACTERS])
    return html is not None and not _REFUSES.search(html[1] or "")
