"""What Caddy answers itself: while AuthGate is down, while something else answers instead, and to ambiguous paths."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import page
from authgate.core.clients import shows_pages
from authgate.core.cors import EXPOSED
from authgate.core.pages import Look
from tests.support import processes
from tests.support.caddy_sites import APP, ORIGIN, PUBLIC, TITLE, Sites, answering, running, user
from tests.support.clients import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def without_authgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with running(tmp_path_factory.mktemp("down"), processes.free_port()) as started:
        yield started


def reply(status: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", "Content-Length: 0", *lines, "", ""]).encode()


BROKEN = {
    "500": reply(500, "X-User-Id: admin"),
    "502": reply(502),
    "504": reply(504),
    "no HTTP": b"\0\1\2",
    "a closed connection": b"",
    "a head without end": b"HTTP/1.1 200 OK\r\nX-User-Id: admin\r\n",
    "a head of 40 KiB": reply(200, "X-User-Id: admin", f"X-Filler: {'x' * 40 * 1024}"),
    "silence": None,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_any_other_answer_instead_of_authgates_is_an_outage(without_authgate: Sites, answer: bytes | None) -> None:
    with answering(answer, without_authgate.authgate):
        got = without_authgate.ask("/x", user(), f"Origin: {ORIGIN}")
    assert (got.status, got.header("Retry-After"), got.header("Cache-Control")) == (503, "5", "no-store")
    assert (got.header("Content-Type"), got.json["reason"]) == ("application/problem+json", "authgate_unreachable")
    assert got.header("Access-Control-Allow-Origin") == ORIGIN
    assert without_authgate.ask("/x", host=PUBLIC).status == 200


REFUSALS = [(302, "Location: /login"), (401, "WWW-Authenticate: x"), (503, "Retry-After: 7")]


@pytest.mark.parametrize(("status", "line"), REFUSALS)
def test_a_refusal_keeps_its_status_and_headers(without_authgate: Sites, status: int, line: str) -> None:
    with answering(reply(status, line), without_authgate.authgate):
        answer = without_authgate.ask("/x")
    name, _, value = line.partition(": ")
    assert (answer.status, answer.header(name)) == (status, value)


@pytest.mark.parametrize(("path", "host", "status"), [("/x", APP, 503), ("/a//b", APP, 400), ("/a//b", PUBLIC, 400)])
def test_pages_of_the_allowed_origins_may_read_what_caddy_answers_itself(
    without_authgate: Sites, path: str, host: str, status: int
) -> None:
    for origin in (ORIGIN, "https://other.example.com:8443"):
        answer = without_authgate.ask(path, f"Origin: {origin}", host=host)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, origin)
        assert answer.header("Access-Control-Expose-Headers") == ", ".join(EXPOSED)
        assert (answer.header("Access-Control-Allow-Credentials"), answer.header("Vary")) == ("true", "Origin")
    others = ("https://evil.example", "null", f"{ORIGIN}.evil.example", "{http.request.header.Origin}", "")
    for lines in (*((f"Origin: {origin}",) for origin in others), (f"Origin: {ORIGIN}", "Origin: null"), ()):
        answer = without_authgate.ask(path, *lines, host=host)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, None)
        assert (answer.header("Access-Control-Allow-Credentials"), answer.header("Vary")) == (None, None)


# A path with its host, and the status, reason, detail and heading of Caddy's own answer.
OWN = {
    "down": (
        "/x",
        APP,
        503,
        "authgate_unreachable",
        "AuthGate did not answer.",
        "This page is not available right now",
    ),
    "ambiguous": (
        "/a//b",
        PUBLIC,
        400,
        "ambiguous_path",
        "The path can be read in more than one way.",
        "This address does not work",
    ),
}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("own", OWN)
def test_caddys_own_answers_are_like_those_of_authgate(without_authgate: Sites, own: str) -> None:
    path, host, status, reason, detail, heading = OWN[own]
    problem = without_authgate.ask(path, "X-Request-Id: mine", host=host)
    shown = without_authgate.ask(path, "Sec-Fetch-Mode: navigate", "X-Request-Id: mine", host=host)
    ids = [answer.header("X-Request-Id") or "" for answer in (problem, shown)]
    assert all(map(_UUID.fullmatch, ids))
    assert ids[0] != ids[1]
    for answer in (problem, shown):
        assert (answer.status, answer.header("X-AuthGate-Reason")) == (status, reason)
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("Retry-After") == ("5" if status == 503 else None)
    assert problem.header("Content-Type") == "application/problem+json"
    assert problem.header("Content-Security-Policy") is None
    assert problem.json == {
        "type": "about:blank",
        "title": {503: "Service Unavailable", 400: "Bad Request"}[status],
        "status": status,
        "detail": detail,
        "reason": reason,
        "request_id": ids[0],
    }
    look = Look(title=TITLE, color="#123456", contact="help@example.com")
    assert shown.header("Content-Type") == page.CONTENT_TYPE
    assert shown.header("Content-Security-Policy") == page.security_policy(look)
    text = shown.body.decode()
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert f"<style>{style}</style>" in page.document(look, "", "", "", "")  # the policy has the digest of this one
    assert f"<h1>{heading}</h1>" in text
    title = text.partition(f"<title>{heading} - ")[2].partition("</title>")[0]
    assert (html.unescape(title), "<b>" in title) == (TITLE, False)
    assert f"Request id: {ids[1]}<" in text
    assert ("Try again" in text) is (status == 503)


@pytest.mark.parametrize("lines", CLIENTS, ids=" | ".join)
def test_a_page_is_for_the_same_clients_as_authgates(without_authgate: Sites, lines: tuple[str, ...]) -> None:
    headers = CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines))
    content_type = page.CONTENT_TYPE if shows_pages(headers) else "application/problem+json"
    for path, host, status in (("/x", APP, 503), ("/a//b", PUBLIC, 400)):
        answer = without_authgate.ask(path, *lines, host=host)
        assert (answer.status, answer.header("Content-Type")) == (status, content_type)
