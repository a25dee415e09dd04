"""Proxy adapters. Each reads one proxy's subrequest into a `Request` and writes a `Decision` back, without any I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from authgate.adapters._reply import Reply
from authgate.adapters._subrequest import IPNetwork, TrustedProxies, parse_address
from authgate.adapters.caddy import CaddyAdapter
from authgate.adapters.nginx import NginxAdapter
from authgate.adapters.traefik import TraefikAdapter

if TYPE_CHECKING:
    from authgate.core.decision import Decision
    from authgate.core.request import Request
    from authgate.core.subrequest import Subrequest


class Adapter(Protocol):
    """One proxy's forward-auth protocol, served at /auth/<name>."""

    @property
    def name(self) -> str:
        """The adapter's name: its path segment and metric label."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """The headers that the adapter reads, from a trusted peer only. No other header describes the request."""
        ...

    def read(self, subrequest: Subrequest, trusted: TrustedProxies, guarded: frozenset[str]) -> Request:
        """Return the client's request, or raise `Unreadable`. Headers that imitate a *guarded* name are refused."""
        ...

    def write(self, decision: Decision, request_id: str) -> Reply:
        """Return the reply that this proxy understands. A refusal has *request_id*; an `Allow` has no use for it."""
        ...


# To support a new proxy, add one file here and one entry.
ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in (NginxAdapter(), TraefikAdapter(), CaddyAdapter())}

__all__ = [
    "ADAPTERS",
    "Adapter",
    "IPNetwork",
    "Reply",
    "TrustedProxies",
    "parse_address",
]
