"""Which clients get a page, and which are redirected."""

from __future__ import annotations

import pytest

from authgate.core.clients import is_prefetch, may_redirect, shows_pages
from tests.support.deciding import request_with

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HTML = ("Accept", CHROMIUM)
NAVIGATE = ("Sec-Fetch-Mode", "navigate")

PEOPLE: dict[str, list[tuple[str, str]]] = {
    "a link is followed": [NAVIGATE, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document"), HTML],
    "a frame is loaded": [NAVIGATE, ("Sec-Fetch-Dest", "iframe"), HTML],
    "a browser on plain http": [HTML],
    "an old browser": [("Accept", "Text/HTML")],
    "in a second field line": [("Accept", "image/png"), ("Accept", "text/html")],
    "with a quality": [("Accept", "application/json, text/html;level=1;q=0.5")],
    "the quality of another type is zero": [("Accept", "image/png;q=0, text/html")],
}
PROGRAMS: dict[str, list[tuple[str, str]]] = {
    "nothing is stated": [],
    "curl": [("Accept", "*/*")],
    "a script's fetch()": [("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Site", "same-origin"), ("Accept", "*/*")],
    "a script that asks for HTML": [("Sec-Fetch-Mode", "cors"), HTML],
    "a script in a page of the same origin": [("Sec-Fetch-Mode", "same-origin"), HTML],
    "an image": [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"), ("Accept", "image/*")],
    "an image of a browser that says where from alone": [("Sec-Fetch-Site", "same-origin"), HTML],
    "a mode that was sent twice": [NAVIGATE, NAVIGATE, HTML],
    "a mode that contradicts itself": [NAVIGATE, ("Sec-Fetch-Mode", "cors"), HTML],
    "a mode in capitals": [("Sec-Fetch-Mode", "Navigate"), HTML],
    "XMLHttpRequest of a library": [("X-Requested-With", "XMLHttpRequest"), HTML],
    "a WebSocket handshake": [("Sec-WebSocket-Key", "x"), HTML],
    "a WebSocket handshake of a browser": [("Sec-WebSocket-Key", "x"), ("Sec-Fetch-Mode", "websocket")],
    "a WebSocket handshake that claims to navigate": [("Sec-WebSocket-Key", "x"), NAVIGATE],
    "JSON": [("Accept", "application/json")],
    "any text": [("Accept", "text/*")],
    "HTML is refused": [("Accept", "text/html;q=0, */*")],
    "HTML is refused, with decimals": [("Accept", "text/html ; Q=0.000")],
    "XHTML alone": [("Accept", "application/xhtml+xml")],
    "a type that begins like HTML": [("Accept", "text/html-x, text/htmlx")],
    "an event stream": [("Accept", "text/event-stream"), ("Sec-Fetch-Mode", "cors")],
}


@pytest.mark.parametrize("headers", PEOPLE.values(), ids=PEOPLE)
def test_a_page_is_for_a_person(headers: list[tuple[str, str]]) -> None:
    assert shows_pages(request_with(*headers).headers)


@pytest.mark.parametrize("headers", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_gets_no_page_and_is_never_redirected(headers: list[tuple[str, str]]) -> None:
    request = request_with(*headers)
    assert not shows_pages(request.headers)
    assert not may_redirect(request)


@pytest.mark.parametrize("filler", [",", "a,", ";", "text/plain;q=1,"])
def test_only_the_beginning_of_a_long_accept_is_read(filler: str) -> None:
    """Splitting 26 KB of commas took 10 ms."""
    assert shows_pages(request_with(("Accept", "text/html," + filler * 26_000)).headers)
    assert not shows_pages(request_with(("Accept", filler * (26_000 // len(filler)) + ",text/html")).headers)


def test_only_the_first_of_many_lines_of_accept_are_read() -> None:
    lines = [("Accept", "image/png")] * 20
    assert shows_pages(request_with(*lines[:3], ("Accept", "text/html"), *lines).headers)
    assert not shows_pages(request_with(*lines, ("Accept", "text/html")).headers)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_only_a_request_that_can_be_repeated_is_redirected(method: str) -> None:
    assert may_redirect(request_with(NAVIGATE, method=method))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_form_shows_a_page_and_is_not_redirected(method: str) -> None:
    request = request_with(NAVIGATE, ("X-HTTP-Method-Override", "GET"), method=method)
    assert shows_pages(request.headers)
    assert not may_redirect(request)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("Sec-Purpose", "prefetch"), True),
        (("Sec-Purpose", "prefetch;prerender"), True),
        (("Purpose", "Prefetch"), True),
        (("Sec-Purpose", ""), False),
        (("Sec-Fetch-Mode", "prefetch"), False),
    ],
)
def test_a_page_that_is_loaded_in_advance_is_a_prefetch(header: tuple[str, str], *, expected: bool) -> None:
    assert is_prefetch(request_with(header).headers) is expected
