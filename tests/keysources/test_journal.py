"""The log of a key set when a reload changes the source of its keys."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from authgate.keysources.journal import Journal
from authgate.keysources.watched import NO_KEYS
from tests.support.watched_keys import BOTH, K1, K2

if TYPE_CHECKING:
    import pytest

    from tests.support.manual_time import Time

JOINED, LEFT = "issuer app: key ES256 K2 joined", "issuer app: key ES256 K1 left"


def begin_with(messages: list[str], *beginnings: str) -> bool:
    """Return whether each message has this beginning."""
    return len(messages) == len(beginnings) and all(map(str.startswith, messages, beginnings))


def test_keys_loaded_before_the_swap_are_logged_once_at_the_swap(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = Journal("app", K1, time.clock, follows=False)
    after = Journal("app", NO_KEYS, time.clock, follows=True)
    after.key_set(K2, NO_KEYS)
    assert caplog.messages == [], "a rejected reload logs nothing about keys"
    after.follow(before)
    assert begin_with(caplog.messages, JOINED, LEFT)
    after.key_set(K2, K2)
    assert begin_with(caplog.messages, JOINED, LEFT)
    after.key_set(BOTH, K2)
    assert begin_with(caplog.messages, JOINED, LEFT, "issuer app: key ES256 K1 joined")
    assert [f"issuer app: {event.message}" for event in after.history.events] == caplog.messages


def test_a_reload_that_changes_no_key_logs_nothing(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    after = Journal("app", NO_KEYS, time.clock, follows=True)
    after.key_set(K1, NO_KEYS)
    after.follow(Journal("app", K1, time.clock, follows=False))
    assert caplog.messages == []


def test_keys_loaded_after_the_swap_are_logged_then(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = Journal("app", NO_KEYS, time.clock, follows=False)
    after = Journal("app", NO_KEYS, time.clock, follows=True)
    after.follow(before)
    after.key_set(K2, NO_KEYS)
    assert begin_with(caplog.messages, JOINED)


def test_the_counts_before_and_after_a_reload_are_added(time: Time) -> None:
    before, after = Journal("app", BOTH, time.clock, follows=False), Journal("app", K1, time.clock, follows=True)
    before.key_set(K1, BOTH)
    for key_id in ("K2", "K8", "K9"):
        before.unknown(key_id, K1)
    after.unknown("K9", K1)
    after.follow(before)
    assert (after.unknown_key_ids, after.departed_key_ids) == (4, 1)
    after.unknown("K2", K1)
    assert (after.unknown_key_ids, after.departed_key_ids) == (5, 2)
    assert after.history.departed[b"K2"].named_since == 2


def test_before_the_first_load_no_key_is_unknown(time: Time) -> None:
    """Requests arrive right after the start, and while an issuer is down."""
    journal = Journal("app", NO_KEYS, time.clock, follows=False)
    journal.unknown("K1", NO_KEYS)
    assert (journal.unknown_key_ids, [*journal.history.unknown]) == (0, [])
