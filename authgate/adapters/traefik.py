"""Traefik ForwardAuth: reads X-Forwarded-Method, -Proto, -Host and -Uri; answers 200, or a refusal for the client.

https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/. deploy/traefik has a
working example.
"""

from __future__ import annotations

from authgate.adapters._forwarded import ForwardedAdapter


class TraefikAdapter(ForwardedAdapter):
    """The protocol of Traefik's ForwardAuth middleware."""

    name = "traefik"
    fix = "Traefik's forwardAuth sends it: check that Traefik sends the subrequest, with trustForwardHeader: false"
