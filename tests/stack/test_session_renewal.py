"""A session ends 7 days after the last visit: a visit moves its end, in the database and in the browser's cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.aged_session import LAST_VISIT, NOT_RENEWED, SESSION_COOKIE, AgedSession
from tests.support.chromium import visitor
from tests.support.stack import Client, new_email
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor


@pytest.fixture
def email() -> str:
    return new_email()


@pytest.fixture
def ada(chromium: Browser, stack: Stack, email: str) -> Iterator[Visitor]:
    with visitor(chromium, stack.url) as person:
        person.sign_up(email)
        yield person


@pytest.mark.parametrize("page", ["/tasks", "/sessions", "/sign-in"])
def test_a_visit_renews_the_session(ada: Visitor, stack: Stack, email: str, page: str) -> None:
    aged = AgedSession(stack, ada, email)
    ada.goes(page)
    aged.waits_for_renewal()


@pytest.mark.parametrize(
    "event", ["document.dispatchEvent(new Event('visibilitychange'))", "dispatchEvent(new Event('focus'))"]
)
def test_a_page_that_stayed_open_renews_the_session_when_somebody_looks_at_it(
    ada: Visitor, stack: Stack, email: str, event: str
) -> None:
    aged = AgedSession(stack, ada, email)
    ada.page.evaluate(event)
    aged.waits_for_renewal()


def test_a_link_to_another_page_renews_the_session(ada: Visitor, stack: Stack, email: str) -> None:
    """Next.js's router keeps the layout, and renders the page on the server, which cannot set a cookie."""
    aged = AgedSession(stack, ada, email)
    ada.page.get_by_role("link", name="Sessions").click()
    aged.waits_for_renewal()


def test_without_javascript_a_visit_changes_nothing(chromium: Browser, stack: Stack, ada: Visitor, email: str) -> None:
    """A page's answer cannot set cookies. If rendering it moved the row, the next visit would not renew the cookie."""
    ada.page.wait_for_load_state("networkidle")
    ada.page.goto("about:blank")  # what this page still asks for would renew the session
    aged = AgedSession(stack, ada, email)
    with visitor(chromium, stack.url, java_script_enabled=False) as same:
        same.context.add_cookies(ada.context.cookies())
        for page in ("/tasks", "/sessions", "/sign-in"):
            answer = same.page.goto(f"{stack.url}{page}")
            assert answer
            assert (answer.status, "sign-in" in same.page.url) == (200, False)
            expect(same.page.locator("noscript p")).to_be_visible()  # the page says that it needs JavaScript
    assert aged.in_the_database() < NOT_RENEWED + 1
    ada.goes("/tasks")
    aged.waits_for_renewal()


@pytest.mark.parametrize("status", [0, 429, 502, 503], ids=["no answer", "too many requests", "proxy", "outage"])
def test_while_better_auth_does_not_answer_nobody_is_signed_out(
    ada: Visitor, stack: Stack, email: str, status: int
) -> None:
    aged = AgedSession(stack, ada, email)
    asked: list[str] = []

    def fail(route: Route) -> None:
        asked.append(route.request.url)
        if status:
            route.fulfill(status=status)
        else:
            route.abort()

    ada.page.route("**/api/auth/get-session*", fail)
    ada.goes("/tasks")
    until(lambda: asked or ada.page.wait_for_timeout(50))
    ada.add_task("still here")
    assert ada.page.url.endswith("/tasks")
    ada.page.unroute_all()
    ada.goes("/tasks")
    aged.waits_for_renewal()


def test_programs_renew_a_session_by_asking_better_auth_and_not_by_using_the_api(stack: Stack, edge: str) -> None:
    """As docs/sessions.md says: AuthGate renews nothing. What renews also sets the cookie, with a new end."""
    for path, renews in (
        ("/api/v1/tasks", False),
        ("/tasks", False),
        ("/api/auth/get-session", True),
        ("/api/auth/token", True),
    ):
        client = Client(stack, edge)
        user_id = client.sign_up()
        row = f"""session WHERE "userId" = '{user_id}'"""
        stack.postgres.execute(f"""UPDATE {row.replace(" WHERE", f" SET {LAST_VISIT} WHERE")}""")
        answer = client.ask(path)
        assert answer.status == 200
        cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
        assert [f"{SESSION_COOKIE}=" in cookie and "Max-Age=604800" in cookie for cookie in cookies] == [True] * renews
        is_new = f"""SELECT "expiresAt" > now() + interval '6 days' FROM {row}"""
        assert stack.postgres.execute(is_new).strip() == ("t" if renews else "f")
