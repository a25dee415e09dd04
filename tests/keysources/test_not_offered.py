"""A presumed key set that does not exist: the issuer signs no JWTs, and that is not a failure."""

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


def source(store: GetSession, *, presumed: bool) -> JwksUrlSource:
    # That server answers 404 there, like Better Auth without the jwt plugin.
    url = store.url.replace("get-session", "jwks")
    return JwksUrlSource(url, Route(allow_http=True), ALL_ALGORITHMS, presumed=presumed)


async def publishing() -> web.Response:
    return web.json_response({"keys": [public_jwk("ES256", "k1")]})


async def test_a_missing_key_set_is_not_offered_if_presumed_and_a_failure_if_configured() -> None:
    async with get_session() as store:
        with pytest.raises(NotOffered, match="answers 404"):
            await source(store, presumed=True).load()
        with pytest.raises(LoadFailed, match="answers 404") as failed:
            await source(store, presumed=False).load()
        assert not isinstance(failed.value, NotOffered)


async def test_a_key_set_that_is_not_offered_is_logged_once_and_is_not_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with get_session() as store:
        keys = WatchedKeys("app", source(store, presumed=True), TIMING)
        for _ in range(3):
            await keys.refresh()
        assert (keys.state, keys.failure, keys.loads["failed"]) == ("not offered", "", 0)
        records = [record for record in caplog.records if "publishes no keys" in record.getMessage()]
        assert [record.levelname for record in records] == ["INFO"]
        assert keys.seconds_until_due() > 200
        async with watching(keys):
            with pytest.raises(LookupFailed) as failed:  # a token that names a key is not refused as invalid
                await keys.newer("k1")
        assert "answers 404" in failed.value.detail


async def test_a_key_set_that_appears_later_is_used_and_if_it_disappears_again_that_is_a_failure() -> None:
    async with get_session() as store:
        keys = WatchedKeys("app", source(store, presumed=True), TIMING)
        await keys.refresh()
        store.respond = publishing
        await keys.refresh()
        assert (keys.state, len(keys.key_set.keys)) == ("ready", 1)
        store.respond = None
        await keys.refresh()
        assert (keys.state, len(keys.key_set.keys)) == ("stale", 1)
        assert "404" in keys.failure


async def test_any_other_failure_of_a_presumed_key_set_is_a_failure() -> None:
    async def broken() -> web.Response:
        return web.Response(status=500, text=json.dumps({}))

    async with get_session() as store:
        keys = WatchedKeys("app", source(store, presumed=True), TIMING)
        await keys.refresh()
        store.respond = broken
        await keys.refresh()
        assert (keys.state, keys.absence) == ("no keys", "")
        assert "answers 500" in keys.failure
