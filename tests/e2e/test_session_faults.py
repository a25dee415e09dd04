"""Faults of the session store under load through nginx: it is killed, frozen, slow, or asks for a pause.

No refused session is allowed, no request takes longer than its timeout, and errors end with the fault.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.better_auth import BetterAuth, better_auth
from tests.support.client import ask
from tests.support.postgres import postgres
from tests.support.redis_server import redis_server
from tests.support.sessions_behind_proxies import seen, sessions_of
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.behind_proxies import Proxies, Running

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth

STORES = ("http", "postgres", "redis")
# A request waits 3 s for a session, and nginx gives up after 5 s. The rest is for a slow machine.
LONGEST_SECONDS = 8.0
FAULT_SECONDS = 3.5


@dataclass
class Setup:
    """Better Auth and its session store, which `kill` ends, `start` starts again and `hanging` freezes."""

    auth: BetterAuth
    store: dict[str, Any]
    kill: Callable[[], None]
    start: Callable[[], None]
    hanging: Callable[[], AbstractContextManager[None]]


@contextmanager
def set_up(kind: str, folder: Path) -> Iterator[Setup]:
    with ExitStack() as stack:
        if kind == "http":
            auth = stack.enter_context(better_auth(folder))
            yield Setup(auth, {"http": {}}, auth.kill, auth.start, auth.paused)
        elif kind == "postgres":
            server = stack.enter_context(postgres())
            server.execute("CREATE DATABASE better_auth")
            auth = stack.enter_context(better_auth(folder, postgres=server.dsn(database="better_auth")))
            server.grant('"session", "user"', "better_auth")
            store = {"postgres": {"dsn": server.reader("better_auth")}}
            yield Setup(auth, store, server.kill, server.start, server.hanging)
        else:
            redis = stack.enter_context(redis_server())
            auth = stack.enter_context(better_auth(folder, redis=redis.url()))
            yield Setup(auth, {"redis": {"url": redis.url()}}, redis.kill, redis.start, redis.hanging)


@dataclass
class Load:
    """Requests through nginx, their outcomes, and the seconds that the longest took."""

    port: int
    outcomes: dict[str, Counter[tuple[int, str]]] = field(default_factory=dict)
    longest: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def of(self, **cookies: str) -> Iterator[Load]:
        """Send requests with each of *cookies* from two threads while the context lasts."""
        self.outcomes = {name: Counter() for name in cookies}
        threads = [threading.Thread(target=self._send, args=pair) for pair in cookies.items() for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(60)

    def _send(self, name: str, cookies: str) -> None:
        while not self._ended.wait(0.005):  # a load, but not all of the machine
            began = time.monotonic()
            answer = seen(ask(self.port, "/api/echo", f"Cookie: {cookies}"))
            self.longest = max(self.longest, time.monotonic() - began)
            self.outcomes[name][answer.status, answer.user or answer.reason or ""] += 1


def steady(running: Running, cookies: str, user: str) -> None:
    """Wait until the session is allowed; then it must be allowed every time."""
    port = running.ports["nginx"]
    until(lambda: seen(ask(port, "/api/echo", f"Cookie: {cookies}")).status == 200)
    for _ in range(20):
        assert seen(ask(port, "/api/echo", f"Cookie: {cookies}")).user == user
        time.sleep(0.02)


@pytest.mark.parametrize("fault", ["killed", "hanging"])
@pytest.mark.parametrize("kind", STORES)
def test_a_store_that_fails_under_load_causes_503_and_recovers_by_itself(
    nginx_alone: Proxies, tmp_path: Path, kind: str, fault: str
) -> None:
    with set_up(kind, tmp_path) as made, ExitStack() as stack:
        ada, gone = made.auth.browser().sign_up("ada@example.com"), made.auth.browser().sign_up("gone@example.com")
        signed_out = gone.cookies
        gone.sign_out()
        forged = ada.cookies.replace("session_token=", "session_token=x", 1)
        settings = {"sessions": {"check": "always", "cache_seconds": 0.2} | made.store, "jwt_plugin": False}
        running = stack.enter_context(nginx_alone.serve(tmp_path, sessions_of(made.auth, **settings)))
        steady(running, ada.cookies, ada.user["id"])
        load = Load(running.ports["nginx"])
        with load.of(ada=ada.cookies, signed_out=signed_out, forged=forged):
            until(lambda: all(load.outcomes.values()))
            if fault == "killed":
                made.kill()
                _wait_for_the_fault(load)
                made.start()
            else:
                with made.hanging():
                    _wait_for_the_fault(load)
            steady(running, ada.cookies, ada.user["id"])
        assert {*load.outcomes["ada"]} == {(200, ada.user["id"]), (503, "sessions_unavailable")}, load.outcomes
        assert {*load.outcomes["signed_out"]} == {(401, "session_not_found"), (503, "sessions_unavailable")}
        assert {*load.outcomes["forged"]} == {(401, "bad_signature")}
        assert load.longest < LONGEST_SECONDS
        if fault == "killed":
            running.logged("sessions", "cannot be looked up")
        assert running.readyz().status == 200


def _wait_for_the_fault(load: Load) -> None:
    time.sleep(FAULT_SECONDS)
    until(lambda: all((503, "sessions_unavailable") in load.outcomes[name] for name in ("ada", "signed_out")))


def test_while_the_store_is_down_cookies_with_data_are_still_accepted(nginx_alone: Proxies, tmp_path: Path) -> None:
    with better_auth(tmp_path, strategy="jwe") as auth:
        ada = auth.browser().sign_up("ada@example.com")
        opaque = f"better-auth.session_token={ada.jar['better-auth.session_token']}"
        with nginx_alone.serve(tmp_path, sessions_of(auth, jwt_plugin=False)) as running:
            port = running.ports["nginx"]
            auth.kill()
            assert seen(ask(port, "/api/echo", f"Cookie: {ada.cookies}")).user == ada.user["id"]
            assert seen(ask(port, "/api/echo", f"Cookie: {opaque}")).reason == "sessions_unavailable"


def test_a_slow_store_delays_only_its_own_requests(nginx_alone: Proxies, tmp_path: Path) -> None:
    with better_auth(tmp_path, strategy="compact") as auth:
        ada = auth.browser().sign_up("ada@example.com")
        opaque = f"better-auth.session_token={ada.jar['better-auth.session_token']}"
        with nginx_alone.serve(tmp_path, sessions_of(auth, jwt_plugin=False, sessions={"cache_seconds": 0})) as running:
            auth.delay(4.0)
            load = Load(running.ports["nginx"])
            with load.of(fresh=ada.cookies, opaque=opaque):
                time.sleep(FAULT_SECONDS)
                until(lambda: load.outcomes["fresh"].total() > 100 or load.outcomes["opaque"].total() > 30)
            assert {*load.outcomes["fresh"]} == {(200, ada.user["id"])}
            assert load.outcomes["fresh"].total() > 100, "the slow lookups held up the others"
            assert {*load.outcomes["opaque"]} == {(503, "sessions_unavailable")}
            assert load.longest < LONGEST_SECONDS
            auth.delay(0.0)
            steady(running, opaque, ada.user["id"])


def test_a_store_that_asks_for_a_pause_gets_no_request_meanwhile(nginx_alone: Proxies, tmp_path: Path) -> None:
    with better_auth(tmp_path, rate_limit={"window": 3, "max": 5}) as auth:
        ada = auth.browser().sign_up("ada@example.com")
        settings = {"sessions": {"check": "always", "cache_seconds": 0}, "jwt_plugin": False}
        with nginx_alone.serve(tmp_path, sessions_of(auth, **settings)) as running:
            load = Load(running.ports["nginx"])
            with load.of(ada=ada.cookies):
                time.sleep(1.5)
                until(lambda: load.outcomes["ada"].total() > 20)
            assert {*load.outcomes["ada"]} == {(200, ada.user["id"]), (503, "sessions_unavailable")}
            assert auth.counts()["/get-session"] < 20 < load.outcomes["ada"].total()
            until(lambda: seen(ask(load.port, "/api/echo", f"Cookie: {ada.cookies}")).status == 200)
