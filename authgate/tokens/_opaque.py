"""A session token that says nothing by itself: only its issuer's store knows whose it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.snapshot import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedSessionToken:
    """A session token as it was sent."""

    text: str = field(repr=False)
    key_id: None = None

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer that takes it: of a cookie, and of session tokens in headers, there is one."""
        return issuers[0]
