"""Every page of the example, for everybody: axe-core finds no barrier, in light and dark, in small and large windows.

The person has the longest values that the example accepts, and no page is wider than a small window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import beyond_the_window, violations
from tests.support.chromium import visitor
from tests.support.stack import Client, front_end_broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, ViewportSize

    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES: tuple[ViewportSize, ...] = ({"width": 375, "height": 740}, {"width": 1280, "height": 800})
DOMAIN = ".".join(("d" * 61, "d" * 61, "d" * 61, "com"))
EMAIL = f"{'0' * (253 - len(DOMAIN))}@{DOMAIN}"  # the administrator's list begins with it
NAME = "N" * 100
TITLE = "T" * 200
ADDRESS = "2001:db8:1234:5678:9abc:def0:1234:5678"


def barriers(page: Page) -> list[str]:
    """Return what is wrong with *page* as it is now, in every look."""
    found = []
    for size in SIZES:
        page.set_viewport_size(size)
        found += [f"{size['width']} px: too wide: {element}" for element in beyond_the_window(page)]
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found += [f"{size['width']} px, {scheme}: {violation}" for violation in violations(page)]
    return found


@pytest.fixture(scope="module")
def ada(stack: Stack, chromium: Browser) -> Iterator[Visitor]:
    """An administrator with long values, signed in."""
    Client(stack).sign_up(EMAIL, NAME)
    stack.postgres.execute(f"""UPDATE "user" SET role = 'admin' WHERE email = '{EMAIL}'""")
    with visitor(chromium, stack.url) as person:
        person.sign_in(EMAIL)
        yield person


@pytest.fixture
def stranger(stack: Stack, chromium: Browser) -> Iterator[Visitor]:
    with visitor(chromium, stack.url) as person:
        yield person


def test_signing_in_and_up(stranger: Visitor, ada: Visitor) -> None:
    stranger.goes("/sign-in")
    assert barriers(stranger.page) == []
    stranger.sign_in(EMAIL, "not-the-password", then="")
    expect(stranger.page.get_by_text("Wrong e-mail or password.")).to_be_visible()
    assert barriers(stranger.page) == []
    stranger.goes("/sign-up")
    assert barriers(stranger.page) == []


def test_a_page_that_does_not_exist(stranger: Visitor) -> None:
    stranger.page.goto("/nothing")
    assert barriers(stranger.page) == []


def test_the_tasks(ada: Visitor) -> None:
    ada.goes("/tasks")
    expect(ada.page.get_by_text("Nothing to do.")).to_be_visible()
    assert barriers(ada.page) == []
    for title in (TITLE, "short"):
        ada.add_task(title)
    ada.tick("short")
    assert barriers(ada.page) == []
    ada.context.set_offline(True)
    ada.page.get_by_role("button", name="Delete short").click()
    expect(ada.page.get_by_text("The server is not responding.")).to_be_visible()
    assert barriers(ada.page) == []
    ada.context.set_offline(False)


def test_the_menu_of_the_account(ada: Visitor) -> None:
    ada.goes("/tasks")
    ada.opens_account_menu()
    assert barriers(ada.page) == []
    assert ada.page.locator("#account wbr").count() > 0, "the e-mail address has no place to break"


def test_the_sessions(ada: Visitor, stack: Stack) -> None:
    assert Client(stack).sign_in(EMAIL).status == 200  # another browser
    stack.postgres.execute(
        f"""UPDATE session SET "ipAddress" = '{ADDRESS}'
            WHERE "userId" = (SELECT id FROM "user" WHERE email = '{EMAIL}')"""
    )
    ada.goes("/sessions")
    expect(ada.page.get_by_text(ADDRESS).first).to_be_visible()
    assert barriers(ada.page) == []
    ada.page.get_by_role("button", name="Sign out everywhere").click()
    expect(ada.page.get_by_role("dialog")).to_be_visible()
    assert barriers(ada.page) == []


def test_the_access_token(ada: Visitor) -> None:
    ada.goes("/token")
    expect(ada.page.locator("#who")).to_have_text(EMAIL)
    assert barriers(ada.page) == []


def test_the_users(ada: Visitor, stack: Stack) -> None:
    ada.goes("/admin")
    expect(ada.page.get_by_role("listitem").filter(has_text=EMAIL)).to_be_visible()
    assert barriers(ada.page) == []
    other = EMAIL.replace("0", "1")
    Client(stack).sign_up(other, NAME)
    stack.postgres.execute(
        f"""UPDATE "user" SET banned = true, "banReason" = '{TITLE}', "banExpires" = '2999-01-01'
            WHERE email = '{other}'"""
    )
    ada.goes(f"/admin?email={other}")
    expect(ada.page.get_by_text("banned", exact=True)).to_be_visible()
    assert barriers(ada.page) == []
    ada.page.get_by_role("button", name=f"Unban {other}").click()
    ada.confirms(f"Ban {other}", "Cancel")
    ada.page.get_by_role("button", name=f"Ban {other}").click()
    expect(ada.page.get_by_role("dialog")).to_be_visible()
    assert barriers(ada.page) == []


def test_what_just_happened(ada: Visitor) -> None:
    ada.goes("/inside")
    expect(ada.page.get_by_role("heading", name="What just happened")).to_be_visible()
    expect(ada.page.get_by_text("were refused")).to_be_visible()
    assert barriers(ada.page) == []
    ada.page.evaluate("() => document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert barriers(ada.page) == []


def test_the_page_of_an_error(ada: Visitor, stack: Stack) -> None:
    with front_end_broken(stack):
        ada.page.goto("/tasks")
        expect(ada.page.get_by_role("heading", name="This page could not be loaded")).to_be_visible()
        assert barriers(ada.page) == []
    ada.complaints.clear()  # React says on the console that the server failed


def test_a_barrier_is_found(stranger: Visitor) -> None:
    stranger.goes("/sign-in")
    stranger.page.evaluate(
        """() => {
          document.querySelector("input").removeAttribute("name");
          document.querySelector("label").replaceWith(document.querySelector("input"));
          document.querySelector("h1").style.color = "silver";
          document.querySelector("h1").style.width = "400px";
        }"""
    )
    found = barriers(stranger.page)
    for expected in ("375 px: too wide: <h1", "375 px, light: label: ", "1280 px, light: color-contrast: "):
        assert any(line.startswith(expected) for line in found), (expected, found)
