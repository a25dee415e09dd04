"""Sessions of a real Better Auth in PostgreSQL and in Redis. AuthGate reads the database, not Better Auth."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.better_auth import BetterAuth, better_auth
from tests.support.postgres import postgres
from tests.support.redis_server import redis_server
from tests.support.sessions_behind_proxies import (
    asked_once,
    new_email,
    protected,
    refused_within,
    seen_with,
    without_data,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.behind_proxies import Proxies, Running

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth

CACHE_SECONDS = 5  # of the cookie cache


@dataclass
class Database:
    """Better Auth with a database, and the settings of the session store that reads it."""

    auth: BetterAuth
    store: dict[str, Any]


@pytest.fixture(scope="module", params=["postgres", "redis"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    cache: dict[str, Any] = {"strategy": "compact", "cookie_cache_seconds": CACHE_SECONDS}
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "postgres":
        with postgres() as server:
            server.execute("CREATE DATABASE better_auth")
            with better_auth(folder, postgres=server.dsn(database="better_auth"), **cache) as auth:
                server.grant('"session", "user"', "better_auth")
                yield Database(auth, {"postgres": {"dsn": server.reader("better_auth")}})
    else:
        with redis_server() as server, better_auth(folder, redis=server.url(), **cache) as auth:
            yield Database(auth, {"redis": {"url": server.reader()}})


@contextmanager
def reading(proxies: Proxies, folder: Path, database: Database, check: str) -> Iterator[Running]:
    """Run AuthGate on *database* with `cache_seconds: 1`. Better Auth itself must get no request."""
    asked = database.auth.counts().get("/get-session", 0)
    sessions = {"check": check, "cache_seconds": 1} | database.store
    with protected(proxies, folder, database.auth, sessions=sessions) as running:
        asked_once(running)
        yield running
    assert database.auth.counts().get("/get-session", 0) == asked, "Better Auth was asked"


def looked_up(running: Running) -> float:
    """Return the count of session lookups, failures included."""
    lines = running.authgate.page("/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("authgate_session_lookups_total{"))


def test_the_database_names_the_user_and_refuses_an_ended_session(
    proxies: Proxies, tmp_path: Path, database: Database
) -> None:
    with reading(proxies, tmp_path, database, "always") as running:
        auth = database.auth
        ada, bob = auth.browser().sign_up(new_email(), name="Åda ☃"), auth.browser().sign_up(new_email())
        for browser in (ada, bob, ada):
            answer = seen_with(running, without_data(browser))
            assert (answer.user, answer.headers["x-user-email"]) == (browser.user["id"], [browser.user["email"]])
            assert seen_with(running, browser.cookies) == answer
        copy = ada.cookies
        ada.sign_out()
        refused_within(running, 1, copy, reasons={"session_not_found"})
        auth.administrator().ban(bob.user["id"])
        refused_within(running, 1, bob.cookies, reasons={"session_not_found", "banned_user"})


def test_as_a_fallback_the_database_is_asked_without_fresh_data_and_refuses_a_copy_of_an_ended_session(
    proxies: Proxies, tmp_path: Path, database: Database
) -> None:
    with reading(proxies, tmp_path, database, "fallback") as running:
        ada, gone = database.auth.browser().sign_up(new_email()), database.auth.browser().sign_up(new_email())
        before = looked_up(running)
        assert seen_with(running, ada.cookies).user == ada.user["id"]
        assert looked_up(running) == before
        assert seen_with(running, without_data(ada)).user == ada.user["id"]
        assert looked_up(running) > before

        copy, opaque = gone.cookies, without_data(gone)
        gone.sign_out()
        assert seen_with(running, opaque).reason == "session_not_found"
        refused_within(running, CACHE_SECONDS, copy, reasons={"session_not_found"})

        before = looked_up(running)  # ada's data is older, so it has expired, too
        assert seen_with(running, ada.cookies).user == ada.user["id"]
        assert looked_up(running) > before


def test_with_check_always_a_sign_out_counts_within_cache_seconds(
    proxies: Proxies, tmp_path: Path, database: Database
) -> None:
    with reading(proxies, tmp_path, database, "always") as running:
        browser = database.auth.browser().sign_up(new_email())
        copy, before = browser.cookies, looked_up(running)
        assert seen_with(running, copy).user == browser.user["id"]
        assert looked_up(running) > before
        browser.sign_out()
        refused_within(running, 1, copy, reasons={"session_not_found"})
