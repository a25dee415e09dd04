"""What a credential proves by itself, and what only the session store can tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.core.identity import Identity


class SessionCheck(StrEnum):
    """When the session store of an issuer is asked. docs/sessions.md has the truth table."""

    NONE = "none"
    """There is no store: data in the cookies is believed until its own expiry."""
    FALLBACK = "fallback"
    """Where the cookies hold no data that can be believed: what Better Auth itself does."""
    ALWAYS = "always"
    """Whatever the cookies hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReference:
    """A session by its *token*; *signed_token* is what the library puts into its cookie for it, "" if it signs none.

    *was_signed*: the token came with a signature that held, so that somebody signed in once.
    """

    token: str = field(repr=False)
    signed_token: str = field(default="", repr=False)
    was_signed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a credential proves, whatever time it is: made in tokens/, remembered, judged on every request.

    *identity* is whom it proves by itself; None where that is nobody, for *reason* and *detail*. *session* can be asked
    for in the store. Beside one, *identity* is a copy that is believed until *fresh_until* (unix seconds, no leeway).
    *newer_keys_may_help*: it proves nobody because a public key is missing, or another stands in its place.
    """

    identity: Identity | None
    session: SessionReference | None = None
    fresh_until: float = 0.0
    reason: Reason = Reason.SESSION_NOT_FOUND
    detail: str = ""
    newer_keys_may_help: bool = False

    @property
    def is_cacheable(self) -> bool:
        """Whether it took a signature, and holds: what anybody can make up would push out what others proved.

        Nor is one remembered that newer keys may mend: nobody would ask for them again.
        """
        was_proven = self.session.was_signed if self.session is not None else self.identity is not None
        return was_proven and not self.newer_keys_may_help
