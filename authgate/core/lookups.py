"""The questions that the core asks the world. `decide` yields one and is resumed with its answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.snapshot import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshKeys:
    """Are there newer public keys for the issuer of this name? Asked when a token names *key_id*, which is not known.

    Answered with the `Issuer` as it is now: the same one where there is nothing newer. *key_id* None: the token names
    no key and there is none, or it stands within a session cookie.
    """

    issuer_name: str
    key_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindSession:
    """Whose is the session of this *token*, if there is one? Answered with an `Identity`, or None.

    *token* is the session token itself, as the store holds it; *signed_token* what the library puts into its cookie for
    it ("<token>.<signature>", not percent-encoded), "" where it signs none. *client_ip* is "" where nobody told.
    """

    issuer_name: str
    token: str = field(repr=False)
    signed_token: str = field(default="", repr=False)
    client_ip: str = ""


def probe_lookup(issuer_name: str) -> FindSession:
    """Return the question for a session that there cannot be: whether the store answers at all."""
    token = "authgate0asks0whether0you0answer"  # noqa: S105 - nobody's
    return FindSession(issuer_name=issuer_name, token=token, signed_token=f"{token}.{'A' * 43}=")


Lookup: TypeAlias = RefreshKeys | FindSession
Answer: TypeAlias = "Issuer | Identity | None"

T = TypeVar("T")
# A computation that may ask lookups on its way to a T. Which `Answer` comes depends on the lookup.
Steps: TypeAlias = Generator[Lookup, Any, T]
