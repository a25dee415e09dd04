"""What happens to a request on its way through Caddy's routes, the origins that they name, and their own answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Changes of a request's headers: patterns of removed names, and values by the names that they are written to.

    *cookies* are patterns of what is removed from the header Cookie.
    """

    removed: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    written: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMap:
    """A map from *source* to *destination*, both placeholders. *lines* are patterns with what each gives, in order."""

    source: str
    destination: str
    lines: tuple[tuple[str, str], ...]
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What has happened to a request before a handler. Names are lower-case.

    *site* are the hosts that were matched, or the server's address. *subject* also has the paths. *removed* are the
    patterns of the names that were removed. *written* are the identity headers that the configuration wrote itself.
    *copied* are those of AuthGate's answer; None if AuthGate was not asked. *lost* were removed later. *refused* are
    the patterns of paths that were refused. *cookies* are patterns of removed cookies. *is_answered*: no request comes
    further.
    """

    site: str
    subject: str
    port: str
    is_trusting: bool
    is_answered: bool = False
    cookies: frozenset[str] = frozenset()
    removed: tuple[str, ...] = ()
    written: frozenset[str] = frozenset()
    copied: frozenset[str] | None = None
    lost: frozenset[str] = frozenset()
    maps: Mapping[str, PathMap] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def removes(self, name: str) -> bool:
        """Whether a header of this name never comes from the client."""
        return is_in(name, self.removed)

    def after(self, headers: Headers) -> Way:
        """Return the way after *headers* changed the request."""
        written = {name.lower() for name, values in headers.written if self.copied is not None or "{" in str(values)}
        return replace(
            self,
            removed=(*self.removed, *headers.removed),
            cookies=self.cookies.union(headers.cookies),
            written=frozenset(name for name in self.written | written if not is_in(name, headers.removed)),
            lost=self.lost | {name for name in self.copied or () if is_in(name, headers.removed)},
        )


def is_in(name: str, removed: Iterable[str]) -> bool:
    """Whether one of Caddy's patterns *removed* matches *name*: a "*" at either end stands for anything."""
    return any(_matches(name.lower(), pattern_.lower()) for pattern_ in removed)


def _matches(name: str, pattern_: str) -> bool:
    match pattern_.startswith("*"), pattern_.endswith("*"):
        case True, True:
            return pattern_[1:-1] in name
        case True, False:
            return name.endswith(pattern_[1:])
        case False, True:
            return name.startswith(pattern_[:-1])
    return name == pattern_


def refused_by(maps: Mapping[str, PathMap], destination: str | None) -> frozenset[str]:
    """Return the patterns of paths for which *destination* is not empty, if it is about the path that arrives."""
    spellings = maps.get(destination or "")
    path = maps.get(spellings.source) if spellings else None
    if spellings is None or path is None or path.source != "{http.request.uri}":
        return frozenset()
    refused = []
    for pattern_, output in spellings.lines:  # the first that matches counts
        if output:
            refused.append(pattern_)
        else:
            return frozenset([*refused, *([pattern_] if spellings.default else [])])
    return frozenset(refused)


def origins_in(given: object) -> Iterator[str]:
    """Yield the origins in *given*, a part of a server."""
    if isinstance(given, dict):
        origins = given.get("{http.request.header.Origin}")
        yield from origins if isinstance(origins, list) else ()
    for inner in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        yield from origins_in(inner)


def bodies_in(given: object) -> Iterator[str]:
    """Yield the bodies of the answers that *given*, a part of a server, gives itself."""
    if isinstance(given, dict) and isinstance(given.get("body"), str):
        yield given["body"]
    for inner in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        yield from bodies_in(inner)
