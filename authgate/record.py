"""The fourth hop: one metric and, for refusals, one log line for each decision. No token, no secret, at any level."""

from __future__ import annotations

import logging
import random
import re
from typing import TYPE_CHECKING

from cachetools import TTLCache

from authgate.core.decision import Allow, Deny
from authgate.core.reasons import REASONS, Fault, Reason

if TYPE_CHECKING:
    from authgate.config.model import LogConfig
    from authgate.core.decision import Decision
    from authgate.core.request import Headers, Request
    from authgate.metrics import Metrics

_log = logging.getLogger("authgate.decision")

# Their details quote header names, the URL's form, the configuration and what a store says, never a claim.
_QUOTE_NO_CLAIM = {
    *(Reason.UNREADABLE_REQUEST, Reason.UNTRUSTED_PROXY, Reason.NO_CREDENTIAL),
    *(Reason.SESSION_NOT_FOUND, Reason.SESSIONS_UNAVAILABLE, Reason.CSRF),
}

# An untrusted peer, or one that asks at a wrong path, is told of once a minute: it may send any number of requests, and
# each says the same.
REPEAT_SECONDS = 60
_MAX_PEERS = 1024

MAX_PATH_CHARACTERS = 256
# What request ids look like in practice (UUIDs, nginx's $request_id, ULIDs …), and W3C Trace Context's traceparent.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Recorder:
    """Counts and logs decisions."""

    def __init__(self, metrics: Metrics, config: LogConfig) -> None:
        self._metrics = metrics
        self._allowed_share = float(config.allowed)
        self._details = config.details
        self._told: TTLCache[str, None] = TTLCache(_MAX_PEERS, REPEAT_SECONDS)

    def record(
        self, *, decision: Decision, adapter: str, request: Request | None, headers: Headers, peer: str, seconds: float
    ) -> None:
        """Record *decision*, made in *seconds* on a subrequest of *peer*; *request* None where it was unreadable."""
        if isinstance(decision, Allow):
            self._metrics.count(adapter, decision.policy, "allow", "", seconds)
            if not self._allowed_share or random.random() >= self._allowed_share:  # noqa: S311 - a sample, no secret
                return
            reason, issuer, level = "", decision.identity.issuer, logging.INFO
        else:
            self._metrics.count(adapter, decision.policy, "deny", decision.reason, seconds)
            if decision.reason is Reason.UNTRUSTED_PROXY and self._already_told(peer):
                return
            reason, issuer = decision.reason.value, decision.issuer_name
            level = logging.INFO if REASONS[decision.reason].fault is Fault.CLIENT else logging.WARNING
        fields: dict[str, object] = {
            "reason": reason,
            "adapter": adapter,
            "policy": decision.policy,
            "issuer": issuer,
            "duration_ms": round(seconds * 1000, 3),
            "peer": peer,
            **_about_request(request),
            **_correlation(headers),
            **self._about_refusal(decision),
        }
        outcome = "allow" if isinstance(decision, Allow) else "deny"
        _log.log(level, outcome, extra={"fields": {name: value for name, value in fields.items() if value != ""}})

    def record_unknown_path(self, peer: str, fix: str) -> None:
        """Log, once a minute, that *peer* asks at a path where nothing answers: its proxy is set up wrongly."""
        if not self._already_told(peer):
            _log.warning("asked at an unknown path", extra={"fields": {"peer": peer, "fix": fix}})

    def _already_told(self, peer: str) -> bool:
        told = peer in self._told
        if not told:
            self._told[peer] = None
        return told

    def _about_refusal(self, decision: Decision) -> dict[str, object]:
        if not isinstance(decision, Deny):
            return {}
        return {
            "detail": decision.detail if self._details or decision.reason in _QUOTE_NO_CLAIM else "",
            "fix": decision.fix,
        }


def _about_request(request: Request | None) -> dict[str, object]:
    if request is None:
        return {}
    return {
        "method": request.method,
        "host": request.host,
        "path": request.path[:MAX_PATH_CHARACTERS],  # without the query, which may hold tokens
        "client_ip": str(request.client_ip or ""),
    }


def _correlation(headers: Headers) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, header, shape in (
        ("request_id", "X-Request-Id", _REQUEST_ID),
        ("traceparent", "traceparent", _TRACEPARENT),
    ):
        values = headers.getall(header, ())
        if len(values) == 1 and shape.fullmatch(values[0]):
            found[name] = values[0]
    return found
