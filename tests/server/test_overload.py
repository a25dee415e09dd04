"""`limits.decisions_in_flight`: one bound on the decisions that wait, over all stores and issuers."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from tests.support import session_cookies as cookies
from tests.support.get_session import COOKIE, SECRET, GetSession, get_session, signed
from tests.support.serving import Served, bearer_line, exchange, fresh, head, serving
from tests.support.session_floods import Client
from tests.support.tokens import SECRET as JWT_SECRET
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT = 20
ATTACKER, USER = "192.0.2.1", "198.51.100.7"


def issuer(name: str, store: GetSession, **settings: Any) -> dict[str, Any]:
    """Return an issuer of Better Auth that looks up each session in *store*."""
    sessions = {"check": "always", "cache_seconds": 0, "http": {"url": store.url}} | settings
    made: dict[str, Any] = {"name": name, "preset": "better-auth", "secret": SECRET.decode(), "allow_http": True}
    return made | {"cookies": {"session_token": cookie_name(name)}, "sessions": sessions}


def write_config(folder: Path, *issuers: dict[str, Any], decisions_in_flight: int = LIMIT) -> str:
    for number, one in enumerate(issuers):
        if number:
            one.setdefault("subject_prefix", f"{one['name']}:")
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [*issuers], "limits": {"decisions_in_flight": decisions_in_flight}}))
    return str(path)


def cookie_name(issuer_name: str) -> str:
    return COOKIE if issuer_name == "app" else f"{issuer_name}.session_token"


def cookie(issuer_name: str, token: str) -> tuple[str, str]:
    return ("Cookie", f"{cookie_name(issuer_name)}={quote(signed(token), safe='')}")


def sign_in(store: GetSession, token: str) -> None:
    store.sessions[token] = {"session": cookies.session(token, now=time.time()), "user": cookies.user()}


class Asking:
    """Requests that may still wait for their answers."""

    def __init__(self, served: Served, tasks: asyncio.TaskGroup) -> None:
        self._served = served
        self._tasks = tasks
        self._clients: list[Client] = []
        self._asked: list[asyncio.Task[str]] = []

    def ask(self, address: str, *credential: tuple[str, str]) -> None:
        client = Client(self._served, address)
        self._clients.append(client)
        self._asked.append(self._tasks.create_task(client.ask(*credential)))

    def answers(self) -> list[str]:
        """Return the answers that have come."""
        return [one.result() for one in self._asked if one.done()]

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def asking(served: Served) -> AsyncIterator[Asking]:
    """Yield what asks. At the end of the context every request has its answer."""
    try:
        async with asyncio.TaskGroup() as tasks:
            one = Asking(served, tasks)
            yield one
    finally:
        await one.close()


async def test_with_two_hanging_stores_requests_beyond_the_bound_are_refused_at_once(tmp_path: Path) -> None:
    async with get_session() as store, get_session() as other_store:
        sign_in(store, "user-of-a-store-0123456789abcdef")
        config = write_config(tmp_path, issuer("app", store), issuer("other", other_store))
        async with serving({}, file=config) as served:
            in_flight = served.app.live.in_flight
            async with asking(served) as requests:
                store.gate.clear()
                other_store.gate.clear()
                for number in range(LIMIT):
                    name = "app" if number % 2 else "other"
                    requests.ask(ATTACKER, cookie(name, f"made-up-{number}"))
                await until_async(lambda: len(in_flight) == LIMIT)
                assert requests.answers() == [], "up to the bound they wait"
                for number in range(5):
                    requests.ask(ATTACKER, cookie("app", f"another-{number}"))
                await until_async(lambda: len(requests.answers()) == 5)
                assert requests.answers() == ["overloaded"] * 5, "no store answers, and they do not wait for one"
                refused = await served.ask("traefik", cookie("app", "another"), ("X-Forwarded-For", ATTACKER))
                assert (refused.status, refused.all("Retry-After")) == (503, ["5"])
                assert json.loads(refused.body)["reason"] == "overloaded"
                requests.ask(USER, cookie("app", "user-of-a-store-0123456789abcdef"))
                await until_async(lambda: len(requests.answers()) == 6)
                assert requests.answers() == ["overloaded"] * 6, "one of the attacker's gives its slot to the user"
                assert len(in_flight) == LIMIT
                assert f"authgate_decisions_in_flight {LIMIT:.1f}" in await served.metrics()
                store.gate.set()
                other_store.gate.set()
            assert requests.answers().count("user-1") == 1
            assert requests.answers().count("session_not_found") == LIMIT - 1
            assert len(in_flight) == 0
            overloaded = [
                line for line in (await served.metrics()).splitlines() if "total{" in line and "overloaded" in line
            ]
            assert sum(float(line.split()[-1]) for line in overloaded) == 7


async def test_a_store_refuses_at_its_own_bound_before_the_bound_of_all_stores(tmp_path: Path) -> None:
    async with get_session() as store:
        config = write_config(tmp_path, issuer("app", store), decisions_in_flight=256)
        async with serving({}, file=config) as served, asking(served) as requests:
            store.gate.clear()
            for number in range(260):
                requests.ask(ATTACKER, cookie("app", f"made-up-{number}"))
            await until_async(lambda: len(requests.answers()) == 4)
            assert requests.answers() == ["sessions_unavailable"] * 4
            assert len(served.app.live.in_flight) == 256
            store.gate.set()


async def test_made_up_key_ids_of_many_addresses_leave_slots_to_sessions(tmp_path: Path) -> None:
    async with get_session() as store, get_session() as silent:
        sign_in(store, "user-of-a-store-0123456789abcdef")
        silent.gate.clear()
        by_url = {"name": "keys", "preset": "jwt", "issuer": "https://keys.example", "audiences": ["tasks"]}
        by_url |= {"jwks_url": f"http://127.0.0.1:{silent.port}/jwks", "allow_http": True}
        config = write_config(tmp_path, issuer("app", store), by_url, decisions_in_flight=8)
        async with serving({}, file=config) as served, asking(served) as requests:
            for number in range(50):
                header = {"kid": f"made-up-{number}"}
                token = fresh(iss="https://keys.example", aud="tasks", algorithm="ES256", header=header)
                requests.ask(f"192.0.2.{number}", bearer_line(token))
            await until_async(lambda: len(requests.answers()) == 44)
            assert requests.answers() == ["overloaded"] * 44
            assert len(served.app.live.in_flight) == 6
            user = Client(served, USER)
            for _ in range(10):
                await user.ask(cookie("app", "user-of-a-store-0123456789abcdef"))
            assert user.answers == {"user-1": 10}
            await user.close()
            silent.gate.set()


async def test_while_a_store_holds_every_lookup_warm_decisions_and_probes_are_answered(tmp_path: Path) -> None:
    async with get_session() as store:
        known = [f"user-{number:027}" for number in range(10)]
        for token in known:
            sign_in(store, token)
        secret = {"name": "api", "preset": "jwt", "secret": JWT_SECRET.decode(), "audiences": ["tasks"]}
        config = write_config(tmp_path, issuer("app", store, cache_seconds=60), secret)
        async with serving({}, file=config) as served, asking(served) as requests:
            user = Client(served, USER)
            for token in known:
                assert await user.ask(cookie("app", token)) == "user-1"
            store.gate.clear()
            for number in range(LIMIT + 5):
                requests.ask(ATTACKER, cookie("app", f"made-up-{number}"))
            await until_async(lambda: len(requests.answers()) == 5)
            await until_async(lambda: len(store.requests) == len(known) + 16)
            warm = fresh(aud="tasks")
            for number in range(100):
                assert await user.ask(cookie("app", known[number % len(known)])) == "user-1"
                assert await user.ask(bearer_line(warm)) == "api:user-1"
                health = await exchange(served.admin, head("/healthz", [("Host", "localhost")]))
                assert health.status == 200
            assert len(store.requests) == len(known) + 16, "no decision asked the store"
            assert len(served.app.live.in_flight) == LIMIT
            assert len(requests.answers()) == 5
            await user.close()
            store.gate.set()


async def test_a_reload_changes_the_bound_for_new_requests(tmp_path: Path) -> None:
    async with get_session() as store:
        config = write_config(tmp_path, issuer("app", store), decisions_in_flight=4)
        async with serving({}, file=config, poll_seconds=0.05) as served, asking(served) as requests:
            store.gate.clear()
            for number in range(5):
                requests.ask(ATTACKER, cookie("app", f"made-up-{number}"))
            await until_async(lambda: requests.answers() == ["overloaded"])
            before = served.app.live
            write_config(tmp_path, issuer("app", store), decisions_in_flight=6)
            await until_async(lambda: served.app.live is not before)
            for number in range(5):
                requests.ask(ATTACKER, cookie("app", f"another-{number}"))
            await until_async(lambda: len(requests.answers()) == 4)
            assert requests.answers() == ["overloaded"] * 4, "those that waited before the reload count, too"
            assert len(served.app.live.in_flight) == 6
            store.gate.set()
