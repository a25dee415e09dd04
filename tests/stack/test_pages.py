"""What each private page shows while it loads, when it is empty, and when something fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from deploy.stack.run import ADMINISTRATOR
from tests.support.chromium import visitor
from tests.support.client import ask
from tests.support.stack import Client, front_end_broken, new_email
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor

TITLES = {
    "/sign-in": "Sign in",
    "/sign-up": "Sign up",
    "/tasks": "Your tasks",
    "/inside": "What just happened",
    "/sessions": "Your sessions",
    "/token": "Access token",
    "/admin": "Users",
    "/nowhere": "Page not found",
}


@pytest.fixture(scope="module")
def signed_in(stack: Stack) -> Client:
    client = Client(stack)
    client.sign_up(new_email("page"), name="Ada")
    return client


@contextmanager
def at_browser(chromium: Browser, client: Client, **options: Any) -> Iterator[Visitor]:
    """Open a browser that has the cookies of *client*."""
    with visitor(chromium, client.origin, **options) as person:
        cookies = client.cookies.items()
        person.context.add_cookies([{"name": name, "value": value, "url": client.origin} for name, value in cookies])
        yield person


@pytest.fixture
def ada(chromium: Browser, signed_in: Client) -> Iterator[Visitor]:
    with at_browser(chromium, signed_in) as person:
        yield person


def test_try_again_fetches_the_page_that_failed(ada: Visitor, stack: Stack) -> None:
    failure = ada.page.get_by_role("heading", name="This page could not be loaded")
    again = ada.page.get_by_role("button", name="Try again")
    ada.goes("/tasks")
    with front_end_broken(stack):
        ada.page.get_by_role("link", name="Sessions").click()
        expect(failure).to_be_visible()
        expect(ada.page).to_have_title("Page not loaded · AuthGate example")
        expect(ada.page.get_by_role("link", name="Tasks")).to_be_visible()
        again.click()  # still broken
        expect(again).to_be_enabled()
        expect(failure).to_be_visible()
    again.click()
    ada.sees("Your sessions")
    expect(ada.page).to_have_title("Your sessions · AuthGate example")

    with front_end_broken(stack):
        answer = ada.page.goto("/sessions")
        assert answer
        assert answer.status == 500
        expect(failure).to_be_visible()
        expect(ada.page).to_have_title("Page not loaded · AuthGate example")
    again.click()
    ada.sees("Your sessions")
    expect(ada.page).to_have_title("Your sessions · AuthGate example")
    ada.complaints[:] = [text for text in ada.complaints if "React error #441" not in text]  # the server failed


def test_each_page_has_a_title(chromium: Browser, stack: Stack) -> None:
    client = Client(stack)
    with at_browser(chromium, client) as person:
        for path, title in TITLES.items():
            if path == "/tasks":
                person.sign_in(ADMINISTRATOR, stack.administrator_password)
            answer = person.page.goto(path)
            assert answer
            assert answer.status == (404 if path == "/nowhere" else 200)
            expect(person.page).to_have_title(f"{title} · AuthGate example")


def test_a_page_that_takes_long_shows_its_outline_at_once(ada: Visitor) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "next-router-prefetch" in route.request.headers:
            route.continue_()
        else:
            held.append(route)

    ada.page.route("**/sessions?_rsc=*", hold)
    with ada.page.expect_response(lambda answer: "/sessions?_rsc=" in answer.url):
        ada.page.goto("/tasks")
    ada.sees("Your tasks")
    ada.page.wait_for_load_state("networkidle")  # the outline is fetched beforehand, in more than one answer
    ada.page.get_by_role("link", name="Sessions").click()
    expect(ada.page.get_by_role("status").get_by_text("Loading the page…")).to_be_attached()
    until(lambda: held or ada.page.wait_for_timeout(50))
    held[0].continue_()
    ada.sees("Your sessions")


def test_a_tick_shows_at_once_and_goes_back_if_the_server_refuses_it(chromium: Browser, stack: Stack) -> None:
    client = Client(stack)
    client.sign_up()
    held: list[Route] = []
    with at_browser(chromium, client) as ada:
        page = ada.page
        page.route("**/api/v1/tasks?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks its handlers
        page.goto("/tasks")
        expect(page.get_by_role("status").get_by_text("Loading your tasks…")).to_be_attached()
        until(lambda: held or page.wait_for_timeout(50))
        held.pop().fulfill(status=503)
        expect(page.locator(".failure")).to_have_text(
            "The tasks could not be loaded. The service is unavailable. Try again in a moment."
        )
        page.unroute("**/api/v1/tasks?*")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("Nothing to do.")).to_be_visible()
        ada.add_task("water")
        ada.add_task("oil")
        expect(page.get_by_text("Nothing to do.")).to_have_count(0)

        page.route("**/api/v1/tasks/*", lambda route: held.append(route))  # noqa: PLW0108
        box, row = page.get_by_role("checkbox", name="water"), page.get_by_role("listitem").filter(has_text="water")
        box.click()
        expect(box).to_be_checked()
        expect(row).to_have_attribute("aria-busy", "true")
        until(lambda: held or page.wait_for_timeout(50))
        held.pop().fulfill(status=503)
        expect(box).not_to_be_checked()
        expect(row).to_have_attribute("aria-busy", "false")
        expect(page.locator(".failure")).to_contain_text("The task was not changed.")

        for is_done in (True, False):  # the second waits for the answer to the first
            box.click()
            expect(box).to_be_checked(checked=is_done)
        for is_done in (True, False):
            until(lambda: held or page.wait_for_timeout(50))
            (tick,) = held
            assert tick.request.post_data_json == {"done": is_done}
            held.clear()
            tick.continue_()
        expect(row).to_have_attribute("aria-busy", "false")
        expect(box).not_to_be_checked()
        expect(page.get_by_role("status")).to_have_text("Not done: water")
        expect(page.locator(".failure")).to_have_text("")
        page.unroute("**/api/v1/tasks/*")
        ada.tick("water")

        page.get_by_role("button", name="Delete oil").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Deleted: oil")
        expect(box).to_be_focused()
        page.get_by_role("button", name="Delete water").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_label("New task")).to_be_focused()
        expect(page.get_by_text("Nothing to do.")).to_be_visible()


def test_the_calls_of_the_token_page_can_be_paused(ada: Visitor) -> None:
    calls: list[str] = []
    ada.page.on("request", lambda request: calls.append(request.url))
    ada.page.clock.install()  # the page's clock runs only in run_for()
    ada.goes("/token")
    answers = ada.page.locator("#answers")
    expect(answers).to_have_text("1")
    ada.page.clock.run_for(1000)
    expect(answers).to_have_text("2")
    ada.page.get_by_role("button", name="Pause").click()
    before = len(calls)
    ada.page.clock.run_for(60_000)
    expect(ada.page.get_by_role("button", name="Continue")).to_be_focused()
    assert (answers.inner_text(), calls[before:]) == ("2", [])
    ada.page.get_by_role("button", name="Continue").click()
    expect(answers).to_have_text("3")


def test_times_are_local(chromium: Browser, stack: Stack, signed_in: Client) -> None:
    (token,) = signed_in.cookies.values()
    stack.postgres.execute(
        f"""UPDATE session SET "createdAt" = '2026-01-02 20:30:00+00'
            WHERE token = '{unquote(token).partition(".")[0]}'"""
    )
    with at_browser(chromium, signed_in, timezone_id="Asia/Kathmandu") as ada:
        ada.goes("/sessions")
        time = ada.page.get_by_role("time")
        expect(time).to_have_text("3 Jan 2026, 02:15")
        assert time.get_attribute("datetime") == "2026-01-02T20:30:00.000Z"


def test_a_search_finds_nobody_and_an_administrator_cannot_ban_themselves(chromium: Browser, stack: Stack) -> None:
    client = Client(stack)
    assert client.sign_in(ADMINISTRATOR, stack.administrator_password).status == 200
    with at_browser(chromium, client) as person:
        person.goes(f"/admin?email={ADMINISTRATOR}&page=7")
        expect(person.page.locator(".cards li")).to_contain_text("you")
        expect(person.page.locator(".cards button")).to_have_count(0)
        for email in ("nobody-has-this", "%00", "a%00b"):
            person.goes(f"/admin?email={email}&page=-7")
            expect(person.page.get_by_text("No user has such an address.")).to_be_visible()


def test_the_users_are_closed_without_the_proxy_too(stack: Stack, signed_in: Client) -> None:
    (session,) = signed_in.cookies.items()
    answer = ask(stack.ports["web"], "/admin", f"Cookie: {'='.join(session)}")
    assert ADMINISTRATOR.encode() not in answer.body
    assert b"Page not found" in answer.body
