"""The guard between the transport and asyncpg: that nothing gets around it, and what it costs."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.sessions import _postgres_connection, _postgres_guard, _postgres_pool
from authgate.sessions._postgres_guard import Guard
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.neighbors import postgres_modes as modes
from tests.neighbors.lying import lying
from tests.support.certificates import Authority
from tests.support.postgres import READER, READER_PASSWORD, Postgres, postgres
from tests.support.store_lookups import closing, failure, failure_once, find, find_once
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# A query to parse and a query to execute: two segments of bytes, and seven messages.
ANSWER_MESSAGES = 8


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Postgres]:
    with postgres(tls=Authority().issue("db.example")) as server:
        server.create_better_auth()
        server.add_user("ada")
        server.add_session("ada-1", "ada")
        yield server


def dsn(path: str, server: Postgres) -> str:
    if path == "unix socket":
        return f"postgresql://{READER}:{READER_PASSWORD}@/postgres?host={server.folder}&port={server.port}"
    return server.reader(query="sslmode=require" if path == "TLS" else "sslmode=disable")


@pytest.mark.both_event_loops
@pytest.mark.parametrize("path", ["plain", "TLS", "unix socket"])
async def test_nothing_gets_around_the_guard(path: str, encrypted: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would, if asyncpg made its connections in another way than with methods of the event loop it is given."""
    assert await find_once(PostgresStore(dsn(path, encrypted), layout=BETTER_AUTH))
    for phase, named in (("_ANSWER", "messages for one question"), ("_LOGIN", "messages for a login")):
        monkeypatch.setattr(_postgres_guard, phase, replace(getattr(_postgres_guard, phase), messages=2))
        message = await failure_once(PostgresStore(dsn(path, encrypted), layout=BETTER_AUTH))
        assert message.endswith(f"sent more than 2 {named}")


async def test_an_honest_answer_costs_the_guard_a_few_calls(ada: Postgres) -> None:
    calls: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename == _postgres_guard.__file__:
            calls[frame.f_code.co_name] += 1

    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    async with closing(store):
        assert await find(store)
        sys.setprofile(profile)
        try:
            assert await find(store)
        finally:
            sys.setprofile(None)
    assert calls["data_received"] <= 4, "as many as segments"
    assert 0 < calls["_begin_message"] <= ANSWER_MESSAGES
    assert calls.total() <= 4 * ANSWER_MESSAGES, calls


async def test_after_a_lie_no_connection_is_opened_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postgres_pool, "PAUSE_SECONDS", 60.0)
    with lying(modes.scram(b"2000000000")) as liar:
        store = PostgresStore(f"postgresql://app:secret@127.0.0.1:{liar.port}/app?sslmode=disable", layout=BETTER_AUTH)
        async with closing(store):
            messages = {await failure(store) for _ in range(20)}
        assert len(liar.connections) == 1
    [message] = messages
    assert "demands 2000000000 iterations" in message


async def test_a_connection_with_many_parameters_is_not_used_again(
    ada: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver keeps every parameter that the server announces, for the life of the connection."""
    monkeypatch.setattr(_postgres_connection, "MAX_PARAMETER_BYTES", 10)
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    async with closing(store):
        assert await find(store)
        assert await find(store)
        await until_async(lambda: not ada.execute("SELECT 1 FROM pg_stat_activity WHERE usename = $1", READER))


class Recorder(asyncio.Protocol):
    """Replaces the driver: keeps what it gets."""

    def __init__(self) -> None:
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data


LOGIN = modes.message(b"R", b"\0\0\0\n" + b"SCRAM-SHA-256\0\0") + modes.notice() + modes.LOGGED_IN
HONEST = modes.PARSED + modes.message(b"2") + modes.row(*modes.session_of(b"ada-1")) + modes.READY
HUGE = b"D" + (1 << 30).to_bytes(4) + b"x" * 100


@given(cuts=st.sets(st.integers(0, len(LOGIN + HONEST + HUGE))))
def test_the_segments_of_an_answer_change_nothing(cuts: set[int]) -> None:
    recorder = Recorder()
    guard = Guard(recorder, is_private=True)
    for phase in (LOGIN, HONEST + HUGE):
        positions = [0, *sorted(cut for cut in cuts if cut < len(phase)), len(phase)]
        for begin, end in pairwise(positions):
            guard.data_received(phase[begin:end])
        assert (guard.fault == "") is (phase is LOGIN)
        guard.begin(lambda: None)
    assert guard.fault.startswith("announced 1073741820 bytes in a message 'D'")
    passed = recorder.received
    assert passed.startswith(LOGIN), "everything before the excess may pass"
    assert (LOGIN + HONEST + HUGE[:5]).startswith(passed), "nothing of the excess passes"
