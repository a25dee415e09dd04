"""Which servers get AuthGate's password in clear text, if they ask for it."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.neighbors.lying import lying
from tests.neighbors.postgres_modes import CLEARTEXT, MD5, AsksForPassword
from tests.support.certificates import Authority
from tests.support.postgres import READER_PASSWORD
from tests.support.store_lookups import closing, question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

# An address of this machine of which AuthGate does not know that, as it does not of a name.
ELSEWHERE = "127.1"
CLEAR = READER_PASSWORD.encode() + b"\0"


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """TLS of a server. The file ca.pem has its authority."""
    authority = Authority()
    authority.issue("db.example").write(tmp_path)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    return made


async def looked_up(mode: AsksForPassword, host: str, query: str) -> str:
    """Look a session up at the server with *mode*. Return the failure, "" if a password is sent before one."""
    with lying(mode) as liar:
        dsn = f"postgresql://authgate:{READER_PASSWORD}@{host}:{liar.port}/app?{query}"
        store = PostgresStore(dsn, layout=BETTER_AUTH)
        async with closing(store):
            lookup = asyncio.ensure_future(store.find(question()))
            await until_async(lambda: mode.passwords or lookup.done())
            lookup.cancel()
            await asyncio.wait([lookup])
        return "" if lookup.cancelled() else str(lookup.exception())


@pytest.mark.parametrize(
    ("host", "query", "is_sent"),
    [
        ("127.0.0.1", "sslmode=disable", True),
        ("localhost", "sslmode=require", True),
        (ELSEWHERE, "sslmode=disable", False),
        (ELSEWHERE, "sslmode=prefer", False),
        (ELSEWHERE, "sslmode=require", False),
        (ELSEWHERE, "sslmode=verify-ca", True),
    ],
)
async def test_a_password_in_clear_text_goes_only_to_a_server_that_is_known(
    host: str, query: str, *, is_sent: bool, context: ssl.SSLContext, tmp_path: Path
) -> None:
    mode = AsksForPassword(*CLEARTEXT, context if query != "sslmode=disable" else None)
    roots = f"&sslrootcert={tmp_path / 'ca.pem'}" if "verify" in query else ""
    failure = await looked_up(mode, host, query + roots)
    assert mode.passwords == ([CLEAR] if is_sent else [])
    assert ("asks for the password in clear text" in failure) is not is_sent


async def test_a_hash_of_the_password_goes_to_any_server() -> None:
    mode = AsksForPassword(*MD5)
    await looked_up(mode, ELSEWHERE, "sslmode=disable")
    [password] = mode.passwords
    assert password.startswith(b"md5")
    assert len(password) == len("md5") + 32 + 1
