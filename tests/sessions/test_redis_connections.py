"""The connections to Redis: which replies count as the answer to which question, and when a connection is replaced."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from authgate.outbound import has_input
from authgate.sessions import _redis_client
from authgate.sessions.bounds import DEFAULT_BOUNDS
from authgate.sessions.redis import MAX_CONNECTIONS, RedisStore
from authgate.stores._redis_url import parse_redis_url
from tests.neighbors import redis_modes
from tests.neighbors.lying import lying
from tests.support.certificates import Authority
from tests.support.fetching import NAME, Names
from tests.support.redis_server import READER_PASSWORD, redis_server
from tests.support.store_lookups import ANSWER, failure, failure_once, find, find_once, question
from tests.support.waiting import until, until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.neighbors.lying import Connection, Liar, Mode


@asynccontextmanager
async def at(mode: Mode, url: str = "redis://127.0.0.1:{port}") -> AsyncIterator[tuple[RedisStore, Liar]]:
    with lying(mode) as liar:
        store = RedisStore(parse_redis_url(url.format(port=liar.port)))
        try:
            yield store, liar
        finally:
            await store.close()


async def user_of(store: RedisStore, token: str) -> str:
    rows = await find(store, token)
    assert rows is not None
    return str(rows.user["id"])


@pytest.mark.parametrize(("reply", "part"), redis_modes.BAD_REPLIES.values(), ids=redis_modes.BAD_REPLIES)
async def test_a_bad_reply_is_a_failure_whose_message_says_what_is_wrong(reply: bytes, part: str) -> None:
    async with at(redis_modes.answering(reply)) as (store, _):
        message = await failure(store)
        assert part in message
        assert message.isprintable()


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        (b"-ERR max number of clients reached\r\n", "maxclients"),
        (b"-DENIED Redis is running in protected mode" + b"." * 1000 + b"\r\n", "protected mode"),
    ],
)
async def test_a_server_that_refuses_the_connection_unasked_is_understood(reply: bytes, part: str) -> None:
    def refuse(connection: Connection) -> None:
        connection.send(reply)

    async with at(refuse) as (store, _):
        assert part in await failure(store)


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "timed out"])
async def test_a_late_reply_is_never_taken_for_the_answer_to_another_question(
    monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    server = redis_modes.Controlled()
    monkeypatch.setattr(_redis_client, "READ_SECONDS", 60.0 if cancelled else 0.1)
    async with at(server) as (store, liar):
        asking = asyncio.ensure_future(store.find(question("ada-1")))
        await until_async(lambda: server.keys == ["ada-1"])
        if cancelled:
            asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        monkeypatch.setattr(_redis_client, "READ_SECONDS", 60.0)
        liar.mode = redis_modes.honest
        for _ in range(100):
            server.go_on.release()
        assert await user_of(store, "bob-1") == "bob"
        assert await user_of(store, "eve-1") == "eve"
        assert len(liar.connections) == 2


@pytest.mark.parametrize("extra", [redis_modes.stored("ada-1"), redis_modes.bulk(b""), b"$", b"+OK\r\n"])
async def test_a_connection_on_which_something_arrived_unasked_is_not_used_again(extra: bytes) -> None:
    server = redis_modes.Unasked(extra)
    async with at(server) as (store, liar):
        assert await user_of(store, "ada-1") == "ada"
        server.send_now.set()
        # Without a turn of the event loop: only the kernel knows yet.
        until(lambda: has_input(store._client._ready[0].transport))
        liar.mode = redis_modes.honest
        assert await user_of(store, "bob-1") == "bob"
        assert len(liar.connections) == 2


async def test_a_connection_is_used_again_and_again_while_its_replies_are_sound() -> None:
    async with at(redis_modes.honest) as (store, liar):
        for name in ("ada", "bob") * 10:
            assert await user_of(store, f"{name}-1") == name
        assert len(liar.connections) == 1


async def test_a_connection_that_died_silently_costs_one_short_wait_and_the_lookup_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a failover, or when a firewall has forgotten the connection."""
    died = threading.Event()

    def dying(connection: Connection) -> None:
        while True:
            key = redis_modes.asked(connection)
            if died.is_set():
                connection.say_nothing()
            connection.send(redis_modes.bulk(b"") if key.startswith("revoked-") else redis_modes.stored(key))

    monkeypatch.setattr(_redis_client, "REST_SECONDS", 0.0)
    monkeypatch.setattr(_redis_client, "READ_AFTER_REST_SECONDS", 0.3)
    async with at(dying) as (store, liar):
        await asyncio.gather(*(user_of(store, "ada-1") for _ in range(MAX_CONNECTIONS)))
        died.set()
        liar.mode = redis_modes.honest
        opened = len(liar.connections)
        monkeypatch.setattr(_redis_client, "REST_SECONDS", 60.0)  # only the connections of before have rested
        monkeypatch.setattr(_redis_client, "READ_SECONDS", 0.3)
        assert await user_of(store, "bob-1") == "bob"
        assert len(liar.connections) == opened + 1
        for _ in range(2 * MAX_CONNECTIONS):
            assert await user_of(store, "bob-1") == "bob"
        assert len(liar.connections) == opened + 1, "the other silent ones were closed, too"


def test_a_dead_connection_and_a_fresh_one_together_take_less_than_a_request_waits() -> None:
    assert DEFAULT_BOUNDS.wait_seconds / 2 > _redis_client.READ_AFTER_REST_SECONDS
    assert DEFAULT_BOUNDS.wait_seconds > _redis_client.READ_SECONDS


async def test_the_kernel_asks_whether_the_other_side_of_an_idle_connection_is_there() -> None:
    async with at(redis_modes.honest) as (store, _):
        await find(store)
        [connection] = store._client._ready
        made = connection.transport.get_extra_info("socket")
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        seconds = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        seconds += made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * made.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_KEEPCNT
        )
        assert seconds <= 30


# -- names ------------------------------------------------------------------------------------------------------------


async def test_a_name_that_hangs_takes_no_thread_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """All issuers share these: uvloop has 4."""
    names, go_on, threads = Names(monkeypatch), threading.Event(), []

    def hanging() -> list[str]:
        threads.append(threading.current_thread())
        go_on.wait(60)
        return ["127.0.0.1"]

    names.addresses[NAME] = hanging
    monkeypatch.setattr(_redis_client, "CONNECT_SECONDS", 0.1)
    store = RedisStore(parse_redis_url(f"redis://{NAME}"))
    try:
        for _ in range(3):
            assert "no connection within" in await failure(store)
        assert [thread.name for thread in threads] == ["blocking call"]
    finally:
        go_on.set()
        await store.close()


async def test_each_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    async with at(redis_modes.honest, f"redis://{NAME}:{{port}}") as (store, _):
        names.addresses[NAME] = ["127.0.0.2", "::1", "127.0.0.1"]
        assert await find(store)
        assert names.asked == [NAME]


async def test_a_name_without_an_address_is_a_failure() -> None:
    assert "cannot be reached" in await failure_once(RedisStore(parse_redis_url("redis://redis.invalid")))
    assert "cannot be reached" in await failure_once(RedisStore(parse_redis_url(f"redis://{'a' * 64}.example")))


async def test_the_certificate_must_be_for_the_name_and_not_for_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    Names(monkeypatch).addresses.update({NAME: ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    with redis_server(tls=(authority, NAME)) as server:
        server.set("ada-1", ANSWER)
        for name, is_fit in ((NAME, True), ("other.example", False)):
            url = server.url("authgate", READER_PASSWORD, scheme="rediss").replace("127.0.0.1", name)
            store = RedisStore(parse_redis_url(url), ca_file=str(ca_file))
            if is_fit:
                assert await find_once(store)
            else:
                assert f"not valid for '{name}'" in await failure_once(store)
