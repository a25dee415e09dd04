"""Checks of what AuthGate connects to: the URL, and the CA file for its certificate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.config._secret_forms import NOT_SHOWN, may_be_secret
from authgate.core.errors import Problem
from authgate.core.quoting import quoted
from authgate.core.urls import url_fault
from authgate.files import FIX_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


# A part of a URL that has one parameter at most, and what is in the name of one that holds a secret, such as libpq's
# password. The patterns are simple, because a text may be long: each takes as many steps as the text has characters.
_PART = re.compile(r"[&#]?[^&#]+")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)


def redacted(text: str, max_characters: int = 80) -> str:
    """Return *text* quoted for a message, NOT_SHOWN if it may be a secret.

    A URL is shown without its user, password, and parameters with secrets.
    """
    before, slashes, after = text.partition("//")
    if "@" in after:
        after = f"***@{after.rpartition('@')[2]}"
    text = _PART.sub(_without_secret, before + slashes + after)
    return NOT_SHOWN if may_be_secret(text) else quoted(text, max_characters)


def _without_secret(part: re.Match[str]) -> str:
    """Return *part* of a URL; if it is a parameter with a secret, with *** in place of its value."""
    text, end = part[0], 0
    for name in text.split("=")[:-1]:
        begin = 0 if end == 0 and text.startswith("&") else name.find("?")
        end += len(name) + 1
        if begin >= 0 and _SECRET_NAME.search(name, begin):
            return f"{text[:end]}***"
    return text


def url_problems(url: str, setting: str, *, allow_http: bool, content: str, fix: str) -> Iterator[Problem]:
    """Yield the problem, if any, of *url* at *setting*, under which AuthGate gets *content* (keys, sessions)."""
    if not re.match("https?:", url, re.IGNORECASE):
        faults = [f"is not an {'http or ' if allow_http else ''}https URL"]
    else:
        is_plain = url.lower().startswith("http:")
        plain = f"is plain http: anyone on the network path could replace the {content}"
        faults = [plain] if is_plain and not allow_http else []
        if fault := url_fault(url, allow_http=allow_http or is_plain):
            faults.append(fault)
    if faults:
        yield Problem(setting=setting, message=f"{redacted(url, 200)} {'; it '.join(faults)}", fix=fix)


def ca_file_problems(ca_file: str | None, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with *ca_file*, the value of *setting*."""
    if ca_file is None:
        return
    from authgate.authorities import client_context  # noqa: PLC0415 - slow, and healthcheck does not need it

    try:
        client_context(ca_file)
    except ValueError as error:
        yield Problem(setting=setting, message=str(error), fix=f"write CA certificates in PEM; {FIX_UNREADABLE}")
