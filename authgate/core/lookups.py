"""The questions that the core asks the world. `decide` yields one and is resumed with its answer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from authgate.core.snapshot import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshKeys:
    """Are there newer keys for the issuer of this name? Asked when a token names *key_id*, a key that is not known.

    Answered with the `Issuer` as it is now: the same one where there is nothing newer. *key_id* None: the token names
    no key, and there is none.
    """

    issuer_name: str
    key_id: str | None


Lookup: TypeAlias = RefreshKeys
Answer: TypeAlias = "Issuer"

T = TypeVar("T")
# A computation that may ask lookups on its way to a T.
Steps: TypeAlias = Generator[Lookup, Answer, T]
