"""What the connections of one listener share: limits, slots, the lane, and their peers."""

from __future__ import annotations

import asyncio
import math
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from authgate.peers import Peer
from authgate.server.closing import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from authgate.server.aiohttp_handler import AiohttpHandler, Owner
    from authgate.server.lane_contract import Lane
    from authgate.server.limits import Limits
    from authgate.server.slots import ConnectionSlots
    from authgate.server.tls import ClientCertificate

# How many peers are kept for their next connections.
_MAX_PEERS = 256


class State(Enum):
    """What a connection waits for: see connection.py."""

    WAITING = auto()
    ANSWERING = auto()
    WRITING = auto()
    IDLE = auto()
    LINGERING = auto()
    CLOSING = auto()


# The causes for which a connection is closed that was in a state for too long. It is not counted how many were idle.
OVERDUE = {
    State.WAITING: Cause.SILENT,
    State.ANSWERING: Cause.UNANSWERED,
    State.WRITING: Cause.UNREAD,
    State.CLOSING: Cause.UNREAD,
}


class Shared:
    """What the connections of one listener share. *lookups* are the replies of the lane that are not complete yet."""

    def __init__(
        self,
        limits: Limits,
        slots: ConnectionSlots,
        accepts: Callable[[ClientCertificate], bool],
        make_handler: Callable[[Owner], AiohttpHandler],
        lane: Lane | None,
    ) -> None:
        """*accepts* returns whether a certificate still counts. *make_handler* makes aiohttp's handler."""
        self.limits = limits
        self.slots = slots
        self.accepts = accepts
        self.make_handler = make_handler
        self.lane = lane
        self.max_head_bytes = limits.max_head_bytes
        self.idle_seconds = limits.idle_seconds
        self.loop = asyncio.get_running_loop()
        self.time = self.loop.time
        self.lookups: set[asyncio.Task[None]] = set()
        self.seconds_in = {
            State.WAITING: limits.head_seconds,
            State.ANSWERING: limits.answer_seconds,
            State.WRITING: limits.write_seconds,
            State.IDLE: limits.idle_seconds,
            State.LINGERING: math.inf,
            State.CLOSING: limits.write_seconds,
        }
        self._peers: dict[str, Peer] = {}

    def start_lookup(self, lookup: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *lookup* in a task of its own, for which the server waits when it ends."""
        task = self.loop.create_task(lookup)
        self.lookups.add(task)
        task.add_done_callback(self.lookups.discard)
        return task

    def peer_at(self, address: str) -> Peer:
        """Return the peer at *address* without a certificate. Connections of an address share it."""
        peer = self._peers.get(address)
        if peer is None:
            if len(self._peers) >= _MAX_PEERS:
                self._peers.clear()
            peer = self._peers[address] = Peer(address=address)
        return peer
