"""How two addresses differ that mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PORTS = {"https": 443, "http": 80}


def difference(one: str, other: str) -> str:
    """Return in what alone the addresses differ; "" if they are equal, or differ in more than spelling."""
    if one == other:
        return ""
    return next((what for what, spelled in _SPELLINGS.items() if spelled(one) == spelled(other)), _of_urls(one, other))


_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "the slash at the end": lambda text: text.rstrip("/"),
    "upper and lower case": str.casefold,
    "the beginning api://": lambda text: text.removeprefix("api://"),
    "the beginning https://": lambda text: text.removeprefix("https://"),
}


def _of_urls(one: str, other: str) -> str:
    try:
        first, second = urlsplit(one.rstrip("/")), urlsplit(other.rstrip("/"))
        ports = [parts.port or _PORTS.get(parts.scheme) for parts in (first, second)]
    except ValueError:
        return ""
    if not first.hostname or (first.hostname, first.path) != (second.hostname, second.path):
        return ""
    if first.scheme != second.scheme:
        return "the scheme" if (first.port, second.port) == (None, None) else "the scheme and the port"
    return "the port" if ports[0] != ports[1] else "the default port, which one of them leaves out,"
