"""An opaque session token: it carries no data, so only the issuer's session store knows its user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.snapshot import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedSessionToken:
    """A session token, as the client sent it."""

    text: str = field(repr=False)
    key_id: None = None

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the first issuer: a cookie belongs to one issuer, and only one accepts session tokens in headers."""
        return issuers[0]
