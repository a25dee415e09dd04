"""The tests' Better Auth does what other tests rely on. The library itself makes each state."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.better_auth import SECRET, STRATEGIES, BetterAuth, better_auth
from tests.support.browser import CookieJar, totp
from tests.support.client import Answer
from tests.support.postgres import postgres
from tests.support.redis_server import redis_server
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth

TOKEN, DATA, DONT_REMEMBER = (f"better-auth.{name}" for name in ("session_token", "session_data", "dont_remember"))
UNCACHED = {"disableCookieCache": "true"}


@pytest.fixture(scope="module")
def auth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    with better_auth(tmp_path_factory.mktemp("compact"), strategy="compact") as running:
        yield running


@pytest.mark.parametrize("strategy", [None, *STRATEGIES])
def test_a_user_signs_in_and_out_under_each_strategy(tmp_path: Path, strategy: str | None) -> None:
    with better_auth(tmp_path, strategy=strategy, cookie_cache_seconds=600, version="7" if strategy else None) as auth:
        browser = auth.browser().sign_up("zoe@example.com", name="Zoë 🦄 \ud83d")
        assert browser.jar.names() == ({TOKEN, DATA} if strategy else {TOKEN})
        assert browser.jar[TOKEN].startswith(f"{browser.raw_token}.")
        answer = auth.get_session(browser.cookies)
        assert answer["user"]["id"] == browser.user["id"]
        assert answer["user"]["name"] == "Zoë 🦄 \ud83d"
        assert answer["session"]["token"] == browser.raw_token
        dots = {None: None, "compact": 0, "jwt": 2, "jwt-jwks": 2, "jwe": 4}[strategy]
        assert dots is None or browser.jar[DATA].count(".") == dots
        copied = browser.cookies
        browser.sign_out()
        assert browser.jar.names() == set()
        assert (auth.get_session(copied) is not None) == (strategy is not None), "the cache outlives the session"
        assert auth.get_session(copied, **UNCACHED) is None


def test_who_is_not_to_be_remembered_holds_a_cookie_that_says_so(auth: BetterAuth) -> None:
    auth.sign_up("forgetful@example.com")
    browser = auth.browser().sign_in("forgetful@example.com", remember=False)
    assert browser.jar.names() == {TOKEN, DATA, DONT_REMEMBER}
    assert browser.jar[DONT_REMEMBER].startswith("true.")


def test_a_long_session_is_cut_into_cookies_and_found_again(auth: BetterAuth) -> None:
    browser = auth.browser().sign_up("long@example.com", name="x" * 6000)
    assert browser.jar.names() == {TOKEN, f"{DATA}.0", f"{DATA}.1", f"{DATA}.2"}
    assert browser.get_session()["user"]["name"] == "x" * 6000
    browser.do("/update-user", {"name": "short"})
    assert browser.jar.names() == {TOKEN, DATA}, "the chunks are gone"
    assert browser.get_session()["user"]["name"] == "short"


def test_an_administrator_bans_unbans_and_ends_sessions(auth: BetterAuth) -> None:
    administrator, browser = auth.administrator(), auth.browser().sign_up("banned@example.com")
    administrator.ban(browser.user["id"])
    assert auth.get_session(browser.cookies)["user"]["banned"] is False, "the cookie cache does not see it"
    assert auth.get_session(browser.cookies, **UNCACHED) is None
    refused = auth.browser().ask(
        "/sign-in/email", {"email": "banned@example.com", "password": "a-password-of-the-tests"}
    )
    assert (refused.status, refused.json["code"]) == (403, "BANNED_USER")
    administrator.unban(browser.user["id"])
    again = auth.browser().sign_in("banned@example.com")
    assert again.get_session(**UNCACHED)["user"]["banned"] is False
    administrator.revoke_sessions(browser.user["id"])
    assert again.get_session(**UNCACHED) is None


def test_a_ban_in_the_database_leaves_the_session(auth: BetterAuth) -> None:
    browser = auth.browser().sign_up("spammer@example.com")
    auth.ban_in_database(browser.user["id"])
    assert browser.get_session(**UNCACHED)["user"]["banned"] is True
    auth.delete_session_in_database(browser.raw_token)
    assert browser.get_session(**UNCACHED) is None


def test_a_session_that_is_over_in_the_database_is_nobodys(auth: BetterAuth) -> None:
    browser = auth.browser().sign_up("late@example.com")
    auth.expire_session_in_database(browser.raw_token, time.time() - 1)
    assert auth.get_session(browser.cookies, **UNCACHED) is None


def test_an_administrator_acts_as_a_user(auth: BetterAuth) -> None:
    administrator, browser = auth.administrator(), auth.browser().sign_up("acted@example.com")
    own = administrator.user["id"]
    cookies = administrator.impersonate(browser.user["id"])
    assert administrator.jar.names() == {TOKEN, DATA, DONT_REMEMBER, "better-auth.admin_session"}
    answer = auth.get_session(cookies)
    assert (answer["user"]["id"], answer["session"]["impersonatedBy"]) == (browser.user["id"], own)
    administrator.stop_impersonating()
    assert administrator.get_session()["user"]["id"] == own
    assert "better-auth.admin_session" not in administrator.jar


def test_somebody_is_signed_in_without_a_name(auth: BetterAuth) -> None:
    user = auth.browser().sign_in_anonymously().get_session()["user"]
    assert user["isAnonymous"] is True
    assert user["email"].endswith("@anonymous.placeholder.invalid")


def test_who_owes_a_second_factor_has_no_session(auth: BetterAuth) -> None:
    secret = auth.browser().sign_up("careful@example.com").enable_two_factor()
    browser = auth.browser().sign_in("careful@example.com")
    assert browser.pending
    assert browser.jar.names() == {"better-auth.two_factor"}
    assert auth.get_session(browser.cookies) is None
    browser.give_second_factor(secret)
    assert browser.jar.names() == {TOKEN, DATA}
    assert browser.get_session()["user"]["twoFactorEnabled"] is True


def test_a_session_is_in_an_organization(auth: BetterAuth) -> None:
    browser = auth.browser().sign_up("founder@example.com")
    identifier = browser.create_organization()
    assert browser.get_session()["session"]["activeOrganizationId"] == identifier


@pytest.mark.parametrize("shape", ["raw", "signed"])
def test_a_session_is_also_a_bearer_token(auth: BetterAuth, shape: str) -> None:
    browser = auth.browser().sign_up(f"{shape}@example.com")
    token = {"raw": browser.raw_token, "signed": browser.signed_token}[shape]
    assert ("=" in token, "%" in token) == (shape == "signed", False)
    answer = auth.ask("/get-session", f"Authorization: Bearer {token}")
    assert answer.json["user"]["id"] == browser.user["id"]


def test_get_session_is_counted_slow_silent_or_broken_on_request(auth: BetterAuth) -> None:
    cookies = auth.sign_up("wire@example.com")
    before = auth.counts()["/get-session"]
    auth.ask("/get-session?disableRefresh=true", f"Cookie: {cookies}", "X-Forwarded-For: 203.0.113.7")
    assert auth.counts()["/get-session"] == before + 1
    assert ("X-Forwarded-For", "203.0.113.7") in auth.last_headers()
    auth.delay(0.2)
    started = time.monotonic()
    assert auth.get_session(cookies) is not None
    assert time.monotonic() - started > 0.2
    auth.delay(0)
    auth.answer(500, {"Content-Type": "application/json"}, "{}")
    assert (auth.ask("/get-session").status, auth.ask("/get-session").json) == (500, {})
    auth.answer(None)
    assert auth.get_session(cookies) is not None


def test_get_session_answers_nobody_while_it_is_paused(auth: BetterAuth) -> None:
    cookies, answers = auth.sign_up("patient@example.com"), []
    before = auth.counts()["/get-session"]
    waiting = threading.Thread(target=lambda: answers.append(auth.get_session(cookies)))
    with auth.paused():
        waiting.start()
        until(lambda: auth.counts()["/get-session"] > before)
        assert answers == []
    waiting.join(20)
    assert answers[0]["user"]["email"] == "patient@example.com"


def test_too_many_requests_are_told_to_come_later(tmp_path: Path) -> None:
    with better_auth(tmp_path, rate_limit={"window": 60, "max": 3}) as auth:
        cookies = auth.sign_up()
        answers = [auth.ask("/get-session", f"Cookie: {cookies}") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert 50 <= int(answers[-1].header("x-retry-after") or 0) <= 60
        assert answers[-1].header("retry-after") is None


def test_a_rotation_signs_everybody_out_and_tokens_go_on(tmp_path: Path) -> None:
    with better_auth(tmp_path, strategy="jwe") as auth:
        before = auth.browser().sign_up()
        kept = auth.token(before.cookies)
        auth.restart()
        assert before.get_session() is not None
        auth.restart(secrets=["a-newer-secret-of-the-tests-9876543210-zyxwvutsrqponm", SECRET])
        assert before.get_session() is None
        after = auth.browser().sign_in()
        assert after.get_session()["user"]["id"] == before.user["id"]
        assert after.token().split(".")[0] == kept.split(".")[0], "the same key signs"


def test_names_of_cookies_are_the_applications_to_choose(tmp_path: Path) -> None:
    advanced = {"cookiePrefix": "acme", "cookies": {"session_token": {"name": "sid"}}}
    with better_auth(tmp_path, base_url="https://app.example.test", strategy="jwt", advanced=advanced) as auth:
        browser = auth.browser().sign_up()
        assert browser.jar.names() == {"__Secure-sid", "__Secure-acme.session_data"}
        assert browser.get_session()["user"]["id"] == browser.user["id"]


def test_sessions_are_rows_in_postgresql(tmp_path: Path) -> None:
    with postgres() as server:
        server.execute("CREATE DATABASE better_auth")
        with better_auth(tmp_path, postgres=server.dsn(database="better_auth")) as auth:
            browser = auth.browser().sign_up()
            (row,) = server.execute('SELECT * FROM "session"', database="better_auth")
            assert (row["token"], row["userId"]) == (browser.raw_token, browser.user["id"])
            assert browser.get_session()["user"]["email"] == "ada@example.com"
            auth.restart()
            assert browser.get_session() is not None
            auth.ban_in_database(browser.user["id"])
            (user,) = server.execute('SELECT * FROM "user"', database="better_auth")
            assert user["banned"] is True
            browser.sign_out()
            assert server.execute('SELECT * FROM "session"', database="better_auth") == []


def test_sessions_are_kept_in_redis_under_their_tokens(tmp_path: Path) -> None:
    with redis_server() as server, better_auth(tmp_path, redis=server.url(), session_seconds=3600) as auth:
        browser = auth.browser().sign_up()
        with server.client() as client:
            assert b'"ada@example.com"' in (client.get(browser.raw_token) or b"")
            assert 3500 < client.ttl(browser.raw_token) <= 3600
        assert browser.get_session()["session"]["token"] == browser.raw_token
        auth.administrator().ban(browser.user["id"])
        assert browser.get_session() is None
        with server.client() as client:
            assert client.get(browser.raw_token) is None
            assert client.get(f"revoked-sessions-before-{browser.user['id']}") is not None


def test_a_jar_does_what_a_browser_does() -> None:
    lines = [
        "a=1%2B=; Path=/; HttpOnly",
        "b=2; Max-Age=60",
        "c=3; max-age=60",
        "d=4",
        "e=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ]
    jar = CookieJar()
    jar.take(Answer(200, [("set-cookie", line) for line in lines], b""))
    assert str(jar) == "a=1%2B=; b=2; c=3; d=4"
    jar.take(Answer(200, [("Set-Cookie", "c=; Max-Age=0"), ("Set-Cookie", "d=5; Max-Age=0; Expires=x")], b""))
    assert str(jar) == "a=1%2B=; b=2"


def test_a_code_is_that_of_rfc_6238() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # Appendix B: 12345678901234567890
    assert [totp(secret, at) for at in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]
