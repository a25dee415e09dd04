"""Caddy `forward_auth`: reads X-Forwarded-Method, -Proto, -Host and -Uri; answers 200, or a refusal for the client.

https://caddyserver.com/docs/caddyfile/directives/forward_auth. deploy/caddy has a working example.
"""

from __future__ import annotations

from authgate.adapters._forwarded import ForwardedAdapter


class CaddyAdapter(ForwardedAdapter):
    """The protocol of Caddy's forward_auth directive."""

    name = "caddy"
    fix = "Caddy's forward_auth sends it: check that Caddy sends the subrequest, with `uri /auth/caddy`"
