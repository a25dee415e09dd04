"""Answers to lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.answers import Answers
from authgate.core.errors import LookupFailed
from authgate.core.lookups import RefreshKeys
from authgate.core.reasons import Reason
from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.watched import Timing, WatchedKeys
from tests.support.deciding import secret_keys
from tests.support.tokens import OTHER_SECRET
from tests.support.watched_keys import watching

if TYPE_CHECKING:
    from authgate.core.keys import KeySet

OLD, NEW = secret_keys(), secret_keys(OTHER_SECRET)


class Source:
    """A source that returns or raises the answer it was made with."""

    where = "the test"

    def __init__(self, answer: KeySet | LoadFailed) -> None:
        self._answer = answer

    async def load(self) -> Loaded:
        if isinstance(self._answer, LoadFailed):
            raise self._answer
        return Loaded(keys=self._answer)


def watched(name: str, answer: KeySet | LoadFailed) -> WatchedKeys:
    return WatchedKeys(name, Source(answer), Timing(refresh_seconds=300, cooldown_seconds=10), OLD)


async def test_newer_keys_are_those_of_the_issuer_in_the_lookup() -> None:
    first, second = watched("one", NEW), watched("two", OLD)
    answers = Answers({"one": first, "two": second})
    async with watching(first, second):
        assert await answers.newer_keys(RefreshKeys(issuer_name="one", key_id="k")) is NEW
        assert await answers.newer_keys(RefreshKeys(issuer_name="two", key_id="k")) == OLD


async def test_a_failed_load_fails_the_lookup_and_names_the_issuer_and_the_cause() -> None:
    keys = watched("app", LoadFailed("it is weak"))
    async with watching(keys):
        with pytest.raises(LookupFailed) as failed:
            await Answers({"app": keys}).newer_keys(RefreshKeys(issuer_name="app", key_id="k"))
    assert failed.value.reason is Reason.KEYS_UNAVAILABLE
    assert "issuer app" in failed.value.detail
    assert failed.value.detail.endswith(": it is weak")
