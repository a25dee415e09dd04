"""What is logged about keys that joined and left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from authgate.core.keys import Key, KeySet
from tests.support.manual_time import NOW, Time
from tests.support.watched_keys import K1, K2, MAX_STALE, Source, watched_keys, watching

if TYPE_CHECKING:
    import pytest


async def test_tokens_that_name_a_departed_key_are_logged_at_once_and_then_once_a_minute(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watched_keys(Source(K2), time, K1, cooldown_seconds=1e9)
    async with watching(watched):
        time.seconds = 100
        await watched.newer("any")  # a rotation without overlap
        caplog.clear()
        time.seconds = 140
        for _ in range(1000):
            await watched.newer("K1")
        (message,) = caplog.messages
        for part in (
            "issuer app: ",
            "key ES256 K1 still arrive",
            "1 so far",
            "left the set 40 s ago",
            "should publish",
        ):
            assert part in message
        time.seconds = 199.9
        await watched.newer("K1")
        assert len(caplog.messages) == 1
        time.seconds = 200
        await watched.newer("K1")
        assert len(caplog.messages) == 2
        for part in ("1002 so far", "left the set 100 s ago"):
            assert part in caplog.messages[1]
    assert (watched.journal.departed_key_ids, watched.journal.unknown_key_ids) == (1002, 1003)
    assert sum("still arrive" in event.message for event in watched.journal.history.events) == 1


async def test_a_rotation_is_logged_and_in_the_history(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    watched = watched_keys(Source(K2), time, K1)
    time.seconds = 5
    with caplog.at_level(logging.INFO):
        await watched.refresh()
    joined, left = caplog.messages
    assert joined.startswith("issuer app: key ES256 K2 joined")
    assert left.startswith("issuer app: key ES256 K1 left")
    events = [(event.at, f"issuer app: {event.message}") for event in watched.journal.history.events]
    assert events == [(NOW + 5, joined), (NOW + 5, left)]
    assert watched.unix() == NOW + 5


async def test_a_secret_is_logged_by_its_fingerprint(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    secret = Key(key_id=None, algorithm="HS256", material=b"", thumbprint=b"s", secret_fingerprint="0a1b2c3d")
    with caplog.at_level(logging.INFO):
        await watched_keys(Source(KeySet(keys=(secret,))), time).refresh()
    (message,) = caplog.messages
    assert message.startswith("issuer app: secret with fingerprint 0a1b2c3d joined")


async def test_keys_that_are_given_up_have_not_departed(time: Time) -> None:
    watched = watched_keys(Source(None), time, K1)
    time.seconds = MAX_STALE
    watched.give_up_if_too_stale()
    assert [*watched.journal.history.present] == [b"K1"]
    await watched.refresh()
    assert not watched.journal.history.departed
