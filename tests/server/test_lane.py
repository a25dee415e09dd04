"""The fast lane answers plain subrequests of known layouts, and leaves everything else to aiohttp."""

from __future__ import annotations

import gc
import weakref

import pytest

from authgate.config.load import load
from authgate.peers import Peer
from authgate.server import lane as lanes
from authgate.server.lane import FastLane
from authgate.server.lane_contract import LastReply
from authgate.wiring import build, prepare
from tests.server.conftest import ENVIRON
from tests.support.tokens import mint

PEER = Peer(address="127.0.0.1")
TOKEN = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
LINES = [
    ("Host", "authgate:4180"),
    ("X-Original-Method", "GET"),
    ("X-Original-URL", "https://app.example.com/api/v1/tasks?page=2"),
    ("X-Forwarded-For", "203.0.113.7"),
    ("Authorization", f"Bearer {TOKEN}"),
]


def head(*lines: tuple[str, str], start: str = "GET /auth/nginx HTTP/1.1") -> bytes:
    return "".join([f"{start}\r\n", *(f"{name}: {value}\r\n" for name, value in lines), "\r\n"]).encode("latin-1")


PLAIN = head(*LINES)


@pytest.fixture
def lane() -> FastLane:
    return FastLane(build(prepare(load(None, ENVIRON))).desk)


def answer(lane: FastLane, data: bytes) -> bytes | None:
    """Return the reply to *data*, once the lane has seen its layout often enough."""
    for _ in range(lanes._SEEN_BEFORE):
        assert lane.answer(data, PEER) is None
    reply = lane.answer(data, PEER)
    assert reply is None or isinstance(reply, bytes)
    return reply


def test_a_layout_is_known_after_a_few_requests(lane: FastLane) -> None:
    reply = answer(lane, PLAIN)
    assert reply is not None
    assert reply.startswith(b"HTTP/1.1 200 OK\r\nX-User-Id: u\r\n")
    assert lane.answered == 1


def test_a_new_lane_answers_no_head_without_host(lane: FastLane) -> None:
    assert lane.answer(head(), PEER) is None


def test_another_user_of_the_same_layout_is_another_user(lane: FastLane) -> None:
    answer(lane, PLAIN)
    for subject in ("v", "w", "v"):
        token = mint({"sub": subject, "aud": "tasks", "exp": 4_000_000_000})
        reply = lane.answer(PLAIN.replace(TOKEN.encode(), token.encode()), PEER)
        assert f"\r\nX-User-Id: {subject}\r\n".encode() in bytes(reply or b"")
    refused = lane.answer(PLAIN.replace(TOKEN.encode(), b"garbage"), PEER)
    assert bytes(refused or b"").startswith(b"HTTP/1.1 401 ")


def test_two_layouts_take_turns(lane: FastLane) -> None:
    other = head(*LINES, ("Accept", "*/*"))
    answer(lane, PLAIN)
    answer(lane, other)
    for _ in range(3):
        assert lane.answer(PLAIN, PEER)
        assert lane.answer(other, PEER)


def test_a_connection_that_the_peer_wants_closed_gets_a_last_reply(lane: FastLane) -> None:
    reply = answer(lane, head(*LINES, ("Connection", "close")))
    assert isinstance(reply, LastReply)
    assert b"\r\nConnection: close\r\n" in reply
    kept = lane.answer(head(*LINES, ("Connection", "keep-alive")), PEER)
    assert not isinstance(kept, LastReply)
    assert b"Connection" not in bytes(kept or b"")


OTHERS = {
    "a method with a body": PLAIN.replace(b"GET", b"POST", 1),
    "HEAD": PLAIN.replace(b"GET", b"HEAD", 1),
    "HTTP/1.0": PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "an unknown path": PLAIN.replace(b"/auth/nginx", b"/auth/ngin"),
    "a query": PLAIN.replace(b"/auth/nginx", b"/auth/nginx?a"),
    "two heads": PLAIN + PLAIN,
    "a head and more": PLAIN + b"G",
    "a part of a head": PLAIN[:-2],
    "a body": head(*LINES, ("Content-Length", "1")) + b"x",
    "a length of a body": head(*LINES, ("Content-Length", "1")),
    "chunks": head(*LINES, ("Transfer-Encoding", "chunked")),
    "an upgrade": head(*LINES, ("Connection", "upgrade"), ("Upgrade", "websocket")),
    "a name in Connection": head(*LINES, ("Connection", "x-user-id")),
    "Expect": head(*LINES, ("Expect", "100-continue")),
    "a name twice": head(*LINES, ("Authorization", "Bearer x")),
    "a name twice, in another case": head(*LINES, ("AUTHORIZATION", "Bearer x")),
    "a name with a mark": head(*LINES, ("X_User_Id", "u")),
    "a name with two dashes": head(*LINES, ("X--User-Id", "u")),
    "a name that ends with a dash": head(*LINES, ("X-User-Id-", "u")),
    "no host": head(*LINES[1:]),
    "a space before a colon": PLAIN.replace(b"Host:", b"Host :"),
    "no space after a colon": PLAIN.replace(b"Host: ", b"Host:"),
    "two spaces after a colon": PLAIN.replace(b"Host: ", b"Host:  "),
    "a space at the end": PLAIN.replace(b"4180\r\n", b"4180 \r\n"),
    "an empty value": PLAIN.replace(b"authgate:4180", b""),
    "a tab": PLAIN.replace(b"authgate:4180", b"a\tb"),
    "a byte over 127": PLAIN.replace(b"authgate:4180", b"\xe9"),
    "NUL": PLAIN.replace(b"authgate:4180", b"a\0"),
    "a bare LF": PLAIN.replace(b"4180\r\n", b"4180\n"),
    "a bare CR": PLAIN.replace(b"authgate:4180", b"a\rb"),
    "a folded line": PLAIN.replace(b"authgate:4180", b"a\r\n b"),
    "too many names": head(*LINES, *((f"X-{number}", "v") for number in range(48))),
    "too long names": head(*LINES, ("X" * 1025, "v")),
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_everything_else_is_left_to_aiohttp(lane: FastLane, data: bytes) -> None:
    answer(lane, PLAIN)
    for _ in range(3 * lanes._SEEN_BEFORE):
        assert lane.answer(data, PEER) is None
    assert lane.answered == 1


def test_names_that_change_all_the_time_take_little_memory_and_no_layout_of_others(lane: FastLane) -> None:
    answer(lane, PLAIN)
    for number in range(1000):
        assert lane.answer(head(*LINES, (f"X-{number}", "v")), PEER) is None
        if number % 100 == 0:
            assert lane.answer(PLAIN, PEER)
    assert len(lane._layouts._seen) <= lanes._MAX_SEEN
    for number in range(lanes._MAX_LAYOUTS + 10):
        answer(lane, head(*LINES, (f"Y-{number}", "v")))
        assert lane.answer(PLAIN, PEER)
    assert len(lane._layouts._known) == lanes._MAX_LAYOUTS


def test_nothing_is_left_of_a_layout_that_was_dropped(lane: FastLane) -> None:
    """Python's own cache of regular expressions has room for four times as many."""
    answer(lane, PLAIN)
    dropped = weakref.ref(lane._recent.pattern)
    for number in range(lanes._MAX_LAYOUTS):
        answer(lane, head(*LINES, (f"Y-{number}", "v")))
    assert lane.answer(PLAIN, PEER) is None
    assert dropped() is None


def test_the_lane_keeps_no_value(lane: FastLane) -> None:
    answer(lane, PLAIN)
    seen, level = set(), [lane._layouts, lane._recent]
    while level:
        level = [held for held in gc.get_referents(*level) if id(held) not in seen and not isinstance(held, type)]
        seen |= {*map(id, level)}
        texts = [held for held in level if isinstance(held, (str, bytes))]
        assert not any(TOKEN[:10] in str(text) or "203.0.113.7" in str(text) for text in texts)
    assert len(seen) > len(LINES)
