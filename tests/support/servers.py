"""How servers read paths, each in its own way, and what they read differently."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from starlette.routing import Match, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What two servers may read differently, as a part of a path.
AMBIGUITIES = (
    *("//", "/./", "/../", "/x/../", "/%2e/", "/%2E%2e/", "/.%2e", "/..;/", "/%2e%2e%2f", "/..%2f", "%2f..", "/."),
    *("%2f", "%2F", "%2f%2f", "%5c", "%5C..%5C", ";", ";x", ";x=1", ";/", "%3b", "%3B", ";a%2fb", "%3Bx%2Fy", ";/.."),
    *("%00", "%0a", "%09", "%7f", "%C2%85", "%2541", "%252f", "%252e%252e", "%25%35%63", "%255c", "%253b"),
    *("%c0%af", "%c0%ae", "%e0%80%af", "%ff", "%ED%A0%80", "\udcff", "\udcc0\udcaf", "%", "%2", "%zz", "%u002f"),
    *("%3f", "%3Fx", "%23", "?"),
)


def canonical(segments: list[str], *, trailing_slash: bool) -> str:
    end = "/" if trailing_slash and segments else ""
    return f"/{'/'.join(quote(segment, safe='') for segment in segments)}{end}"


def normalized(path: str) -> list[str]:
    """Return the segments of *path* as a file system resolves it."""
    segments: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    return segments


def cut(path: str) -> str:
    return re.sub(";[^/]*", "", path)


def by_urlsplit(target: str) -> list[str]:
    """Read *target* as a server does that uses Python's urlsplit."""
    return normalized(unquote(urlsplit(target).path))


def as_tomcat(target: str) -> list[str]:
    """Read *target* as Tomcat and Jetty do: they cut parameters off, decode, and resolve dots."""
    return normalized(unquote(cut(target.partition("?")[0])))


def by_starlette(target: str) -> list[str]:
    """Read *target* as uvicorn and Starlette do."""
    path = unquote(target.partition("?")[0])
    found, scope = Route("/{rest:path}", lambda _: None).matches({"type": "http", "method": "GET", "path": path})
    rest = scope["path_params"]["rest"].removesuffix("/") if found is Match.FULL else ""
    return rest.split("/") if rest else []


# How servers read a path. Each returns the segments that it serves.
SERVERS: dict[str, Callable[[str], list[str]]] = {
    "decodes, then splits": lambda path: normalized(unquote(path)),
    "decodes twice": lambda path: normalized(unquote(unquote(path))),
    "cuts parameters, then decodes": as_tomcat,
    "decodes, then cuts parameters": lambda path: normalized(cut(unquote(path))),
    "splits, then decodes": lambda path: [unquote(segment) for segment in normalized(path)],
    "cuts, splits, then decodes": lambda path: [unquote(segment) for segment in normalized(cut(path))],
    "decodes, stops at NUL": lambda path: normalized(unquote(path).partition("\0")[0]),
    "decodes, then takes ? for the query": lambda path: normalized(unquote(path).partition("?")[0]),
    "urlsplit": by_urlsplit,
    "Starlette": by_starlette,
}


def paths_served(path: str, *, slash_is_data: bool) -> Iterator[str]:
    """Yield the plain path of what each server serves for *path*. One with an encoded slash needs *slash_is_data*."""
    for serves in SERVERS.values():
        served = canonical(serves(path), trailing_slash=path.endswith("/"))
        if slash_is_data or "%2F" not in served:
            yield served


def both_endings(path: str) -> tuple[str, str]:
    """Return *path* without and with a slash at the end: servers add and drop it, and public policies compare it."""
    return path.rstrip("/") or "/", f"{path.rstrip('/')}/"
