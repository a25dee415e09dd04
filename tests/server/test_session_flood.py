"""Made-up session tokens without a signature against a real server: nobody else loses a lookup.

Counts, no durations: how many requests of real users are refused, how many requests wait at most, and what is left.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import session_cookies as cookies
from tests.support.get_session import SECRET, GetSession, get_session, signed
from tests.support.postgres import postgres
from tests.support.serving import Served, bearer_line, serving
from tests.support.session_floods import Client, flooding, watching_bounds
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 300
REQUESTS = 10
ATTACKER, USER = "192.0.2.1", "198.51.100.7"
BOTS = [f"192.0.{number // 250}.{number % 250}" for number in range(CONNECTIONS)]
TOKEN = cookies.SESSION_TOKEN
AUTH_JS_COOKIE = "authjs.session-token"


def write_config(folder: Path, **issuer: Any) -> str:
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [{"name": "app", **issuer}]}))
    return str(path)


def better_auth(folder: Path, store: GetSession, cache_seconds: int) -> str:
    sessions = {"check": "always", "cache_seconds": cache_seconds, "http": {"url": store.url}}
    return write_config(
        folder,
        preset="better-auth",
        secret=SECRET.decode(),
        bearer="raw",
        cookies={"session_token": cookies.COOKIES[0]},
        sessions=sessions,
        allow_http=True,
    )


def sign_in(store: GetSession, token: str) -> None:
    store.sessions[token] = {"session": cookies.session(token, now=time.time()), "user": cookies.user()}


def raw(number: int) -> tuple[str, str]:
    return bearer_line(f"madeup{number:026}")


def auth_js(number: int) -> tuple[str, str]:
    return ("Cookie", f"{AUTH_JS_COOKIE}=00000000-0000-4000-8000-{number:012}")


def signed_cookie() -> tuple[str, str]:
    return cookies.cookie_line(None, token=signed(TOKEN))


async def ask_meanwhile(served: Served, *lines: tuple[str, str]) -> dict[str, int]:
    """Ask with each of *lines* in turn, as one user; return how often each answer came."""
    user = Client(served, USER)
    for _ in range(REQUESTS):
        for line in lines:
            await user.ask(line)
    await user.close()
    return dict(user.answers)


async def until_all_slots_are_taken(served: Served) -> None:
    sessions = served.app.live.sessions["app"]
    await until_async(lambda: sessions.turned_away["unsigned", "full"] > 0 and len(sessions.unsigned_waiting) == 256)


async def assert_all_is_free(served: Served) -> None:
    sessions = served.app.live.sessions["app"]
    await until_async(lambda: not sessions.waiting)
    assert len(sessions.signed_waiting) == len(sessions.unsigned_waiting) == len(sessions.in_flight) == 0
    assert len(sessions._turns) == 0
    await until_async(lambda: not sessions._in_progress)
    assert "authgate_decisions_in_flight 0.0" in await served.metrics()


@pytest.mark.parametrize("cache_seconds", [0, 5])
async def test_no_user_is_refused_while_one_address_sends_raw_tokens_on_300_connections(
    tmp_path: Path, cache_seconds: int
) -> None:
    async with get_session() as store:
        sign_in(store, TOKEN)
        store.seconds = 0.01
        async with serving({}, file=better_auth(tmp_path, store, cache_seconds)) as served:
            sessions = served.app.live.sessions["app"]
            async with watching_bounds(sessions) as most, flooding(served, [ATTACKER] * CONNECTIONS, raw) as attack:
                await until_all_slots_are_taken(served)
                answers = await ask_meanwhile(served, signed_cookie(), bearer_line(TOKEN))
            assert answers == {"user-1": 2 * REQUESTS}, "no request of the user is refused"
            assert attack.keys() == {"session_not_found", "sessions_unavailable"}
            assert most["unsigned"] == 256
            assert most["signed"] == 1
            assert most["in flight"] <= 257
            await assert_all_is_free(served)


async def test_no_user_with_a_signed_token_is_refused_while_300_addresses_send_raw_tokens(tmp_path: Path) -> None:
    async with get_session() as store:
        sign_in(store, TOKEN)
        store.seconds = 0.01
        async with serving({}, file=better_auth(tmp_path, store, 0)) as served:
            sessions = served.app.live.sessions["app"]
            async with watching_bounds(sessions) as most, flooding(served, BOTS, raw) as attack:
                await until_all_slots_are_taken(served)
                answers = await ask_meanwhile(served, signed_cookie())
            assert answers == {"user-1": REQUESTS}
            assert attack.keys() == {"session_not_found", "sessions_unavailable"}
            assert most["unsigned"] == 256
            await assert_all_is_free(served)


async def test_no_user_is_refused_while_300_addresses_send_the_cookie_of_one_session_that_has_ended(
    tmp_path: Path,
) -> None:
    """Its signature is valid, so its requests wait among those of users."""
    ended = cookies.cookie_line(None, token=signed("ended"))
    async with get_session() as store:
        sign_in(store, TOKEN)
        store.seconds = 0.01
        async with serving({}, file=better_auth(tmp_path, store, 0)) as served:
            sessions = served.app.live.sessions["app"]
            async with watching_bounds(sessions) as most, flooding(served, BOTS, lambda _: ended) as attack:
                await until_async(lambda: sessions.turned_away["signed", "full"] > 0)
                answers = await ask_meanwhile(served, signed_cookie())
            assert answers == {"user-1": REQUESTS}
            assert attack.keys() == {"session_not_found", "sessions_unavailable"}
            assert most["signed"] == 256, "while there is room, nobody is refused"
            await assert_all_is_free(served)


@pytest.mark.parametrize("cache_seconds", [0, 5])
async def test_no_user_is_refused_while_one_address_sends_made_up_ids_of_auth_js_on_100_connections(
    tmp_path: Path, cache_seconds: int
) -> None:
    """Fewer connections than slots: the test of raw tokens fills the slots, this one shows the turns at PostgreSQL."""
    with postgres() as database:
        database.create_auth_js()
        database.execute("INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.com');")
        insert = 'INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, $1, $2)'
        database.execute(insert, datetime.now(UTC) + timedelta(days=1), "11111111-1111-4111-8111-111111111111")
        sessions = {"cache_seconds": cache_seconds, "postgres": {"dsn": database.reader()}}
        file = write_config(
            tmp_path,
            preset="authjs",
            secret=SECRET.decode(),
            cookies={"session_token": AUTH_JS_COOKIE},
            sessions=sessions,
        )
        async with serving({}, file=file) as served:
            lookups = served.app.live.sessions["app"]
            async with (
                watching_bounds(lookups) as most,
                flooding(served, [ATTACKER] * 100, auth_js) as attack,
            ):
                real = ("Cookie", f"{AUTH_JS_COOKIE}=11111111-1111-4111-8111-111111111111")
                answers = await ask_meanwhile(served, real)
            assert answers == {"1": REQUESTS}
            assert attack["session_not_found"]
            assert most["signed"] == 0
            assert most["unsigned"] <= 101
            await assert_all_is_free(served)
