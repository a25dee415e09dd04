"""Session stores: each mistake is reported once, with its setting; names of tables; packages that a store needs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from authgate.config.load import load
from tests.support import processes
from tests.support.rejections import assert_only, rejected
from tests.support.session_settings import CANARY, DSN, GET_SESSION, REDIS, issuer, written

if TYPE_CHECKING:
    from pathlib import Path

NO_URL: dict[str, Any] = {"url": None}
AUTHJS: dict[str, Any] = {"preset": "authjs"}


def stored(**store: Any) -> dict[str, Any]:
    return {"sessions": store}


def postgres(**settings: Any) -> dict[str, Any]:
    return stored(postgres={"dsn": DSN} | settings)


# The changes to a sound issuer, the setting that is named (below issuers[0]), and a part of the message.
MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a PostgreSQL store that is never asked": (
        stored(check="never", postgres={"dsn": DSN}),
        "sessions.postgres",
        "has no effect with check: never",
    ),
    "a Redis store that is never asked": (
        stored(check="never", redis={"url": REDIS}),
        "sessions.redis",
        "has no effect with check: never",
    ),
    "a URL that is never asked": (stored(check="never", http={"url": GET_SESSION}), "sessions.http", "never"),
    "a cache of no answers": (stored(check="never", cache_seconds=0), "sessions.cache_seconds", "never"),
    "two stores": (
        stored(http={}, postgres={"dsn": DSN}),
        "sessions",
        "has http and postgres: an issuer has one session store",
    ),
    "no store and no URL": (NO_URL | stored(check="always"), "sessions", "names no store, and there is no url"),
    "get-session without the cookie's name": (
        NO_URL | stored(http={"url": GET_SESSION}),
        "url",
        "is missing: without it, the name of the cookie",
    ),
    "a schema in the DSN that is too long": (
        stored(postgres={"dsn": f"postgresql://u:p@localhost/db?schema={'s' * 64}"}),
        "sessions.postgres.dsn",
        "schema",
    ),
    "get-session of a library without one": (
        AUTHJS | stored(http={"url": GET_SESSION}),
        "sessions.http",
        "does not apply to preset authjs",
    ),
    "get-session over plain http": (
        stored(http={"url": "http://web:3000/api/auth/get-session"}),
        "sessions.http.url",
        "is plain http: anyone on the network path could replace the sessions",
    ),
    "get-session with a password": (
        stored(http={"url": f"https://ada:{CANARY}@web/get-session"}),
        "sessions.http.url",
        "holds credentials",
    ),
    "no DSN": (stored(postgres={}), "sessions.postgres", "needs exactly one of dsn, dsn_file and dsn_env"),
    "two DSNs": (postgres(dsn_env="DSN"), "sessions.postgres", "needs exactly one of dsn, dsn_file and dsn_env"),
    "a DSN of another database": (
        postgres(dsn=f"mysql://reader:{CANARY}@db/app"),
        "sessions.postgres.dsn",
        "the address",
    ),
    "a table name that PostgreSQL would cut": (
        postgres(user_table="u" * 64),
        "sessions.postgres.user_table",
        "the user table is longer than",
    ),
    "CAs of a database that cannot be read": (
        postgres(ca_file="/nowhere"),
        "sessions.postgres.ca_file",
        "cannot read /nowhere: No such file",
    ),
    "Redis for a library that does not use it": (
        AUTHJS | stored(redis={"url": REDIS}),
        "sessions.redis",
        "does not apply to preset authjs",
    ),
    "no URL of Redis": (stored(redis={}), "sessions.redis", "needs exactly one of url, url_file and url_env"),
    "a URL of another server": (
        stored(redis={"url": f"http://:{CANARY}@redis"}),
        "sessions.redis.url",
        "the address",
    ),
    "CAs of Redis that cannot be read": (
        stored(redis={"url": REDIS, "ca_file": "/nowhere"}),
        "sessions.redis.ca_file",
        "cannot read /nowhere: No such file",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_once_with_its_setting(tmp_path: Path, mistake: str) -> None:
    changes, setting, message = MISTAKES[mistake]
    problems = rejected(written(tmp_path, issuer(**changes)), DSN=DSN)
    assert_only(problems, f"issuers[0].{setting}", message)


@pytest.mark.parametrize(
    ("settings", "own", "names"),
    [
        ({}, {}, "session user token userId expiresAt id"),
        ({}, {"snake_case": True}, "session user token user_id expires_at id"),
        (AUTHJS, {}, "sessions users sessionToken userId expires id"),
        (AUTHJS, {"snake_case": True}, "sessions users session_token user_id expires id"),
        (
            {},
            {"snake_case": True, "user_table": "people", "session_user_column": "person"},
            "session people token person expires_at id",
        ),
    ],
)
def test_tables_and_columns_have_the_names_of_the_library_unless_a_setting_names_them(
    tmp_path: Path, settings: dict[str, Any], own: dict[str, Any], names: str
) -> None:
    store = {"postgres": {"dsn": DSN, "db_schema": "auth"} | own}
    loaded = load(written(tmp_path, issuer(**settings, sessions=store)), {})
    assert loaded.problems == ()
    assert loaded.issuers[0].store is not None
    layout = loaded.issuers[0].store.address.layout
    assert layout is not None
    tables = [layout.session_table, layout.user_table]
    columns = [layout.token_column, layout.session_user_column, layout.expires_column, layout.user_id_column]
    assert (" ".join(tables + columns), layout.schema) == (names, "auth")
    assert layout.snake_case is own.get("snake_case", False)


# AuthGate without any extra.
_WITHOUT = """
import runpy, sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    def find_spec(name, path=None, target=None):
        return None if name in {"asyncpg", "redis"} else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
runpy.run_module("authgate", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("store", "status", "message"),
    [
        ({"postgres": {"dsn": DSN}}, 78, "sessions.postgres: needs the Python package asyncpg, which is not installed"),
        ({"redis": {"url": REDIS}}, 0, ""),
        ({"http": {"url": GET_SESSION}}, 0, ""),
    ],
)
def test_a_store_needs_its_own_extra_and_no_other(tmp_path: Path, store: Any, status: int, message: str) -> None:
    path = written(tmp_path, issuer(sessions=store))
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT, "check", "--config", path],
        capture_output=True, text=True, cwd=processes.ROOT, env={"PATH": os.environ["PATH"]}, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, CANARY in ran.stdout + ran.stderr) == (status, False), ran.stderr
    assert message in ran.stderr
