"""Replies to the proxy, with RFC 6750 challenges and RFC 9457 problem details."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from authgate.core.challenge import NO_CHALLENGE
from authgate.core.decision import Allow
from authgate.core.reasons import REASONS

if TYPE_CHECKING:
    from authgate.core.challenge import Challenge
    from authgate.core.decision import Decision
    from authgate.core.reasons import Reason

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a subrequest. *headers* are pairs of name and printable ASCII value. *body* has at most 4 KiB."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


def reply(decision: Decision, status_of: dict[int, int], *, with_body: bool) -> Reply:
    """Return the reply for *decision*. *status_of* maps statuses of the table to those that this proxy understands."""
    if isinstance(decision, Allow):
        return Reply(200, decision.headers)
    return refusal_reply(decision.reason, status_of, decision.challenge, with_body=with_body)


def refusal_reply(
    reason: Reason, status_of: dict[int, int], challenge: Challenge = NO_CHALLENGE, *, with_body: bool
) -> Reply:
    """Return the reply for a refusal: from the table of reasons and the configuration, with nothing of the request."""
    refusal = REASONS[reason]
    status = status_of.get(refusal.status, refusal.status)
    headers = [("Cache-Control", "no-store"), ("X-AuthGate-Reason", reason.value)]
    if status == HTTPStatus.UNAUTHORIZED or challenge.scopes:
        headers.append(("WWW-Authenticate", _www_authenticate(refusal.oauth_error, refusal.text, challenge)))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
    if not with_body:
        return Reply(status, tuple(headers))
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": refusal.text,
        "reason": reason.value,
    }
    headers.append(("Content-Type", "application/problem+json"))
    return Reply(status, tuple(headers), json.dumps(problem).encode())


def _www_authenticate(oauth_error: str | None, text: str, challenge: Challenge) -> str:
    """Return the challenge (RFC 6750 §3, RFC 9470 §3), without an error code if no credential was sent (§3.1)."""
    if oauth_error is None:
        return 'Bearer realm="authgate"'
    value = f'Bearer realm="authgate", error="{oauth_error}", error_description="{text}"'
    if challenge.scopes:
        value += f', scope="{" ".join(challenge.scopes)}"'
    if challenge.max_age is not None:
        value += f', max_age="{challenge.max_age}"'
    return value
