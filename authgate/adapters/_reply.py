"""Replies to the proxy, with RFC 6750 challenges, RFC 9457 problem details, pages for people and CORS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from authgate.adapters import page
from authgate.core import request_id as ids
from authgate.core.challenge import Delivery
from authgate.core.cors import EXPOSED
from authgate.core.header_lines import HeaderLines
from authgate.core.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.core.challenge import Challenge
    from authgate.core.decision import Deny
    from authgate.core.pages import Page
    from authgate.core.reasons import Reason

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a subrequest. *body* has at most 4 KiB."""

    status: int
    headers: HeaderLines
    body: bytes = b""


def relayed_refusal(deny: Deny, request_id: str) -> Reply:
    """Return the reply for a proxy that relays it to the client: a redirect, a page, or problem details."""
    reason, challenge, shown = deny.reason, deny.challenge, deny.challenge.page
    headers = [*_common_headers(reason, challenge, request_id)]
    if challenge.location:
        return Reply(302, HeaderLines.of([*headers, ("Location", challenge.location)]))
    status = REASONS[reason].status
    headers += _status_headers(reason, status, challenge)
    if shown is None:
        headers.append(("Content-Type", "application/problem+json"))
        return Reply(status, HeaderLines.of(headers), _problem(reason, status, request_id))
    headers.append(("Content-Type", page.CONTENT_TYPE))
    headers.append(("Content-Security-Policy", page.security_policy(shown.look)))
    return Reply(status, HeaderLines.of(headers), page.render(shown, request_id))


def described_refusal(deny: Deny, request_id: str, status: int) -> Reply:
    """Return the reply for a proxy that relays no body: headers have what its own templates need."""
    reason, challenge = deny.reason, deny.challenge
    headers = [*_common_headers(reason, challenge, request_id), *_status_headers(reason, status, challenge)]
    answer = Delivery.PAGE if challenge.is_loop else challenge.delivery
    headers += [("X-AuthGate-Answer", answer.value), ("X-AuthGate-Detail", REASONS[reason].text)]
    if challenge.location:
        headers.append(("Location", challenge.location))
    if challenge.page is not None:
        headers += _page_headers(challenge.page)
    return Reply(status, HeaderLines.of(headers))


def _common_headers(reason: Reason, challenge: Challenge, request_id: str) -> Iterator[tuple[str, str]]:
    """Yield the headers of every refusal."""
    yield "Cache-Control", "no-store"
    yield "X-AuthGate-Reason", reason.value
    yield ids.HEADER, request_id
    if challenge.set_cookie:
        yield "Set-Cookie", challenge.set_cookie
    if challenge.allowed_origin:
        yield "Access-Control-Allow-Origin", challenge.allowed_origin
        yield "Access-Control-Allow-Credentials", "true"
        yield "Access-Control-Expose-Headers", ", ".join(EXPOSED)
        yield "Vary", "Origin"


def _status_headers(reason: Reason, status: int, challenge: Challenge) -> Iterator[tuple[str, str]]:
    if status == HTTPStatus.UNAUTHORIZED or challenge.scopes:
        refusal = REASONS[reason]
        yield "WWW-Authenticate", _www_authenticate(refusal.oauth_error, refusal.text, challenge)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        yield "Retry-After", str(RETRY_AFTER_SECONDS)


def _page_headers(shown: Page) -> Iterator[tuple[str, str]]:
    """Yield the words of a page. The look is in the proxy's own template."""
    yield "X-AuthGate-Heading", shown.heading
    yield "X-AuthGate-Text", shown.text
    if shown.action:
        yield "X-AuthGate-Action", shown.action
        yield "X-AuthGate-Link", shown.link


def _problem(reason: Reason, status: int, request_id: str) -> bytes:
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": REASONS[reason].text,
        "reason": reason.value,
        "request_id": request_id,
    }
    return json.dumps(problem, separators=(",", ":")).encode()


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
