"""The protocol that Traefik and Caddy share: X-Forwarded-* headers describe the request, and refusals have a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from authgate.adapters._reply import Reply, relayed_refusal
from authgate.adapters._subrequest import missing, refuse_look_alikes
from authgate.core.decision import Allow
from authgate.core.request import make_request

if TYPE_CHECKING:
    from authgate.adapters._subrequest import TrustedProxies
    from authgate.core.decision import Decision
    from authgate.core.request import Request
    from authgate.core.subrequest import Subrequest


class ForwardedAdapter:
    """Reads X-Forwarded-Method, -Proto, -Host and -Uri. It never reads X-Forwarded-Prefix, -Port or Forwarded."""

    name: ClassVar[str]
    fix: ClassVar[str]  # what to check if one of the four is missing or was sent twice
    reads = ("X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-For")

    def read(self, subrequest: Subrequest, trusted: TrustedProxies, guarded: frozenset[str]) -> Request:
        """Return the client's request to the proxy, or raise `Unreadable`."""
        if not subrequest.is_plain:
            refuse_look_alikes(subrequest, guarded)
        headers = subrequest.headers
        methods, schemes = headers.getall("x-forwarded-method", ()), headers.getall("x-forwarded-proto", ())
        hosts, targets = headers.getall("x-forwarded-host", ()), headers.getall("x-forwarded-uri", ())
        if not len(methods) == len(schemes) == len(hosts) == len(targets) == 1:
            raise missing(headers, self.reads[:4], self.fix)
        return make_request(
            method=methods[0],
            scheme=schemes[0],
            authority=hosts[0],
            target=targets[0],
            headers=headers,
            adapter=self.name,
            client_ip=trusted.client_ip(headers),
        )

    def write(self, decision: Decision, request_id: str) -> Reply:
        """Return the reply for *decision*. The proxy relays a refusal to the client, with headers and body."""
        if isinstance(decision, Allow):
            return Reply(200, decision.headers)
        return relayed_refusal(decision, request_id)
