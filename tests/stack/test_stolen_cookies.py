"""A copy of the cookies after the sign-out: each row of the table in docs/sessions.md, under each cookie cache."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.aged_session import AgedSession
from tests.support.chromium import visitor
from tests.support.stack import Client, administrator, authgate_set, new_email, web_set
from tests.support.waiting import until_refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack

DATA = "better-auth.session_data"
DATA_SECONDS = 4
CACHES = ("off", "compact", "jwt", "jwe")
ROWS: dict[str, dict[str, str]] = {
    "no store": {"check: always": "check: never", "cache_seconds": "# cache_seconds", "postgres": "# postgres"},
    "fallback": {"check: always": "check: fallback"},
    "always": {},
}


@pytest.fixture(scope="module", params=CACHES)
def cache(request: pytest.FixtureRequest, stack: Stack) -> Iterator[str]:
    """A front end with this cookie cache. It starts once for each cache, not for each test."""
    with web_set(stack, COOKIE_CACHE=request.param, COOKIE_CACHE_SECONDS=str(DATA_SECONDS)):
        yield request.param


def test_the_cookie_cache_changes_nothing_for_users(cache: str, chromium: Browser, stack: Stack, edge: str) -> None:
    with visitor(chromium, stack.url if edge == "nginx" else stack.traefik_url) as ada:
        email = new_email()
        ada.sign_up(email)
        cookies = {cookie["name"] for cookie in ada.context.cookies()}
        assert ({DATA, f"{DATA}.0"} & cookies != set()) == (cache != "off")
        ada.add_task("write")
        ada.reloads()
        assert ada.tasks() == ["write"]
        aged = AgedSession(stack, ada, email)
        ada.goes("/sessions")
        aged.waits_for_renewal()
        ada.sign_out()
        assert {cookie["name"] for cookie in ada.context.cookies()} & {DATA, "better-auth.session_token"} == set()


def test_a_copy_is_refused_everywhere_after_the_sign_out(cache: str, stack: Stack, edge: str) -> None:
    """As shipped (check: always), AuthGate refuses within cache_seconds, Better Auth at once except get-session."""
    ada = Client(stack, edge)
    ada.sign_up()
    thief = ada.copy()
    assert (DATA in thief.cookies) == (cache != "off")
    assert thief.ask("/api/v1/tasks").status == 200
    assert ada.ask("/api/auth/sign-out", body={}).status == 200
    _refused_within(thief, 1)
    assert thief.copy().ask("/api/auth/token").status == 401, "a JWT would be valid for 15 minutes"
    assert thief.copy().ask("/api/auth/list-accounts").status == 401
    assert thief.copy().ask("/api/auth/update-user", body={"name": "Thief"}).status == 401
    assert thief.copy().ask("/tasks").status == 401


def test_a_former_administrator_has_no_rights(cache: str, stack: Stack) -> None:
    admin, deputy = administrator(stack), Client(stack)
    email = new_email("deputy")
    user_id = deputy.sign_up(email)
    assert admin.ask("/api/auth/admin/set-role", body={"userId": user_id, "role": "admin"}).status == 200
    assert deputy.sign_in(email).status == 200
    assert deputy.ask("/api/auth/admin/list-users?limit=1").status == 200
    assert admin.ask("/api/auth/admin/set-role", body={"userId": user_id, "role": "user"}).status == 200
    assert deputy.copy().ask("/api/auth/admin/list-users?limit=1").status == 403
    assert deputy.ask("/admin").status in {403, 404}, "AuthGate caches for a second, Better Auth does not"


@pytest.mark.parametrize("row", ROWS)
def test_the_table_is_true(row: str, cache: str, stack: Stack) -> None:
    with authgate_set(stack, ROWS[row]):
        ada = Client(stack)
        began = time.monotonic()
        ada.sign_up()
        thief = ada.copy()
        without_data = thief.copy()
        without_data.cookies.pop(DATA, None)
        believed = cache != "off" and row != "always"
        is_known = 200 if believed or row != "no store" else 401
        assert thief.ask("/api/v1/auth/me").status == is_known
        assert without_data.ask("/api/v1/auth/me").status == (401 if row == "no store" else 200)

        assert ada.ask("/api/auth/sign-out", body={}).status == 200
        if believed:
            answered = thief.ask("/api/v1/auth/me").status
            assert answered == 200 or time.monotonic() - began > DATA_SECONDS, "trusted until its own expiry"
        _refused_within(without_data, 1)
        _refused_within(thief, DATA_SECONDS if believed else 1)


def _refused_within(thief: Client, seconds: float) -> None:
    """Ask the API until it refuses the cookies. Expiry times are whole seconds, so allow a second more."""
    until_refused(lambda: thief.copy().ask("/api/v1/tasks").status != 401, seconds=seconds + 1)
