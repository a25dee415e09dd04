"""Traefik ForwardAuth: reads X-Forwarded-Method, -Proto, -Host and -Uri, answers 200 or what the client shall get.

https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/; the working example is
deploy/traefik.
"""

from __future__ import annotations

from authgate.adapters._forwarded import ForwardedAdapter


class TraefikAdapter(ForwardedAdapter):
    """The protocol of Traefik's ForwardAuth middleware."""

    name = "traefik"
    fix = "Traefik's forwardAuth sends it by itself: is it Traefik that asks, with trustForwardHeader: false?"
