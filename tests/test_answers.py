"""Newer keys: asked for at most once per cooldown, and never at the price of the good ones."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from authgate.answers import Answers
from authgate.core.errors import LookupFailed
from authgate.core.reasons import Reason
from authgate.tokens.jwk import BadKey
from tests.support.deciding import secret_keys
from tests.support.tokens import OTHER_SECRET

if TYPE_CHECKING:
    from authgate.core.keys import KeySet

OLD, NEW = secret_keys(), secret_keys(OTHER_SECRET)


class Source:
    """A source that gives what it is told to, and counts."""

    def __init__(self, *answers: KeySet | Exception) -> None:
        self._answers = list(answers)
        self.loads = 0

    def load(self) -> KeySet:
        self.loads += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_keys_that_the_source_gives_are_returned() -> None:
    source = Source(NEW)
    assert await Answers({"app": source}).latest_keys("app") is NEW


async def test_within_the_cooldown_the_source_is_not_asked_again() -> None:
    clock, source = Clock(), Source(OLD, NEW)
    answers = Answers({"app": source}, cooldown_seconds=10, clock=clock)
    assert await answers.latest_keys("app") is OLD
    clock.now += 9.9
    assert await answers.latest_keys("app") is OLD
    assert source.loads == 1
    clock.now += 0.1
    assert await answers.latest_keys("app") is NEW
    assert source.loads == 2


async def test_ten_thousand_tokens_at_once_cause_one_load() -> None:
    source = Source(NEW)
    answers = Answers({"app": source}, clock=Clock())
    found = await asyncio.gather(*(answers.latest_keys("app") for _ in range(10_000)))
    assert source.loads == 1
    assert set(map(id, found)) == {id(NEW)}


async def test_each_issuer_has_its_own_cooldown() -> None:
    one, two = Source(OLD), Source(NEW)
    answers = Answers({"one": one, "two": two}, clock=Clock())
    assert await answers.latest_keys("one") is OLD
    assert await answers.latest_keys("two") is NEW


@pytest.mark.parametrize("error", [BadKey("it is weak"), FileNotFoundError("gone"), PermissionError("no")], ids=repr)
async def test_while_keys_cannot_be_used_the_lookup_fails_and_afterwards_it_does_not(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock, source = Clock(), Source(OLD, error, NEW)
    answers = Answers({"app": source}, cooldown_seconds=10, clock=clock)
    assert await answers.latest_keys("app") is OLD
    clock.now += 10
    with caplog.at_level(logging.WARNING):
        for _ in range(3):  # within the cooldown it is not asked again, and the answer is the same
            with pytest.raises(LookupFailed) as failed:
                await answers.latest_keys("app")
            assert failed.value.reason is Reason.KEYS_UNAVAILABLE
    assert caplog.text.count("new keys of issuer app cannot be had, the old ones stay") == 1
    clock.now += 10
    assert await answers.latest_keys("app") is NEW


class Silent:
    """A source that answers only when it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

        self.loads = 0

    def load(self) -> KeySet:
        self.loads += 1
        self.released.wait(30)
        return NEW


async def test_a_silent_source_fails_the_lookup_and_is_asked_by_one_thread_only() -> None:
    clock, source = Clock(), Silent()
    answers = Answers({"app": source}, cooldown_seconds=10, timeout_seconds=0.01, clock=clock)
    try:
        for _ in range(5):
            clock.now += 10
            with pytest.raises(LookupFailed):
                await answers.latest_keys("app")
        assert source.loads == 1
    finally:
        source.released.set()


async def test_a_source_that_is_silent_fails_the_lookup() -> None:
    source = Silent()
    try:
        with pytest.raises(LookupFailed) as failed:
            await Answers({"app": source}, timeout_seconds=0.01).latest_keys("app")
    finally:
        source.released.set()
    assert failed.value.reason is Reason.KEYS_UNAVAILABLE
    assert "issuer app" in failed.value.detail
