"""The routes of a Caddy configuration, read from the JSON that `caddy adapt` prints."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from authgate.proxies.caddy._way import Headers, PathMap, bodies_in, origins_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# These end a request: no handler after them runs.
_ANSWERS = frozenset({"static_response", "copy_response", "error"})
_MAX_HANDLERS = 100_000
ASKING_URI = "/auth/caddy"
# AuthGate's paths for the proxies, with a mistake at their end.
_ANY_ASKING_URI = re.compile(r"/auth/(?:caddy|nginx|traefik)\b.*")
# Where a site has one of these ports, nobody writes it.
_USUAL_PORTS = frozenset({"80", "443"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A reverse_proxy. *uri* is what it asks for instead of the request's own.

    *is_trusting*: it relays X-Forwarded-Host from some clients. *is_tls*: it asks over TLS, and verifies certificates
    if *is_verifying*.
    """

    uri: str
    is_trusting: bool
    is_verifying: bool
    is_tls: bool
    upstreams: frozenset[str]
    headers: Headers
    responses: tuple[Response, ...]

    @property
    def asks(self) -> bool:
        """Whether its upstream is AuthGate."""
        return _ANY_ASKING_URI.fullmatch(self.uri) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The routes that run for some statuses of an upstream's answer. Without a status they run for all."""

    statuses: tuple[int, ...]
    routes: Routes

    @property
    def may_allow(self) -> bool:
        """Whether they run if AuthGate allows a request."""
        return not self.statuses or any(status == 2 or 200 <= status < 300 for status in self.statuses)

    @property
    def may_refuse(self) -> bool:
        """Whether they run if AuthGate refuses a request."""
        return not all(status == 2 or 200 <= status < 300 for status in self.statuses) or not self.statuses

    @property
    def copied(self) -> Iterator[str]:
        """The lower-case names of the answer's headers that the request gets."""
        yield from _copied(self.routes)


@dataclass(frozen=True, slots=True)
class Answer:
    """A handler that answers the request."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A handler of this *kind* that has routes, which are not read."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Steps, which are handlers that run in order if the route matches the request.

    *subject* describes the paths that match. *refusing* is a placeholder if the route matches unless it is empty.
    """

    hosts: tuple[str, ...]
    subject: str
    is_conditional: bool
    refusing: str | None
    steps: tuple[Handler, ...]

    @property
    def answers(self) -> bool:
        """Whether every request that the route gets is answered by it."""
        return any(is_answering(each) if isinstance(each, tuple) else isinstance(each, Answer) for each in self.steps)


Routes: TypeAlias = tuple[Route, ...]
Handler: TypeAlias = Headers | PathMap | Proxy | Answer | Unknown | Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server with its routes, and those for errors. *is_trusting*: it takes X-Forwarded-* from some clients.

    *is_limited*: it has a limit for the headers of a request. *origins* are those that a route compares Origin with.
    *bodies* are those of the answers that it gives itself.
    """

    name: str
    routes: Routes
    errors: Routes
    is_trusting: bool
    is_limited: bool
    origins: frozenset[str]
    bodies: frozenset[str]

    @property
    def port(self) -> str:
        """The port with its colon; "" if nobody writes it."""
        port = self.name.rpartition(":")[2]
        return f":{port}" if port.isdigit() and port not in _USUAL_PORTS else ""

    @classmethod
    def read(cls, name: str, given: Mapping[str, Any]) -> Self:
        """Return the server in *given*, a member of apps.http.servers."""
        named = _Named(given.get("named_routes") or {})
        return cls(
            name=", ".join(given.get("listen") or [name]),
            routes=_routes(given.get("routes"), named),
            errors=_routes((given.get("errors") or {}).get("routes"), named),
            is_trusting="trusted_proxies" in given,
            is_limited="max_header_bytes" in given,
            origins=frozenset(origins_in(given)),
            bodies=frozenset(bodies_in(given)),
        )


def read_servers(text: str) -> list[Server]:
    """Return the servers of a configuration. Raises ValueError if *text* is not what `caddy adapt` prints."""
    try:
        servers = json.loads(text)["apps"]["http"]["servers"]
        return [Server.read(name, given) for name, given in servers.items()]
    except _TooManyError:
        raise ValueError(f"it has more than {_MAX_HANDLERS} routes and handlers") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is not the JSON of a Caddy with HTTP servers: check the output of caddy adapt") from None


def is_answering(routes: Routes) -> bool:
    """Whether every request that *routes* get is answered by them."""
    return any(route.answers and not route.is_conditional for route in routes)


def _copied(routes: Routes) -> Iterator[str]:
    for handler in (each for route in routes for each in route.steps):
        if isinstance(handler, tuple):
            yield from _copied(handler)
        elif isinstance(handler, Headers):
            for name, values in handler.written:
                if [value.lower() for value in values] == [f"{{http.reverse_proxy.header.{name.lower()}}}"]:
                    yield name.lower()


class _TooManyError(Exception):
    """The routes of a server have too many handlers."""


@dataclass(slots=True)
class _Named:
    """The named routes of a server, and how many handlers were read: each `invoke` may double them."""

    routes: Mapping[str, Any]
    count: int = 0

    def add(self, count: int) -> None:
        """Count more handlers. Raises _TooManyError."""
        self.count += count
        if self.count > _MAX_HANDLERS:
            raise _TooManyError


def _routes(given: list[Any] | None, named: _Named) -> Routes:
    return tuple(_route(route, named) for route in given or ())


def _route(given: Mapping[str, Any], named: _Named) -> Route:
    named.add(1 + len(given.get("handle") or ()))
    sets = given.get("match") or []
    hosts = tuple(host for each in sets for host in each.get("host", ()))
    paths = [path for each in sets for path in each.get("path", ())]
    refusing = None
    if len(sets) == 1 and {*sets[0]} == {"not"} and len(sets[0]["not"]) == 1 and {*sets[0]["not"][0]} == {"vars"}:
        ((refusing, values),) = sets[0]["not"][0]["vars"].items()
        refusing = refusing if values == [""] else None
    return Route(
        hosts=hosts,
        subject=_subject(given, paths),
        # Only the first route of a group that matches runs.
        is_conditional=bool(sets) or "group" in given,
        refusing=refusing,
        steps=tuple(each for handler in given.get("handle") or () for each in _handlers(handler, named)),
    )


def _subject(given: Mapping[str, Any], paths: list[str]) -> str:
    if paths:
        return f"handle {' '.join(paths)}"
    return "handle (all other paths)" if "group" in given and not given.get("match") else ""


def _handlers(given: Mapping[str, Any], named: _Named) -> Iterator[Handler]:
    kind = given["handler"]
    if kind == "subroute":
        yield _routes(given.get("routes"), named)
    elif kind == "invoke":
        yield (_route(named.routes[given["name"]], named),)
    elif kind == "headers":
        yield _headers(given)
    elif kind == "map":
        yield from _maps(given)
    elif kind == "reverse_proxy":
        yield _proxy(given, named)
    elif kind == "intercept":
        yield tuple(_intercepting(each, named) for each in given.get("handle_response") or ())
    elif kind in _ANSWERS:
        yield Answer()
    elif given.get("routes") or given.get("handle_response"):
        yield Unknown(kind)


def _intercepting(given: Mapping[str, Any], named: _Named) -> Route:
    """Return routes that answer in place of any handler after them: they run for some requests, refused ones too."""
    routes = _routes(given.get("routes"), named)
    return Route(hosts=(), subject="", is_conditional=True, refusing=None, steps=(routes,))


def _headers(given: Mapping[str, Any]) -> Headers:
    request = given.get("request") or {}
    written = [*(request.get("add") or {}).items(), *(request.get("set") or {}).items()]
    written += [
        (name, [each.get("replace", "") for each in some]) for name, some in (request.get("replace") or {}).items()
    ]
    cookies = (request.get("replace") or {}).get("Cookie") or ()
    return Headers(
        removed=tuple(request.get("delete") or ()),
        cookies=tuple(each.get("search_regexp", "") for each in cookies),
        written=tuple((name, tuple(values)) for name, values in written),
    )


def _maps(given: Mapping[str, Any]) -> Iterator[PathMap]:
    for place, destination in enumerate(given["destinations"]):
        lines = ((line.get("input_regexp", ""), line["outputs"][place]) for line in given.get("mappings") or ())
        yield PathMap(
            source=given["source"],
            destination=destination,
            lines=tuple((pattern, str(output)) for pattern, output in lines if pattern and output is not None),
            default=(given.get("defaults") or [""] * (place + 1))[place],
        )


def _proxy(given: Mapping[str, Any], named: _Named) -> Proxy:
    responses = [
        ((each.get("match") or {}).get("status_code") or (), _routes(each.get("routes"), named))
        for each in given.get("handle_response") or ()
    ]
    return Proxy(
        uri=(given.get("rewrite") or {}).get("uri", ""),
        is_trusting="trusted_proxies" in given,
        is_verifying=not ((given.get("transport") or {}).get("tls") or {}).get("insecure_skip_verify"),
        is_tls="tls" in (given.get("transport") or {}),
        upstreams=frozenset(each.get("dial", "") for each in given.get("upstreams") or ()),
        headers=_headers(given.get("headers") or {}),
        responses=tuple(Response(statuses=tuple(statuses), routes=routes) for statuses, routes in responses),
    )
