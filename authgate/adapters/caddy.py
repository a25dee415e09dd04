"""Caddy `forward_auth`: reads X-Forwarded-Method, -Proto, -Host and -Uri, answers 200 or what the client shall get.

https://caddyserver.com/docs/caddyfile/directives/forward_auth; the working example is deploy/caddy.
"""

from __future__ import annotations

from authgate.adapters._forwarded import ForwardedAdapter


class CaddyAdapter(ForwardedAdapter):
    """The protocol of Caddy's forward_auth directive."""

    name = "caddy"
    fix = "Caddy's forward_auth sends it by itself: is it Caddy that asks, with `forward_auth` and `uri /auth/caddy`?"
