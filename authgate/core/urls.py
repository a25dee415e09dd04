"""Checks of the URLs that AuthGate itself fetches."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

MAX_URL_CHARACTERS = 2048

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_BRACKETED = re.compile(r"(?:.*@)?\[[0-9A-Fa-f:.]+\](?::[0-9]*)?")
_NAME = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)*(?<!-)\.?")
_MAX_NAME_CHARACTERS = 253  # RFC 1035 §2.3.4
# Resolvers read these as IPv4 addresses: 2130706433, 0x7f000001 and 127.1 are 127.0.0.1 (WHATWG URL §3.5).
_NUMBER_AT_END = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")


def url_fault(url: str, *, allow_http: bool) -> str | None:
    """Return why *url* must not be fetched, as the end of a sentence about it; None if it may be fetched.

    A good URL is absolute, with https (or http, if allowed) and a host. It has no credentials and no fragment, and no
    two parsers can read different hosts from it.
    """
    if len(url) > MAX_URL_CHARACTERS or not _VISIBLE.fullmatch(url) or "\\" in url:
        return (
            f"is longer than {MAX_URL_CHARACTERS} characters, or holds white space, a backslash or non-ASCII characters"
        )
    try:
        parts = urlsplit(url)
        names_host = _names_host(parts) and parts.port != 0
    except ValueError:
        return "is not a URL"
    plain_http = "is plain http: anyone on the network path could replace the response; use https, or set allow_http"
    faults = {
        plain_http: parts.scheme == "http" and not allow_http,
        "is not an https URL": parts.scheme not in {"https", "http"},
        "names no host: neither a name nor an IP address in its usual form": not names_host,
        "holds credentials, which logs would show": "@" in parts.netloc,
        "has a fragment (#), which is never sent": "#" in url,
    }
    return next((fault for fault, is_present in faults.items() if is_present), None)


def _is_name(host: str) -> bool:
    return len(host) <= _MAX_NAME_CHARACTERS and _NAME.fullmatch(host) is not None


def _names_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if not {*"[]"}.isdisjoint(parts.netloc) and not _BRACKETED.fullmatch(parts.netloc):
        return False  # urlsplit reads the host between the brackets and ignores what is around them
    if "[" not in parts.netloc and _is_name(host) and not _NUMBER_AT_END.fullmatch(host):
        return True
    try:
        return "%" not in host and bool(ip_address(host))
    except ValueError:
        return False
