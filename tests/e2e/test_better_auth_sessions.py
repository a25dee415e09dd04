"""Sessions of a real Better Auth through nginx and Traefik: strategies, the table in docs/sessions.md, users, headers.

Its rows are in memory. test_better_auth_databases.py tests PostgreSQL and Redis, test_session_faults.py their faults.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import processes
from tests.support.behind_proxies import Proxies, Running
from tests.support.better_auth import SECRET, STRATEGIES, BetterAuth, better_auth
from tests.support.sessions_behind_proxies import (
    allowed_in_time,
    asked_once,
    new_email,
    protected,
    refused_within,
    seen_with,
    without_data,
)
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth

CACHE_SECONDS = 5  # of the cookie cache


@pytest.fixture(scope="module")
def auth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    """Better Auth without a cookie cache, its rows in memory."""
    with better_auth(tmp_path_factory.mktemp("better_auth")) as running:
        yield running


@pytest.fixture(scope="module")
def caching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    """Better Auth with a cookie cache that lives for a few seconds."""
    folder = tmp_path_factory.mktemp("caching")
    with better_auth(folder, strategy="compact", cookie_cache_seconds=CACHE_SECONDS) as running:
        yield running


NONE: dict[str, Any] = {"sessions": {"check": "never"}}
ALWAYS: dict[str, Any] = {"sessions": {"check": "always", "cache_seconds": 1}}
FALLBACK: dict[str, Any] = {"sessions": {"check": "fallback", "cache_seconds": 1}}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_cookies_of_each_strategy_are_enough(proxies: Proxies, tmp_path: Path, strategy: str) -> None:
    with better_auth(tmp_path, strategy=strategy) as auth:
        browser = auth.browser().sign_up("ada@example.com", name="Åda ☃ 🎈")
        asked = auth.counts().get("/get-session", 0)
        with protected(proxies, tmp_path, auth, **NONE) as running:
            if strategy == "jwt-jwks":  # its key is fetched at the start
                until(lambda: running.report("app")["keys"])
            for _ in range(3):
                answer = seen_with(running, browser.cookies)
                assert (answer.status, answer.user) == (200, browser.user["id"])
            assert seen_with(running, without_data(browser)).reason == "session_not_found"
            assert auth.counts().get("/get-session", 0) == asked, "cookies were not enough"


def test_without_a_cookie_cache_better_auth_is_asked_and_its_answer_cached(
    proxies: Proxies, tmp_path: Path, auth: BetterAuth
) -> None:
    browser = auth.browser().sign_up(new_email(), role="admin")
    with protected(proxies, tmp_path, auth, sessions={"cache_seconds": 60}) as running:
        asked_once(running)
        before = auth.counts().get("/get-session", 0)
        for _ in range(5):
            answer = seen_with(running, browser.cookies)
            assert (answer.status, answer.user) == (200, browser.user["id"])
            assert answer.headers["x-user-roles"] == ["admin"]
        assert auth.counts()["/get-session"] - before == 1
        headers = {name.lower(): value for name, value in auth.last_headers()}
        assert headers["cookie"].startswith("better-auth.session_token=")
        assert ";" not in headers["cookie"]
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert {*headers} <= {
            "host",
            "cookie",
            "accept",
            "accept-encoding",
            "user-agent",
            "x-forwarded-for",
            "connection",
        }


def test_two_environment_variables_are_enough(proxies: Proxies, tmp_path: Path, auth: BetterAuth) -> None:
    browser, log = auth.browser().sign_up(new_email()), tmp_path / "log"
    port, admin = proxies.authgate_port, processes.free_port()
    environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": auth.base_url}
    environ |= {"AUTHGATE_LISTEN": f"127.0.0.1:{port}", "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}"}
    command = [processes.program("authgate", fix="pip install ."), "serve"]
    with processes.running(command, log, port=port, environ=environ) as process:
        authgate = processes.RunningAuthGate(port=port, admin_port=admin, log=log, process=process, config=log)
        running = Running(authgate, proxies.ports)
        assert seen_with(running, browser.cookies).user == browser.user["id"]
        assert running.ask(browser.token()).json["headers"]
        assert seen_with(running, "").reason == "no_credential"


# -- the table: no store ---------------------------------------------------------------------------------------------


def test_without_a_store_data_and_a_copy_of_it_are_refused_when_it_expires_and_the_browser_renews_it(
    proxies: Proxies, tmp_path: Path, caching: BetterAuth
) -> None:
    with protected(proxies, tmp_path, caching, **NONE) as running:
        gone = caching.browser().sign_up(new_email())
        copy = gone.cookies
        gone.sign_out()
        began = time.monotonic()
        browser = caching.browser().sign_up(new_email())
        refused_within(running, CACHE_SECONDS, browser.cookies, reasons={"expired"})
        assert time.monotonic() - began > CACHE_SECONDS - 1  # expiry times are whole seconds
        assert seen_with(running, copy).reason == "expired"
        assert seen_with(running, gone.cookies).reason == "no_credential"

        def renewed() -> str:
            browser.get_session()  # as the front end's page does
            return browser.cookies

        allowed_in_time(running, renewed, browser.user["id"])


# -- the table: a store, as a fallback -------------------------------------------------------------------------------


def test_as_a_fallback_the_store_is_asked_without_fresh_data_and_refuses_a_copy_of_an_ended_session(
    proxies: Proxies, tmp_path: Path, caching: BetterAuth
) -> None:
    with protected(proxies, tmp_path, caching, **FALLBACK) as running:
        asked_once(running)
        browser, gone = caching.browser().sign_up(new_email()), caching.browser().sign_up(new_email())
        asked = caching.counts().get("/get-session", 0)
        assert seen_with(running, browser.cookies).user == browser.user["id"]
        assert caching.counts().get("/get-session", 0) == asked, "fresh data needs no store"
        assert seen_with(running, without_data(browser)).user == browser.user["id"]
        copy = gone.cookies
        gone.sign_out()
        refused_within(running, CACHE_SECONDS, copy, reasons={"session_not_found"})
        assert seen_with(running, browser.cookies).user == browser.user["id"], "its older data has expired, too"


def test_as_a_fallback_data_of_another_session_is_ignored(
    proxies: Proxies, tmp_path: Path, caching: BetterAuth
) -> None:
    with protected(proxies, tmp_path, caching, **FALLBACK) as running:
        victim, thief = caching.browser().sign_up(new_email()), caching.browser().sign_up(new_email())
        thief.jar["better-auth.session_data"] = victim.jar["better-auth.session_data"]
        assert seen_with(running, thief.cookies).user == thief.user["id"]


# -- the table: a store, always --------------------------------------------------------------------------------------


def test_with_check_always_a_copy_is_refused_within_cache_seconds_of_the_sign_out(
    proxies: Proxies, tmp_path: Path, caching: BetterAuth
) -> None:
    with protected(proxies, tmp_path, caching, **ALWAYS) as running:
        browser = caching.browser().sign_up(new_email())
        copy = browser.cookies
        assert seen_with(running, copy).status == 200
        browser.sign_out()
        refused_within(running, 1, copy, reasons={"session_not_found"})


def test_with_check_always_and_no_cache_a_sign_out_counts_at_once(
    proxies: Proxies, tmp_path: Path, auth: BetterAuth
) -> None:
    with protected(proxies, tmp_path, auth, sessions={"check": "always", "cache_seconds": 0}) as running:
        browser = auth.browser().sign_up(new_email())
        copy = browser.cookies
        assert seen_with(running, copy).status == 200
        browser.sign_out()
        assert seen_with(running, copy).reason == "session_not_found"


def test_a_session_that_has_expired_is_refused_although_it_is_cached(
    proxies: Proxies, tmp_path: Path, auth: BetterAuth
) -> None:
    with protected(proxies, tmp_path, auth, sessions={"cache_seconds": 60}) as running:
        browser = auth.browser().sign_up(new_email())
        auth.expire_session_in_database(browser.raw_token, time.time() + 5)
        assert seen_with(running, browser.cookies).status == 200
        refused_within(running, 5, browser.cookies, reasons={"session_not_found"})


# -- kinds of users -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [None, "compact", "jwe"])
def test_a_banned_user_is_refused_within_cache_seconds(proxies: Proxies, tmp_path: Path, strategy: str | None) -> None:
    with better_auth(tmp_path, strategy=strategy) as auth, protected(proxies, tmp_path, auth, **ALWAYS) as running:
        by_admin, in_database = auth.browser().sign_up(new_email()), auth.browser().sign_up(new_email())
        assert seen_with(running, by_admin.cookies).status == seen_with(running, in_database.cookies).status == 200
        auth.administrator().ban(by_admin.user["id"])  # which ends the sessions, too
        refused_within(running, 1, by_admin.cookies, reasons={"session_not_found", "banned_user"})
        auth.ban_in_database(in_database.user["id"])
        refused_within(running, 1, in_database.cookies, reasons={"banned_user"})
        assert seen_with(running, in_database.cookies).status == 403


def test_an_anonymous_user_is_allowed_only_if_configured(proxies: Proxies, tmp_path: Path, auth: BetterAuth) -> None:
    browser = auth.browser().sign_in_anonymously()
    with protected(proxies, tmp_path, auth) as running:
        assert (answer := seen_with(running, browser.cookies)).reason == "anonymous_user", answer
    with protected(proxies, tmp_path, auth, anonymous="allow") as running:
        assert seen_with(running, browser.cookies).user == browser.user["id"]


def test_an_impersonated_session_names_the_user_and_the_administrator(
    proxies: Proxies, tmp_path: Path, caching: BetterAuth
) -> None:
    user, admin = caching.browser().sign_up(new_email()), caching.administrator()
    admin_id = admin.user["id"]
    admin.impersonate(user.user["id"])
    for check in (NONE, ALWAYS):
        with protected(proxies, tmp_path, caching, **check) as running:
            admin.get_session()
            answer = seen_with(running, admin.cookies)
            assert (answer.user, answer.headers["x-user-name"]) == (user.user["id"], [admin_id])


def test_a_user_without_the_second_factor_is_not_signed_in(proxies: Proxies, tmp_path: Path, auth: BetterAuth) -> None:
    email = new_email()
    secret = auth.browser().sign_up(email).enable_two_factor()
    with protected(proxies, tmp_path, auth, **ALWAYS) as running:
        pending = auth.browser().sign_in(email)
        assert pending.pending
        assert seen_with(running, pending.cookies).reason == "no_credential"
        as_session = f"better-auth.session_token={pending.jar['better-auth.two_factor']}"
        assert seen_with(running, as_session).reason == "session_not_found"
        pending.give_second_factor(secret)
        assert seen_with(running, pending.cookies).status == 200


# -- tokens in Authorization ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bearer", "signed", "raw"), [("none", 401, 401), ("signed", 200, 401), ("raw", 200, 200)])
def test_session_tokens_of_the_bearer_plugin_pass_as_configured(
    proxies: Proxies, tmp_path: Path, auth: BetterAuth, bearer: str, signed: int, raw: int
) -> None:
    browser = auth.browser().sign_up(new_email())
    with protected(proxies, tmp_path, auth, bearer=bearer) as running:
        assert running.ask(browser.signed_token).status == signed
        assert running.ask(browser.raw_token).status == raw
        assert running.ask(browser.token()).status == 200  # the setting does not apply to JWTs
        assert seen_with(running, browser.cookies, f"Authorization: Bearer {browser.raw_token}").status == raw
