"""What nginx's deployed files lack: the headers that pass, the paths that are not refused, the mistakes in asking.

The checks follow nginx's own rules of inheritance. A location that passes requests to an upstream either asks AuthGate
and takes the identity from its answer, or removes the identity headers that the client sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.proxies.findings import Finding, Unusable
from authgate.proxies.nginx import generator as nginx
from authgate.proxies.nginx._access import access_findings, left_out, refused_pages, stale_page
from authgate.proxies.nginx._headers import INCLUDE, answered, header_findings
from authgate.proxies.nginx._levels import MECHANISMS, answers, levels, subrequest, upstream
from authgate.proxies.nginx._maps import (
    Refusals,
    data_findings,
    host_findings,
    maps_in,
    old_refusals,
    path_findings,
    redefined,
    stale_maps,
    undefined,
)
from authgate.proxies.nginx._servers import default_findings
from authgate.proxies.nginx._subrequest import subrequest_findings
from authgate.proxies.nginx.syntax import load, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.proxies.findings import Source
    from authgate.proxies.nginx._headers import Answered
    from authgate.proxies.nginx._levels import Level
    from authgate.proxies.nginx._maps import Map
    from authgate.proxies.nginx.syntax import Directive
    from authgate.proxies.settings import ProxySettings


_INHERITED = ("error_page", "auth_request_set", *(mechanism.setting for mechanism in MECHANISMS.values()))
_MAX_INHERITED = 1_000_000


def findings(source: Source, settings: ProxySettings) -> list[Finding]:
    """Return what the files of *source* lack, for these settings. Raises Unusable."""
    directives = load(source)
    servers = [server for http in levels(directives) for server in http.inner]
    if not servers:
        raise Unusable(source.name, None, "there is no server {} in an http {}: name the main file, nginx.conf")
    _limit(servers)
    everything = [inner for directive in directives for inner in directive.everything()]
    generated = maps_in(parse(nginx.files(settings)["authgate_http.conf"], "authgate_http.conf"))
    check = _Check(settings, maps_in(everything), generated, _answered(everything))
    return [
        *check.servers(servers, source.name),
        *_names(everything),
        *redefined(everything, [Refusals(server, check.maps) for server in servers if _asked(server)]),
        *left_out(servers),
        *stale_maps(check.maps, generated),
        *undefined(everything),
    ]


def _limit(servers: list[Level]) -> None:
    """Raise Unusable if many locations inherit many lines: to compare all would take minutes."""
    for level in (level for server in servers for level in server.everything() if level.inner):
        lines = max(len(level.script), *(len(level.own(name)) for name in _INHERITED))
        if lines * sum(1 for _ in level.everything()) > _MAX_INHERITED:
            place = level.directive
            raise Unusable(place.file, place.line, f"{level.subject} has too many lines for its many locations")


def _answered(everything: list[Directive]) -> Answered:
    """Return the variables that hold AuthGate's headers, without those that a `set` may change."""
    changed = {word.lstrip("$") for line in everything if line.name == "set" for word in line.arguments[:1]}
    return answered(
        line
        for line in everything
        if line.name == "auth_request_set" and not {word.lstrip("$") for word in line.arguments[:1]} & changed
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """The facts that the checks of all servers need."""

    settings: ProxySettings
    maps: dict[str, Map]
    generated: dict[str, Map]
    answered: Answered

    def servers(self, servers: list[Level], name: str) -> Iterator[Finding]:
        """Yield what is wrong with *servers*. *name* is that of the checked file."""
        asking = [server for server in servers if _asked(server)]
        if not asking:
            message = "no location asks AuthGate"
            fix = "include authgate_server.conf; in server {}, and authgate_protect.conf in its locations"
            yield Finding(file=name, line=1, subject="", message=message, fix=fix)
            return
        behind = {upstream(level) for server in asking for level in server.everything() if level.passing}
        yield from default_findings(servers, asking)
        for server in servers:
            if server in asking:
                refusals = Refusals(server, self.maps)
                yield from self._locations(server)
                yield from path_findings(refusals, self.settings.refused)
                yield from old_refusals(refusals, self.settings.data)
                yield from refused_pages(server)
                yield from stale_page(server, self.settings.look)
                yield from host_findings(refusals, self.generated)
            elif not answers(server):
                yield from self._beside(server, behind)

    def _locations(self, server: Level) -> Iterator[Finding]:
        """Yield what is wrong with the locations of a server that asks AuthGate."""
        asked = _asked(server)
        is_answering = answers(server)
        for level in server.everything():
            yield from access_findings(level)
            if level not in asked and not is_answering and not answers(level):
                yield from self._passing(level)
        for level in asked:
            yield from subrequest_findings(level)

    def _passing(self, level: Level) -> Iterator[Finding]:
        """Yield what is wrong with the requests that *level* passes to an upstream, if it passes any."""
        found = [*header_findings(level, self.settings, self.answered)]
        yield from found
        is_bare = any(finding.fix == INCLUDE for finding in found)
        if level.passing and subrequest(level) is None and not is_bare:
            yield from data_findings(level, self.maps, self.settings.data)

    def _beside(self, server: Level, behind: set[str]) -> Iterator[Finding]:
        """Yield what is wrong with a server that never asks AuthGate.

        Its upstreams may be others, which read no identity: then there is one warning. An upstream that is *behind*
        another server, which asks AuthGate, does read it.
        """
        passing = [level for level in server.everything() if level.passing and not answers(level)]
        for level in passing:
            yield from access_findings(level)
            if upstream(level) in behind:
                yield from self._passing(level)
        if passing and not any(upstream(level) in behind for level in passing):
            place, names = server.directive, ", ".join(self.settings.reserved_headers)
            message = f"never asks AuthGate, and is not checked: its upstreams must not read {names}"
            fix = "include authgate_public.conf; in its locations, if they do"
            yield Finding(
                file=place.file, line=place.line, subject=server.subject, message=message, fix=fix, is_error=False
            )


def _asked(server: Level) -> list[Level]:
    """Return the locations by which *server* asks AuthGate."""
    return list(dict.fromkeys(filter(None, map(subrequest, server.everything()))))


def _names(everything: Iterable[Directive]) -> Iterator[Finding]:
    """Yield a finding for the settings by which nginx takes header names that it drops by default."""
    for line in everything:
        for name, value in (("underscores_in_headers", "off"), ("ignore_invalid_headers", "on")):
            if line.name == name and line.arguments[:1] and line.arguments[0] != value:
                message = f"{name} {line.arguments[0]}: X_User_Id passes, and some servers read it as X-User-Id"
                yield Finding(file=line.file, line=line.line, subject=name, message=message, fix=f"{name} {value};")
