"""Headers by which a client could claim what only the proxy or AuthGate may say, and the spellings of their names.

This is the only list. The adapters refuse look-alikes by it, the proxies' configurations are generated from it
(`authgate/proxies/`), and the tests take their cases from it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A framework that reads one of these serves another method, path or host than the one that the policy decided on:
# Symfony, Laravel, Rails and Express read the first two, ASP.NET the third, Zend and IIS X-Rewrite-URL,
# Rack and others the rest (Rack prefers Forwarded to X-Forwarded-Host). The proxy may set some of them itself.
OVERRIDES = (
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-HTTP-Method",
    "X-Original-URL",
    "X-Original-Method",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Rewrite-URL",
    "Forwarded",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
)

# The characters that a header name may have besides letters, digits and "-" (RFC 9110 §5.6.2). CGI, FastCGI and WSGI
# servers read "_" as "-"; some read any of these so: Apache's mod_cgi before 2.4, lighttpd, PHP's built-in server.
MARKS = "_!#$%&'*+.^`|~"

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
# Ten times as fast as the expression, for names in ASCII.
_FOLDED = str.maketrans({code: "-" for code in range(128) if not chr(code).isalnum()})


def folded(name: str) -> str:
    """Return *name* as the most lenient server reads it: lower-case, "-" for every mark, no mark at the end."""
    lower = name.strip().lower()
    return (lower.translate(_FOLDED) if lower.isascii() else _NOT_ALPHANUMERIC.sub("-", lower)).rstrip("-")


def guarded_names(read: Iterable[str], emitted: Iterable[str]) -> frozenset[str]:
    """Return the lower-case names that no header may imitate.

    These are the names that an adapter reads, those that AuthGate emits, and those that the proxies remove.
    """
    return frozenset(name.lower() for name in (*read, *emitted, *OVERRIDES, "Authorization", "Cookie"))


def with_trailing_marks(names: Iterable[str]) -> tuple[str, ...]:
    """Return each of *names* with one and with two "-" at the end.

    nginx and Traefik drop every name with another mark, and can remove these only by name.
    """
    return tuple(name + end for name in names for end in ("-", "--"))


def look_alikes(name: str) -> tuple[str, ...]:
    """Return other spellings of *name*, at least 40 if it has a "-".

    They differ in case, have other marks instead of "-", or marks at the end.
    """
    others = [name.lower(), name.upper(), name.swapcase(), name.lower().replace("-", "_")]
    for mark in MARKS:
        others += [name.replace("-", mark), name.replace("-", mark, 1), name + mark, f"{name}{mark}-"]
    others += [f"{name}-", f"{name}--"]
    return tuple(dict.fromkeys(other for other in others if other != name))
