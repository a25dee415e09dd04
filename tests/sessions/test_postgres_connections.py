"""Connections to PostgreSQL: how many, for how long, and what of the machine they depend on."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import postgres as module
from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import MAX_CONNECTIONS, PostgresStore
from tests.support.certificates import Authority
from tests.support.postgres import READER, READER_PASSWORD, Postgres, postgres
from tests.support.store_lookups import asked, failure_once, find, find_once
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def connections(server: Postgres) -> int:
    return len(server.execute("SELECT 1 FROM pg_stat_activity WHERE usename = $1", READER))


async def test_connections_are_kept_and_bounded_and_none_is_left_after_close(ada: Postgres) -> None:
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    for _ in range(3):
        await store.find(asked("ada-1"))
    assert connections(ada) == 1
    assert all(await asyncio.gather(*(store.find(asked("ada-1")) for _ in range(50))))
    assert 1 < connections(ada) <= MAX_CONNECTIONS
    await store.close()
    await until_async(lambda: connections(ada) == 0)


async def test_a_connection_that_nobody_uses_is_closed(ada: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.05)
    store = PostgresStore(ada.reader(), layout=BETTER_AUTH)
    assert await store.find(asked("ada-1"))
    await until_async(lambda: connections(ada) == 0)
    assert await find_once(store)


async def test_by_a_unix_socket(ada: Postgres) -> None:
    dsn = f"postgresql://{READER}:{READER_PASSWORD}@/postgres?host={ada.folder}&port={ada.port}"
    assert await find_once(PostgresStore(dsn, layout=BETTER_AUTH))


# -- prefer, what counts without an sslmode ---------------------------------------------------------------------------


@pytest.fixture
def nonsense(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What libpq and asyncpg would look at, and fail; return the home folder."""
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (folder / name).write_text("nonsense")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    for name in ("CERT", "KEY", "ROOTCERT", "CRL", "MODE", "NEGOTIATION", "MINPROTOCOLVERSION", "MAXPROTOCOLVERSION"):
        monkeypatch.setenv(f"PGSSL{name}", str(folder / "postgresql.crt"))
    for name in ("SERVICE", "SERVICEFILE", "PASSFILE", "TARGETSESSIONATTRS", "KRBSRVNAME", "GSSLIB", "PORT", "OPTIONS"):
        monkeypatch.setenv(f"PG{name}", "nonsense")
    return tmp_path


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Postgres]:
    """A server with a certificate that nobody knows, and Ada signed in."""
    with postgres(tls=Authority().issue("db.example")) as server:
        server.create_better_auth()
        server.add_user("ada")
        server.add_session("ada-1", "ada")
        yield server


@pytest.mark.parametrize("query", ["", "sslmode=prefer", "sslmode=allow"])
async def test_no_variable_and_no_file_of_the_machine_counts(query: str, ada: Postgres, nonsense: Path) -> None:
    assert await find_once(PostgresStore(ada.reader(query=query), layout=BETTER_AUTH))
    assert not (nonsense / "keys.log").exists()


@pytest.mark.parametrize("query", ["", "sslmode=prefer", "sslmode=allow", "sslmode=require"])
async def test_no_variable_and_no_file_of_the_machine_counts_by_tls(
    query: str, encrypted: Postgres, nonsense: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore(encrypted.reader(query=query), layout=BETTER_AUTH)
    assert await find(store)
    monkeypatch.undo()
    sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1"
    assert encrypted.execute(sql, READER) == [{"ssl": True}]
    await store.close()
    assert not (nonsense / "keys.log").exists()


@pytest.mark.parametrize("answer", [b"S", b"", b"E"])
async def test_where_tls_fails_nothing_is_said_in_clear_text(answer: bytes) -> None:
    received: list[bytes] = []

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(8))
        writer.write(answer)
        writer.write_eof()
        received.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await failure_once(PostgresStore(f"postgresql://app:{READER_PASSWORD}@127.0.0.1:{port}/x", layout=BETTER_AUTH))
        await until_async(lambda: received[1:])
    assert len(received) == 2, "one connection"
    assert received[0] == struct.pack(">ii", 8, 80877103), "the request for TLS"
    assert READER_PASSWORD.encode() not in received[1]
    assert received[1][:1] in {b"", b"\x16"}, "a TLS handshake, if anything"
