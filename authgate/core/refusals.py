"""What a refused client gets besides the reason: a redirect, a page for a person, or the headers of a program."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The settings of refusals: the *look* of pages, and the *cors* rule where no policy was found."""

    look: Look = PLAIN_LOOK
    cors: CorsRule = NO_CORS

    def before_policy(self, reason: Reason, headers: Headers) -> Challenge:
        """Return what a client gets whose request has no policy: it could not be read, or deciding it failed."""
        page = page_for(reason, self.look) if shows_pages(headers) else None
        return replace(NO_CHALLENGE, page=page, allowed_origin=self.cors.origin(headers))

    def challenge(
        self, reason: Reason, demanded: Challenge, request: Request, policy: Policy | None, now: float
    ) -> Challenge:
        """Return what the client of *request* gets. *demanded* has what the policy's rule asks for."""
        if policy is None:
            return self.before_policy(reason, request.headers)
        challenge = replace(demanded, allowed_origin=policy.cors.origin(request.headers))
        if not shows_pages(request.headers):
            return challenge
        if policy.sign_in is None:
            return replace(challenge, page=page_for(reason, self.look))
        if REASONS[reason].status != _UNAUTHORIZED or not may_redirect(request):
            address = policy.sign_in.address(challenge.max_age)
            return replace(challenge, page=page_for(reason, self.look, sign_in_url=address))
        return self._redirect(reason, challenge, request, policy.sign_in, now)

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


DEFAULT_REFUSALS = Refusals()
