"""What a person sees who is refused: a real browser through nginx, Traefik and Caddy. See docs/refusals.md."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.support.shop_front import Front, Guest, guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.shop import Shop

MAX_REDIRECTS = 5


@pytest.fixture
def broken_shop(front: Front) -> Iterator[Shop]:
    """The shop, whose broken sign-in pages sign nobody in until the test fixes them."""
    front.shop.arrived.clear()
    yield front.shop
    front.shop.is_fixed = False


def heading(person: Guest, text: str) -> None:
    expect(person.page.get_by_role("heading", name=text, exact=True)).to_be_visible()


def test_a_signed_out_visitor_signs_in_and_is_back_where_they_were(front: Front, ada: Guest) -> None:
    asked = f"{front.app}/pages/tasks?open=1&b=%C3%A9&return_to=/x#third"
    ada.goes(asked)
    heading(ada, "Sign in")
    assert ada.page.url.startswith(f"{front.app}/sign-in?return_to=")
    ada.signs_in(front)
    assert ada.page.url == asked, "with its query and its fragment"
    heading(ada, "/pages/tasks?open=1&b=%C3%A9&return_to=/x")
    expect(ada.page.get_by_text("user-1")).to_be_visible()
    assert ada.errors == []


def test_without_scripts_a_form_signs_in_and_leads_back(front: Front, chromium: Browser) -> None:
    asked = f"{front.app}/pages/tasks?open=1"
    with guest(chromium, java_script_enabled=False) as ada:
        ada.goes(asked)
        heading(ada, "Sign in")
        ada.page.get_by_role("button", name="Sign in").click()
        heading(ada, "/pages/tasks?open=1")
        assert ada.page.url == asked


@pytest.mark.parametrize("kind", ["302", "script"])
def test_a_loop_ends_on_a_page_and_try_again_works_once_the_cause_is_fixed(
    front: Front, ada: Guest, broken_shop: Shop, kind: str
) -> None:
    """The sign-in page sends the browser back at once, without a session."""
    asked = f"{front.app}/looping/{kind}/page?a=1"
    ada.goes(asked)
    heading(ada, "Signing in did not work")
    assert ada.page.url == asked
    assert len(broken_shop.arrivals(f"/broken/{kind}")) == MAX_REDIRECTS
    first = ada.request_id()
    logged = front.logged(request_id=first)
    assert (logged["answer"], logged["reason"]) == ("loop page", "no_credential")

    ada.page.get_by_role("link", name="Try again").click()
    expect(ada.page.get_by_text(first)).to_have_count(0)
    heading(ada, "Signing in did not work")
    assert len(broken_shop.arrivals(f"/broken/{kind}")) == 2 * MAX_REDIRECTS

    broken_shop.is_fixed = True
    ada.page.get_by_role("link", name="Try again").click()
    heading(ada, f"/looping/{kind}/page?a=1")
    expect(ada.page.get_by_text("user-1")).to_be_visible()


@pytest.mark.parametrize("addresses", [8, 1])
def test_tabs_that_open_at_once_do_not_end_on_the_loop_page(front: Front, ada: Guest, addresses: int) -> None:
    """A browser that restores its tabs: eight different addresses, or five times the same."""
    numbers = range(8) if addresses == 8 else [0] * 5
    urls = [f"{front.app}/pages/tab?n={number}" for number in numbers]
    tabs = [ada.context.new_page() for _ in urls]
    for tab, url in zip(tabs, urls, strict=True):
        tab.evaluate("(url) => { setTimeout(() => location.assign(url)) }", url)  # none waits for another
    for tab, url in zip(tabs, urls, strict=True):
        expect(tab.get_by_role("heading", name="Sign in")).to_be_visible()
        assert parse_qs(urlsplit(tab.url).query)["return_to"] == [url]
    for tab, url in ((tabs[0], urls[0]), (tabs[-1], urls[-1])):
        tab.get_by_role("button", name="Sign in").click()
        tab.wait_for_url(url)


def test_without_a_sign_in_page_a_visitor_sees_a_page(front: Front, ada: Guest) -> None:
    answer = ada.goes(f"{front.app}/quiet/page")
    assert answer.status == 401
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    heading(ada, "Please sign in")
    expect(ada.page.get_by_text("Shop", exact=True)).to_be_visible()
    assert answer.headers["x-request-id"] == ada.request_id()
    logged = front.logged(request_id=ada.request_id())
    assert (logged["answer"], logged["path"], logged["policy"]) == ("page", "/quiet/page", "quiet")

    backs = {"light": "rgb(243, 244, 246)", "dark": "rgb(17, 17, 20)"}
    for scheme, back in backs.items():
        ada.page.emulate_media(color_scheme=scheme)
        expect(ada.page.locator("body")).to_have_css("background-color", back)  # its own policy allows its style
    expect(ada.page.locator("main")).to_have_css("border-top-color", "rgb(11, 110, 79)")  # the site's color
    assert ada.errors == []

    ada.page.keyboard.press("Tab")
    expect(ada.page.get_by_role("link", name="Try again")).to_be_focused()
    with ada.page.expect_navigation():
        ada.page.keyboard.press("Enter")
    assert ada.page.url == f"{front.app}/quiet/page"


def test_a_form_that_a_signed_out_visitor_sends_is_answered_with_a_page(front: Front, ada: Guest) -> None:
    """A redirect would lose the form, and nobody would notice."""
    front.shop.arrived.clear()
    ada.goes(f"{front.app}/open/form")
    with ada.page.expect_navigation() as sent:
        ada.page.get_by_role("button", name="Order").click()
    assert sent.value.status == 401
    assert ada.page.url == f"{front.app}/orders"
    heading(ada, "Please sign in")
    assert front.shop.arrivals("/orders") == []
    ada.page.get_by_role("link", name="Sign in").click()
    ada.page.wait_for_url(f"{front.app}/sign-in")
    heading(ada, "Sign in")


def test_a_page_that_asks_for_a_recent_sign_in_leads_to_a_new_one(front: Front, ada: Guest) -> None:
    ada.goes(f"{front.app}/pages/first")
    ada.signs_in(front)
    asked = f"{front.app}/recent/payments?y=1"
    ada.goes(asked)
    heading(ada, "Sign in")
    query = parse_qs(urlsplit(ada.page.url).query)
    assert (query["max_age"], query["return_to"]) == (["60"], [asked])
    ada.signs_in(front)
    assert ada.page.url == asked
    heading(ada, "/recent/payments?y=1")


def test_a_signed_in_visitor_who_may_not_open_a_page_is_not_sent_to_sign_in(front: Front, ada: Guest) -> None:
    ada.goes(f"{front.app}/pages/first")
    ada.signs_in(front)
    assert ada.goes(f"{front.app}/admin/users").status == 403
    heading(ada, "You cannot open this page")
    assert ada.page.url == f"{front.app}/admin/users"
    assert front.logged(request_id=ada.request_id())["reason"] == "forbidden"
