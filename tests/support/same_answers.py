"""Two AuthGates that get the same bytes, one with the fast lane and one without it: what a peer can notice of each.

Both run in this process, on an event loop whose time passes only if a test says so. `Pair.exchange` sends the same
pieces to each over a socket and returns what happened, without what differs between any two exchanges: the
date, ids that AuthGate makes, durations.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from authgate.config.load import load_settings
from authgate.keysources.watched import Timing
from authgate.record import Lines
from authgate.server.bounded_server import BoundedServer
from authgate.server.lane import FastLane
from authgate.server.limits import Limits
from authgate.wiring import build, prepare
from tests.support.tokens import SECRET
from tests.support.watched_keys import Source, key_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ISSUER = {"name": "app", "subject_prefix": "", "preset": "jwt", "secret": SECRET.decode(), "audiences": ["tasks"]}
# Its keys are never those that a token names, so each token needs a lookup.
FETCHED = {
    "name": "fetched",
    "subject_prefix": "fetched:",
    "preset": "jwt",
    "issuer": "https://issuer.example",
    "audiences": ["tasks"],
} | {"jwks_url": "https://issuer.example/jwks"}
POLICIES = [
    {"name": "public", "match": {"path": ["/public/**"]}, "public": True},
    {"name": "staff", "match": {"path": ["/staff/**"]}, "require": {"roles": {"any_of": ["staff"]}}},
    {"name": "rest", "require": "signed_in"},
]
LIMITS = Limits(max_head_bytes=2048, head_seconds=2, idle_seconds=2, linger_seconds=1)
# More than all of a connection's bounds together.
_LIFE_SECONDS = 10
# Turns of the event loop after which nothing more happens, unless time passes.
_QUIET_TURNS = 16

_DATE = re.compile(rb"\r\nDate: [^\r\n]+")
_MADE_ID = re.compile(r"\b[0-9a-f]{32}\b")
_VARYING = re.compile(r"process_|authgate_decision_duration_seconds_(?:sum|bucket)|authgate_log_lines_|\w+_created\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a peer and an operator can notice of an exchange.

    *received* is what the peer has received after each piece that it sent, after its end of the connection, and in the
    end. *ended_after* is the number of these at which the server had closed the connection.
    """

    received: tuple[bytes, ...]
    ended_after: int
    seconds: int
    lines: tuple[str, ...]
    metrics: Mapping[str, float]

    @property
    def statuses(self) -> list[int]:
        """The status of each response."""
        return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.received[-1])]


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only if a test says so. It never waits, because a task is always ready."""

    now = 0.0

    def time(self) -> float:
        return self.now


class World:
    """One AuthGate, with the fast lane or without it."""

    def __init__(self, settings: Mapping[str, Any], unix_seconds: float, *, has_lane: bool) -> None:
        self._loop = _Loop()
        self._failures: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: self._failures.append(context))
        self._app = build(prepare(load_settings(dict(settings))))
        self.lane = FastLane(lambda: self._app.live.desk) if has_lane else None
        self._tasks: list[asyncio.Task[None]] = []
        self._metrics_before: dict[str, float] = {}
        live = self._app.live
        live.gate._clock = lambda: unix_seconds + self._loop.now
        # By the real clock, an entry could expire in one AuthGate and not yet in the other.
        live.proofs.budget.elapsed = live.refusal_cache.budget.elapsed = self._loop.time
        live.refusal_cache._elapsed = self._loop.time
        # A minute passes between exchanges, so that one takes no room in the log from the next.
        self._app.live.recorder.lines = Lines(self._loop.time)
        self._server = self._loop.run_until_complete(self._begun())

    async def _begun(self) -> BoundedServer:
        app = self._app
        server = BoundedServer(app.answer, LIMITS, app.trusts, None, app.connections["auth"], self.lane)
        server.slots._warnings._elapsed = self._loop.time
        self._tasks.append(self._loop.create_task(server.check_deadlines()))
        for watched in app.live.watched_keys.values():
            if watched.name == "fetched":
                watched.source = Source(key_set("K1"))
                watched.set_timing(Timing(refresh_seconds=1e9, cooldown_seconds=0.0))
                self._tasks.append(self._loop.create_task(watched.watch()))
        app.live.activate()
        return server

    def close(self) -> None:
        """End the tasks and the loop."""
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, self._server.drain(), return_exceptions=True))
        self._loop.close()

    def exchange(self, pieces: Sequence[bytes], *, ends: bool) -> Outcome:
        """Send *pieces*, one after the other, and wait until the connection has ended."""
        self._loop.now += 100
        with _logged() as lines:
            received, ended_after, seconds = self._loop.run_until_complete(self._exchange(pieces, ends=ends))
        assert not self._failures, self._failures
        return Outcome(
            received=tuple(_DATE.sub(b"\r\nDate: now", _without_ids(part)) for part in received),
            ended_after=ended_after,
            seconds=seconds,
            lines=tuple(lines),
            metrics=self._metrics(),
        )

    async def _exchange(self, pieces: Sequence[bytes], *, ends: bool) -> tuple[list[bytes], int, int]:
        peer = await self._connected()
        received, ended_after, seconds = [b""], 0, 0
        with peer.connection:
            for piece in pieces:
                with suppress(BrokenPipeError, ConnectionResetError):
                    peer.connection.send(piece)
                received.append(await peer.until_quiet())
                ended_after += not peer.has_ended
            if ends:
                with suppress(OSError):
                    peer.connection.shutdown(socket.SHUT_WR)
                received.append(await peer.until_quiet())
                ended_after += not peer.has_ended
            while seconds < _LIFE_SECONDS and not (peer.has_ended and not self._server.slots):
                self._loop.now += 1
                seconds += 1
                received.append(await peer.until_quiet())
            assert peer.has_ended, "the connection is still open after all of its bounds"
            assert len(self._server.slots) == 0
        return received, ended_after, seconds

    async def _connected(self) -> _Peer:
        # Not TCP: on a busy machine, the kernel may pass on bytes a while after they were sent.
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        await self._loop.connect_accepted_socket(partial(self._server, None, "127.0.0.1"), theirs)
        return _Peer(ours, self._server)

    def _metrics(self) -> dict[str, float]:
        """Return what the last exchange has added to each metric."""
        lines = self._app.metrics.exposition().decode().splitlines()
        pairs = (line.rpartition(" ")[::2] for line in lines if not line.startswith("#"))
        before, self._metrics_before = (
            self._metrics_before,
            {name: float(value) for name, value in pairs if not _VARYING.match(name) and "timestamp" not in name},
        )
        return {
            name: value - before.get(name, 0.0)
            for name, value in self._metrics_before.items()
            if value != before.get(name, 0.0)
        }


class _Peer:
    """The other end of a connection of *server*."""

    def __init__(self, connection: socket.socket, server: BoundedServer) -> None:
        self.connection = connection
        self.has_ended = False
        self._server = server
        self._received = b""

    async def until_quiet(self) -> bytes:
        """Receive until nothing more comes without time passing. Return all that was received so far."""
        turns = 0
        while turns < _QUIET_TURNS:
            await asyncio.sleep(0)
            turns = 0 if self._receive() else turns + 1
        return self._received

    def _receive(self) -> bool:
        if self.has_ended:
            return False
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        self.has_ended = not data
        self._received += data
        return bool(data)


class Pair:
    """Two AuthGates with the same settings: one with the fast lane, and one without it."""

    def __init__(self, **settings: Any) -> None:
        given = {"issuers": [ISSUER, FETCHED], "policies": POLICIES, "log": {"details": True}} | settings
        now = time.time()
        self.fast, self.reference = (World(given, now, has_lane=has_lane) for has_lane in (True, False))
        self.heads = 0

    def close(self) -> None:
        """End both."""
        self.fast.close()
        self.reference.close()

    @property
    def answered(self) -> int:
        """How many requests the lane has answered."""
        assert self.fast.lane is not None
        return self.fast.lane.answered

    def exchange(self, pieces: Sequence[bytes], *, ends: bool = False) -> Outcome:
        """Send *pieces* to both. What happens must be the same; return it."""
        fast, reference = (world.exchange(pieces, ends=ends) for world in (self.fast, self.reference))
        assert fast.received == reference.received
        assert (fast.ended_after, fast.seconds) == (reference.ended_after, reference.seconds)
        assert fast.lines == reference.lines
        assert fast.metrics == reference.metrics
        self.heads += len(fast.statuses)
        return fast


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in getattr(record, "fields", {}).items() if name != "duration_ms"}
        self.kept.append(_MADE_ID.sub("(an id)", f"{record.levelname} {record.name} {record.getMessage()} {fields}"))


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Yield the list of the lines that are logged while the context lasts."""
    handler, root = _Lines(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield handler.kept
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _without_ids(data: bytes) -> bytes:
    return _MADE_ID.sub("(an id)", data.decode("latin-1")).encode("latin-1")
