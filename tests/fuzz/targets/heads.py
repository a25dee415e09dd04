"""Request heads: bytes into the real server, over a socket pair, until every bound of the connection has passed.

The input: a line of three characters, then what the peer sends. "@" stands for a valid token, in Authorization and in
the cookie. The characters choose if the peer is a trusted proxy, how many bytes it sends at once, and if it ends its
side afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from typing import TYPE_CHECKING, Any

from authgate.config.load import load_settings
from authgate.server.bounded_server import BoundedServer
from authgate.server.limits import Limits
from authgate.wiring import build, prepare
from tests.fuzz.inputs import chosen
from tests.support.tokens import SECRET, claims, mint

if TYPE_CHECKING:
    from authgate.peers import Peer

WORDS = (
    *(b"GET ", b"HEAD ", b"POST ", b"/auth/nginx", b"/auth/traefik", b"/auth/caddy", b" HTTP/1.1\r\n"),
    *(b" HTTP/1.0\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r", b"\0", b"Host: a\r\n", b"X-Original-Method: GET\r\n"),
    *(b"X-Original-URL: ", b"http://a.example/", b"X-Forwarded-Method: GET\r\n", b"X-Forwarded-Proto: https\r\n"),
    *(b"X-Forwarded-Host: a\r\n", b"X-Forwarded-Uri: /\r\n", b"Authorization: Bearer @\r\n", b"Connection: close\r\n"),
    *(b"Cookie: access_token=@\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n"),
    *(b"0\r\n\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\n", b"Content-Encoding: gzip\r\n", b"canary"),
    *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01"),
)

CANARY = "canary"
SIZES = (1 << 16, 1, 3, 16, 100)
_LIMITS = Limits(max_head_bytes=1024, max_header_lines=16, head_seconds=4, idle_seconds=4, linger_seconds=1)
# More than all of a connection's bounds together.
_LIFE_SECONDS = 16
# Turns of the event loop after which nothing more happens, unless time passes.
_QUIET_TURNS = 6
_STATUSES = {200, 400, 401, 403, 404, 408, 431, 505}

# Not in a URL: the log has paths.
PLACE_OF_TOKEN = re.compile(rb"(?m)^(Authorization: Bearer |Cookie: access_token=)@")
_RESPONSE = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n:]+: ?[^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"(?i)^content-length: *(\d+)\r$", re.MULTILINE)
_END_OF_HEAD = re.compile(rb"(?=\n\r?\n)")


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only if the target says so. It never waits, because a task is always ready."""

    now = 0.0

    def time(self) -> float:
        return self.now


class _Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


class _World:
    """A server whose peers are trusted or not, and everything that must not happen."""

    def __init__(self) -> None:
        settings: dict[str, Any] = {"name": "a", "preset": "jwt", "secret": SECRET.decode(), "audiences": "any"}
        app = build(prepare(load_settings({"listen": "unix:/authgate", "issuers": [settings]})))
        self.loop = _Loop()
        self.trusted = True
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self.server = self.loop.run_until_complete(self._server(app.answer))
        self.records = _Records()

    async def _server(self, answer: Any) -> BoundedServer:
        def trusts(_peer: Peer) -> bool:
            return self.trusted

        server = BoundedServer(answer, _LIMITS, trusts)
        self.deadlines = self.loop.create_task(server.check_deadlines())
        return server


_WORLD = _World()
_NOW = int(time.time())
_TOKEN = mint(claims(iat=_NOW, exp=_NOW + 10 * 365 * 86400)).encode()


def check(data: bytes) -> None:
    first, _, sent = data.partition(b"\n")
    sent = PLACE_OF_TOKEN.sub(rb"\1" + _TOKEN, sent)
    world, root = _WORLD, logging.getLogger()
    world.trusted = chosen(first[:1], (True, False))
    world.failures.clear()
    world.records.kept.clear()
    before = root.level
    root.addHandler(world.records)
    root.setLevel(logging.INFO)
    try:
        received = world.loop.run_until_complete(
            _exchange(sent, chosen(first[1:2], SIZES), ends=chosen(first[2:3], (False, True)))
        )
    finally:
        root.removeHandler(world.records)
        root.setLevel(before)
    _check_responses(sent, received)
    _check_silence()


async def _exchange(sent: bytes, size: int, *, ends: bool) -> bytes:
    """Send *sent*, *size* bytes at once. Return what the peer has received when the connection must have ended."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours:
        await _WORLD.loop.connect_accepted_socket(_WORLD.server, theirs)
        received = _Received(ours)
        try:
            for at in range(0, len(sent), size):
                ours.send(sent[at : at + size])
                await received.until_quiet()
            if ends:
                ours.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has closed the connection
        await received.until_quiet()
        for _ in range(_LIFE_SECONDS):
            if received.has_ended and not _WORLD.server.slots:
                break
            _WORLD.loop.now += 1
            await received.until_quiet()
        assert received.has_ended, "the connection is still open after all of its bounds"
        assert len(_WORLD.server.slots) == 0
    return received.data


class _Received:
    """What a peer receives on *connection*."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.data = b""
        self.has_ended = False

    async def until_quiet(self) -> None:
        """Receive until nothing more comes without time passing."""
        turns = 0
        while turns < _QUIET_TURNS:
            await asyncio.sleep(0)
            turns = 0 if self._receive() else turns + 1

    def _receive(self) -> bool:
        if self.has_ended:
            return False
        try:
            data = self._connection.recv(1 << 16)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.has_ended = not data
        self.data += data
        return bool(data)


def _check_responses(sent: bytes, received: bytes) -> None:
    """At most one response for each head, a 200 for a token alone, and nothing after the last."""
    statuses, rest, is_last = [], received, False
    while rest:
        assert not is_last, f"bytes follow the last response: {rest!r}"
        response = _RESPONSE.match(rest)
        assert response is not None, f"not a response: {rest!r}"
        statuses.append(int(response[1]))
        lengths = _LENGTH.findall(response[2])
        assert len(lengths) == 1 or (not lengths and b"HEAD " in sent)
        rest = rest[response.end() :]
        if not rest.startswith(b"HTTP/1."):  # a response to HEAD has no body, and perhaps no length
            rest = rest[int((lengths or [0])[0]) :]
        is_last = not _WORLD.trusted or b"\nconnection: close\r\n" in b"\n" + response[2].lower()
    assert set(statuses) <= _STATUSES, statuses
    assert statuses.count(200) <= sent.count(_TOKEN)
    assert len(statuses) <= len(_END_OF_HEAD.findall(sent)) + 1
    first_head = _END_OF_HEAD.split(sent.lstrip(b"\r\n"))[0]
    if len(first_head) > _LIMITS.max_head_bytes:
        assert {*statuses[:1]} <= {400, 431}, statuses
    assert b"aiohttp" not in received
    # The proxy's own id of a request is in the reply.
    assert CANARY.encode() not in received or b"x-request-id:" in sent.lower()


def _check_silence() -> None:
    """No exception has reached the event loop, no bug was caught, and no log line quotes the peer."""
    assert not _WORLD.failures, _WORLD.failures
    for record in _WORLD.records.kept:
        text = f"{record.getMessage()} {getattr(record, 'fields', {})}"
        assert record.levelno < logging.ERROR, text
        assert record.name != "asyncio", text
        assert _TOKEN.decode() not in text, text
        assert CANARY not in text or record.name == "authgate.decision", text
