"""nginx `auth_request`: reads X-Original-Method and X-Original-URL; answers 200, 401, 403 or 503.

https://nginx.org/en/docs/http/ngx_http_auth_request_module.html. deploy/nginx has a working example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.adapters._reply import Reply, described_refusal
from authgate.adapters._subrequest import missing, refuse_look_alikes
from authgate.core.decision import Allow
from authgate.core.reasons import REASONS
from authgate.core.request import make_request, split_absolute_url

if TYPE_CHECKING:
    from authgate.adapters._subrequest import TrustedProxies
    from authgate.core.decision import Decision
    from authgate.core.request import Request
    from authgate.core.subrequest import Subrequest

# Many examples on the web send only X-Original-URI, which has neither the method nor the host.
_FIX = (
    "in nginx's location for AuthGate: proxy_set_header X-Original-Method $request_method; "
    "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;"
)
# auth_request turns every status except 2xx, 401 and 403 into 500. It does so with 503, too; deploy/nginx undoes that.
_STATUS = {400: 403}


class NginxAdapter:
    """The protocol of nginx's auth_request module."""

    name = "nginx"
    reads = ("X-Original-Method", "X-Original-URL", "X-Forwarded-For")

    def read(self, subrequest: Subrequest, trusted: TrustedProxies, guarded: frozenset[str]) -> Request:
        """Return the client's request to nginx, or raise `Unreadable`."""
        if not subrequest.is_plain:
            refuse_look_alikes(subrequest, guarded)
        headers = subrequest.headers
        urls, methods = headers.getall("x-original-url", ()), headers.getall("x-original-method", ())
        if len(urls) != 1 or len(methods) != 1:
            raise missing(headers, ("X-Original-URL", "X-Original-Method"), _FIX)
        scheme, authority, target = split_absolute_url(urls[0])
        return make_request(
            method=methods[0],
            scheme=scheme,
            authority=authority,
            target=target,
            headers=headers,
            adapter=self.name,
            client_ip=trusted.client_ip(headers),
        )

    def write(self, decision: Decision, request_id: str) -> Reply:
        """Return the reply for *decision*, with a status that auth_request accepts. nginx never relays the body.

        A redirect is a 401 with `Location`, which the shipped files turn into a 302.
        """
        if isinstance(decision, Allow):
            return Reply(200, decision.headers)
        status = REASONS[decision.reason].status
        return described_refusal(decision, request_id, _STATUS.get(status, status))
