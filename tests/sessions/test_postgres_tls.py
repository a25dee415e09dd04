"""TLS to PostgreSQL: the meaning of each sslmode, and that no password is sent in clear text."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support.certificates import Authority
from tests.support.postgres import READER, READER_PASSWORD, Postgres, postgres
from tests.support.store_lookups import closing, failure_once, find_once, question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def encrypted(authority: Authority) -> Iterator[Postgres]:
    """A server with a certificate for localhost, not for 127.0.0.1, and the session of Ada."""
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
        assert await store.find(question("ada-1"))
        # The server may still list a connection that an earlier test has cut.
        await until_async(lambda: encrypts(encrypted) == [encrypted_way])


async def test_verify_full_checks_the_authority_and_the_name(
    encrypted: Postgres, ca_file: Path, tmp_path: Path
) -> None:
    query = f"sslmode=verify-full&sslrootcert={ca_file}"
    assert await find_once(PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH))
    message = await failure_once(PostgresStore(named(encrypted, "127.0.0.1", query), layout=BETTER_AUTH))
    assert "not valid for '127.0.0.1'" in message
    (tmp_path / "other.pem").write_bytes(Authority().pem)
    other = f"sslmode=verify-full&sslrootcert={tmp_path / 'other.pem'}"
    assert "not trusted" in await failure_once(PostgresStore(named(encrypted, "localhost", other), layout=BETTER_AUTH))


async def test_verify_ca_checks_only_the_authority(encrypted: Postgres, ca_file: Path) -> None:
    query = f"sslmode=verify-ca&sslrootcert={ca_file}"
    assert await find_once(PostgresStore(encrypted.reader(query=query), layout=BETTER_AUTH))


async def test_the_setting_ca_file_has_the_effect_of_sslrootcert(encrypted: Postgres, ca_file: Path) -> None:
    assert await find_once(PostgresStore(named(encrypted, "localhost", ""), layout=BETTER_AUTH, ca_file=str(ca_file)))
    message = await failure_once(PostgresStore(encrypted.reader(), layout=BETTER_AUTH, ca_file=str(ca_file)))
    assert "not valid for '127.0.0.1'" in message


async def test_channel_binding_require_means_that_the_certificate_is_verified(
    encrypted: Postgres, ca_file: Path
) -> None:
    query = "sslmode=require&channel_binding=require"  # as in Neon's DSNs
    message = await failure_once(PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH))
    assert message.endswith("for a private authority set ca_file")
    store = PostgresStore(named(encrypted, "localhost", query), layout=BETTER_AUTH, ca_file=str(ca_file))
    assert await find_once(store)


async def test_a_replaced_ca_file_is_used_in_the_next_attempt(
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
async def test_if_tls_is_required_no_password_is_sent_in_clear_text(query: str, database: Postgres) -> None:
    message = await failure_once(PostgresStore(database.reader(query=query), layout=BETTER_AUTH))
    assert "it does not speak TLS, which the DSN requires" in message
    async with _listening() as (port, received):
        store = PostgresStore(f"postgresql://app:{READER_PASSWORD}@127.0.0.1:{port}/x?{query}", layout=BETTER_AUTH)
        await failure_once(store)
        await until_async(lambda: received[1:])
        assert received == [struct.pack(">ii", 8, 80877103), b""], "nothing but the request for TLS"


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Refuse TLS, and record everything that is sent."""
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


@pytest.mark.parametrize("answer", [b"S", b"", b"E"])
async def test_if_tls_fails_nothing_is_sent_in_clear_text(answer: bytes) -> None:
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
