"""Sessions that are read from a replica of Redis: `authgate check --fetch` warns of it, if the user may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support import commands
from tests.support import session_cookies as cookies
from tests.support.redis_server import READER, RedisServer, redis_server
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def replica(storage: RedisServer) -> Iterator[RedisServer]:
    with redis_server() as server:
        with server.client() as client:
            client.replicaof("127.0.0.1", storage.port)
        yield server


def warnings(folder: Path, server: RedisServer) -> str:
    """Return the warnings of `check --fetch`, in one line."""
    issuer = {"name": "app", "preset": "better-auth", "secret": SECRET.decode(), "subject_prefix": "app:"}
    issuer |= {"cookies": {"session_token": cookies.COOKIES[0]}, "sessions": {"redis": {"url": server.reader()}}}
    (folder / "authgate.yaml").write_text(yaml.safe_dump({"issuers": [issuer]}))
    checked = commands.authgate("check", "--fetch", "--config", folder / "authgate.yaml")
    assert checked.returncode == 0, checked.stderr
    return " ".join(checked.stderr.split())


def test_check_warns_of_a_replica_if_the_user_may_ask_and_says_nothing_otherwise(
    storage: RedisServer, replica: RedisServer, tmp_path: Path
) -> None:
    assert "replica" not in warnings(tmp_path, replica), "the right is optional"
    for server in (storage, replica):
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", READER, "+info")
    assert "replica" not in warnings(tmp_path, storage)
    warning = warnings(tmp_path, replica)
    assert "issuer app: its sessions are read from a replica" in warning
    assert "a session that has just ended may still be accepted" in warning
    with storage.client() as client:
        client.execute_command("ACL", "SETUSER", READER, "-info")
