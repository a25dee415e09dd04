"""What AuthGate itself asks at a URL: how the address is shown, and whose certificates are believed there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.authorities import client_context
from authgate.core.errors import Problem, quoted
from authgate.core.urls import url_fault
from authgate.files import FIX_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


def shown(url: str) -> str:
    """Return *url* for a message, without the password that may be in it."""
    return quoted(re.sub(r"(?<=//).*@", "***@", url, flags=re.DOTALL), 200)


def endpoint_fault(url: str, *, allow_http: bool, told: str) -> str | None:
    """Return why *url* cannot be asked, None if it can. *told* is what plain http lets others put into it."""
    if fault := url_fault(url, allow_http=True):
        return fault
    if not allow_http and url_fault(url, allow_http=False):
        return f"is plain http: whoever is on the way could put {told} of his own into it"
    return None


def ca_file_problems(ca_file: str | None, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with the CAs in *ca_file*, which *setting* names; nothing without one."""
    if ca_file is None:
        return
    try:
        client_context(ca_file)
    except ValueError as error:
        yield Problem(setting=setting, message=str(error), fix=f"write CA certificates in PEM; {FIX_UNREADABLE}")
