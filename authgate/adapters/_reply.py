"""Replies to the proxy, with RFC 6750 challenges, RFC 9457 problem details, pages for people and CORS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from authgate.adapters import page
from authgate.core import request_id as ids
from authgate.core.challenge import Delivery
from authgate.core.cors import EXPOSED
from authgate.core.header_lines import HeaderLines
from authgate.core.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.core.challenge import Challenge
    from authgate.core.decision import Deny
    from authgate.core.pages import Page
    from authgate.core.reasons import Reason

RETRY_AFTER_SECONDS = 5
_HOLE = "THE-REQUEST-ID"
# How many refusals to cache for each of the two functions. One has at most 6 KiB.
_MAX_CACHED = 256


@dataclass(slots=True)
class Reply:
    """The answer to a subrequest. *body* has at most 4 KiB. Nobody changes one."""

    status: int
    headers: HeaderLines
    body: bytes = b""


class _Template:
    """A refusal with holes for the request id: one in its header lines, at most one in its body."""

    __slots__ = ("_body", "_lines", "_status")

    def __init__(self, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
        """*headers* and *body* have `_HOLE` where the request id belongs."""
        self._status = status
        # What comes before the hole of the header lines, and after the hole of the body, is constant text. So a URL or
        # a title that has the same text as the hole does not become one.
        self._lines = HeaderLines.of(headers).wire.split(_HOLE.encode(), 1)
        self._body = body.rsplit(_HOLE.encode(), 1)

    def fill(self, request_id: str) -> Reply:
        """Return the reply with *request_id*."""
        if not ids.FORM.fullmatch(request_id):  # it would be written into header lines, HTML and JSON as it is
            raise ValueError("the request id has another form than request ids have")
        text = request_id.encode("ascii")
        return Reply(self._status, HeaderLines(text.join(self._lines)), text.join(self._body))


def relayed_refusal(deny: Deny, request_id: str) -> Reply:
    """Return the reply for a proxy that relays it to the client: a redirect, a page, or problem details."""
    make = _cached_relayed if deny.challenge.is_general else _relayed
    return make(deny.reason, deny.challenge).fill(request_id)


def described_refusal(deny: Deny, request_id: str, status: int) -> Reply:
    """Return the reply for a proxy that relays no body: headers have what its own templates need."""
    make = _cached_described if deny.challenge.is_general else _described
    return make(deny.reason, deny.challenge, status).fill(request_id)


def _relayed(reason: Reason, challenge: Challenge) -> _Template:
    shown = challenge.page
    headers = [*_common_headers(reason, challenge)]
    if challenge.location:
        return _Template(302, [*headers, ("Location", challenge.location)])
    status = REASONS[reason].status
    headers += _status_headers(reason, status, challenge)
    if shown is None:
        headers.append(("Content-Type", "application/problem+json"))
        return _Template(status, headers, _problem(reason, status))
    headers.append(("Content-Type", page.CONTENT_TYPE))
    headers.append(("Content-Security-Policy", page.security_policy(shown.look)))
    return _Template(status, headers, page.render(shown, _HOLE))


def _described(reason: Reason, challenge: Challenge, status: int) -> _Template:
    headers = [*_common_headers(reason, challenge), *_status_headers(reason, status, challenge)]
    answer = Delivery.PAGE if challenge.is_loop else challenge.delivery
    headers += [("X-AuthGate-Answer", answer.value), ("X-AuthGate-Detail", REASONS[reason].text)]
    if challenge.location:
        headers.append(("Location", challenge.location))
    if challenge.page is not None:
        headers += _page_headers(challenge.page)
    return _Template(status, headers)


_cached_relayed = lru_cache(maxsize=_MAX_CACHED)(_relayed)
_cached_described = lru_cache(maxsize=_MAX_CACHED)(_described)


def _common_headers(reason: Reason, challenge: Challenge) -> Iterator[tuple[str, str]]:
    """Yield the headers of every refusal."""
    yield "Cache-Control", "no-store"
    yield "X-AuthGate-Reason", reason.value
    yield ids.HEADER, _HOLE
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


def _problem(reason: Reason, status: int) -> bytes:
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": REASONS[reason].text,
        "reason": reason.value,
        "request_id": _HOLE,  # the last member: see `_Template`
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
