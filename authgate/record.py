"""The fourth hop: count each decision and log each refusal. No log line has a token or a secret, at any level."""

from __future__ import annotations

import logging
import random
import re
from typing import TYPE_CHECKING

from cachetools import TTLCache

from authgate.core.challenge import Delivery
from authgate.core.decision import Allow, Deny
from authgate.core.reasons import REASONS, Fault, Reason
from authgate.core.request_id import request_id

if TYPE_CHECKING:
    from authgate.config.model import LogConfig
    from authgate.core.decision import Decision
    from authgate.core.request import Headers, Request
    from authgate.metrics import Metrics

_log = logging.getLogger("authgate.decision")

# The details of these reasons quote header names, parts of the URL, the configuration or a store's message. They never
# quote a claim.
_REASONS_WITHOUT_CLAIMS = {
    *(Reason.UNREADABLE_REQUEST, Reason.UNTRUSTED_PROXY, Reason.NO_CREDENTIAL),
    *(Reason.SESSION_NOT_FOUND, Reason.SESSIONS_UNAVAILABLE, Reason.CSRF, Reason.NO_POLICY, Reason.AMBIGUOUS_PATH),
}

# A peer that is not trusted or uses a wrong path is logged once a minute. It may send any number of requests, and all
# lines would be the same.
REPEAT_SECONDS = 60
_MAX_PEERS = 1024

MAX_PATH_CHARACTERS = 256
# W3C Trace Context.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Recorder:
    """Counts and logs decisions."""

    def __init__(self, metrics: Metrics, config: LogConfig) -> None:
        self._metrics = metrics
        self._allowed_share = float(config.allowed)
        self._details = config.details
        self._logged_peers: TTLCache[str, None] = TTLCache(_MAX_PEERS, REPEAT_SECONDS)

    def record(
        self,
        *,
        decision: Decision,
        adapter: str,
        request: Request | None,
        headers: Headers,
        peer: str,
        refusal_id: str,
        seconds: float,
    ) -> None:
        """Record *decision*, which took *seconds* for a subrequest from *peer*. *request* is None if unreadable.

        *refusal_id* is the request id in the reply to a refusal; "" for an allowed request.
        """
        if isinstance(decision, Allow):
            self._metrics.count(adapter, decision.policy, "allow", "", seconds)
            if not self._allowed_share or random.random() >= self._allowed_share:  # noqa: S311 - for sampling, not for a secret
                return
            issuer = "" if decision.identity is None else decision.identity.issuer
            reason, level = "", logging.INFO
        else:
            self._metrics.count(adapter, decision.policy, "deny", decision.reason, seconds)
            if decision.reason is Reason.UNTRUSTED_PROXY and self._already_logged(peer):
                return
            reason, issuer = decision.reason.value, decision.issuer_name
            is_usual = REASONS[decision.reason].fault is Fault.CLIENT and not decision.challenge.is_loop
            level = logging.INFO if is_usual else logging.WARNING
        fields: dict[str, object] = {
            "reason": reason,
            "adapter": adapter,
            "policy": decision.policy,
            "issuer": issuer,
            "duration_ms": round(seconds * 1000, 3),
            "peer": peer,
            **_request_fields(request),
            **_correlation_fields(headers, refusal_id),
            **self._refusal_fields(decision),
        }
        outcome = "allow" if isinstance(decision, Allow) else "deny"
        _log.log(level, outcome, extra={"fields": {name: value for name, value in fields.items() if value != ""}})

    def record_unknown_path(self, peer: str, fix: str) -> None:
        """Log that *peer* sent a subrequest to an unknown path, at most once a minute. Its proxy is misconfigured."""
        if not self._already_logged(peer):
            _log.warning("unknown path", extra={"fields": {"peer": peer, "fix": fix}})

    def _already_logged(self, peer: str) -> bool:
        """Whether *peer* was logged in the last minute. Marks it as logged now if it was not."""
        if peer in self._logged_peers:
            return True
        self._logged_peers[peer] = None
        return False

    def _refusal_fields(self, decision: Decision) -> dict[str, object]:
        if not isinstance(decision, Deny):
            return {}
        return {
            "rule": decision.rule,
            "detail": decision.detail if self._details or decision.reason in _REASONS_WITHOUT_CLAIMS else "",
            "fix": decision.fix,
            "answer": "" if decision.challenge.delivery is Delivery.PROBLEM else decision.challenge.delivery,
        }


def _request_fields(request: Request | None) -> dict[str, object]:
    if request is None:
        return {}
    return {
        "method": request.method,
        "scheme": request.scheme,
        "host": request.host,
        "path": request.path[:MAX_PATH_CHARACTERS],  # without the query, which may contain tokens
        "client_ip": str(request.client_ip or ""),
    }


def _correlation_fields(headers: Headers, refusal_id: str) -> dict[str, object]:
    traces = headers.getall("traceparent", ())
    return {
        "request_id": refusal_id or request_id(headers),
        "traceparent": traces[0] if len(traces) == 1 and _TRACEPARENT.fullmatch(traces[0]) else "",
    }
