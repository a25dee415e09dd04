"""What Caddy's deployed configuration lacks: the headers that pass, and the paths that are not refused.

A reverse_proxy is reached by a way through the routes. The check follows each way in the order in which Caddy runs the
handlers. A route that matches only some requests counts for the handlers within it, and not for those after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from authgate.core.header_names import OVERRIDES, look_alikes
from authgate.proxies.caddy._routes import ASKING_URI, Proxy, Unknown, is_answering, read_servers
from authgate.proxies.caddy._way import Headers, PathMap, Way, is_in, refused_by
from authgate.proxies.caddy.generator import COOKIE_BEGINS, UNREACHABLE, cookie, pattern, unavailable_page
from authgate.proxies.findings import UNVERIFIED, Finding, Unusable, generate, named, quoted, reaching

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.proxies.caddy._routes import Handler, Routes, Server
    from authgate.proxies.findings import Source
    from authgate.proxies.settings import ProxySettings

_FIX = "generate authgate.caddy again, and import it: what answers goes into the braces of authgate or authgate_public"
_IMPORT = "put what answers into import authgate { ... } (or authgate_public, if everybody may see it)"
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


@dataclass(frozen=True, slots=True)
class _Found:
    """Findings about one reverse_proxy of a site."""

    way: Way
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
        self._stale: dict[str, list[str]] = {}
        self._warnings: list[Finding] = []

    def server(self, server: Server) -> None:
        """Follow the routes of a server."""
        way = Way(site=server.name, subject=f"site {server.name}", port=server.port, is_trusting=server.is_trusting)
        before = len(self._asking)
        self._routes(server.routes, way)
        sites = dict.fromkeys(found.way.site for found in self._asking[before:])
        self._routes(server.errors, way)
        with_errors = {", ".join(route.hosts) or server.name for route in server.errors}
        for site in sites:
            if not with_errors & {site, server.name}:
                message = "while AuthGate is down, clients get an empty 502 instead of a 503 with Retry-After"
                subject = f"site {site}" if site == server.name else f"site {_with_port(site.split(', '), server.port)}"
                fix = "import authgate_errors in the site"
                self._warnings.append(self._finding(subject, message, fix, is_error=False))
        if sites and not server.is_limited:
            message = "max_header_size is not set: AuthGate refuses the longest requests"
            fix = "servers { max_header_size 28672 } in the global options"
            self._warnings.append(self._finding("", message, fix, is_error=False))
        if sites:
            missing = [origin for origin in self._settings.allowed_origins if origin not in server.origins]
            self._add_stale("cors.allowed_origins", missing)
            is_ours = any(UNREACHABLE in body for body in server.bodies)
            is_old = is_ours and unavailable_page(self._settings.look) not in server.bodies
            self._add_stale("page", ["its pages differ"] if is_old else [])

    def _add_stale(self, setting: str, differing: Iterable[str]) -> None:
        """Note that authgate.caddy differs from what *setting* gives."""
        self._stale.setdefault(setting, []).extend(differing)

    def findings(self) -> list[Finding]:
        """Return the findings. A site that never asks, with upstreams that no asking site has, has a warning alone."""
        if not self._asking:
            fix = "import authgate.caddy, and put each reverse_proxy into `import authgate { ... }`"
            return [self._finding("", "no route asks AuthGate", fix)]
        asking = {found.way.site for found in self._asking}
        behind = {one for found in self._passing if found.way.site in asking for one in found.proxy.upstreams}
        result = []
        for found in (*self._asking, *self._passing):
            if found.way.site in asking or found.proxy.upstreams & behind:
                result += [self._finding(found.way.subject, *message) for message in found.messages]
            elif found.messages:
                names = ", ".join(self._settings.reserved_headers)
                message = f"never asks AuthGate, and is not checked: its upstreams must not read {names}"
                result.append(self._finding(f"site {found.way.site}", message, _FIX, is_error=False))
        return list(dict.fromkeys([*result, *self._warnings, *self._noted()]))

    def _noted(self) -> Iterator[Finding]:
        """Yield a warning for each setting that changed since, and for each handler that the check does not know."""
        for setting, differing in self._stale.items():
            if differing:
                names = ", ".join(dict.fromkeys(differing))
                message = f"authgate.caddy is not what your configuration gives ({setting}: {names})"
                yield self._finding("", message, generate("caddy"), is_error=False)
        for kind in self._unknown:
            message = f"the handler {kind} has routes that the check does not read"
            fix = "see that each reverse_proxy in it gets only requests that AuthGate allowed"
            yield self._finding("", message, fix, is_error=False)

    def _finding(self, subject: str, message: str, fix: str, *, is_error: bool = True) -> Finding:
        return Finding(file=self._name, line=None, subject=subject, message=message, fix=fix, is_error=is_error)

    def _routes(self, routes: Routes, way: Way) -> Way:
        """Follow *routes*, and return what has surely happened after them."""
        for route in routes:
            site = ", ".join(route.hosts) or way.site
            subject = f"site {_with_port(route.hosts, way.port)}" if route.hosts else way.subject
            inner = replace(way, site=site, subject=f"{subject}, {route.subject}" if route.subject else subject)
            for handler in route.steps:
                inner = self._handler(handler, inner)
            if not route.is_conditional:
                way = replace(inner, site=way.site, subject=way.subject)
                continue
            way = replace(way, written=way.written | inner.written)
            if route.answers:
                way = replace(way, refused=way.refused | refused_by(way.maps, route.refusing))
        return way

    def _handler(self, handler: Handler, way: Way) -> Way:
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
        return replace(way, is_answered=True)  # an Answer

    def _proxy(self, proxy: Proxy, way: Way) -> Way:
        for response in proxy.responses:
            if not (proxy.asks and response.may_allow):
                self._routes(response.routes, way)
        if not proxy.asks:
            self._passing.append(_Found(way, proxy, tuple(self._passed(way.after(proxy.headers), proxy))))
            return way
        copied = frozenset(name for each in proxy.responses if each.may_allow for name in each.copied)
        self._asking.append(_Found(way, proxy, tuple(self._asked(proxy, way, copied))))
        return replace(way, copied=copied, written=frozenset(), lost=frozenset())

    def _asked(self, proxy: Proxy, way: Way, copied: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with how *proxy* asks AuthGate."""
        if proxy.uri != ASKING_URI:
            yield f"asks {proxy.uri}, and Caddy's path is {ASKING_URI}", f"uri {ASKING_URI}"
        if self._settings.is_tls and not proxy.is_tls:
            self._add_stale("tls", ["it asks AuthGate without TLS"])
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

    def _passed(self, way: Way, proxy: Proxy) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the requests that reach *proxy* by *way*."""
        if way.is_answered:
            message = "no request gets to this reverse_proxy: the lines that run before it answer all of them"
            yield message, _IMPORT
            return
        identity = self._settings.reserved_headers
        forged = [name for name in identity if not way.removes(name)]
        overrides = [name for name in OVERRIDES if not way.removes(name)]
        if way.copied is None and not way.refused and (len(forged), len(overrides)) == (len(identity), len(OVERRIDES)):
            message = "this route imports neither authgate nor authgate_public: a client can send"
            yield f"{message} {named(forged)} as it likes", _IMPORT
            return
        yield from self._headers(way, forged, overrides)
        yield from self._changed(way, proxy)
        refused = (*self._settings.refused, *(() if way.copied is not None else self._settings.data))
        missing = [spelling.name for spelling in refused if pattern(spelling) not in way.refused]
        if missing:
            yield f"does not refuse these paths: {quoted(missing)}", _FIX
        self._compare(way)

    def _compare(self, way: Way) -> None:
        """Note what *way* has that the configuration does not give, or gives in another way."""
        if way.copied is not None:
            extra = [spelling.name for spelling in self._settings.data if pattern(spelling) in way.refused]
            self._add_stale("paths", [f"it refuses {quoted(extra)}"] if extra else [])
        cookies = [one for one in way.cookies if one.startswith(COOKIE_BEGINS)]
        if cookies:
            kept = [n for n in self._settings.credential_headers if not way.removes(n)]
            others = ["its cookies differ"] if cookie(self._settings) not in cookies else []
            self._add_stale("credentials", [*(f"authgate_strip leaves {name}" for name in kept), *others])

    def _headers(self, way: Way, forged: list[str], overrides: list[str]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the headers of the client that reach an upstream by *way*."""
        identity = self._settings.reserved_headers
        if forged:
            yield f"{reaching(forged)}: a client can pose as another user", _fix(forged)
        if overrides:
            danger = "some frameworks then serve another method or path than the one that AuthGate decided on"
            yield f"{reaching(overrides)}: {danger}", _fix(overrides)
        names = [name for name in (*identity, *OVERRIDES) if way.removes(name)]
        others = [next((other for other in look_alikes(name) if not way.removes(other)), "") for name in names]
        if any(others):
            danger = "some servers read them as the headers without these characters"
            yield f"names such as {next(filter(None, others))} reach the upstream: {danger}", _FIX

    def _changed(self, way: Way, proxy: Proxy) -> Iterator[tuple[str, str]]:
        """Yield the identity headers that the configuration itself changes before they reach *proxy*."""
        written = [name for name in self._settings.reserved_headers if name.lower() in way.written]
        if written:
            is_own = any(name in written for name, _ in proxy.headers.written)
            fix = f"remove that {'header_up' if is_own else 'request_header'}"
            yield f"{', '.join(written)}: the configuration writes it, not AuthGate", fix
        lost = [name for name in self._settings.identity_headers if name.lower() in way.lost]
        if lost:
            is_own = any(is_in(name, proxy.headers.removed) for name in lost)
            fix = "remove that header_up" if is_own else "use `route`, as authgate.caddy does"
            yield f"{', '.join(lost)}: removed after AuthGate was asked", fix


def _with_port(hosts: Iterable[str], port: str) -> str:
    return ", ".join(f"{host}{port}" for host in hosts)


def _fix(names: list[str]) -> str:
    return "\n".join(f"request_header -{name}" for name in names) if len(names) <= _MAX_LINES else _FIX
