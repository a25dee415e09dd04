"""The levels of an nginx configuration (http, server, location), and what each inherits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from authgate.proxies.nginx._patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.proxies.nginx.syntax import Directive

# AuthGate's endpoint for nginx.
ENDPOINT = "/auth/nginx"
# nginx reads no longer word in its configuration.
_MAX_PATH = 4096
# Blocks within a location that may pass requests to another upstream. They inherit all else from the location.
_WITHIN = frozenset({"if", "limit_except"})
# Directives that nginx runs in their order, before it asks AuthGate.
_RUN = frozenset({"if", "set", "rewrite", "return", "break"})
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How requests to one kind of upstream get their headers.

    *setting* sets one. If *relaying* is off, the client's are not sent. *is_cgi*: X-User-Id is named HTTP_X_USER_ID.
    """

    setting: str
    relaying: str = ""
    is_cgi: bool = False

    def name(self, header: str) -> str:
        """Return how *header* is named."""
        return "HTTP_" + header.upper().replace("-", "_") if self.is_cgi else header


MECHANISMS = {
    "proxy_pass": Mechanism("proxy_set_header", "proxy_pass_request_headers"),
    "grpc_pass": Mechanism("grpc_set_header"),
    "fastcgi_pass": Mechanism("fastcgi_param", "fastcgi_pass_request_headers", is_cgi=True),
    "uwsgi_pass": Mechanism("uwsgi_param", "uwsgi_pass_request_headers", is_cgi=True),
    "scgi_pass": Mechanism("scgi_param", "scgi_pass_request_headers", is_cgi=True),
}


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One level. *inner* are the locations within it; for http, the servers."""

    directive: Directive
    parent: Level | None
    inner: list[Level] = field(default_factory=list)
    # The directives of this level by name, and those that nginx runs. A server may have thousands.
    _named: dict[str, tuple[Directive, ...]] = field(default_factory=dict, repr=False)
    script: list[Directive] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        named: dict[str, list[Directive]] = {}
        for directive in self.directive.block or ():
            named.setdefault(directive.name, []).append(directive)
            if directive.name in _RUN:
                self.script.append(directive)
        self._named.update({name: tuple(directives) for name, directives in named.items()})

    def own(self, name: str) -> tuple[Directive, ...]:
        """Return the directives *name* at this level."""
        return self._named.get(name, ())

    def in_effect(self, name: str) -> tuple[Directive, ...]:
        """Return the directives *name* that count here: this level's or, if it has none, those that it inherits."""
        return self.own(name) or (self.parent.in_effect(name) if self.parent else ())

    def value(self, name: str) -> str:
        """Return the first argument of the directive *name* that counts here; "" if there is none."""
        directives = self.in_effect(name)
        return (*directives[-1].arguments, "")[0] if directives else ""

    def values(self, setting: str, header: str) -> list[Directive]:
        """Return the directives *setting* (proxy_set_header) that count here for *header*."""
        return [d for d in self.in_effect(setting) if len(d.words) > 2 and d.words[1].lower() == header.lower()]

    @property
    def passing(self) -> Directive | None:
        """The directive at this level that passes requests to an upstream."""
        return next((d for d in self.directive.block or () if d.name in MECHANISMS and d.arguments), None)

    @property
    def asking(self) -> Directive | None:
        """The `auth_request` that counts here, unless it says off."""
        directives = [d for d in self.in_effect("auth_request") if d.arguments]
        return directives[-1] if directives and directives[-1].arguments[0] != "off" else None

    @property
    def server(self) -> Level:
        """The server that the level is in."""
        return self if self.parent is None or self.directive.name == "server" else self.parent.server

    @property
    def subject(self) -> str:
        """The level's name in findings."""
        if self.directive.name == "server":
            names = next((d.arguments for d in self.own("server_name") if d.arguments), ())
            ports = next((d.arguments[:1] for d in self.own("listen") if d.arguments), ())
            return " ".join(["server", *(names[:1] if names and names[0] != "_" else ports)])
        words = " ".join(self.directive.words)
        return f"{words} in {self.parent.subject}" if self.directive.name in _WITHIN and self.parent else words

    def everything(self) -> Iterator[Level]:
        """Yield the level and all within it."""
        yield self
        for inner in self.inner:
            yield from inner.everything()


def levels(directives: Iterable[Directive]) -> list[Level]:
    """Return the http levels of a configuration, with the servers in each."""
    https = [Level(directive, None) for directive in directives if directive.name == "http" and directive.block]
    for http in https:
        for directive in http.directive.block or ():
            if directive.name == "server" and directive.block is not None:
                server = Level(directive, http)
                _add_locations(server)
                http.inner.append(server)
    return https


def _add_locations(level: Level) -> None:
    for directive in level.directive.block or ():
        # An `if` at the server level only rewrites and returns.
        names = {"location"} if level.directive.name == "server" else {"location", *_WITHIN}
        if directive.name in names and directive.block is not None:
            inner = Level(directive, level)
            _add_locations(inner)
            level.inner.append(inner)


def location(server: Level, uri: str) -> Level | None:
    """Return the location of *server* that serves *uri*, a path or the name of a location (@x).

    As nginx chooses it: an exact path, else the first pattern that matches unless the longest prefix says ^~, else the
    longest prefix. Patterns that Python does not read are left out.
    """
    uri = uri.partition("?")[0]
    chosen = _locations(server)
    if uri not in chosen.found:
        chosen.found[uri] = chosen.choose(uri)
    return chosen.found[uri]


@dataclass(slots=True)
class _Locations:
    """The locations of a server by how they match. *found* are those that were chosen before."""

    patterns: Patterns
    exact: dict[str, Level] = field(default_factory=dict)
    prefixes: dict[str, Level] = field(default_factory=dict)
    by_pattern: list[Level] = field(default_factory=list)
    found: dict[str, Level | None] = field(default_factory=dict)

    def choose(self, uri: str) -> Level | None:
        if uri in self.exact or uri.startswith("@"):
            return self.exact.get(uri)
        lengths = range(len(uri), 0, -1) if len(uri) < _MAX_PATH else ()
        prefix = next((self.prefixes[uri[:length]] for length in lengths if uri[:length] in self.prefixes), None)
        if prefix and matched_by(prefix)[0] == "^~":
            return prefix
        for level in self.by_pattern:
            modifier, pattern = matched_by(level)
            if self.patterns.steps_left <= 0:
                self.patterns.left_out.add(pattern)
                break
            if self.patterns.matches(pattern, uri, ignores_case=modifier == "~*"):
                return level
        return prefix


@lru_cache(maxsize=256)
def _locations(server: Level) -> _Locations:
    locations = _Locations(patterns(server.parent or server))
    for level in server.everything():
        modifier, path = matched_by(level)
        if modifier in {"~", "~*"}:
            locations.by_pattern.append(level)
        elif path.startswith("@") or modifier == "=":
            locations.exact.setdefault(path, level)
        elif path:
            locations.prefixes.setdefault(path, level)
    return locations


@lru_cache(maxsize=4)
def patterns(http: Level) -> Patterns:  # noqa: ARG001 - the cache has one for each
    """Return the patterns of all locations in *http*. They share one bound."""
    return Patterns()


def matched_by(level: Level) -> tuple[str, str]:
    """Return the modifier and the path of a location; empty for another level."""
    words = level.directive.words
    if level.directive.name != "location" or len(words) < 2:
        return "", ""
    return (words[1], words[2]) if len(words) > 2 else ("", words[1])


def subrequest(level: Level) -> Level | None:
    """Return the location that the `auth_request` of *level* uses, if it asks AuthGate."""
    asking = level.asking
    found = location(level.server, asking.arguments[0]) if asking else None
    return found if found and ENDPOINT in target(found) else None


def target(level: Level) -> str:
    """Return where *level* passes requests; "" if nowhere. A variable that a `set` fills is replaced."""
    if level.passing is None:
        return ""
    word = level.passing.arguments[0]
    for at in (level, level.server):
        for line in at.own("set"):
            if len(line.arguments) == 2:
                word = word.replace(line.arguments[0], line.arguments[1])
    return word


def answers(level: Level) -> bool:
    """Whether the level answers every request itself, with a `return` outside any `if` and before any `break`."""
    for directive in level.script:
        if directive.name == "return":
            return True
        if ends(directive):
            return False
    return False


# The shipped location for the requests that the server refuses before it asks AuthGate.
REFUSED = "/_authgate_refused"


def ends(directive: Directive) -> bool:
    """Whether *directive* may end the rewriting at its level, so that no `if` or `return` after it runs."""
    if directive.name == "if":
        runs = [inner for inner in directive.block or () if inner.name == "return" or ends(inner)]
        return bool(runs) and runs[0].name != "return" and not is_refusal(runs[0])
    return directive.name == "break" or (directive.name == "rewrite" and directive.words[3:] in {("last",), ("break",)})


def is_refusal(directive: Directive) -> bool:
    """Whether *directive* sends the request to the shipped location that refuses it."""
    return directive.words == ("rewrite", "^", REFUSED, "last")


def variables(word: str) -> list[str]:
    """Return the names of the variables in *word*, without the dollar signs."""
    return [braced or plain for braced, plain in _VARIABLE.findall(word)]


def condition(directive: Directive) -> str:
    """Return the condition of an `if`, without its parentheses."""
    return " ".join(directive.arguments).strip().removeprefix("(").removesuffix(")").strip()


def upstream(level: Level) -> str:
    """Return the host and port of the upstream of *level*, or the name of its `upstream`."""
    address = re.sub(r"^\w+://", "", target(level))
    return address if address.startswith("unix:") else address.partition("/")[0]
