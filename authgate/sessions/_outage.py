"""Logs when a session store fails and when it answers again: once each, however many lookups fail in between."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The same warning is repeated after this time.
REPEAT_WARNING_SECONDS = 60.0
# How many different warnings to log within that time.
MAX_WARNINGS = 8
MAX_FAILURE_CHARACTERS = 1024

_log = logging.getLogger(__name__)


class Outage:
    """The current *failure* of one issuer's store, "" while the store answers."""

    def __init__(self, issuer_name: str, where: str, elapsed: Callable[[], float]) -> None:
        """*where* is the store's address. *elapsed* never goes back."""
        self.failure = ""
        self._issuer_name = issuer_name
        self._where = where
        self._elapsed = elapsed
        self._was_logged = False
        self._warned_at: dict[str, float] = {}

    def failed(self, cause: str) -> str:
        """Record that a lookup failed, and return *cause*, cut to 1024 characters.

        A cause is logged when it is new, and again if the store answered in between; but at most once a minute.
        """
        cause = _shortened(cause)
        if not (self._was_logged and cause == self.failure) and self._may_warn(cause):
            _log.warning("issuer %s: sessions cannot be looked up: %s", self._issuer_name, cause)
            self._was_logged = True
        self.failure = cause
        return cause

    def found_unusable(self, cause: str) -> str:
        """Record that one session is invalid, and return *cause*, cut. This neither begins nor ends an outage."""
        cause = _shortened(cause)
        if self._may_warn(cause):
            _log.warning("issuer %s: a session cannot be read: %s", self._issuer_name, cause)
        return cause

    def answered(self) -> None:
        """Record that the store answered."""
        if self._was_logged:
            _log.info("issuer %s: sessions can be looked up again at %s", self._issuer_name, self._where)
        self.failure, self._was_logged = "", False

    def _may_warn(self, cause: str) -> bool:
        now = self._elapsed()
        self._warned_at = {text: at for text, at in self._warned_at.items() if now - at < REPEAT_WARNING_SECONDS}
        if cause in self._warned_at or len(self._warned_at) >= MAX_WARNINGS:
            return False
        self._warned_at[cause] = now
        return True


def _shortened(cause: str) -> str:
    return cause if len(cause) <= MAX_FAILURE_CHARACTERS else f"{cause[: MAX_FAILURE_CHARACTERS - 3]}..."
