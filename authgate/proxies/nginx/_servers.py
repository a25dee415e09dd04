"""Which server of nginx gets a request: its host and its port decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.proxies.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.proxies.nginx._levels import Level

# Names that no host has. A server with one is meant for all hosts.
_ANY = frozenset({"_", "", "*"})


def default_findings(servers: Iterable[Level], asking: list[Level]) -> Iterator[Finding]:
    """Yield the servers that ask AuthGate about some hosts, and get the requests for all unknown hosts too."""
    defaults: dict[str, Level] = {}
    for server in servers:
        listens = [line.arguments for line in server.own("listen") if line.arguments] or [("80",)]
        for address, *options in listens:
            key = f"*:{address}" if address.isdecimal() else address
            if key not in defaults or {"default_server", "default"} & set(options):
                defaults[key] = server
    for server in asking:
        names = [name for line in server.own("server_name") for name in line.arguments]
        address = next((key for key, default in defaults.items() if default is server), "")
        if address and names and not _ANY & set(names):
            message = "requests for unknown hosts reach this server, while AuthGate decides about another host"
            fix = f"server {{ listen {address.removeprefix('*:')} default_server; return 444; }}"
            place = (*server.own("server_name"), server.directive)[0]
            yield Finding(
                file=place.file, line=place.line, subject=server.subject, message=message, fix=fix, is_error=False
            )
