"""What a refusal says besides its reason: what the client needs to be allowed, and how the refusal reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.rules import Every, Test

if TYPE_CHECKING:
    from authgate.core.pages import Page
    from authgate.core.rules import Finding


class Delivery(StrEnum):
    """How a refusal reaches the client. Logs, `explain` and `authgate test` call it the answer."""

    REDIRECT = "redirect"
    PAGE = "page"
    LOOP_PAGE = "loop page"
    PROBLEM = "problem"
    """Problem details, for a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What the client has to bring, and what it gets. Adapters write it as their proxy understands it.

    *scopes* are all scopes that the policy demands (RFC 6750 §3.1). *max_age* is how many seconds ago the user may have
    signed in at most (RFC 9470 §3); None if any time is fine.

    *location* is where a browser is redirected to sign in, "" for no redirect. *page* is what a person sees; None for a
    program, which gets problem details (RFC 9457). *set_cookie* counts the redirects; *is_loop*: they lead nowhere.
    *allowed_origin* is the other origin whose pages may read the refusal, "" for none.
    """

    scopes: tuple[str, ...] = ()
    max_age: int | None = None
    location: str = ""
    page: Page | None = None
    set_cookie: str = ""
    is_loop: bool = False
    allowed_origin: str = ""

    @property
    def is_general(self) -> bool:
        """Whether the configuration makes it, and nothing that the client chooses: then what is made of it is kept."""
        return not (self.location or self.set_cookie) and self.allowed_origin == self.allowed_origin.lower()

    @property
    def delivery(self) -> Delivery:
        """How the refusal reaches the client."""
        if self.location:
            return Delivery.REDIRECT
        if self.is_loop:
            return Delivery.LOOP_PAGE
        return Delivery.PROBLEM if self.page is None else Delivery.PAGE


NO_CHALLENGE = Challenge()


class RuleFailed(Refused):
    """The user is known, and the policy's rule is not true of them."""

    def __init__(self, finding: Finding) -> None:
        """*finding* has the rule and the values that it compared."""
        reason, self.challenge = challenge_of(finding)
        super().__init__(reason)
        self.finding = finding


def challenge_of(finding: Finding) -> tuple[Reason, Challenge]:
    """Return the reason for a rule that is not true, and what the client has to bring.

    A client can bring more scopes or a newer sign-in, if the rule asks for them at its top. If anything else is not
    true either, they would not help: the reason is `forbidden`, and the client does not learn which rule it was.
    """
    scopes: list[str] = []
    ages: list[float] = []
    for part in finding.parts if isinstance(finding.rule, Every) else (finding,):
        test = part.rule
        if part.truth is True:
            continue
        if isinstance(test, Test) and test.name == "scopes.all_of" and part.truth is False:
            scopes += test.expected
        elif isinstance(test, Test) and test.name == "authenticated_within_seconds":
            ages.append(test.expected)
        else:
            return Reason.FORBIDDEN, NO_CHALLENGE
    if scopes:
        return Reason.INSUFFICIENT_SCOPE, Challenge(scopes=tuple(scopes))
    return Reason.INSUFFICIENT_USER_AUTHENTICATION, Challenge(max_age=int(min(ages)))
