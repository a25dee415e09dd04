"""What Caddy answers while AuthGate is down, or while something else answers instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.caddy_sites import APP, ORIGIN, PUBLIC, Sites, answering, running, user

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
        assert (answer.header("Access-Control-Allow-Credentials"), answer.header("Vary")) == ("true", "Origin")
    others = ("https://evil.example", "null", f"{ORIGIN}.evil.example", "{http.request.header.Origin}", "")
    for lines in (*((f"Origin: {origin}",) for origin in others), (f"Origin: {ORIGIN}", "Origin: null"), ()):
        answer = without_authgate.ask(path, *lines, host=host)
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, None)
        assert (answer.header("Access-Control-Allow-Credentials"), answer.header("Vary")) == (None, None)
