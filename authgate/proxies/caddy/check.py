"""What Caddy's deployed configuration lacks: the headers that pass, and the paths that are not refused.

A reverse_proxy is reached by a way through the routes. The check follows each way in the order in which Caddy runs the
handlers. A route that matches only some requests counts for the handlers within it, and not for those after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from authgate.core.header_names import OVERRIDES, look_alikes
from authgate.proxies.caddy._routes import Headers, PathMap, Proxy, Unknown, is_answering, read_servers
from authgate.proxies.caddy.generator import pattern
from authgate.proxies.findings import UNVERIFIED, Finding, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from authgate.proxies.caddy._routes import Handler, Routes, Server
    from authgate.proxies.findings import Source
    from authgate.proxies.settings import ProxySettings

_FIX = "generate authgate.caddy again, and import it: what answers goes into the braces of authgate or authgate_public"
_MAX_LINES = 3


def findings(source: Source, settings: ProxySettings) -> list[Finding]:
    """Return what *source*, the output of `caddy adapt`, lacks for these settings. Raises Unusable."""
    try:
        servers = read_servers(source.text)
    except ValueError as error:
        raise Unusable(source.name, None, str(error)) from None
    check = _Check(source.name, settings)
    for server in servers:
        check.server(server)
    return check.findings()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """What has happened to a request before a handler. Names are lower-case.

    *site* are the hosts that were matched, or the server's address. *subject* also has the paths. *removed* are the
    patterns of the names that were removed. *written* are the identity headers that the configuration wrote itself.
    *copied* are those of AuthGate's answer; None if AuthGate was not asked. *lost* were removed later. *refused* are
    the patterns of paths that were refused.
    """

    site: str
    subject: str
    is_trusting: bool
    removed: tuple[str, ...] = ()
    written: frozenset[str] = frozenset()
    copied: frozenset[str] | None = None
    lost: frozenset[str] = frozenset()
    maps: Mapping[str, PathMap] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def removes(self, name: str) -> bool:
        """Whether a header of this name never comes from the client."""
        return _is_in(name, self.removed)

    def after(self, headers: Headers) -> _Way:
        """Return the way after *headers* changed the request."""
        written = {name.lower() for name, values in headers.written if self.copied is not None or "{" in str(values)}
        return replace(
            self,
            removed=(*self.removed, *headers.removed),
            written=frozenset(name for name in self.written | written if not _is_in(name, headers.removed)),
            lost=self.lost | {name for name in self.copied or () if _is_in(name, headers.removed)},
        )


def _is_in(name: str, removed: Iterable[str]) -> bool:
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


@dataclass(frozen=True, slots=True)
class _Found:
    """Findings about one reverse_proxy of a site."""

    way: _Way
    proxy: Proxy
    messages: tuple[tuple[str, str], ...]


class _Check:
    """Collects what is wrong with each reverse_proxy."""

    def __init__(self, name: str, settings: ProxySettings) -> None:
        self._name = name
        self._settings = settings
        self._asking: list[_Found] = []
        self._passing: list[_Found] = []
        self._unknown: dict[str, None] = {}

    def server(self, server: Server) -> None:
        """Follow the routes of a server."""
        for routes in (server.routes, server.errors):
            self._routes(routes, _Way(site=server.name, subject=server.name, is_trusting=server.is_trusting))

    def findings(self) -> list[Finding]:
        """Return the findings. A site that never asks, with upstreams that no asking site has, has a warning alone."""
        if not self._asking:
            fix = "import authgate.caddy, and put each reverse_proxy into `import authgate { … }`"
            return [self._finding("", "no route asks AuthGate", fix)]
        asking = {found.way.site for found in self._asking}
        behind = {one for found in self._passing if found.way.site in asking for one in found.proxy.upstreams}
        result = []
        for found in (*self._asking, *self._passing):
            if found.way.site in asking or found.proxy.upstreams & behind:
                result += [self._finding(found.way.subject, *message) for message in found.messages]
            elif found.messages:
                names = ", ".join(self._settings.identity_headers)
                message = f"never asks AuthGate, and is not checked: its upstreams must not read {names}"
                result.append(self._finding(found.way.site, message, _FIX, is_error=False))
        for kind in self._unknown:
            message = f"the handler {kind} has routes that the check does not read"
            fix = "see that each reverse_proxy in it gets only requests that AuthGate allowed"
            result.append(self._finding("", message, fix, is_error=False))
        return list(dict.fromkeys(result))

    def _finding(self, subject: str, message: str, fix: str, *, is_error: bool = True) -> Finding:
        return Finding(file=self._name, line=1, subject=subject, message=message, fix=fix, is_error=is_error)

    def _routes(self, routes: Routes, way: _Way) -> _Way:
        """Follow *routes*, and return what has surely happened after them."""
        for route in routes:
            site = ", ".join(route.hosts) or way.site
            inner = replace(way, site=site, subject=f"{way.subject} {route.subject}".strip())
            for handler in route.steps:
                inner = self._handler(handler, inner)
            if not route.is_conditional:
                way = replace(inner, site=way.site, subject=way.subject)
                continue
            way = replace(way, written=way.written | inner.written)
            if route.answers:
                way = replace(way, refused=way.refused | _refused(way.maps, route.refusing))
        return way

    def _handler(self, handler: Handler, way: _Way) -> _Way:
        match handler:
            case tuple():
                return self._routes(handler, way)
            case Headers():
                return way.after(handler)
            case PathMap():
                return replace(way, maps={**way.maps, handler.destination: handler})
            case Proxy():
                return self._proxy(handler, way)
            case Unknown():
                self._unknown[handler.kind] = None
        return way

    def _proxy(self, proxy: Proxy, way: _Way) -> _Way:
        for response in proxy.responses:
            if not (proxy.asks and response.may_allow):
                self._routes(response.routes, way)
        if not proxy.asks:
            self._passing.append(_Found(way, proxy, tuple(self._passed(way.after(proxy.headers)))))
            return way
        copied = frozenset(name for each in proxy.responses if each.may_allow for name in each.copied)
        self._asking.append(_Found(way, proxy, tuple(self._asked(proxy, way, copied))))
        return replace(way, copied=copied, written=frozenset(), lost=frozenset())

    def _asked(self, proxy: Proxy, way: _Way, copied: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with how *proxy* asks AuthGate."""
        missing = [name for name in self._settings.identity_headers if name.lower() not in copied]
        if missing:
            lines = "\n".join(f"copy_headers {name}" for name in missing)
            yield f"does not copy {', '.join(missing)} from AuthGate's answer", lines
        if any(each.may_refuse and not is_answering(each.routes) for each in proxy.responses):
            yield "lets requests pass that AuthGate refuses: a handle_response answers nothing", _FIX
        if not proxy.is_verifying:
            yield UNVERIFIED, "tls_trust_pool file FILE\nremove tls_insecure_skip_verify"
        if not way.removes("Connection"):
            yield "a client's `Connection: X-User-Id` removes the identity", "request_header -Connection"
        if (way.is_trusting or proxy.is_trusting) and not way.removes("X-Forwarded-Host"):
            message = "asks AuthGate about X-Forwarded-Host, and Caddy routes by Host: see trusted_proxies"
            yield message, "request_header -X-Forwarded-Host"

    def _passed(self, way: _Way) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the requests that reach an upstream by *way*."""
        identity = self._settings.identity_headers
        forged = [name for name in identity if not way.removes(name)]
        if forged:
            yield f"{', '.join(forged)}: the upstream gets what the client sent", _fix(forged)
        overrides = [name for name in OVERRIDES if not way.removes(name)]
        if overrides:
            message = "some frameworks then serve another method or path than the one that AuthGate decided on"
            yield f"{', '.join(overrides)}: the upstream gets what the client sent, and {message}", _fix(overrides)
        names = [name for name in (*identity, *OVERRIDES) if way.removes(name)]
        others = [next((other for other in look_alikes(name) if not way.removes(other)), "") for name in names]
        if any(others):
            message = "the upstream gets them, and some servers read them as the headers without these characters"
            yield f"names such as {next(filter(None, others))}: {message}", _FIX
        written = [name for name in identity if name.lower() in way.written]
        if written:
            yield f"{', '.join(written)}: the configuration writes it, not AuthGate", "remove that request_header"
        lost = [name for name in identity if name.lower() in way.lost]
        if lost:
            yield f"{', '.join(lost)}: removed after AuthGate was asked", "use `route`, as authgate.caddy does"
        refused = (*self._settings.refused, *(() if way.copied is not None else self._settings.data))
        missing = [spelling.name for spelling in refused if pattern(spelling) not in way.refused]
        if missing:
            yield f"does not refuse a path with: {', '.join(missing)}", _FIX


def _fix(names: list[str]) -> str:
    return "\n".join(f"request_header -{name}" for name in names) if len(names) <= _MAX_LINES else _FIX


def _refused(maps: Mapping[str, PathMap], destination: str | None) -> frozenset[str]:
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
