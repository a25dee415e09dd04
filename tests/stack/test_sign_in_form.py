"""The forms for signing in and up: why somebody is asked to sign in, and what a form says when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.chromium import visitor
from tests.support.stack import PASSWORD, Client, new_email
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor

SIGNED_OUT, ENDED, BANNED = (
    "You are signed out.",
    "Your session has ended. Please sign in again.",
    "Your account is banned.",
)
SENTENCES = {SIGNED_OUT, ENDED, BANNED}


@pytest.fixture
def email() -> str:
    return new_email()


@pytest.fixture
def ada(chromium: Browser, stack: Stack) -> Iterator[Visitor]:
    with visitor(chromium, stack.url) as person:
        yield person


def end_session(stack: Stack, email: str) -> None:
    stack.postgres.execute(f"""DELETE FROM session WHERE "userId" = (SELECT id FROM "user" WHERE email = '{email}')""")


# The reason, as the server knows it.


def said(client: Client, address: str = "/sign-in") -> set[str]:
    """Return the sentences on the sign-in page."""
    answer = client.ask(address)
    assert answer.status == 200, answer
    return {sentence for sentence in SENTENCES if sentence in answer.body.decode()}


@pytest.mark.parametrize("end", ["DELETE FROM session", "UPDATE session SET \"expiresAt\" = now() - interval '1 s'"])
def test_the_page_says_that_the_session_has_ended_to_somebody_who_has_its_cookie(stack: Stack, end: str) -> None:
    ada = Client(stack)
    user_id = ada.sign_up()
    stack.postgres.execute(f"""{end} WHERE "userId" = '{user_id}'""")
    assert said(ada) == {ENDED}
    assert said(ada, "/sign-in?reason=signed_out") == {ENDED}, "what is known comes first"
    assert said(ada.copy()) == {ENDED}, "as often as the page opens"


def test_the_page_says_that_somebody_is_banned_until_the_ban_ends(stack: Stack) -> None:
    ada = Client(stack)
    user_id = ada.sign_up()

    def ban(until: str) -> None:
        stack.postgres.execute(f"""UPDATE "user" SET banned = true, "banExpires" = {until} WHERE id = '{user_id}'""")

    for lasting in ("NULL", "now() + interval '1 day'"):
        ban(lasting)
        assert said(ada) == {BANNED}
    ban("now() - interval '1 s'")
    assert ada.ask("/sign-in").header("Location") == "/tasks", "signed in"
    until(lambda: ada.ask("/tasks").status == 200, pause_seconds=0.2)


def test_a_stranger_learns_nothing(stack: Stack) -> None:
    ada, other, email = Client(stack), Client(stack), new_email()
    ada.sign_up(email)
    other.sign_up()
    end_session(stack, email)
    (name, cookie), (_, others) = *ada.cookies.items(), *other.cookies.items()
    token, signature = cookie.partition(".")[0], others.partition(".")[2]
    for cookies in (
        {},
        {name: token},
        {name: f"{token}.{signature}"},
        {name: f"{token}x.{cookie.partition('.')[2]}"},
        {name: "x.x"},
        {"better-auth.session_data": "x"},
    ):
        ada.cookies = cookies
        assert said(ada) == set(), cookies


@pytest.mark.parametrize(
    ("reason", "sentences"),
    [
        ("?reason=signed_out", {SIGNED_OUT}),
        ("?reason=ended", {ENDED}),
        ("?return_to=/sessions&reason=ended", {ENDED}),
        ("?reason=banned", set()),
        ("?reason=toString", set()),
        ("?reason=__proto__", set()),
        ("?reason=Call%20us%20at%20555", set()),
        ("?reason=", set()),
        ("?reason=ended&reason=ended", set()),
    ],
)
def test_a_link_chooses_one_of_the_sentences_and_brings_none(stack: Stack, reason: str, sentences: set[str]) -> None:
    stranger = Client(stack)
    assert said(stranger, f"/sign-in{reason}") == sentences
    assert ('id="notice"' in stranger.ask(f"/sign-in{reason}").body.decode()) == bool(sentences)


# In Chromium: each way to the page says why.


def test_the_page_says_why_one_is_signed_out(ada: Visitor, stack: Stack, email: str) -> None:
    notice = ada.page.get_by_role("status")
    ada.sign_up(email)
    ada.sign_out()
    expect(notice).to_have_text(SIGNED_OUT)

    ada.sign_in(email)
    assert ada.tasks() == []  # or the API's answer could be the first to say it, and the cookie would stay
    end_session(stack, email)
    ada.page.evaluate("dispatchEvent(new Event('focus'))")  # Better Auth deletes the cookie, and the page says why
    ada.sees("Sign in")
    expect(notice).to_have_text(ENDED)
    expect(ada.page.get_by_label("E-mail")).to_have_accessible_description(ENDED)
    ada.page.goto("/sign-in")
    expect(notice).to_have_count(0)

    ada.sign_in(email)
    end_session(stack, email)
    ada.waits_until_refused()
    ada.page.goto("/tasks")  # AuthGate redirects, and the server finds the cookie
    expect(notice).to_have_text(ENDED)

    ada.sign_in(email)
    ada.goes("/sessions")
    ada.confirms("Sign out everywhere")
    expect(notice).to_have_text(SIGNED_OUT)


# When the form fails.


def test_a_failure_moves_the_focus_to_the_field_and_describes_it(ada: Visitor, email: str) -> None:
    page = ada.page
    address, password = page.get_by_label("E-mail"), page.get_by_label("Password")
    failure = page.locator("#failure")
    ada.sign_up(email)
    ada.sign_out()
    ada.sign_in(email, "not-the-password", then="")
    for field in (address, password):
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description("Wrong e-mail or password.")
    expect(password).to_be_focused()

    page.route("**/api/auth/sign-in/email", lambda route: route.abort())
    page.get_by_role("button", name="Sign in").click()
    expect(failure).to_have_text("The server is not responding. Try again in a moment.")
    for field in (address, password):
        expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.unroute_all()

    ada.goes("/sign-up")
    expect(address).to_have_accessible_description("Any address works, such as ada@example.com. No mail is sent.")
    page.get_by_label("Name").fill("Ada")
    address.fill(email)
    password.fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    taken = "There is already an account with this e-mail. Sign in instead."
    expect(failure).to_have_text(taken)
    expect(address).to_be_focused()
    expect(address).to_have_accessible_description(
        f"{taken} Any address works, such as ada@example.com. No mail is sent."
    )
    expect(password).not_to_have_attribute("aria-invalid", "true")
    address.fill(new_email())
    name = page.get_by_label("Name")
    name.evaluate("field => field.removeAttribute('maxlength')")
    name.fill("n" * 101)
    page.get_by_role("button", name="Sign up").click()
    expect(failure).to_have_text("This name is too long.")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("This name is too long.")
    name.fill("Ada")
    page.get_by_role("button", name="Sign up").click()
    ada.sees("Your tasks")


def test_a_password_can_be_shown(ada: Visitor) -> None:
    ada.goes("/sign-in")
    password = ada.page.get_by_label("Password")
    password.fill("what-i-typed")
    expect(password).to_have_attribute("type", "password")
    ada.page.get_by_role("button", name="Show password").click()
    expect(password).to_have_attribute("type", "text")
    expect(password).to_have_value("what-i-typed")
    ada.page.get_by_role("button", name="Hide password").click()
    expect(password).to_have_attribute("type", "password")


@pytest.mark.parametrize("path", ["/sign-in?return_to=%2Ftasks", "/sign-up"])
def test_without_javascript_the_form_says_so_and_puts_no_password_into_an_address(
    chromium: Browser, stack: Stack, path: str
) -> None:
    with visitor(chromium, stack.url, java_script_enabled=False) as ada:
        page = ada.page
        page.goto(path)
        sentence = page.locator("noscript p")  # get_by_text() looks for nothing in <noscript>
        expect(sentence).to_be_visible()
        assert "needs JavaScript" in sentence.inner_text()
        for name in ("name", "email", "password")[path != "/sign-up" :]:
            page.locator(f"[name={name}]").fill("a-secret@example.com")
        asked: list[tuple[str, str]] = []
        page.on("request", lambda request: asked.append((request.method, request.url)))
        page.locator("[type=submit]").click()
        expect(page.locator("[name=email]")).to_have_value("")
        expect(sentence).to_be_visible()
        assert asked[0] == ("POST", f"{stack.url}{path}")
        assert not any("secret" in url for _, url in [*asked, ("", page.url)])
