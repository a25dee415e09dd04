"""What is told of keys that joined and left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from authgate.core.keys import Key, KeySet
from tests.support.manual_time import NOW, Time
from tests.support.watched_keys import K1, K2, MAX_STALE, Source, watched, watching

if TYPE_CHECKING:
    import pytest


async def test_tokens_that_name_a_departed_key_are_told_of_once_and_then_at_most_once_a_minute(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    one = watched(Source(K2), time, K1, cooldown_seconds=1e9)
    async with watching(one):
        time.seconds = 100
        await one.newer("any")  # rotates without overlap
        caplog.clear()
        time.seconds = 140
        for _ in range(1000):
            await one.newer("K1")
        assert caplog.messages == [
            (
                "issuer app: tokens that name key ES256 K1 still arrive (1 so far); it left the set 40 s ago: "
                "the issuer should publish a key until its last token has expired"
            )
        ]
        time.seconds = 199.9
        await one.newer("K1")
        assert len(caplog.messages) == 1
        time.seconds = 200
        await one.newer("K1")
        assert len(caplog.messages) == 2
        assert "(1002 so far); it left the set 100 s ago" in caplog.messages[1]
    assert (one.journal.departed_key_ids, one.journal.unknown_key_ids) == (1002, 1003)
    assert sum("still arrive" in event.message for event in one.journal.history.events) == 1


async def test_a_rotation_is_told(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    one = watched(Source(K2), time, K1)
    time.seconds = 5
    with caplog.at_level(logging.INFO):
        await one.refresh()
    assert caplog.messages == ["issuer app: key ES256 K2 joined the set", "issuer app: key ES256 K1 left the set"]
    assert [(event.at, event.message) for event in one.journal.history.events] == [
        (NOW + 5, "key ES256 K2 joined the set"),
        (NOW + 5, "key ES256 K1 left the set"),
    ]
    assert one.unix() == NOW + 5


async def test_a_secret_is_told_of_by_its_fingerprint(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    secret = Key(key_id=None, algorithm="HS256", material=b"", thumbprint=b"s", secret_fingerprint="0a1b2c3d")
    with caplog.at_level(logging.INFO):
        await watched(Source(KeySet(keys=(secret,))), time).refresh()
    assert caplog.messages == ["issuer app: secret with fingerprint 0a1b2c3d joined the set"]


async def test_giving_keys_up_is_no_departure(time: Time) -> None:
    one = watched(Source(None), time, K1)
    time.seconds = MAX_STALE
    one.give_up_if_too_stale()
    assert [*one.journal.history.present] == [b"K1"]
    await one.refresh()
    assert not one.journal.history.departed
