"""The fourth hop: count each decision and log each refusal. No log line has a token or a secret, at any level.

Anybody can cause a refusal, as often as they like. So lines about refusals are bounded in number (`_REFUSALS`,
`_PEERS`) and in size (`MAX_LINE_BYTES`). A refusal over a bound is counted, and once a second a line "deny repeated"
has the count. The metrics have every refusal. Lines about allowed requests have no bound: the operator asks for them.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Literal, NamedTuple

from authgate.core.challenge import Delivery
from authgate.core.decision import Allow, Deny
from authgate.core.quoting import printable
from authgate.core.reasons import REASONS, Fault, Reason
from authgate.core.request_id import request_id
from authgate.repeats import Bounds, Repeats

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.config.model import LogConfig
    from authgate.core.decision import Decision
    from authgate.core.request import Headers, Request
    from authgate.metrics import Metrics
    from authgate.repeats import Repeated

_log = logging.getLogger("authgate.decision")

# The details of these reasons quote header names, parts of the URL, the configuration or a store's message. They never
# quote a claim.
_REASONS_WITHOUT_CLAIMS = {
    *(Reason.UNREADABLE_REQUEST, Reason.UNTRUSTED_PROXY, Reason.NO_CREDENTIAL),
    *(Reason.SESSION_NOT_FOUND, Reason.SESSIONS_UNAVAILABLE, Reason.OVERLOADED),
    *(Reason.CSRF, Reason.NO_POLICY, Reason.AMBIGUOUS_PATH),
}

# 10 lines show what a client does wrong. 200 lines of the usual 450 bytes are 90 KB a second: 30 MB of rotated log
# files hold five minutes of an attack. Half of them are for the other reasons.
_REFUSALS = Bounds(per_address=10, per_kind=100, in_all=200, window_seconds=1.0)
# A peer that is not trusted or uses a wrong path is logged once a minute: all its lines would be the same.
_PEERS = Bounds(per_address=1, per_kind=20, in_all=40, window_seconds=60.0)

# How many bytes of a line a field may have, without its name. Longer text is cut.
_MAX_BYTES = {"detail": 1024, "fix": 512, "host": 256, "path": 256, "rule": 256}
_MAX_BYTES_OF_OTHERS = 128
MAX_LINE_BYTES = 4096
# Text of these characters has as many bytes in JSON: almost every field of almost every line.
_PLAIN = re.compile(r"[ !#-\[\]-~]*")
# W3C Trace Context.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class _Kind(NamedTuple):
    """What lines that are counted together have in common. The field *address_field* of a line has the address."""

    event: str
    reason: str
    level: int
    address_field: Literal["client_ip", "peer"]


def _kinds(address_field: Literal["client_ip", "peer"]) -> dict[tuple[Reason, int], _Kind]:
    return {
        (reason, level): _Kind("deny", reason.value, level, address_field)
        for reason in Reason
        for level in (logging.INFO, logging.WARNING)
    }


_BY_CLIENT, _BY_PEER = _kinds("client_ip"), _kinds("peer")
_UNKNOWN_PATH = _Kind("unknown path", "", logging.WARNING, "peer")
_USUAL = frozenset(reason for reason, refusal in REASONS.items() if refusal.fault is Fault.CLIENT)


class Lines:
    """Which refusals get a line of their own. One object for the life of AuthGate: a reload begins no new count."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        """*elapsed* never goes back."""
        self._refusals = Repeats("refusals", _REFUSALS, _log_repeated, elapsed)
        self._peers = Repeats("peers", _PEERS, _log_repeated, elapsed)

    def admits(self, reason: Reason, level: int, request: Request | None, peer: str) -> bool:
        """Whether to write a line about a refusal for *reason*. If not, it is counted."""
        if reason is Reason.UNTRUSTED_PROXY:
            return self._peers.admits(_BY_PEER[reason, level], peer)
        if request is None or request.client_ip is None:
            return self._refusals.admits(_BY_PEER[reason, level], peer)
        return self._refusals.admits(_BY_CLIENT[reason, level], request.client_ip)

    def admits_unknown_path(self, peer: str) -> bool:
        """Whether to write a line about a request of *peer* for an unknown path. If not, it is counted."""
        return self._peers.admits(_UNKNOWN_PATH, peer)


class Recorder:
    """Counts and logs decisions."""

    def __init__(self, metrics: Metrics, config: LogConfig, lines: Lines) -> None:
        self.lines = lines
        self._count = metrics.decisions.add
        self._allowed_share = float(config.allowed)
        self._details = config.details

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
            self._count(adapter, decision.policy, "allow", "", seconds)
            if not self._allowed_share or random.random() >= self._allowed_share:  # noqa: S311 - for sampling, not for a secret
                return
            level = logging.INFO
        else:
            reason = decision.reason
            self._count(adapter, decision.policy, "deny", reason, seconds)
            level = logging.INFO if reason in _USUAL and not decision.challenge.is_loop else logging.WARNING
            if not self.lines.admits(reason, level, request, peer):
                return
        fields: dict[str, object] = {
            **_decision_fields(decision, adapter),
            "duration_ms": round(seconds * 1000, 3),
            "peer": peer,
            **_request_fields(request),
            **_correlation_fields(headers, refusal_id),
            **self._refusal_fields(decision),
        }
        _write(level, "allow" if isinstance(decision, Allow) else "deny", fields)

    def record_unknown_path(self, peer: str, fix: str) -> None:
        """Log that *peer* sent a subrequest to an unknown path, at most once a minute. Its proxy is misconfigured."""
        if self.lines.admits_unknown_path(peer):
            _write(logging.WARNING, "unknown path", {"peer": peer, "fix": fix})

    def _refusal_fields(self, decision: Decision) -> dict[str, object]:
        if not isinstance(decision, Deny):
            return {}
        return {
            "rule": decision.rule,
            "detail": decision.detail if self._details or decision.reason in _REASONS_WITHOUT_CLAIMS else "",
            "fix": decision.fix,
            "answer": "" if decision.challenge.delivery is Delivery.PROBLEM else decision.challenge.delivery,
        }


def _log_repeated(repeated: Repeated[_Kind]) -> None:
    kind = repeated.kind
    fields = {
        "reason": kind.reason,
        kind.address_field: repeated.address,
        "count": repeated.count,
        "seconds": repeated.seconds,
        "detail": "too many for a line each",
    }
    _write(kind.level, f"{kind.event} repeated", fields)


def _write(level: int, event: str, fields: dict[str, object]) -> None:
    if not _log.isEnabledFor(level):
        return
    shown = {name: _cut(name, value) for name, value in fields.items() if value != ""}
    # Logger.log would look for the file and the line that called it, which no line of the log shows.
    _log.handle(_log.makeRecord(_log.name, level, "", 0, event, (), None, extra={"fields": shown}))


def _cut(name: str, value: object) -> object:
    """Return *value*. Text becomes printable, and is cut to the bytes that its field may have. In JSON, "ä" has six."""
    if not isinstance(value, str):
        return value
    max_bytes = _MAX_BYTES.get(name, _MAX_BYTES_OF_OTHERS)
    if len(value) <= max_bytes and _PLAIN.fullmatch(value):
        return value
    value = printable(value)
    if _bytes_of(value) <= max_bytes:
        return value
    too_long = bisect_right(range(max_bytes + 2), max_bytes, key=lambda characters: _bytes_of(value[:characters]))
    return value[: too_long - 1]


def _bytes_of(text: str) -> int:
    return len(json.dumps(text)) - len('""')


def _decision_fields(decision: Decision, adapter: str) -> dict[str, object]:
    if isinstance(decision, Deny):
        reason, issuer = decision.reason.value, decision.issuer_name
    else:
        reason, issuer = "", "" if decision.identity is None else decision.identity.issuer
    return {"reason": reason, "adapter": adapter, "policy": decision.policy, "issuer": issuer}


def _request_fields(request: Request | None) -> dict[str, object]:
    if request is None:
        return {}
    return {
        "method": request.method,
        "scheme": request.scheme,
        "host": request.host,
        "path": request.path,  # without the query, which may contain tokens
        "client_ip": str(request.client_ip or ""),
    }


def _correlation_fields(headers: Headers, refusal_id: str) -> dict[str, object]:
    traces = headers.getall("traceparent", ())
    return {
        "request_id": refusal_id or request_id(headers),
        "traceparent": traces[0] if len(traces) == 1 and _TRACEPARENT.fullmatch(traces[0]) else "",
    }
