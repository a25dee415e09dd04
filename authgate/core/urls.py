"""URLs that AuthGate itself fetches: what makes one unfit."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

MAX_URL_CHARACTERS = 2048

_VISIBLE = re.compile(r"[\x21-\x7e]+")


def url_fault(url: str, *, allow_http: bool) -> str | None:
    """Return why *url* cannot be fetched, None if it can: an absolute https URL (or http, if allowed) of a host.

    Neither credentials nor a fragment may be in it, nor anything that two readers could take for two hosts.
    """
    if len(url) > MAX_URL_CHARACTERS:
        return f"is longer than {MAX_URL_CHARACTERS} characters"
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        return "holds white space, a backslash or a character outside ASCII"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme == "http" and not allow_http:
        return "is plain http: whoever is on the way could put keys of his own into it; use https, or set allow_http"
    if parts.scheme not in {"https", "http"}:
        return "is not an https URL"
    if not host or port == 0:
        return "names no host"
    if "@" in parts.netloc:
        return "holds credentials, which would be shown in logs"
    if "#" in url:
        return "has a fragment (#), which is never sent"
    return None
