"""The rules of every session store: HTTP, PostgreSQL, Redis. To test another store, add its place."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from aiohttp import web

from authgate.sessions.http import HttpStore
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from authgate.sessions.redis import RedisStore
from authgate.stores._redis_url import parse_redis_url
from tests.support.get_session import COOKIE, GetSession, get_session
from tests.support.store_lookups import failure, find, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from authgate.sessions import SessionStore
    from tests.support.postgres import Postgres
    from tests.support.redis_server import RedisServer


def answer_of(token: str, user_id: str) -> dict[str, Any]:
    expires = "2030-01-01T00:00:00.000Z"
    return {
        "session": {"id": f"id-of-{token}", "token": token, "userId": user_id, "expiresAt": expires},
        "user": {"id": user_id, "email": f"{user_id}@example.com", "name": user_id.title(), "emailVerified": True},
    }


class Place(Protocol):
    """A store, and what a test does to its sessions and its server."""

    store: SessionStore

    async def sign_in(self, token: str, user_id: str) -> None: ...
    async def sign_out(self, token: str) -> None: ...
    async def spoil(self, token: str) -> None: ...
    async def kill(self) -> None: ...
    async def start(self) -> None: ...
    def hanging(self) -> AbstractAsyncContextManager[None]: ...


class OverHttp:
    def __init__(self, server: GetSession) -> None:
        self.store = HttpStore(server.url, COOKIE)
        self._server = server

    async def sign_in(self, token: str, user_id: str) -> None:
        self._server.sessions[token] = answer_of(token, user_id)

    async def sign_out(self, token: str) -> None:
        del self._server.sessions[token]

    async def spoil(self, token: str) -> None:
        async def start_page() -> web.StreamResponse:
            return web.Response(text="<!doctype html>", content_type="text/html")

        self._server.respond = start_page

    async def kill(self) -> None:
        await self._server.stop()

    async def start(self) -> None:
        await self._server.start()

    @asynccontextmanager
    async def hanging(self) -> AsyncIterator[None]:
        self._server.gate.clear()
        yield
        self._server.gate.set()


class ProcessPlace:
    """A place with a server process."""

    def __init__(self, server: Postgres | RedisServer) -> None:
        self._process = server

    async def kill(self) -> None:
        self._process.kill()

    async def start(self) -> None:
        self._process.start()

    @asynccontextmanager
    async def hanging(self) -> AsyncIterator[None]:
        with self._process.hanging():
            yield


class InPostgres(ProcessPlace):
    def __init__(self, server: Postgres) -> None:
        super().__init__(server)
        self.store = PostgresStore(server.reader(), layout=BETTER_AUTH)
        self._server = server

    async def sign_in(self, token: str, user_id: str) -> None:
        if not self._server.execute('SELECT 1 FROM "user" WHERE "id" = $1', user_id):
            self._server.add_user(user_id)
        self._server.add_session(token, user_id)

    async def sign_out(self, token: str) -> None:
        self._server.delete_session(token)

    async def spoil(self, token: str) -> None:
        self._server.execute('UPDATE "session" SET "userAgent" = repeat($1, 300000)', "x")


class InRedis(ProcessPlace):
    def __init__(self, server: RedisServer) -> None:
        super().__init__(server)
        self.store = RedisStore(parse_redis_url(server.reader()))
        self._server = server

    async def sign_in(self, token: str, user_id: str) -> None:
        self._server.set(token, answer_of(token, user_id))

    async def sign_out(self, token: str) -> None:
        self._server.delete(token)

    async def spoil(self, token: str) -> None:
        self._server.set(token, b'{"active": true}')


@pytest.fixture(params=["http", "postgres", "redis"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """Each place in turn, with the session of Ada."""
    if request.param == "http":
        async with get_session() as server, _with_ada(OverHttp(server)) as place:
            yield place
    elif request.param == "postgres":
        async with _with_ada(InPostgres(request.getfixturevalue("database"))) as place:
            yield place
    else:
        async with _with_ada(InRedis(request.getfixturevalue("storage"))) as place:
            yield place


@asynccontextmanager
async def _with_ada(place: Place) -> AsyncIterator[Place]:
    await place.sign_in("ada-1", "ada")
    try:
        yield place
    finally:
        await place.store.close()


async def user_of(place: Place, token: str) -> str:
    rows = await find(place.store, token)
    assert rows is not None
    assert rows.session["token"] == token
    assert rows.session["userId"] == rows.user["id"]
    return str(rows.user["id"])


async def test_a_session_is_returned_with_its_user_and_the_names_of_the_library(place: Place) -> None:
    rows = await find(place.store, "ada-1")
    assert rows is not None
    assert {"id": "id-of-ada-1", "token": "ada-1", "userId": "ada"}.items() <= rows.session.items()
    assert rows.session["expiresAt"].startswith("20")
    assert {
        "id": "ada",
        "email": "ada@example.com",
        "emailVerified": True,
        "name": "Ada",
    }.items() <= rows.user.items()
    assert "ada" not in repr(rows)


async def test_an_unknown_token_has_no_session(place: Place) -> None:
    assert await find(place.store, "nobody") is None


async def test_a_deleted_session_is_absent_in_the_next_lookup(place: Place) -> None:
    assert await user_of(place, "ada-1") == "ada"
    await place.sign_out("ada-1")
    assert await find(place.store, "ada-1") is None


@pytest.mark.parametrize(
    "token", ["", "\0", "ada-1\0", "ada-1\r\nX: y", "café", "\ud800", "a" * 5000, "ADA-1", "ada-_", "ada-1 "]
)
async def test_a_text_that_cannot_be_a_token_has_no_session_and_is_no_failure(place: Place, token: str) -> None:
    assert await find(place.store, token) is None


@pytest.mark.parametrize("token", ["' OR '1'='1", '" OR 1=1 --', "ada-1'; DROP TABLE session; --", "%", "*", "$1"])
async def test_a_token_is_never_interpreted(place: Place, token: str) -> None:
    assert await find(place.store, token) is None
    assert await user_of(place, "ada-1") == "ada"


async def test_an_invalid_session_is_a_failure_and_not_an_absent_session(place: Place) -> None:
    await place.spoil("ada-1")
    for _ in range(2):
        await failure(place.store)


async def test_a_store_fails_while_it_is_down_and_then_answers_again(place: Place) -> None:
    assert await user_of(place, "ada-1") == "ada"
    await place.kill()
    try:
        for _ in range(3):
            await failure(place.store)
    finally:
        await place.start()
    assert await user_of(place, "ada-1") == "ada"


async def test_a_store_that_was_restarted_between_two_lookups_answers_the_second(place: Place) -> None:
    users = await asyncio.gather(*(user_of(place, "ada-1") for _ in range(8)))  # opens several connections
    assert users == ["ada"] * 8
    await place.kill()
    await place.start()
    assert await user_of(place, "ada-1") == "ada"


async def test_a_lookup_in_a_store_that_hangs_can_be_cancelled_and_the_store_answers_later(place: Place) -> None:
    await place.sign_in("bob-1", "bob")
    assert await user_of(place, "ada-1") == "ada"
    async with place.hanging():
        for _ in range(6):  # more than there are connections
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await place.store.find(question("ada-1"))
    users = await asyncio.gather(*(user_of(place, f"{name}-1") for name in ["bob", "ada"] * 10))
    assert users == ["bob", "ada"] * 10


async def test_closing_is_quick_while_the_store_hangs(place: Place) -> None:
    assert await user_of(place, "ada-1") == "ada"
    async with place.hanging(), asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await place.store.find(question("ada-1"))
        await place.store.close()
        await place.store.close()
    assert await user_of(place, "ada-1") == "ada"


async def test_j23_two_users_never_get_each_others_session_even_if_lookups_are_cancelled(place: Place) -> None:
    names = ["ada", "bob"]
    await place.sign_in("bob-1", "bob")
    chance = random.Random(7)

    async def user(name: str, seconds: float | None) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await user_of(place, f"{name}-1")
        except TimeoutError:
            return name

    for _ in range(4):
        asking = [(chance.choice(names), chance.choice([None, None, 0.0, 0.001, 0.003])) for _ in range(40)]
        assert await asyncio.gather(*(user(*each) for each in asking)) == [name for name, _ in asking]
