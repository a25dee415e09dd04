"""Traefik ForwardAuth: reads X-Forwarded-Method, -Proto, -Host and -Uri, answers 200 or what the client shall get.

https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/; the working example is
deploy/traefik.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.adapters._reply import Reply, reply
from authgate.adapters._subrequest import refuse_look_alikes, required
from authgate.core.request import make_request

if TYPE_CHECKING:
    from authgate.adapters._subrequest import TrustedProxies
    from authgate.core.decision import Decision
    from authgate.core.request import Headers, Request

_MEND = "Traefik's forwardAuth sends it by itself: is it Traefik that asks, with trustForwardHeader: false?"


class TraefikAdapter:
    """The protocol of Traefik's ForwardAuth middleware. X-Forwarded-Prefix, -Port and Forwarded are never read."""

    name = "traefik"
    reads = ("X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-For")

    def read(self, headers: Headers, trusted: TrustedProxies, guarded: frozenset[str]) -> Request:
        """Return what the client asked of Traefik, or raise `Unreadable`."""
        refuse_look_alikes(headers, guarded)
        return make_request(
            method=required(headers, "X-Forwarded-Method", _MEND),
            scheme=required(headers, "X-Forwarded-Proto", _MEND),
            authority=required(headers, "X-Forwarded-Host", _MEND),
            target=required(headers, "X-Forwarded-Uri", _MEND),
            headers=headers,
            adapter=self.name,
            client_ip=trusted.client_ip(headers),
        )

    def write(self, decision: Decision) -> Reply:
        """Return *decision*; Traefik relays a refusal to the client with its body and headers."""
        return reply(decision, {}, with_body=True)
