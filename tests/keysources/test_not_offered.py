"""A key set that nobody named and that is not there: its issuer signs no JWTs, and that is no fault."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp import web

from authgate.core.errors import LookupFailed
from authgate.keysources import LoadFailed, NotOffered
from authgate.keysources.fetch import Route
from authgate.keysources.remote import JwksUrlSource
from authgate.keysources.watched import Timing, WatchedKeys
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.get_session import GetSession, get_session
from tests.support.tokens import public_jwk
from tests.support.watched_keys import watching

TIMING = Timing(refresh_seconds=300, cooldown_seconds=10, max_stale_seconds=86400, patient=True)


def source(one: GetSession, *, presumed: bool) -> JwksUrlSource:
    url = one.url.replace(
        "get-session", "jwks"
    )  # which that server answers with 404, as Better Auth without the plugin
    return JwksUrlSource(url, Route(allow_http=True), ALL_ALGORITHMS, presumed=presumed)


async def publishing() -> web.Response:
    return web.json_response({"keys": [public_jwk("ES256", "k1")]})


async def test_a_presumed_key_set_that_is_not_there_is_not_offered_and_a_named_one_has_failed() -> None:
    async with get_session() as one:
        with pytest.raises(NotOffered, match="answers 404"):
            await source(one, presumed=True).load()
        with pytest.raises(LoadFailed, match="answers 404") as failed:
            await source(one, presumed=False).load()
        assert not isinstance(failed.value, NotOffered)


async def test_it_is_told_once_and_counts_as_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with get_session() as one:
        keys = WatchedKeys("app", source(one, presumed=True), TIMING)
        for _ in range(3):
            await keys.refresh()
        assert (keys.state, keys.failure, keys.loads["failed"]) == ("not offered", "", 0)
        told = [line for line in caplog.records if "publishes no keys" in line.getMessage()]
        assert [line.levelname for line in told] == ["INFO"]
        assert keys.seconds_until_due() > 200
        async with watching(keys):
            with pytest.raises(LookupFailed) as failed:  # a token that names a key is not told that it is bad
                await keys.newer("k1")
        assert "answers 404" in failed.value.detail


async def test_keys_that_appear_later_verify_and_those_that_disappear_are_a_failure() -> None:
    async with get_session() as one:
        keys = WatchedKeys("app", source(one, presumed=True), TIMING)
        await keys.refresh()
        one.respond = publishing
        await keys.refresh()
        assert (keys.state, len(keys.key_set.keys)) == ("ready", 1)
        one.respond = None
        await keys.refresh()
        assert (keys.state, len(keys.key_set.keys)) == ("stale", 1)
        assert "404" in keys.failure


async def test_another_failure_is_one() -> None:
    async def broken() -> web.Response:
        return web.Response(status=500, text=json.dumps({}))

    async with get_session() as one:
        keys = WatchedKeys("app", source(one, presumed=True), TIMING)
        await keys.refresh()
        one.respond = broken
        await keys.refresh()
        assert (keys.state, keys.absence) == ("no keys", "")
        assert "answers 500" in keys.failure
