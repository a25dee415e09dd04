"""The maps of nginx, the requests that a server refuses by them, and the variables that nothing defines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.proxies.findings import Finding
from authgate.proxies.nginx._levels import condition, ends, is_refusal, variables
from authgate.proxies.nginx.generator import ambiguous

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.core.spellings import Spelling
    from authgate.proxies.nginx._levels import Level
    from authgate.proxies.nginx.syntax import Directive

_GENERATE = "Generate authgate_http.conf again (authgate proxy nginx)"
_INCLUDE = "include authgate_server.conf; in server {}, and authgate_http.conf in http {}"
# With more rows than these to add, a fix says to generate the file.
_MAX_LINES = 3
# A pattern for cookies is longer, and says nothing to a reader.
_MAX_SHOWN_CHARACTERS = 80
_CAPTURE = re.compile(r"\(\?P?<(\w+)>")
# Directives that define a variable, and the place of its name.
_DEFINING = {
    **dict.fromkeys(("set", "auth_request_set", "js_set", "js_var", "perl_set", "auth_jwt_claim_set"), 1),
    **dict.fromkeys(("map", "split_clients", "keyval"), 2),
    "geo": -1,
}
# Maps that refuse requests. A deployed map may have their rows under any name. Other maps must have the generated name.
_REFUSING = frozenset(
    {"authgate_path", "authgate_not_utf_8", "authgate_ambiguous_path", "authgate_data_in_path", "authgate_other_host"}
)


@dataclass(frozen=True, slots=True)
class Map:
    """A `map` directive: its *source*, and the value of each key."""

    source: str
    rows: dict[str, str]
    directive: Directive

    @property
    def default(self) -> str:
        """The value for a source that no key matches."""
        return self.rows.get("default", "")

    @property
    def passing(self) -> list[str]:
        """The keys for which a server that refuses by this map may refuse nothing, apart from the default."""
        return [key for key, value in self.rows.items() if not _is_true(value) and key != "default"]


def maps_in(directives: Iterable[Directive]) -> dict[str, Map]:
    """Return the maps among *directives*, by the variable that each defines."""
    found = {}
    for directive in directives:
        if directive.name == "map" and len(directive.arguments) == 2:
            rows: dict[str, str] = {}
            for row in directive.block or ():
                if len(row.words) == 2:
                    rows.setdefault(row.words[0], row.words[1])  # nginx takes the first of two equal patterns
            found[directive.arguments[1].lstrip("$")] = Map(directive.arguments[0], rows, directive)
    return found


@dataclass(frozen=True, slots=True)
class Refusals:
    """The requests that *level* itself refuses: those for which a map has a value. A server does so first."""

    level: Level
    maps: dict[str, Map]

    def used(self) -> list[Map]:
        """Return the maps in `if ($x) { return 4xx; }`, each followed by those that it falls back to."""
        stop = self.stop()
        found = []
        for directive in self.level.script:
            if directive is stop:
                break
            if directive.name == "if" and _refuses(directive):
                found += self._chain(condition(directive))
        return found

    def stop(self) -> Directive | None:
        """Return the directive that may end the rewriting here, so that no `if` after it counts."""
        return next(filter(ends, self.level.script), None)

    def _chain(self, word: str) -> list[Map]:
        chain: list[Map] = []
        while (found := self.maps.get(word.removeprefix("$"))) and found not in chain:
            chain.append(found)
            word = "" if found.passing else found.default
        return chain

    def is_path(self, source: str) -> bool:
        """Whether *source* is the path as the client sent it, with or without its query."""
        if source == "$request_uri":
            return True
        found = self.maps.get(source.removeprefix("$"))
        return bool(found and found.source == "$request_uri" and _is_before_query(found.rows))


def old_refusals(refusals: Refusals, data: Iterable[Spelling]) -> Iterator[Finding]:
    """Yield the spellings of paths that the server refuses, although `paths` now takes them as data."""
    for found in refusals.used():
        names = [f'"{spelling.name}"' for spelling in data if refusals.is_path(found.source) and _has(found, spelling)]
        if names:
            message = f"refuses paths that your configuration takes as data: {', '.join(names)}"
            yield _at(found.directive, _subject(found), message, _GENERATE, is_error=False)


def path_findings(refusals: Refusals, refused: Iterable[Spelling]) -> Iterator[Finding]:
    """Yield the spellings of paths that the server does not refuse, and the paths that it takes out of the check."""
    used = refusals.used()
    sound = [found for found in used if refusals.is_path(found.source)]
    missing = [spelling for spelling in refused if not any(_has(found, spelling) for found in sound)]
    of_paths = [found for found in used if found.source != _HOST_SOURCE]
    if missing and not of_paths:
        message = "paths that nginx and the upstream may read differently are not refused, such as /api/x/../../healthz"
        yield _at_server(refusals, message)
    elif missing and not sound:
        found = of_paths[0]
        message = f"the paths are read from {found.source}, which is not the path as the client sent it ($request_uri)"
        yield _at(found.directive, _subject(found), message, _GENERATE)
    elif missing:
        rows = [*ambiguous(missing)]
        fix = "\n".join(rows) if len(rows) == len(missing) <= _MAX_LINES else _GENERATE
        names = ", ".join(f'"{spelling.name}"' for spelling in missing)
        message = f"has no row for these paths, so they may pass: {names}"
        yield _at(sound[0].directive, _subject(sound[0]), message, fix)
    required = {f"~*{spelling.pattern}" for spelling in refused if spelling.is_required}
    for found in sound:
        last = {*[key for key in found.rows if key != "default"][-1:]}
        yield from _passing(found, last & required if _is_true(found.default) else set(), "paths")


def _at_server(refusals: Refusals, message: str) -> Finding:
    """Return a finding that the server refuses nothing, or does so after a directive that keeps it from it."""
    server, stop = refusals.level, refusals.stop()
    later = server.script[server.script.index(stop) :] if stop else ()
    if stop and any(d.name == "if" and _refuses(d) for d in later):
        words = " ".join(stop.words) + (" { ... }" if stop.block else "")
        fix = "Put the line after include authgate_server.conf;"
        return _at(stop, server.subject, f"{message}: `{words}` ends the rewriting before the check", fix)
    return _at(server.directive, server.subject, message, _INCLUDE)


def data_findings(level: Level, maps: dict[str, Map], data: Iterable[Spelling]) -> Iterator[Finding]:
    """Yield the spellings that `paths` takes as data, and that a location passes on without asking AuthGate."""
    both = Refusals(level, maps), Refusals(level.server, maps)
    sound = [found for refusals in both for found in refusals.used() if refusals.is_path(found.source)]
    missing = [spelling for spelling in data if not any(_has(found, spelling) for found in sound)]
    if missing:
        names = ", ".join(f'"{spelling.name}"' for spelling in missing)
        message = f"does not ask AuthGate, and does not refuse the paths that only AuthGate can decide about: {names}"
        yield _at(level.directive, level.subject, message, "Generate authgate_public.conf again, and include it")


_HOST_SOURCE = "$http_host $request"


def host_findings(refusals: Refusals, generated: dict[str, Map]) -> Iterator[Finding]:
    """Yield a finding if the server does not refuse requests that name two hosts."""
    wanted = generated["authgate_other_host"]
    keys = [key for key, value in wanted.rows.items() if _is_true(value)]
    for found in refusals.used():
        if found.source == wanted.source and all(_is_true(found.rows.get(key, "")) for key in keys):
            yield from _passing(found, set(), "requests")
            return
    message = (
        "a request that names two hosts is not refused (nginx chooses the server by the target, "
        "GET http://admin.example.com/, and asks AuthGate about the Host header)"
    )
    yield _at_server(refusals, message)


def _passing(found: Map, allowed: set[str], what: str) -> Iterator[Finding]:
    """Yield the rows by which a map keeps *what* from being refused, except the rows *allowed*."""
    for key in found.passing:
        if key not in allowed:
            message = f"the row {key} takes {what} out of the check, so that they are not refused"
            yield _at(found.directive, _subject(found), message, "Remove the row")


def stale_maps(maps: dict[str, Map], generated: dict[str, Map]) -> Iterator[Finding]:
    """Yield the rows that a generated map has and the deployed map of the same name lacks."""
    for name, wanted in generated.items():
        found = maps.get(name)
        if found is None or name in _REFUSING:
            continue
        keys = [key for key, value in wanted.rows.items() if found.rows.get(key) != value]
        if keys or found.source != wanted.source:
            is_page = name == "authgate_page"
            shown = "page" if is_page else ", ".join(key for key in keys if 0 < len(key) < _MAX_SHOWN_CHARACTERS)
            message = f"differs from what your configuration gives{f': {shown}' if shown else ''}"
            yield _at(found.directive, _subject(found), message, _GENERATE, is_error=False)


def undefined(directives: Iterable[Directive]) -> Iterator[Finding]:
    """Yield AuthGate's variables that are used and never defined. nginx does not start with them."""
    used: dict[str, Directive] = {}
    defined: set[str] = set()
    for directive in directives:
        words = list(directive.words)
        if directive.name in _DEFINING and len(words) > 1:
            defined.add(words.pop(_DEFINING[directive.name] if len(words) > 2 else 1).lstrip("$"))
        for word in words:
            defined.update(_CAPTURE.findall(word))
            for name in variables(word):
                if name.startswith("authgate_"):
                    used.setdefault(name, directive)
    names = [name for name in used if name not in defined]
    if names:
        listed = ", ".join(f"${name}" for name in names[:_MAX_LINES])
        more = f" and {len(names) - _MAX_LINES} more" if len(names) > _MAX_LINES else ""
        message = f"{listed}{more} {'is' if len(names) == 1 else 'are'} not defined, so nginx does not start"
        fix = "include authgate_http.conf; in http {}. If it is there, generate all authgate_*.conf files again"
        yield _at(used[names[0]], used[names[0]].name, message, fix)


def redefined(directives: Iterable[Directive], refusing: Iterable[Refusals]) -> Iterator[Finding]:
    """Yield the directives that change a variable by which *refusing* servers refuse requests, other than its map."""
    used = {found.directive.arguments[1].lstrip("$") for refusals in refusing for found in refusals.used()}
    names = _REFUSING | used
    for directive in directives:
        if directive.name == "map":
            continue
        # A row of `geoip2` begins with its variable. set_by_lua and other modules name it as `set` does.
        place = _DEFINING.get(directive.name, int(directive.name.startswith("set_")))
        words = directive.words[place:][:1]
        changed = {word[1:] for word in words if word.startswith("$")}.union(*map(_CAPTURE.findall, directive.words))
        for name in sorted(changed & names):
            message = f"changes ${name}, and then paths pass that its map refuses"
            yield _at(directive, directive.name, message, f"Remove the line, or choose another name than ${name}")


def _refuses(directive: Directive) -> bool:
    if ends(directive):
        return False
    block = directive.block or ()
    return any((d.name == "return" and d.arguments[:1] and d.arguments[0][:1] == "4") or is_refusal(d) for d in block)


def _has(found: Map, spelling: Spelling) -> bool:
    value = found.rows.get(f"~*{spelling.pattern}")
    if value is None:
        return False
    if spelling.is_required:
        return not _is_true(value) and _is_true(found.default)
    return _is_true(value)


def _is_true(value: str) -> bool:
    """Whether nginx's `if` always takes *value* for true. A variable may be empty."""
    return value not in {"", "0"} and not variables(value)


def _is_before_query(rows: dict[str, str]) -> bool:
    """Whether *rows* are one that takes the part of the target before the query."""
    captures = [(re.fullmatch(r"~\*?\^\(\?P?<(\w+)>\[\^\?\]\*\)", key), value) for key, value in rows.items()]
    return len(captures) == 1 and all(match and value == f"${match[1]}" for match, value in captures)


def _subject(found: Map) -> str:
    return " ".join(filter(None, found.directive.words))


def _at(directive: Directive, subject: str, message: str, fix: str, *, is_error: bool = True) -> Finding:
    return Finding(
        file=directive.file, line=directive.line, subject=subject, message=message, fix=fix, is_error=is_error
    )
