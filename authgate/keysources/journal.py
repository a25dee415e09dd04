"""The events of a key set: written to the log at once, and kept in a bounded history for reports."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.core.keys import key_name
from authgate.keysources.history import KeyHistory

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.keys import Key, KeySet
    from authgate.keysources.history import Sighting

# `Repeats` would add a line with the count of those that were not logged. A warning about a departed key has its count,
# and `authgate_unknown_key_ids_total` has the others. There are as many warnings as keys that were skipped or departed.
REPEAT_WARNING_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """*elapsed* returns seconds from any point and never goes back; *unix* returns Unix time, for reports."""

    elapsed: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time


class Journal:
    """The log and the *history* of the key set *name*."""

    def __init__(self, name: str, key_set: KeySet, clock: Clock, *, follows: bool) -> None:
        """*key_set* is the key set at start, which the start-up log has listed.

        *follows*: `follow` will be called with the journal of the key set that this one replaces. Until then nothing
        is logged, because it is not known what has changed.
        """
        self._follows = follows
        self.history = KeyHistory(key_set, clock.unix())
        self.unknown_key_ids = self.departed_key_ids = 0
        self._name = name
        self._clock = clock
        self._warned: dict[str, float] = {}

    def event(self, message: str, level: int) -> None:
        """Add the event *message* to the history, and to the log with *level* if the key set is in use."""
        self.history.add_event(message, self._clock.unix())
        if not self._follows:
            _log.log(level, "issuer %s: %s", self._name, message)

    def key_set(self, keys: KeySet, before: KeySet) -> None:
        """Record what has changed from *before* to *keys*, which was just loaded."""
        joined, left = self.history.update(keys, self._clock.unix())
        if self._follows:
            return
        self._joined_and_left(joined, left)
        for skipped in keys.skipped:
            if skipped not in before.skipped:
                level = logging.WARNING if skipped in keys.unfit else logging.INFO
                self.event(f"skipped {skipped}", level)

    def follow(self, before: Journal) -> None:
        """Continue *before*, the journal of the same issuer before a reload changed the source of its keys."""
        self.unknown_key_ids += before.unknown_key_ids
        self.departed_key_ids += before.departed_key_ids
        self._follows = False
        self._joined_and_left(*self.history.follow(before.history, self._clock.unix()))

    def unknown(self, key_id: str | None, keys: KeySet) -> None:
        """Count a token that names *key_id*, which no key of *keys* has. Warn if that key was skipped or has departed.

        There is at most one warning a minute for each key. Nothing is counted before the first load, or for a key that
        was only given up: it may verify again after the next load.
        """
        if key_id is None or not keys.keys or self.history.has(key_id):
            return
        self.unknown_key_ids += 1
        name = key_name(key_id)
        if cause := keys.skip_reason(key_id):
            if self._is_time_for(name):
                _log.warning("issuer %s: tokens name %s, which is skipped: %s", self._name, name, cause)
            return
        departed = self.history.add_unknown(key_id, self._clock.unix())
        if departed is not None:
            self.departed_key_ids += 1
            if self._is_time_for(name):
                self._warn_about(departed)

    def _is_time_for(self, name: str) -> bool:
        """Whether no warning about the key *name* was logged in the last minute. If so, one counts as logged now."""
        now = self._clock.elapsed()
        self._warned = {warned: at for warned, at in self._warned.items() if now - at < REPEAT_WARNING_SECONDS}
        if name in self._warned:
            return False
        self._warned[name] = now
        return True

    def _joined_and_left(self, joined: list[Key], left: list[Key]) -> None:
        for key_id in {key.key_id for key in joined if key.key_id} & {key.key_id for key in left}:
            message = f"another key now has the id of {key_name(key_id)}: tokens signed with the old key are refused"
            self.event(message, logging.WARNING)
        for change, keys in (("joined", joined), ("left", left)):
            if keys:
                self.event(f"{', '.join(map(_named, keys))} {change} the set", logging.INFO)

    def _warn_about(self, departed: Sighting) -> None:
        seconds = max(0.0, self._clock.unix() - (departed.left_at or 0.0))
        message = (
            f"tokens that name {_named(departed.key)} still arrive ({departed.named_since} so far); it left the set "
            f"{seconds:.0f} s ago: the issuer should publish a key until its last token has expired"
        )
        if departed.named_since == 1:  # repeated warnings must not push other events out of the history
            self.history.add_event(message, self._clock.unix())
        _log.warning("issuer %s: %s", self._name, message)


def _named(key: Key) -> str:
    return f"key {key}" if key.key_id or key.secret_fingerprint is None else str(key)
