"""Sessions that are read from a read-only replica: `authgate check --fetch` warns of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import yaml

from authgate.sessions.layouts import BETTER_AUTH
from authgate.sessions.postgres import PostgresStore
from tests.support import commands
from tests.support import session_cookies as cookies
from tests.support.postgres import replica
from tests.support.store_lookups import find_once
from tests.support.tokens import SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.sessions import StoredRows
    from tests.support.postgres import Postgres


def warnings(folder: Path, dsn: str) -> str:
    """Return the warnings of `check --fetch`, in one line."""
    issuer = {"name": "app", "preset": "better-auth", "secret": SECRET.decode(), "subject_prefix": "app:"}
    issuer |= {"cookies": {"session_token": cookies.COOKIES[0]}, "sessions": {"postgres": {"dsn": dsn}}}
    (folder / "authgate.yaml").write_text(yaml.safe_dump({"issuers": [issuer]}))
    checked = commands.authgate("check", "--fetch", "--config", folder / "authgate.yaml")
    assert checked.returncode == 0, checked.stderr
    return " ".join(checked.stderr.split())


def find_in(server: Postgres, token: str) -> StoredRows | None:
    return asyncio.run(find_once(PostgresStore(server.reader(), layout=BETTER_AUTH), token))


def test_check_warns_of_a_replica_and_says_what_it_means_and_what_to_do(ada: Postgres, tmp_path: Path) -> None:
    with replica(ada) as server:
        warning = warnings(tmp_path, server.reader())
        assert "issuer app: its sessions are read from a read-only replica" in warning
        assert "a session that has just ended may still be accepted" in warning
        assert warning.endswith("Write the address of the primary into the DSN")
        assert "replica" not in warnings(tmp_path, ada.reader())
        server.execute("SELECT pg_wal_replay_pause()")
        ada.add_session("ada-2", "ada")
        assert find_in(server, "ada-2") is None, "the warning is true"
        server.execute("SELECT pg_wal_replay_resume()")
        until(lambda: find_in(server, "ada-2"))
