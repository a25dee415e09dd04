"""Tells the log that a store began to fail and that it answers again: once each, however many requests meet it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REPEAT_WARNING_SECONDS = 60.0
# Of different ones within that time: more say no more.
MAX_WARNINGS = 8
MAX_FAILURE_CHARACTERS = 1024

_log = logging.getLogger(__name__)


class Outage:
    """What is wrong with the store of the issuer *name* now: *failure*, "" while it answers."""

    def __init__(self, name: str, where: str, elapsed: Callable[[], float]) -> None:
        self.failure = ""
        self._name = name
        self._where = where
        self._elapsed = elapsed
        self._told = False
        self._warned: dict[str, float] = {}

    def failed(self, why: str) -> str:
        """Note that a lookup failed, and return *why* as it is told: at most 1024 characters.

        The same failure is told once in a minute at most, and only where the store answered in between.
        """
        why = _shortened(why)
        if not (self._told and why == self.failure) and self._is_time_for(why):
            _log.warning("issuer %s: sessions cannot be looked up: %s", self._name, why)
            self._told = True
        self.failure = why
        return why

    def answered_unusably(self, why: str) -> str:
        """Note that one session cannot be read, and return *why* as it is told. Whether others can, it does not say."""
        why = _shortened(why)
        if self._is_time_for(why):
            _log.warning("issuer %s: a session cannot be read: %s", self._name, why)
        return why

    def answered(self) -> None:
        """Note that the store answered."""
        if self._told:
            _log.info("issuer %s: sessions can be looked up again at %s", self._name, self._where)
        self.failure, self._told = "", False

    def _is_time_for(self, why: str) -> bool:
        now = self._elapsed()
        self._warned = {one: at for one, at in self._warned.items() if now - at < REPEAT_WARNING_SECONDS}
        if why in self._warned or len(self._warned) >= MAX_WARNINGS:
            return False
        self._warned[why] = now
        return True


def _shortened(why: str) -> str:
    return why if len(why) <= MAX_FAILURE_CHARACTERS else f"{why[: MAX_FAILURE_CHARACTERS - 3]}..."
