"""The fast lane answers as aiohttp does: two AuthGates, with the lane and without it, get the same bytes.

Most heads are those of a proxy with one to three mutations, because that is where a lane could take a head for a plain
one that is not. The lane makes a layout of header names at once here, so that it gets as many heads as it can.
"""

from __future__ import annotations

import re
import socket
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.server import lane
from tests.support import processes
from tests.support.mutated_heads import (
    AFTER,
    CREDENTIALS,
    EXTRA,
    PROXIES,
    REQUEST_LINES,
    Head,
    caddy,
    cut,
    cuts,
    heads,
    nginx,
    nginx_closes,
    traefik,
)
from tests.support.same_answers import Pair
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane, "_SEEN_BEFORE", 0)
        two = Pair()
        yield two
        two.close()
    if two.heads > 1000:  # not only a few tests were chosen
        assert two.answered > two.heads / 10, "too few heads reach the lane: the tests compare aiohttp with itself"


@given(head=heads, places=cuts, ends=st.booleans())
def test_a_head_in_parts_gets_the_same_answer(pair: Pair, head: bytes, places: list[int], *, ends: bool) -> None:
    pair.exchange(cut(head, places), ends=ends)


@given(head=heads)
def test_a_head_in_one_piece_gets_the_same_answer(pair: Pair, head: bytes) -> None:
    """A lane gets only these: it leaves a head that arrives in parts to aiohttp."""
    pair.exchange([head])


@given(several=st.lists(heads, min_size=2, max_size=4), ends=st.booleans())
def test_heads_on_one_connection_get_the_same_answers(pair: Pair, several: list[bytes], *, ends: bool) -> None:
    pair.exchange(several, ends=ends)


@given(several=st.lists(heads, min_size=2, max_size=3), places=cuts)
def test_heads_that_arrive_together_get_the_same_answers(pair: Pair, several: list[bytes], places: list[int]) -> None:
    pair.exchange(cut(b"".join(several), places))


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_the_lane_answers_what_a_proxy_sends(
    pair: Pair, proxy: Callable[[str, str], list[str]], credential: str
) -> None:
    raw = Head(proxy("/api/v1/tasks", CREDENTIALS[credential])).raw
    before = pair.answered
    several = [raw] if proxy is nginx_closes else [raw] * 3
    outcome = pair.exchange(several)
    assert len(outcome.statuses) == pair.answered - before == len(several)
    assert {*outcome.statuses} == {200 if credential in {"valid", "staff", "cookie"} else 401}


def test_a_head_may_be_split_anywhere(pair: Pair) -> None:
    raw = Head(caddy("/", CREDENTIALS["valid"])).raw
    for place in range(1, len(raw)):
        assert pair.exchange([raw[:place], raw[place:], raw]).statuses == [200, 200]
    assert pair.exchange([bytes([byte]) for byte in raw]).statuses == [200]


@pytest.mark.parametrize("line", EXTRA)
def test_an_odd_line_anywhere_gets_the_same_answer(pair: Pair, line: str) -> None:
    for proxy in (nginx, traefik):
        lines = proxy("/", CREDENTIALS["valid"])
        for place in (1, len(lines) // 2, len(lines)):
            raw = Head([*lines[:place], line, *lines[place:]]).raw
            pair.exchange([raw, raw])


@pytest.mark.parametrize(
    ("before", "after"), [*product(("", " ", "\t"), ("", " ", "\t")), ("", "\xe9"), ("\xc3\xa9", "")]
)
@pytest.mark.parametrize("proxy", [nginx, traefik])
def test_odd_text_around_any_value_gets_the_same_answer(
    pair: Pair, proxy: Callable[[str, str], list[str]], before: str, after: str
) -> None:
    """Values that are read, too. A lane that kept a space, or read a byte as another character, could allow more."""
    lines = proxy("/staff/", CREDENTIALS["staff"])
    for place in range(1, len(lines)):
        name, _, value = lines[place].partition(": ")
        raw = Head([*lines[:place], f"{name}: {before}{value}{after}", *lines[place + 1 :]]).raw
        pair.exchange([raw])


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_head_without_any_one_line_gets_the_same_answer(pair: Pair, proxy: Callable[[str, str], list[str]]) -> None:
    lines = proxy("/staff/", CREDENTIALS["staff"])
    for place in range(1, len(lines)):
        pair.exchange([Head([*lines[:place], *lines[place + 1 :]]).raw])


LOOK_ALIKES = (
    *(
        "X--Original-URL",
        "X-Original-URL-",
        "X-Original--Method",
        "X--Forwarded-Uri",
        "X-Forwarded-Host-",
        "X-User--Id",
    ),
    *("X-User-Id", "X_User_Id", "X_Original_URL", "X.Original.URL", "Author-ization", "Authorization-", "Cookie-"),
)


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_name_that_looks_like_another_gets_the_same_answer(pair: Pair, name: str) -> None:
    """Some servers take it for the other. AuthGate refuses those that it reads itself, or that say who the user is."""
    for proxy in (nginx, traefik):
        lines = proxy("/", CREDENTIALS["valid"])
        pair.exchange([Head([*lines, f"{name}: https://other.example/"]).raw])


@pytest.mark.parametrize("agent", ["AuthGate/0.1.0", "AuthGate/", "AuthGate", "authgate/0.1.0", "curl AuthGate/0.1.0"])
def test_authgates_own_request_gets_the_same_answer(pair: Pair, agent: str) -> None:
    """It must need neither keys nor sessions: the answer would wait for itself."""
    for proxy, uri in product((nginx, traefik, caddy), ("/public/", "/")):
        lines = [line for line in proxy(uri, CREDENTIALS["valid"]) if not line.startswith("User-Agent:")]
        statuses = pair.exchange([Head([*lines, f"User-Agent: {agent}"]).raw]).statuses
        is_refused = uri == "/" and agent.startswith("AuthGate/")
        assert (statuses != [200]) is is_refused


@pytest.mark.parametrize("count", [40, 60, 300])
def test_many_lines_get_the_same_answer(pair: Pair, count: int) -> None:
    raw = Head([*nginx("/", CREDENTIALS["valid"]), *(f"X-{number}: y" for number in range(count))]).raw
    pair.exchange([raw, raw])


def test_a_peer_that_is_not_trusted_gets_the_same_answer() -> None:
    two = Pair(trusted_proxies=["192.0.2.1"])
    try:
        for proxy in PROXIES:
            raw = Head(proxy("/", CREDENTIALS["valid"])).raw
            for _ in range(3):
                assert two.exchange([raw, raw]).statuses == [403]
        assert two.answered == 0
    finally:
        two.close()


@pytest.mark.parametrize("line", REQUEST_LINES)
def test_an_odd_request_line_gets_the_same_answer(pair: Pair, line: str) -> None:
    raw = Head([line, *nginx("/", CREDENTIALS["valid"])[1:]]).raw
    pair.exchange([raw, raw])


@pytest.mark.parametrize("after", AFTER)
def test_bytes_after_a_head_get_the_same_answer(pair: Pair, after: str) -> None:
    raw = Head(nginx("/", CREDENTIALS["valid"]), after).raw
    pair.exchange([raw])
    pair.exchange([raw[: -len(after)], after.encode("latin-1"), raw])


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_in_a_name_and_in_a_value_gets_the_same_answer(pair: Pair, byte: int) -> None:
    plain = Head(caddy("/", CREDENTIALS["valid"])).raw
    for place in (b"Agent: ", b"curl/8", b" HTTP/1.1", b"\r\n\r\n"):
        before, found, after = plain.partition(place)
        for raw in (before + bytes([byte]) + found + after, before + found + bytes([byte]) + after):
            pair.exchange([raw])


def test_the_first_head_of_all_may_have_no_lines() -> None:
    two = Pair()
    try:
        for raw in (Head(["GET /auth/nginx HTTP/1.1"]).raw, Head(["GET /auth/nginx HTTP/1.1", "Host: a"]).raw):
            two.exchange([raw])
    finally:
        two.close()


def test_layouts_are_learned_and_the_answers_stay_the_same() -> None:
    """With the number of heads that the lane has seen before it answers."""
    two = Pair()
    raw = Head(traefik("/", CREDENTIALS["valid"])).raw
    try:
        answered = []
        for _ in range(lane._SEEN_BEFORE + 3):
            before = two.answered
            assert two.exchange([raw]).statuses == [200]
            answered.append(two.answered - before)
        assert answered == [0] * lane._SEEN_BEFORE + [1] * 3
    finally:
        two.close()


CONFIG = f"issuers: [{{name: app, preset: jwt, secret: {SECRET.decode()}, audiences: [tasks]}}]\n"
DATE = re.compile(rb"\r\nDate: [^\r\n]+")
COUNTS = re.compile(r"authgate_(?:decisions_total|connections_closed_total|key_proofs_total|cache_\w+_total)\{")
VARYING = re.compile(r'"(?:time|duration_ms)": ?[^,}]+,?')


def answer_on(connection: socket.socket) -> bytes:
    """Return the next response on *connection*, without its date."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    while length is not None and len(body) < int(length[1]):
        body += connection.recv(65536)
    return DATE.sub(b"", head) + b"\r\n\r\n" + body


def test_the_setting_changes_nothing_that_a_proxy_or_an_operator_can_notice(tmp_path: Path) -> None:
    """Two processes, with their own event loop, log and metrics. Each layout is sent until the lane knows it."""
    seen = []
    for setting in ("true", "false"):
        folder = tmp_path / setting
        folder.mkdir()
        config = f"fast_lane: {setting}\nlog: {{format: json, allowed: true, details: true}}\n{CONFIG}"
        with processes.authgate(folder, config) as running:
            received = []
            for proxy in (nginx, traefik, caddy):
                with socket.create_connection(("127.0.0.1", running.port), timeout=60) as connection:
                    for credential in ("valid", "bad signature", "none"):
                        for _ in range(lane._SEEN_BEFORE + 4):
                            connection.sendall(Head(proxy("/api/v1/tasks", CREDENTIALS[credential])).raw)
                            received.append(answer_on(connection))
            counts = {line for line in running.page("/metrics").body.decode().splitlines() if COUNTS.match(line)}
            lines = [VARYING.sub("", line) for line in running.log.read_text().splitlines() if '"adapter"' in line]
        allowed = [line for line in lines if '"event": "allow"' in line]
        seen.append((received, counts, allowed, {*lines}))
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == 9 * (lane._SEEN_BEFORE + 4)
    assert len(seen[0][2]) == 3 * (lane._SEEN_BEFORE + 4)
    assert len(seen[0][3]) == 9, "refusals beyond the first ones are counted together"
