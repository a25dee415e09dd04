"""Kinds of tokens that clients of a provider send, and that its preset does not read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherKind:
    """A kind of token, and the *sentence* that says so and what to send instead. It quotes no token.

    A token is of this kind if all of the following fit. *claims* are patterns, by claim path: the whole claim matches,
    or one text of a list; "" stands for an absent claim. *typ* is the header's `typ` in lower case; "" for any.
    With *has_nonce*, the header has a `nonce`. With *reason*, the token was refused for it.
    """

    sentence: str
    claims: Mapping[str, str] = field(default_factory=dict)
    typ: str = ""
    has_nonce: bool = False
    reason: Reason | None = None
