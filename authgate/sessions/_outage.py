"""Logs when a session store fails and when it answers again: once each, however many lookups fail in between."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from authgate.core.quoting import cut
from authgate.repeats import SEVERAL, Bounds, Repeats

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.repeats import Repeated

# How many different causes of each kind to log in a minute, each once.
MAX_WARNINGS = 8
_BOUNDS = Bounds(
    per_address=1,
    per_kind=MAX_WARNINGS,
    in_all=2 * MAX_WARNINGS,
    window_seconds=60.0,
    named_addresses=MAX_WARNINGS,
    counted_addresses=4 * MAX_WARNINGS,
)
_LOOKUPS, _SESSION = "sessions cannot be looked up", "a session cannot be read"
MAX_FAILURE_CHARACTERS = 1024

_log = logging.getLogger(__name__)


class Outage:
    """The current *failure* of one issuer's store, "" while the store answers."""

    def __init__(self, issuer_name: str, where: str, elapsed: Callable[[], float]) -> None:
        """*where* is the store's address. *elapsed* never goes back."""
        self.failure = ""
        self._issuer_name = issuer_name
        self._where = where
        self._was_logged = False
        # What `Repeats` calls an address is the cause here: the store's own words must not be part of a kind.
        self._repeats = Repeats("stores", _BOUNDS, self._log_repeated, elapsed)

    def failed(self, cause: str) -> str:
        """Record that a lookup failed, and return *cause*, cut to 1024 characters.

        A cause is logged when it is new, and again if the store answered in between; but at most once a minute. Further
        ones are counted.
        """
        cause = cut(cause, MAX_FAILURE_CHARACTERS)
        if not (self._was_logged and cause == self.failure) and self._is_logged(_LOOKUPS, cause):
            self._was_logged = True
        self.failure = cause
        return cause

    def found_unusable(self, cause: str) -> str:
        """Record that one session is invalid, and return *cause*, cut. This neither begins nor ends an outage."""
        cause = cut(cause, MAX_FAILURE_CHARACTERS)
        self._is_logged(_SESSION, cause)
        return cause

    def answered(self) -> None:
        """Record that the store answered."""
        if self._was_logged:
            _log.info("issuer %s: sessions can be looked up again at %s", self._issuer_name, self._where)
        self.failure, self._was_logged = "", False

    def _is_logged(self, kind: str, cause: str) -> bool:
        """Log *cause*, or count it. Return whether it was logged."""
        if not self._repeats.admits(kind, cause):
            return False
        _log.warning("issuer %s: %s: %s", self._issuer_name, kind, cause)
        return True

    def _log_repeated(self, repeated: Repeated[str]) -> None:
        cause = "for several causes" if repeated.address == SEVERAL else repeated.address
        times = f"{repeated.count} more times in {repeated.seconds:g} s"
        _log.warning("issuer %s: %s, %s: %s", self._issuer_name, repeated.kind, times, cause)
