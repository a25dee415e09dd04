"""Ways to PostgreSQL: through PgBouncer in transaction mode, and by TLS as each sslmode means it."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import StoreFailed
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support.certificates import Authority
from tests.support.postgres import READER, READER_PASSWORD, Postgres, pgbouncer, postgres
from tests.support.store_lookups import asked, failure_once, find_once
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@asynccontextmanager
async def closing(*stores: PostgresStore) -> AsyncIterator[None]:
    """Let go of the connections of *stores*, however the context ends."""
    try:
        yield
    finally:
        for store in stores:
            await store.close()


# -- PgBouncer --------------------------------------------------------------------------------------------------------


@pytest.fixture
def pooled(database: Postgres) -> Iterator[tuple[Postgres, str]]:
    """PgBouncer before Better Auth's tables with 20 people signed in, and its DSN."""
    for number in range(20):
        database.add_user(f"user-{number}")
        database.add_session(f"token-{number}", f"user-{number}")
    with pgbouncer(database) as dsn:
        yield database, dsn


async def test_through_a_pooler_in_transaction_mode_everybody_gets_their_own_session(
    pooled: tuple[Postgres, str],
) -> None:
    """With fewer server connections than there are clients, which change places after each transaction.

    Some clients ask another question: were preparing a statement and executing it two steps, theirs would be executed.
    """
    nobody = replace(BETTER_AUTH, user_id_column="email")
    stores = [PostgresStore(pooled[1], layout=layout) for layout in (BETTER_AUTH, nobody, BETTER_AUTH, nobody)]
    async with closing(*stores):
        found = await asyncio.gather(*(stores[n % 4].find(asked(f"token-{n % 20}")) for n in range(400)))
    assert [one and one.user["id"] for one in found] == [None if n % 2 else f"user-{n % 20}" for n in range(400)]


async def test_a_pooler_whose_database_was_started_anew_answers_again(pooled: tuple[Postgres, str]) -> None:
    server, dsn = pooled
    store = PostgresStore(dsn, layout=BETTER_AUTH)

    async def answers() -> bool:
        try:
            return await store.find(asked("token-1")) is not None
        except StoreFailed:  # PgBouncer notices at its next query that its own connections are gone
            return False

    async with closing(store):
        assert await answers()
        server.kill()
        server.start()
        await until_async(answers, pause_seconds=0.1)


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def encrypted(authority: Authority) -> Iterator[Postgres]:
    """A server with a certificate for localhost, not for 127.0.0.1, and Ada signed in."""
    with postgres(tls=authority.issue("localhost")) as server:
        server.create_better_auth()
        server.add_user("ada")
        server.add_session("ada-1", "ada")
        yield server


@pytest.fixture
def ca_file(tmp_path: Path, authority: Authority) -> Path:
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return tmp_path / "ca.pem"


def named(server: Postgres, host: str, query: str) -> str:
    return server.reader(query=query).replace("127.0.0.1", host)


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def encrypts(server: Postgres) -> list[bool]:
    rows = server.execute("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1", READER)
    return [row["ssl"] for row in rows]


@pytest.mark.parametrize(
    ("query", "encrypted_way"),
    [("", True), ("sslmode=prefer", True), ("sslmode=require", True), ("sslmode=disable", False)],
)
async def test_without_a_ca_the_certificate_is_not_verified(
    query: str, *, encrypted_way: bool, encrypted: Postgres
) -> None:
    store = PostgresStore(encrypted.reader(query=query), layout=BETTER_AUTH)
    async with closing(store):
        assert await store.find(asked("ada-1"))
        # The server may still list a connection of an earlier test, which was cut off and not taken leave of.
        await until_async(lambda: encrypts(encrypted) == [encrypted_way])


async def test_verify_full_wants_the_authority_and_the_name(encrypted: Postgres, ca_file: Path, tmp_path: Path) -> None:
    query = f"sslmode=verify-full&sslrootcert={ca_file}"
    assert await find_once(PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH))
    said = await failure_once(PostgresStore(named(encrypted, "127.0.0.1", query), layout=BETTER_AUTH))
    assert "not valid for '127.0.0.1'" in said
    (tmp_path / "other.pem").write_bytes(Authority().pem)
    other = f"sslmode=verify-full&sslrootcert={tmp_path / 'other.pem'}"
    assert "not trusted" in await failure_once(PostgresStore(named(encrypted, "localhost", other), layout=BETTER_AUTH))


async def test_verify_ca_wants_the_authority_alone(encrypted: Postgres, ca_file: Path) -> None:
    query = f"sslmode=verify-ca&sslrootcert={ca_file}"
    assert await find_once(PostgresStore(encrypted.reader(query=query), layout=BETTER_AUTH))


async def test_a_ca_file_of_the_settings_does_as_sslrootcert(encrypted: Postgres, ca_file: Path) -> None:
    assert await find_once(PostgresStore(named(encrypted, "localhost", ""), layout=BETTER_AUTH, ca_file=str(ca_file)))
    said = await failure_once(PostgresStore(encrypted.reader(), layout=BETTER_AUTH, ca_file=str(ca_file)))
    assert "not valid for '127.0.0.1'" in said


async def test_who_asks_for_a_bound_channel_gets_the_certificate_verified(encrypted: Postgres, ca_file: Path) -> None:
    query = "sslmode=require&channel_binding=require"  # as Neon prints it
    said = await failure_once(PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH))
    assert said.endswith("for a private authority set ca_file")
    store = PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH, ca_file=str(ca_file))
    assert await find_once(store)


async def test_a_ca_file_that_is_replaced_counts_at_the_next_try(
    encrypted: Postgres, authority: Authority, ca_file: Path
) -> None:
    replaced = ca_file.with_name("replaced.pem")
    write(replaced, Authority().pem)
    query = f"sslmode=verify-full&sslrootcert={replaced}"
    store = PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH)
    await failure_once(store)
    write(replaced, authority.pem)
    assert await find_once(store)


@pytest.mark.parametrize("query", ["sslmode=require", "sslmode=verify-full", "sslmode=require&channel_binding=require"])
async def test_who_asks_for_tls_never_sends_a_password_in_clear_text(query: str, database: Postgres) -> None:
    said = await failure_once(PostgresStore(database.reader(query=query), layout=BETTER_AUTH))
    assert "it speaks no TLS, and the address asks for it" in said
    async with _listening() as (port, received):
        store = PostgresStore(f"postgresql://app:{READER_PASSWORD}@127.0.0.1:{port}/x?{query}", layout=BETTER_AUTH)
        await failure_once(store)
        await until_async(lambda: received[1:])
        assert received == [struct.pack(">ii", 8, 80877103), b""], "nothing but the request for TLS"


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Refuse TLS, and note all that is sent anyway."""
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(8))
        writer.write(b"N")
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        received.append(rest)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], received
