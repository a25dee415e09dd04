"""nginx `auth_request`: reads X-Original-Method and X-Original-URL, answers with 200, 401, 403 or 503.

https://nginx.org/en/docs/http/ngx_http_auth_request_module.html; the working example is deploy/nginx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.adapters._reply import Reply, reply
from authgate.adapters._subrequest import refuse_look_alikes, required
from authgate.core.request import make_request, split_absolute_url

if TYPE_CHECKING:
    from authgate.adapters._subrequest import TrustedProxies
    from authgate.core.decision import Decision
    from authgate.core.request import Headers, Request

# Many examples on the web send X-Original-URI alone, which says neither method nor host.
_MEND = (
    "in nginx's location for AuthGate: proxy_set_header X-Original-Method $request_method; "
    "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;"
)
# auth_request turns any status but 2xx, 401 and 403 into 500; 503 becomes 500 too, which deploy/nginx turns back.
_STATUS = {400: 403}


class NginxAdapter:
    """The protocol of nginx's auth_request module."""

    name = "nginx"
    reads = ("X-Original-Method", "X-Original-URL", "X-Forwarded-For")

    def read(self, headers: Headers, trusted: TrustedProxies, guarded: frozenset[str]) -> Request:
        """Return what the client asked of nginx, or raise `Unreadable`."""
        refuse_look_alikes(headers, guarded)
        scheme, authority, target = split_absolute_url(required(headers, "X-Original-URL", _MEND))
        return make_request(
            method=required(headers, "X-Original-Method", _MEND),
            scheme=scheme,
            authority=authority,
            target=target,
            headers=headers,
            adapter=self.name,
            client_ip=trusted.client_ip(headers),
        )

    def write(self, decision: Decision) -> Reply:
        """Return *decision* in the statuses that auth_request passes on; it never passes a body."""
        return reply(decision, _STATUS, with_body=False)
