"""What an issuer's keys go through: written to the log at once, and kept in a bounded history for later questions."""

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

REPEAT_WARNING_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """*elapsed* in seconds from any point, never set back; *unix* to tell people. Tests give their own."""

    elapsed: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time


class Journal:
    """The log and the *history* of the keys of the issuer *name*."""

    def __init__(self, name: str, keys: KeySet, clock: Clock, *, follows: bool) -> None:
        """*keys* are those that the issuer has now: the start-up log has them already.

        *follows*: another journal of the same issuer will be followed, and only then is it known what has changed.
        """
        self._follows = follows
        self.history = KeyHistory(keys, clock.unix())
        self.unknown_key_ids = self.departed_key_ids = 0
        self._name = name
        self._clock = clock
        self._warned: dict[str, float] = {}

    def event(self, message: str, level: int) -> None:
        """Write that *message* happened, to the log with *level*: if it happened to keys that are in use."""
        self.history.note(message, self._clock.unix())
        if not self._follows:
            _log.log(level, "issuer %s: %s", self._name, message)

    def key_set(self, keys: KeySet, before: KeySet) -> None:
        """Write what has changed from the set *before* to *keys*, those that were just loaded."""
        joined, left = self.history.note_set(keys, self._clock.unix())
        if self._follows:
            return
        self._joined_and_left(joined, left)
        for skipped in keys.skipped:
            if skipped not in before.skipped:
                self.event(f"skipped {skipped}", logging.WARNING)

    def follow(self, before: Journal) -> None:
        """Go on with what *before* holds: that of the same issuer until a reload changed where its keys come from."""
        self.unknown_key_ids += before.unknown_key_ids
        self.departed_key_ids += before.departed_key_ids
        self._follows = False
        self._joined_and_left(*self.history.follow(before.history, self._clock.unix()))

    def unknown(self, key_id: str | None, keys: KeySet) -> None:
        """Count a token that names *key_id*, which none of *keys* has; warn if it is skipped, or if it left the set.

        Of each key once a minute. Before the first load no key is known, so none is unknown; and one that is given up
        for its age may be back with the next answer.
        """
        if key_id is None or not keys.keys or self.history.has(key_id):
            return
        self.unknown_key_ids += 1
        name = key_name(key_id)
        if why := keys.skip_reason(key_id):
            if self._is_time_for(name):
                _log.warning("issuer %s: tokens that name %s arrive, which is skipped: %s", self._name, name, why)
            return
        departed = self.history.note_unknown(key_id, self._clock.unix())
        if departed is not None:
            self.departed_key_ids += 1
            if self._is_time_for(name):
                self._warn_of(departed)

    def _is_time_for(self, name: str) -> bool:
        """Say whether the last warning of the key of this *name*, one skipped or departed, lies long enough back."""
        now = self._clock.elapsed()
        self._warned = {one: at for one, at in self._warned.items() if now - at < REPEAT_WARNING_SECONDS}
        if name in self._warned:
            return False
        self._warned[name] = now
        return True

    def _joined_and_left(self, joined: list[Key], left: list[Key]) -> None:
        for key_id in {key.key_id for key in joined if key.key_id} & {key.key_id for key in left}:
            message = f"another key has the id of {key_name(key_id)}: tokens signed with the old one are refused"
            self.event(message, logging.WARNING)
        for message, some in (("joined", joined), ("left", left)):
            if some:
                self.event(f"{', '.join(map(_named, some))} {message} the set", logging.INFO)

    def _warn_of(self, departed: Sighting) -> None:
        seconds = max(0.0, self._clock.unix() - (departed.left_at or 0.0))
        message = (
            f"tokens that name {_named(departed.key)} still arrive ({departed.named_since} so far); it left the set "
            f"{seconds:.0f} s ago: the issuer should publish a key until its last token has expired"
        )
        if departed.named_since == 1:  # the repeated warning must not push what happened out of the history
            self.history.note(message, self._clock.unix())
        _log.warning("issuer %s: %s", self._name, message)


def _named(key: Key) -> str:
    return f"key {key}" if key.key_id or key.secret_fingerprint is None else str(key)
