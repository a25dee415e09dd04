"""How two addresses differ that mean the same, and how a text is written in a configuration."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PORTS = {"https": 443, "http": 80}
_PLAIN_YAML = re.compile(r"[A-Za-z][A-Za-z0-9_.+/-]*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def as_yaml(text: str) -> str:
    """Return *text* as a configuration has it, in quotes where YAML needs them."""
    if _PLAIN_YAML.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    return f"'{text}'" if text.isascii() and text.isprintable() and "'" not in text else json.dumps(text)


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
