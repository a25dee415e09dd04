"""Proofs: what a credential proves by itself, and which session it refers to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.core.identity import Identity


class SessionCheck(StrEnum):
    """When `decide` asks the session store of an issuer. docs/sessions.md has the truth table."""

    NONE = "none"
    """Never: there is no store. Data in the cookies is valid until its own expiry."""
    FALLBACK = "fallback"
    """Only if the cookies hold no valid data. Better Auth does the same."""
    ALWAYS = "always"
    """For every request, whatever the cookies hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReference:
    """A reference to a session: its *token*.

    *signed_token* is the value of the library's cookie; "" if the library signs none. *was_signed*: the token had a
    valid signature, which proves that somebody once signed in.
    """

    token: str = field(repr=False)
    signed_token: str = field(default="", repr=False)
    was_signed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The credential proves *identity* by itself."""

    identity: Identity

    newer_keys_may_help = False
    is_cacheable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsSession:
    """The credential refers to *session*, and the session store knows its user.

    *copy* is the identity in a copy of the session that the credential holds, valid until *fresh_until* (Unix seconds,
    no leeway). *reason* and *detail* say why the copy does not count; they are the refusal if there is no store.
    *newer_keys_may_help*: there is no copy because a public key is missing or was replaced.
    """

    session: SessionReference
    copy: Identity | None = None
    fresh_until: float = 0.0
    reason: Reason = Reason.SESSION_NOT_FOUND
    detail: str = ""
    newer_keys_may_help: bool = False

    @property
    def is_cacheable(self) -> bool:
        """Whether the proof may be cached.

        It must rest on a signature: anybody can make up an unsigned token, and such entries would evict real ones. It
        is not cached if newer keys may change it, because the cached proof would keep `decide` from looking them up.
        """
        return self.session.was_signed and not self.newer_keys_may_help


# What a credential proves, independent of the time. Made in tokens/ and cached; every request checks its times.
Proof: TypeAlias = Proven | NeedsSession
