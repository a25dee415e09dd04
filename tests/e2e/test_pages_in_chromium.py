"""How the pages of refusals look and read: long texts, small windows, dark mode, the keyboard, and what they load."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from authgate.adapters import page
from authgate.core.pages import Look, loop_page, page_for
from authgate.core.reasons import Reason
from tests.support.accessibility import violations
from tests.support.shop_front import Guest, guest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

LONG = Look(
    title="Donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft & \u201cPartner\u201d",
    color="#ffd54a",
    contact="https://help.example.com/" + "a" * 75,
)
LOOKS = {"plain": Look(), "usual": Look(title="Shop", color="#0b6e4f", contact="help@shop.example"), "long": LONG}
REQUEST_ID = "5b0c1f0e8d3a4c6f9e2b7a1d4c8f0e3b"
WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"


@contextmanager
def shown(chromium: Browser, look: Look, **options: Any) -> Iterator[tuple[Guest, list[str]]]:
    """Show the page at the end of a loop, with the headers that clients get. Yield what the browser asked for, too."""
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        headers = {"Content-Type": page.CONTENT_TYPE, "Content-Security-Policy": page.security_policy(look)}
        route.fulfill(body=page.render(loop_page(Reason.EXPIRED, look), REQUEST_ID), headers=headers)

    with guest(chromium, **options) as person:
        person.page.route("**", answer)
        person.goes("http://shop.localhost/")
        yield person, asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("look", LOOKS)
def test_a_page_fits_a_small_window_and_has_no_barrier(chromium: Browser, look: str, scheme: str) -> None:
    with shown(chromium, LOOKS[look], color_scheme=scheme, viewport={"width": 320, "height": 480}) as (person, asked):
        assert person.runs(WIDTHS) == [320, 320], "nothing is to the right of the window"
        assert violations(person.page) == []
        assert person.errors == [], "its own policy allows its style"
        assert asked == ["http://shop.localhost/"], "it loads nothing"


def test_a_page_has_a_title_and_one_heading_and_works_by_keyboard(chromium: Browser) -> None:
    with shown(chromium, LOOKS["usual"]) as (person, _):
        screen = person.page
        assert screen.title() == "Signing in did not work - Shop"
        assert screen.get_by_role("heading").all_inner_texts() == ["Signing in did not work"]
        for name in ("Try again", "help@shop.example"):
            screen.keyboard.press("Tab")
            expect(screen.get_by_role("link", name=name)).to_be_focused()
            outline = "(element) => getComputedStyle(element).outlineStyle + getComputedStyle(element).outlineWidth"
            assert screen.get_by_role("link", name=name).evaluate(outline) == "solid3px"
        expect(screen.get_by_text(f"Request id: {REQUEST_ID}")).to_be_visible()


def test_large_letters_stay_in_the_window(chromium: Browser) -> None:
    """WCAG 2.2, 1.4.4: text may be twice as large."""
    with shown(chromium, LONG, viewport={"width": 640, "height": 480}) as (person, _):
        person.runs("() => { document.documentElement.style.fontSize = '200%'; }")
        assert person.runs(WIDTHS) == [640, 640]


@pytest.mark.parametrize("reason", [Reason.FORBIDDEN, Reason.KEYS_UNAVAILABLE, Reason.AMBIGUOUS_PATH])
def test_the_look_cannot_bring_a_script_into_the_page(chromium: Browser, reason: Reason) -> None:
    hostile = "</title></style><script>document.title='ran'</script><img src=x onerror=document.title='ran'>"
    look = Look(title=hostile, contact=hostile)
    with guest(chromium) as person:
        person.page.route(
            "**",
            lambda route: route.fulfill(
                body=page.render(page_for(reason, look), REQUEST_ID), headers={"Content-Type": page.CONTENT_TYPE}
            ),
        )
        person.goes("http://shop.localhost/")
        assert person.page.locator("script, img").count() == 0
        assert hostile in person.page.title()
