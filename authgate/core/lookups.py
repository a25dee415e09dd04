"""Lookups: the questions that the core asks. `decide` yields a lookup and is resumed with its answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.snapshot import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshKeys:
    """Does this issuer have newer public keys? Asked when a token names a key that is unknown or does not verify it.

    The answer is the `Issuer` as it is now, unchanged if it has no newer keys. *key_id* is None if the token names no
    key, or if it is inside a session cookie. *client_ip* is "" if unknown.
    """

    issuer_name: str
    key_id: str | None
    client_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindSession:
    """Who does the session with this *token* belong to? The answer is an `Identity`, or None if there is no session.

    *token* is the session token as the store has it. *signed_token* is the value of the library's cookie,
    "<token>.<signature>" without percent-encoding; "" if the library signs none. *was_signed*: the client sent a valid
    signature. It may be False although there is a *signed_token*, because AuthGate signs raw tokens of Better Auth
    itself. *client_ip* is "" if unknown.
    """

    issuer_name: str
    token: str = field(repr=False)
    signed_token: str = field(default="", repr=False)
    was_signed: bool = True
    client_ip: str = ""


def probe_lookup(issuer_name: str) -> FindSession:
    """Return a lookup of a session that cannot exist, to find out whether the store answers."""
    token = "authgate0asks0whether0you0answer"  # noqa: S105 - no session has this token
    return FindSession(issuer_name=issuer_name, token=token, signed_token=f"{token}.{'A' * 43}=")


Lookup: TypeAlias = RefreshKeys | FindSession
Answer: TypeAlias = "Issuer | Identity | None"

T = TypeVar("T")
# A generator that may yield lookups before it returns a T. The type of each `Answer` depends on the lookup.
Steps: TypeAlias = Generator[Lookup, Any, T]
