"""Where nginx takes a request that it answers with an error page: `error_page` leads to another location."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.proxies.nginx._levels import answers, ends, location, subrequest, target, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.proxies.nginx._levels import Level
    from authgate.proxies.nginx.syntax import Directive

# Patterns of `rewrite` that match every path.
_EVERY_PATH = frozenset({"^", ".*", "^.*", "^.*$", "^/"})
_REDIRECTS = {("redirect",), ("permanent",)}
_REDIRECT_STATUSES = frozenset({"301", "302", "303", "307", "308"})
_PATHS = frozenset({"request_uri", "uri", "document_uri"})


def passing_on(level: Level, page: str) -> Level | None:
    """Return a location that passes a request of *level* on without asking AuthGate, if the error page leads to one.

    A named location keeps the path of the request, and another page replaces it.
    """
    pages = [(page, page.startswith("@"))]
    seen: set[tuple[str, bool]] = set()
    while pages:
        uri, is_kept = pages.pop()
        found = None if (uri, is_kept) in seen else location(level.server, uri.partition("$")[0])
        seen.add((uri, is_kept))
        if found is None or answers(found) or subrequest(found):
            continue
        for part in (found, *_within(found)):
            if _sends_path(part, found, is_kept=is_kept):
                return part
        following = [*_following(found)]
        if level.value("recursive_error_pages") == "on":
            following += [line.arguments[-1] for line in found.in_effect("error_page") if line.arguments]
        pages += [(next_uri, is_kept if next_uri.startswith("@") else _has_path(next_uri)) for next_uri in following]
    return None


def _within(level: Level) -> Iterator[Level]:
    """Yield the blocks in a location that are not locations: `if` and `limit_except`."""
    for inner in level.inner:
        if inner.directive.name != "location":
            yield inner


def _following(found: Level) -> Iterator[str]:
    """Yield where *found* may send a request: the last argument of `try_files`, and each `rewrite`."""
    for line in found.own("try_files"):
        if len(line.arguments) > 1 and not line.arguments[-1].startswith("="):
            yield line.arguments[-1]
    for level in (found, *_within(found)):
        for line in level.own("rewrite"):
            if len(line.words) > 2 and not is_redirect(line) and line.words[3:] != ("break",):
                yield line.words[2]


def _has_path(uri: str) -> bool:
    return bool(_PATHS & set(variables(uri.partition("?")[0])) or re.search(r"\$\d", uri.partition("?")[0]))


def _sends_path(part: Level, found: Level, *, is_kept: bool) -> bool:
    """Whether *part* of the location *found* passes a request to an upstream, with the path that the client sent."""
    if part.passing is None or answers(part):
        return False
    used = set(variables(target(part)))
    return "request_uri" in used or (is_kept and not any(map(_replaces_path, (part, found))))


def _replaces_path(level: Level) -> bool:
    """Whether *level* passes every request with a fixed path."""
    if level.passing and "$" in level.passing.arguments[0]:
        path = re.sub(r"^\w+://[^/]*", "", target(level))
        return bool(path) and "$" not in path
    for line in level.script:
        if is_of_every_path(line) and "$" not in line.words[2].partition("?")[0]:
            return True
        if ends(line):
            return False
    return False


def is_of_every_path(line: Directive) -> bool:
    """Whether *line* is a `rewrite` that matches every path."""
    return line.name == "rewrite" and len(line.words) > 2 and line.words[1] in _EVERY_PATH


def is_redirect(line: Directive) -> bool:
    """Whether *line*, a `rewrite`, answers with a redirect."""
    return line.words[3:] in _REDIRECTS or (line.words[2:3] != () and "://" in line.words[2].partition("?")[0])


def keeps_refusing(found: Level) -> bool:
    """Whether the location *found* answers every request with a redirect or an error."""
    line = _first_answer(found)
    return line is not None and (_redirects(line) or line.arguments[0][:1] in {"3", "4", "5"})


def redirects(found: Level) -> bool:
    """Whether the location *found* redirects every request."""
    line = _first_answer(found)
    return line is not None and _redirects(line)


def _first_answer(found: Level) -> Directive | None:
    """Return the `return`, or the `rewrite` to another address, that answers every request; None if none does."""
    for line in found.script:
        if (line.name == "return" and line.arguments) or (is_of_every_path(line) and is_redirect(line)):
            return line
        if ends(line):
            return None
    return None


def _redirects(line: Directive) -> bool:
    """Whether *line*, a `return` or `rewrite` that answers, redirects."""
    return line.name == "rewrite" or line.arguments[0] in _REDIRECT_STATUSES or "://" in line.arguments[0]
