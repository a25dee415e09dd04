"""What Traefik and Caddy have in common: the request in X-Forwarded-* headers, refusals relayed with their body."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from authgate.adapters._reply import Reply, reply
from authgate.adapters._subrequest import refuse_look_alikes, required
from authgate.core.request import make_request

if TYPE_CHECKING:
    from authgate.adapters._subrequest import TrustedProxies
    from authgate.core.decision import Decision
    from authgate.core.request import Headers, Request


class ForwardedAdapter:
    """Reads X-Forwarded-Method, -Proto, -Host and -Uri; X-Forwarded-Prefix, -Port and Forwarded are never read."""

    name: ClassVar[str]
    fix: ClassVar[str]  # what to look at when one of the four is missing or came twice
    reads = ("X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-For")

    def read(self, headers: Headers, trusted: TrustedProxies, guarded: frozenset[str]) -> Request:
        """Return what the client asked of the proxy, or raise `Unreadable`."""
        refuse_look_alikes(headers, guarded)
        return make_request(
            method=required(headers, "X-Forwarded-Method", self.fix),
            scheme=required(headers, "X-Forwarded-Proto", self.fix),
            authority=required(headers, "X-Forwarded-Host", self.fix),
            target=required(headers, "X-Forwarded-Uri", self.fix),
            headers=headers,
            adapter=self.name,
            client_ip=trusted.client_ip(headers),
        )

    def write(self, decision: Decision) -> Reply:
        """Return *decision*; the proxy relays a refusal to the client with its body and headers."""
        return reply(decision, {}, with_body=True)
