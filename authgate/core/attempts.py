"""How many public-key operations one request may cost. They are the most expensive thing that a client can cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.errors import AuthGateError
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MAX_ATTEMPTS = 8


class TooManyAttempts(AuthGateError):
    """The request would cost a further public-key operation. It is refused, whatever else it holds."""

    reason = Reason.TOO_MANY_ATTEMPTS
    detail = f"{MAX_ATTEMPTS} public keys were tried, and not every token is verified"


class Attempts:
    """The public-key operations of one request, at most 8 over all of its cookies. Shared secrets do not count.

    The same token is tried with the same key only once, also after newer keys were loaded.
    """

    __slots__ = ("_results",)

    def __init__(self) -> None:
        self._results: dict[Hashable, bool] = {}

    def verifies(self, token_and_key: Hashable, verify: Callable[[], bool]) -> bool:
        """Return the result of *verify* for *token_and_key*. Raise `TooManyAttempts` instead of a ninth operation."""
        if token_and_key not in self._results:
            if len(self._results) == MAX_ATTEMPTS:
                raise TooManyAttempts
            self._results[token_and_key] = verify()
        return self._results[token_and_key]
