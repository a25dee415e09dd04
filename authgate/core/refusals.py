"""What a refused client gets besides the reason: a redirect, a page for a person, or the headers of a program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from authgate.core.challenge import NO_CHALLENGE
from authgate.core.clients import is_prefetch, may_redirect, shows_pages
from authgate.core.cors import NO_CORS
from authgate.core.pages import PLAIN_LOOK, Look, loop_page, page_for, protected_page
from authgate.core.reasons import REASONS
from authgate.core.redirects import count_redirects

if TYPE_CHECKING:
    from authgate.core.challenge import Challenge
    from authgate.core.cors import CorsRule
    from authgate.core.policy import Policy
    from authgate.core.reasons import Reason
    from authgate.core.request import Headers, Request
    from authgate.core.sign_in import SignIn


_UNAUTHORIZED = 401
# How many challenges to cache, of each kind. The configuration and the reason make them; a client chooses at most the
# case of its origin.
_MAX_CACHED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The settings of refusals: the *look* of pages, and the *cors* rule where no policy was found."""

    look: Look = PLAIN_LOOK
    cors: CorsRule = NO_CORS

    def before_policy(self, reason: Reason, headers: Headers) -> Challenge:
        """Return what a client gets whose request has no policy: it could not be read, or deciding it failed."""
        challenge = _with_page(NO_CHALLENGE, reason, self.look) if shows_pages(headers) else NO_CHALLENGE
        return _for_origin(challenge, self.cors, headers)

    def challenge(
        self, reason: Reason, demanded: Challenge, request: Request, policy: Policy | None, now: float
    ) -> Challenge:
        """Return what the client of *request* gets. *demanded* has what the policy's rule asks for."""
        if policy is None:
            return self.before_policy(reason, request.headers)
        headers, sign_in = request.headers, policy.sign_in
        if not shows_pages(headers):
            return _for_origin(demanded, policy.cors, headers) if policy.cors.allowed_origins else demanded
        if sign_in is not None and REASONS[reason].status == _UNAUTHORIZED and may_redirect(request):
            return self._redirect(reason, _for_origin(demanded, policy.cors, headers), request, sign_in, now)
        address = "" if sign_in is None else sign_in.address(demanded.max_age)
        return _for_origin(_with_page(demanded, reason, self.look, address), policy.cors, headers)

    def _redirect(
        self, reason: Reason, challenge: Challenge, request: Request, sign_in: SignIn, now: float
    ) -> Challenge:
        """Return *challenge* with a redirect to *sign_in*, or with a page if the redirect would repeat without end."""
        if sign_in.is_for(request):
            return replace(challenge, page=protected_page(self.look), is_loop=True)
        counted = count_redirects(request, now)
        if counted.is_loop:
            return replace(challenge, page=loop_page(reason, self.look), set_cookie=counted.set_cookie(), is_loop=True)
        location = sign_in.location(request, challenge.max_age)
        # A browser may prefetch a link each time that the pointer rests on it. That is not a loop.
        set_cookie = "" if is_prefetch(request.headers) else counted.set_cookie()
        return replace(challenge, location=location, set_cookie=set_cookie)


@lru_cache(maxsize=_MAX_CACHED)
def _with_page(demanded: Challenge, reason: Reason, look: Look, sign_in_url: str = "") -> Challenge:
    return replace(demanded, page=page_for(reason, look, sign_in_url=sign_in_url))


def _for_origin(challenge: Challenge, cors: CorsRule, headers: Headers) -> Challenge:
    """Return *challenge* so that pages of the origin in *headers* may read the refusal, if *cors* allows it."""
    origin = cors.origin(headers) if cors.allowed_origins else ""
    return _with_origin(challenge, origin) if origin else challenge


@lru_cache(maxsize=_MAX_CACHED)
def _with_origin(challenge: Challenge, origin: str) -> Challenge:
    return replace(challenge, allowed_origin=origin)


DEFAULT_REFUSALS = Refusals()
