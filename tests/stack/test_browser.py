"""A person uses the example site in a real browser, through nginx and Traefik."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from deploy.stack.run import ADMINISTRATOR
from tests.support.chromium import visitor
from tests.support.stack import PASSWORD, new_email
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor


@pytest.fixture
def origin(stack: Stack, edge: str) -> str:
    return stack.url if edge == "nginx" else stack.traefik_url


@pytest.fixture
def ada(chromium: Browser, origin: str) -> Iterator[Visitor]:
    with visitor(chromium, origin) as person:
        yield person


@pytest.fixture
def other(chromium: Browser, origin: str) -> Iterator[Visitor]:
    """Another browser."""
    with visitor(chromium, origin) as person:
        yield person


def test_tasks_are_added_ticked_and_deleted_and_survive_a_reload(ada: Visitor, other: Visitor) -> None:
    ada.sign_up(new_email())
    for title in ("write", "read", "<b>bold</b> & ünïcode"):
        ada.add_task(title)
    ada.tick("write")
    ada.delete_task("read")
    ada.reloads()
    ada.sees("Your tasks")
    assert ada.tasks() == ["<b>bold</b> & ünïcode", "write"], "the newest first"
    expect(ada.page.get_by_role("checkbox", name="write")).to_be_checked()

    other.sign_up(new_email("bob"), name="Bob")
    assert other.tasks() == []


def test_after_a_sign_out_the_api_refuses_and_back_shows_nothing_private(ada: Visitor) -> None:
    ada.sign_up(new_email())
    ada.add_task("a private matter")
    ada.page.get_by_role("link", name="Sessions").click()
    ada.sees("Your sessions")
    ada.page.get_by_role("link", name="Tasks", exact=True).click()
    ada.sees("Your tasks")
    ada.sign_out()
    for path in ("/api/v1/tasks", "/tasks"):  # of the service and of the front end
        answer = ada.page.evaluate(f"fetch('{path}').then(async (it) => [it.status, it.redirected, await it.json()])")
        assert (*answer[:2], answer[2]["reason"]) == (401, False, "no_credential")
    for _ in range(4):  # to the start of the history
        ada.page.go_back()
        expect(ada.page.get_by_text("a private matter")).to_have_count(0)
        assert ada.page.url == "about:blank" or "/sign-" in ada.page.url
    ada.page.goto("/tasks")
    ada.sees("Sign in")


def test_an_open_page_leaves_when_its_session_has_ended(ada: Visitor, other: Visitor, stack: Stack) -> None:
    email = new_email()
    ada.sign_up(email)
    ada.add_task("visible")
    other.sign_in(email)
    other.page.get_by_role("link", name="Sessions").click()
    other.sees("Your sessions")
    expect(other.page.locator(".cards li")).to_have_count(2)
    other.confirms("Sign out everywhere")
    other.sees("Sign in")

    ada.waits_until_refused()
    ada.page.get_by_label("New task").fill("too late")
    ada.page.get_by_role("button", name="Add", exact=True).click()
    ada.sees("Sign in")
    assert ada.page.url.endswith("/sign-in?return_to=%2Ftasks&reason=ended")
    assert stack.postgres.execute("SELECT count(*) FROM tasks.task WHERE title = 'too late'").strip() == "0"


def test_a_page_that_is_shown_again_leaves_by_itself(ada: Visitor, stack: Stack) -> None:
    email = new_email()
    ada.sign_up(email)
    ada.add_task("visible")
    stack.postgres.execute(f"""DELETE FROM session WHERE "userId" = (SELECT id FROM "user" WHERE email = '{email}')""")
    ada.waits_until_refused()
    expect(ada.page.get_by_role("checkbox", name="visible")).to_be_visible()
    ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when its tab is selected
    ada.sees("Sign in")


def test_one_session_is_signed_out_without_a_token_in_the_browser(ada: Visitor, other: Visitor) -> None:
    email = new_email()
    ada.sign_up(email)
    other.sign_in(email)
    other.goes("/sessions")
    here, there = other.page.locator(".cards li").all()
    expect(here).to_contain_text("Chrome this browser")
    expect(there).to_contain_text("Chrome")
    expect(here.get_by_role("button")).to_have_count(0)
    tokens = {cookie["value"].partition(".")[0] for person in (ada, other) for cookie in person.context.cookies()}
    assert len(tokens) == 2
    sent: list[str] = []
    other.page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    there.get_by_role("button", name="Sign out Chrome").click()
    expect(other.page.get_by_role("status").get_by_text("Chrome is signed out.")).to_be_visible()
    expect(other.page.locator(".cards li")).to_have_count(1)
    expect(other.page.get_by_role("button", name="Sign out other browsers")).to_be_focused()
    assert not any(token in text for token in tokens for text in (other.page.content(), *sent))
    ada.waits_until_refused()
    other.page.goto("/tasks")
    other.sees("Your tasks")


def test_without_a_network_every_button_says_so_and_works_again_afterwards(ada: Visitor) -> None:
    email = new_email()
    ada.sign_up(email)
    page = ada.page
    ada.context.set_offline(True)
    page.get_by_label("New task").fill("later")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The server is not responding. Check your connection.")).to_be_visible()
    ada.opens_account_menu()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("Signing out failed. Try again.")).to_be_visible()
    page.keyboard.press("Escape")  # closes the menu
    ada.context.set_offline(False)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("checkbox", name="later")).to_be_visible()
    ada.goes("/sessions")
    ada.context.set_offline(True)
    page.get_by_role("button", name="Sign out other browsers").click()
    expect(page.get_by_text("Signing out the other browsers failed. Try again.")).to_be_visible()
    ada.confirms("Sign out everywhere")
    expect(page.get_by_text("Signing out everywhere failed. Try again.")).to_be_visible()
    ada.context.set_offline(False)
    ada.sign_out()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    ada.context.set_offline(True)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("The server is not responding. Try again in a moment.")).to_be_visible()
    ada.context.set_offline(False)
    page.get_by_role("button", name="Sign in").click()
    ada.sees("Your tasks")


def test_everything_works_by_keyboard(ada: Visitor) -> None:
    email = new_email()
    keyboard = ada.page.keyboard
    ada.goes("/sign-up")
    for text in ("Ada", email, PASSWORD):
        keyboard.press("Tab")
        keyboard.type(text)
    keyboard.press("Enter")
    ada.sees("Your tasks")
    ada.page.get_by_label("New task").focus()
    keyboard.type("write")
    keyboard.press("Enter")
    box = ada.page.get_by_role("checkbox", name="write")
    expect(box).to_be_visible()
    expect(ada.page.get_by_role("status")).to_have_text("Added: write")
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(box).to_be_focused()
    keyboard.press("Space")
    expect(box).to_be_checked()
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(box).to_have_count(0)
    expect(ada.page.get_by_label("New task")).to_be_focused()


def test_a_task_that_is_added_while_the_list_loads_is_added(ada: Visitor) -> None:
    ada.sign_up(new_email())
    ada.add_task("first")
    held: list[Route] = []
    ada.page.route("**/api/v1/tasks?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks its handlers
    ada.reloads()
    ada.sees("Your tasks")
    until(lambda: held or ada.page.wait_for_timeout(50))
    ada.add_task("second")
    held[0].continue_()
    expect(ada.page.get_by_role("checkbox")).to_have_count(2)
    assert ada.tasks() == ["second", "first"]


def test_signing_out_other_browsers_does_not_sign_out_this_one(ada: Visitor, other: Visitor) -> None:
    email = new_email()
    ada.sign_up(email)
    other.sign_in(email)
    ada.goes("/sessions")
    other.goes("/sessions")
    other.page.get_by_role("button", name="Sign out other browsers").click()
    expect(other.page.get_by_text("All other browsers are signed out.")).to_be_visible()
    expect(other.page.locator(".cards li")).to_have_count(1)
    ada.waits_until_refused()
    ada.page.get_by_role("button", name="Sign out Chrome").click()  # a server action, which AuthGate refuses with 401
    ada.sees("Sign in")
    assert "/sign-in?return_to=%2Fsessions" in ada.page.url
    other.page.goto("/tasks")
    assert other.tasks() == []


def test_a_banned_user_is_signed_out_and_may_sign_in_when_unbanned(ada: Visitor, other: Visitor, stack: Stack) -> None:
    email = new_email("a-troll")
    ada.sign_up(email)
    other.sign_in(ADMINISTRATOR, stack.administrator_password)
    other.page.get_by_role("link", name="Users").click()
    other.sees("Users")
    page = other.page
    page.get_by_label("E-mail contains").fill(email.upper())
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status").get_by_text("One user")).to_be_visible()
    ban, unban = (page.get_by_role("button", name=f"{action} {email}", exact=True) for action in ("Ban", "Unban"))
    ban.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(ban).to_be_focused()
    ban.click()
    expect(page.get_by_role("dialog", name=f"Ban {email}?")).to_contain_text("they cannot sign in until you unban them")
    page.get_by_label("Reason").fill("spam & <b>eggs</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text(f"{email} is banned")).to_be_visible()
    expect(unban).to_be_focused()
    expect(page.locator(".cards li")).to_contain_text("banned")
    expect(page.locator(".cards li")).to_contain_text("spam & <b>eggs</b>")

    ada.waits_until_refused()
    ada.reloads()
    ada.sees("Sign in")
    ada.sign_in(email, then="")
    expect(ada.page.get_by_role("alert").get_by_text("This account is banned.")).to_be_visible()

    unban.click()
    expect(ban).to_be_focused()
    ada.sign_in(email)


def test_a_ban_set_in_the_database_counts_too(ada: Visitor, stack: Stack) -> None:
    email = new_email()
    ada.sign_up(email)
    stack.postgres.execute(f"""UPDATE "user" SET banned = true WHERE email = '{email}'""")
    ada.waits_until_refused(403)
    ada.page.get_by_label("New task").fill("too late")
    ada.page.get_by_role("button", name="Add", exact=True).click()
    expect(ada.page.get_by_text("This account is banned.")).to_be_visible()
    ada.reloads()
    expect(ada.page.get_by_role("heading", name="Your account is blocked")).to_be_visible()


def test_a_link_leads_to_the_sign_in_page_when_the_session_has_expired_and_then_on(ada: Visitor, stack: Stack) -> None:
    """Next.js's router asks for the page's data, gets 401, and opens the page itself, which AuthGate redirects."""
    email = new_email()
    ada.sign_up(email)
    stack.postgres.execute(
        f"""UPDATE session SET "expiresAt" = now() - interval '1 s'
            WHERE "userId" = (SELECT id FROM "user" WHERE email = '{email}')"""
    )
    ada.waits_until_refused()
    asked: list[tuple[str, int]] = []
    ada.page.on("response", lambda answer: asked.append((answer.url, answer.status)))
    ada.page.get_by_role("link", name="Sessions").click()
    ada.sees("Sign in")
    assert any("/sessions?_rsc=" in url and status == 401 for url, status in asked)
    ada.page.get_by_label("E-mail").fill(email)
    ada.page.get_by_label("Password").fill(PASSWORD)
    ada.page.get_by_role("button", name="Sign in").click()
    ada.sees("Your sessions")


def test_only_administrators_see_users(ada: Visitor) -> None:
    ada.sign_up(new_email())
    expect(ada.page.get_by_role("link", name="Users")).to_have_count(0)
    asked = "fetch('/api/auth/admin/list-users?limit=1').then((answer) => answer.status)"
    assert ada.page.evaluate(asked) == 403
    answer = ada.page.goto("/admin")
    assert answer
    assert answer.status == 403
    expect(ada.page.get_by_role("heading", name="You cannot open this page")).to_be_visible()
    expect(ada.page.get_by_role("link", name=ADMINISTRATOR)).to_be_visible()


def test_wrong_passwords_are_refused(ada: Visitor) -> None:
    email = new_email()
    ada.sign_up(email)
    ada.sign_out()
    ada.sign_in(email, "not-the-password", then="")
    expect(ada.page.get_by_text("Wrong e-mail or password.")).to_be_visible()
