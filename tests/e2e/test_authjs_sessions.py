"""Sessions of a real Auth.js through nginx and Traefik: encrypted cookies, and rows of the database strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.authjs import ADA, SECRET, authjs
from tests.support.postgres import postgres
from tests.support.sessions_behind_proxies import allowed_in_time, refused_within, seen_with

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.behind_proxies import Proxies

pytestmark = pytest.mark.timeout(400)  # the first one installs Auth.js


def reading(**changes: Any) -> dict[str, Any]:
    return {"name": "app", "preset": "authjs", "secret": SECRET, **changes}


@pytest.mark.parametrize("url", [None, "https://app.example.com"])
def test_the_cookie_identifies_the_user(proxies: Proxies, tmp_path: Path, url: str | None) -> None:
    with authjs(tmp_path, url=url) as auth:
        ada = auth.sign_in({**ADA, "name": "Åda ☃", "claims": {"roles": ["admin", "editor"]}})
        large = auth.sign_in({**ADA, "id": "large", "claims": {"note": "n" * 6000}})
        assert sum(".session-token." in name for name in large.jar.names()) > 1
        with proxies.serve(tmp_path, reading(url=auth.url)) as running:
            answer = seen_with(running, ada.cookies)
            assert answer.headers == {
                "x-user-id": [ADA["id"]],
                "x-user-email": [ADA["email"]],
                "x-user-name": ["%C3%85da %E2%98%83"],
                "x-user-roles": ["admin,editor"],
            }
            assert seen_with(running, large.cookies).user == "large"
            ada.session()  # every visit renews the cookie
            assert seen_with(running, ada.cookies).user == ADA["id"]
            ada.sign_out()
            assert seen_with(running, ada.cookies).reason == "no_credential"


def test_a_session_ends_with_its_cookie_and_a_rotated_secret_opens_the_old_ones(
    proxies: Proxies, tmp_path: Path
) -> None:
    newer = SECRET[::-1]
    with authjs(tmp_path, session_seconds=3) as auth:
        settings = {"secret": None, "secrets": [newer, SECRET], "url": auth.url}
        issuer = {name: value for name, value in reading(**settings).items() if value is not None}
        with proxies.serve(tmp_path, issuer, leeway_seconds=0) as running:
            old = allowed_in_time(running, lambda: auth.sign_in().cookies, ADA["id"])
            auth.restart(newer, SECRET)
            new = allowed_in_time(running, lambda: auth.sign_in({**ADA, "id": "new"}).cookies, "new")
            refused_within(running, 3, old, reasons={"expired"})
            refused_within(running, 3, new, reasons={"expired"})


def test_a_cookie_of_another_secret_has_its_own_reason(proxies: Proxies, tmp_path: Path) -> None:
    with authjs(tmp_path) as auth, proxies.serve(tmp_path, reading(secret=SECRET[::-1], url=auth.url)) as running:
        assert seen_with(running, auth.sign_in().cookies).reason == "undecryptable_token"


@pytest.mark.parametrize("url", [None, "https://app.example.com"])
def test_a_session_in_the_database_of_auth_js_is_found_until_the_sign_out(
    proxies: Proxies, tmp_path: Path, url: str | None
) -> None:
    with postgres() as server:
        server.create_auth_js()
        store = {"sessions": {"cache_seconds": 1, "postgres": {"dsn": server.reader()}}}
        with (
            authjs(tmp_path, url=url, database=server.dsn()) as auth,
            proxies.serve(tmp_path, reading(url=auth.url, **store)) as running,
        ):
            ada, bob = auth.sign_in_by_letter("ada@example.com"), auth.sign_in_by_letter("bob@example.com")
            assert ada.session()["user"]["email"] == "ada@example.com"
            for browser, user in ((ada, "1"), (bob, "2")):
                answer = seen_with(running, browser.cookies)
                assert (answer.user, answer.headers["x-user-email"]) == (user, [browser.session()["user"]["email"]])
            signed_in = ada.cookies
            ada.sign_out()
            refused_within(running, 1, signed_in, reasons={"session_not_found"})
            assert seen_with(running, bob.cookies).user == "2"


@pytest.mark.parametrize("preset", ["authjs", "nextauth-v4"])
def test_an_opaque_session_is_looked_up_in_the_tables_of_the_adapter(
    proxies: Proxies, tmp_path: Path, preset: str
) -> None:
    name = "authjs.session-token" if preset == "authjs" else "next-auth.session-token"
    ada, bob, ended = (str(uuid4()) for _ in range(3))
    with postgres() as server:
        server.create_auth_js()
        server.execute("""
            INSERT INTO users (id, name, email, "emailVerified") VALUES
              (7, 'Åda', 'ada@example.com', now()), (8, NULL, 'bob@example.com', NULL);""")
        for token, user, life in ((ada, 7, "1 day"), (bob, 8, "1 day"), (ended, 7, "-1 second")):
            sql = 'INSERT INTO sessions ("userId", expires, "sessionToken") VALUES ($1, now() + $2::text::interval, $3)'
            server.execute(sql, user, life, token)
        store = {"sessions": {"cache_seconds": 1, "postgres": {"dsn": server.reader()}}}
        issuer = reading(preset=preset, url="http://localhost:3000", **store)
        headers = {"X-User-Id": "subject", "X-User-Email": "email", "X-User-Name": "email_verified"}
        with proxies.serve(tmp_path, issuer, headers=headers) as running:
            answer = seen_with(running, f"{name}={ada}")
            assert (answer.user, answer.headers["x-user-email"]) == ("7", ["ada@example.com"])
            assert answer.headers["x-user-name"] == ["true"]
            assert seen_with(running, f"{name}={bob}").headers["x-user-name"] == ["false"]
            assert seen_with(running, f"{name}={ended}").reason == "session_not_found"
            assert seen_with(running, f"{name}={uuid4()}").reason == "session_not_found"
            assert seen_with(running, f"{name}=short").reason == "malformed_token"
            server.execute('DELETE FROM sessions WHERE "userId" = $1', 7)
            refused_within(running, 1, f"{name}={ada}", reasons={"session_not_found"})
