"""A server that speaks TLS and then breaks it: the lookup fails at once, and the connection is closed."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING

import pytest

from authgate.sessions.http import HttpStore
from authgate.sessions.redis import RedisStore
from authgate.stores._redis_url import parse_redis_url
from tests.neighbors.lying import lying
from tests.support.certificates import Authority
from tests.support.get_session import COOKIE, PATH
from tests.support.store_lookups import failure_once
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.sessions import SessionStore
    from tests.neighbors.lying import Connection

NOISE = random.Random(21).randbytes(16 * 1024)
# A record of application data that nobody can decrypt, a record of an unknown type, and noise.
BROKEN = {
    "a record": b"\x17\x03\x03\x40\x00" + NOISE,
    "an unknown record": b"\x63\x03\x03\x00\x01\x00",
    "noise": NOISE,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", ["http", "redis"])
async def test_a_broken_record_fails_the_lookup(tmp_path: Path, kind: str, broken: bytes) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    authority.issue("127.0.0.1").write(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    def breaking(connection: Connection) -> None:
        connection.begin_tls(context)
        connection.read()
        while True:
            connection.send_beneath_tls(broken)

    with lying(breaking) as liar:
        address = f"127.0.0.1:{liar.port}"
        store: SessionStore = (
            HttpStore(f"https://{address}{PATH}", COOKIE, ca_file=str(ca_file))
            if kind == "http"
            else RedisStore(parse_redis_url(f"rediss://{address}"), ca_file=str(ca_file))
        )
        assert "within" not in await failure_once(store), "it does not wait for a time-out"
        await until_async(lambda: all(connection.is_gone for connection in liar.connections))
