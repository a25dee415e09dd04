"""The cookie that counts redirects to the sign-in page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate.core.redirects import MAX_REDIRECTS, WINDOW_SECONDS, cookie_name, count_redirects
from tests.support.deciding import request_with
from tests.support.tokens import NOW

if TYPE_CHECKING:
    from authgate.core.redirects import Counted

COOKIE = "__Host-authgate_redirects"
_SET_COOKIE = re.compile(
    rf"{COOKIE}=([A-Za-z0-9_:.-]*); Max-Age=(0|{WINDOW_SECONDS}); Path=/; HttpOnly; SameSite=Lax(; Secure)?"
)
ADDRESS = "AbCdEf-_"  # of another page
FRESH = int(NOW) - 1


class Browser:
    """A browser's cookie, which AuthGate's answers replace."""

    def __init__(self, cookie: str | None = None) -> None:
        self.cookie = cookie

    def redirected(self, path: str = "/a", now: float = NOW, *more: tuple[str, str]) -> Counted:
        lines = [] if self.cookie is None else [("Cookie", f"{COOKIE}={self.cookie}")]
        counted = count_redirects(request_with(*lines, *more, url_path=path), now)
        match = _SET_COOKIE.fullmatch(counted.set_cookie())
        assert match
        assert match[3]
        assert len(counted.set_cookie()) < 330
        assert (match[2] == "0") == (match[1] == "")
        self.cookie = match[1]
        return counted

    def until_loop(self, path: str = "/a", now: float = NOW) -> int:
        """Return how many redirects there are before the loop is seen."""
        for number in range(50):
            if self.redirected(path, now).is_loop:
                return number
        pytest.fail("there is no end")


def test_the_sixth_redirect_of_one_address_is_a_loop_and_counting_begins_anew() -> None:
    browser = Browser()
    assert browser.until_loop() == MAX_REDIRECTS == 5
    assert browser.cookie == ""
    assert browser.until_loop() == MAX_REDIRECTS


def test_the_query_and_the_host_belong_to_the_address() -> None:
    browser = Browser()
    for number in range(4):
        assert not browser.redirected(f"/a?page={number % 2}").is_loop
    lines = ("Cookie", f"{COOKIE}={browser.cookie}")
    others = [request_with(lines, url_path="/a?page=0", authority=host) for host in ("b.example", "app.example.com:81")]
    assert [count_redirects(other, NOW).record.redirects for other in others] == [0, 0]
    assert count_redirects(request_with(lines, url_path="/a?page=0"), NOW).record.redirects == 2


def test_redirects_of_half_a_minute_ago_do_not_count() -> None:
    browser = Browser()
    for number in range(30):
        assert not browser.redirected(now=NOW + number * 10).is_loop
    browser = Browser()
    for number in range(5):
        assert not browser.redirected(now=NOW + number * (WINDOW_SECONDS - 1) / 5).is_loop
    assert browser.redirected(now=NOW + WINDOW_SECONDS - 1).is_loop


def test_several_tabs_that_are_restored_at_once_are_no_loop() -> None:
    browser = Browser()
    for _ in range(3):
        for tab in range(20):
            assert not browser.redirected(f"/tab/{tab}").is_loop


def test_tabs_whose_requests_leave_with_one_cookie_are_counted_apart() -> None:
    browser = Browser()
    for _ in range(MAX_REDIRECTS):
        browser.redirected()
    for number in range(20):  # their answers arrive later than their requests leave
        tab = Browser(browser.cookie)
        assert not tab.redirected(f"/tab/{number}").is_loop
        assert tab.redirected().is_loop


@pytest.mark.parametrize("tabs", [8, 9, 12, 30])
def test_each_of_many_tabs_that_loop_together_ends_on_the_page(tabs: int) -> None:
    """The cookie has eight addresses. Tabs that are not among them are counted when others have ended."""
    browser = Browser()
    looping = [f"/tab/{number}" for number in range(tabs)]
    for _ in range(MAX_REDIRECTS * (1 + tabs // 2)):
        looping = [path for path in looping if not browser.redirected(path).is_loop]
    assert looping == []


def test_a_loop_is_seen_although_other_tabs_are_redirected_too() -> None:
    browser = Browser()
    for number in range(5):
        assert not browser.redirected().is_loop
        browser.redirected(f"/other/{number}")
    assert browser.redirected().is_loop
    assert browser.cookie is not None
    assert browser.cookie.count(".") == 4  # the other five are still counted


def test_no_other_host_of_the_domain_can_set_the_cookie_of_https() -> None:
    """RFC 6265bis §4.1.3.2: __Host- demands Secure, Path=/ and no Domain."""
    written = count_redirects(request_with(url_path="/a"), NOW).set_cookie()
    assert cookie_name("https") == COOKIE
    assert written.startswith(f"{COOKIE}=")
    assert written.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    planted = written.partition(";")[0].removeprefix("__Host-")[:-1] + "5"
    assert not count_redirects(request_with(("Cookie", planted), url_path="/a"), NOW).is_loop
    assert count_redirects(request_with(("Cookie", f"__Host-{planted}"), url_path="/a"), NOW).is_loop


def test_the_cookie_of_plain_http_is_not_secure_and_has_no_prefix() -> None:
    request = replace(request_with(), scheme="http")
    written = count_redirects(request, NOW).set_cookie()
    assert written.startswith("authgate_redirects=")
    assert written.endswith("; SameSite=Lax")
    again = replace(request_with(("Cookie", written.partition(";")[0])), scheme="http")
    assert count_redirects(again, NOW).record.redirects == 1


FORGED = [
    "",
    "x",
    ".",
    "....",
    "AbCdEf-_",
    f"{ADDRESS}:{FRESH}",
    f"{ADDRESS}:{FRESH}:",
    f"{ADDRESS}:{FRESH}:55",
    f"{ADDRESS}:{FRESH}:-1",
    f"{ADDRESS}:-1:1",
    f"{ADDRESS}:{'9' * 13}:1",
    f"{ADDRESS}:{FRESH}:1\r\nSet-Cookie: a=b",
    f"AbCdEfGh!:{FRESH}:1",
    f'"{ADDRESS}:{FRESH}:1"',
    "\udcff\udcfe",
    "<script>",
    "." * 60000,
    f"{ADDRESS}:{FRESH}:1." * 4000,
]


@pytest.mark.parametrize("cookie", FORGED, ids=lambda cookie: ascii(cookie)[:40])
def test_a_cookie_that_authgate_did_not_write_counts_nothing(cookie: str) -> None:
    assert Browser(cookie).until_loop() == MAX_REDIRECTS


@pytest.mark.parametrize(
    "first_at", [0, int(NOW) - WINDOW_SECONDS, int(NOW) + 1, int(NOW) + 100, 999_999_999_999], ids=str
)
def test_a_count_of_another_time_is_dropped(first_at: int) -> None:
    counted = count_redirects(request_with(("Cookie", f"{COOKIE}={ADDRESS}:{first_at}:4")), NOW)
    assert counted.others == ()
    assert ADDRESS not in counted.set_cookie()


@pytest.mark.parametrize("digit", [5, 6, 9])
def test_a_forged_count_ends_only_its_own_browsers_redirects(digit: int) -> None:
    browser = Browser()
    browser.redirected()
    assert browser.cookie is not None
    browser.cookie = f"{browser.cookie[:-1]}{digit}"
    assert browser.redirected().is_loop
    assert browser.until_loop() == MAX_REDIRECTS


def test_digits_of_other_scripts_are_written_as_ascii() -> None:
    arabic = str(FRESH).translate({ord(str(digit)): 0x660 + digit for digit in range(10)})
    counted = count_redirects(request_with(("Cookie", f"{COOKIE}={ADDRESS}:{arabic}:1")), NOW)
    assert counted.set_cookie().isascii()


def test_of_several_cookies_the_first_counts() -> None:
    browser = Browser()
    for _ in range(5):
        browser.redirected()
    pairs = [f"{COOKIE}={value}" for value in ("x", browser.cookie)]
    for joined in ("; ".join(pairs), "; ".join(reversed(pairs))):
        counted = count_redirects(request_with(("Cookie", joined), url_path="/a"), NOW)
        assert counted.is_loop is (joined != "; ".join(pairs))
        assert counted.set_cookie().count(f"{COOKIE}=") == 1
    lines = [("Cookie", pair) for pair in reversed(pairs)]
    assert count_redirects(request_with(*lines, url_path="/a"), NOW).is_loop


def test_many_addresses_leave_the_cookie_short() -> None:
    browser = Browser()
    for number in range(100):
        browser.redirected(f"/{number}")
    assert browser.cookie is not None
    assert len(browser.cookie) <= 250
    assert browser.cookie.count(":") == 2 * 8
