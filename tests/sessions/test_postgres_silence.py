"""Connections that are lost without a word: a firewall forgets them, or the host of the database is gone."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from authgate.outbound import Resolver
from authgate.sessions import _postgres_connection
from authgate.sessions._postgres_dial import dial
from authgate.sessions.dsn import parse_dsn
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.neighbors import lying
from tests.neighbors.postgres_modes import AnswersUnasked, Path
from tests.sessions.test_postgres_connections import create_sessions
from tests.support.postgres import READER, READER_PASSWORD, Postgres
from tests.support.store_lookups import closing, failure, find
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


@asynccontextmanager
async def path_to(server: Postgres) -> AsyncIterator[tuple[Path, lying.Liar, PostgresStore]]:
    path = Path(server.port)
    with lying.lying(path) as liar:
        dsn = f"postgresql://{READER}:{READER_PASSWORD}@127.0.0.1:{liar.port}/postgres?sslmode=disable"
        store = PostgresStore(dsn, layout=BETTER_AUTH)
        async with closing(store):
            yield path, liar, store


async def test_after_one_lost_connection_a_new_one_answers_the_same_question(
    ada: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgres_connection, "SILENT_SECONDS", 0.2)
    async with path_to(ada) as (path, liar, store):
        assert all(await asyncio.gather(*(find(store) for _ in range(4))))
        opened = len(liar.connections)
        assert opened > 1
        path.drop()
        monkeypatch.setattr(_postgres_connection, "PROVEN_SECONDS", 0.0)
        assert await find(store)
        assert len(liar.connections) == opened + 1
        assert path.questions_lost == 1, "the other lost connections were not even tried"


async def test_a_slow_database_gets_its_query_once(
    empty: tuple[Postgres, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = empty
    create_sessions(server, name, "PERFORM pg_sleep(0.6)")
    monkeypatch.setattr(_postgres_connection, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(_postgres_connection, "PROVEN_SECONDS", 0.0)
    store = PostgresStore(server.reader(name), layout=BETTER_AUTH)
    async with closing(store):
        assert await find(store, "nobody") is None
        assert await find(store)
    assert server.execute("SELECT last_value AS calls FROM calls", database=name) == [{"calls": 1}]


async def test_a_query_that_takes_too_long_is_not_repeated(
    empty: tuple[Postgres, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, name = empty
    create_sessions(server, name, "PERFORM pg_sleep(5)")
    store = PostgresStore(server.reader(name), layout=BETTER_AUTH)
    async with closing(store):
        assert await find(store, "nobody") is None
        monkeypatch.setattr(_postgres_connection, "QUERY_SECONDS", 0.3)
        assert "does not answer within 0.3 s" in await failure(store)
        [row] = server.execute("SELECT count(*) AS count FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    assert row["count"] == 1


async def test_what_comes_before_a_question_is_not_its_answer() -> None:
    mode = AnswersUnasked()
    with lying.lying(mode) as liar:
        store = PostgresStore(f"postgresql://app:secret@127.0.0.1:{liar.port}/app?sslmode=disable", layout=BETTER_AUTH)
        async with closing(store):
            for count in (1, 2, 3):
                rows = await find(store, f"ada-{count}")
                assert rows is not None
                assert rows.session["token"] == f"ada-{count}"
                # The event loop stands still meanwhile, so the kernel has what nobody asked for.
                until(lambda count=count: mode.answered == count)
                assert len(liar.connections) == count


async def test_the_kernel_watches_each_connection(ada: Postgres) -> None:
    line = await dial(parse_dsn(ada.reader()), Resolver(), None, 10)
    try:
        assert line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = [getattr(socket, name) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")]
        assert all(line.socket.getsockopt(socket.IPPROTO_TCP, option) < 60 for option in options)
        assert 0 < line.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < 10_000
    finally:
        line.socket.close()


async def test_a_name_that_hangs_takes_one_thread_and_delays_no_other_store(
    ada: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, answered = socket.getaddrinfo, threading.Event()

    def hanging(host: str, *arguments: object, **options: object) -> object:
        if host == "hangs.example":
            answered.wait()
        return real(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    before = threading.active_count()
    stuck = PostgresStore("postgresql://app@hangs.example/x?sslmode=disable", layout=BETTER_AUTH)
    other = PostgresStore(ada.reader().replace("127.0.0.1", "localhost"), layout=BETTER_AUTH)
    try:
        async with closing(stuck, other):
            lookups = [asyncio.ensure_future(find(stuck)) for _ in range(20)]
            assert await find(other)
            assert threading.active_count() <= before + 2, "one for each name"
            for lookup in lookups:
                lookup.cancel()
            await asyncio.wait(lookups)
    finally:
        answered.set()
