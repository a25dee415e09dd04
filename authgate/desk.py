"""The desk: answers a proxy's subrequest in four hops, adapter.read → gate → adapter.write → record.

It is synchronous until a decision needs a lookup, and knows nothing of sockets. Two siblings stand around it: aiohttp's
handler (`server/http.py`) and the fast lane (`server/lane.py`).
"""

from __future__ import annotations

from os import urandom
from time import perf_counter
from typing import TYPE_CHECKING

from authgate.adapters import ADAPTERS, Reply
from authgate.bugs import log_bug
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.header_lines import HeaderLines
from authgate.core.header_names import guarded_names
from authgate.core.reasons import Reason
from authgate.core.request_id import request_id
from authgate.gate import Suspended
from authgate.peers import UNIX_PEER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.adapters import Adapter
    from authgate.core.decision import Decision
    from authgate.core.request import Request
    from authgate.core.subrequest import Subrequest
    from authgate.gate import Gate
    from authgate.peers import Peer, Peers
    from authgate.record import Recorder

# The path alone chooses the adapter; headers are never used to guess it.
ENDPOINTS = {f"/auth/{name}": adapter for name, adapter in ADAPTERS.items()}
NO_ENDPOINT = f"AuthGate answers at {', '.join(ENDPOINTS)}"
# If AuthGate's own request for keys or sessions comes back as a subrequest, its decision must need neither: each would
# wait for the other.
_OWN_REQUEST = "the subrequest is about AuthGate's own request for keys or sessions"
_FIX_OWN_REQUEST = "make the front end's /api/auth/ public, by a policy or in the proxy (docs/deployment.md)"
# The reply if a decision can be neither written nor recorded.
FAILED = Reply(
    503, HeaderLines(b"Content-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n"), b"AuthGate failed.\n"
)


class Desk:
    """Answers subrequests by one configuration."""

    def __init__(self, *, gate: Gate, peers: Peers, emits: Sequence[str], recorder: Recorder) -> None:
        """*emits* are the names of the identity headers."""
        self.peers = peers
        self._gate = gate
        self._recorder = recorder
        self._trusted = peers.trusted
        self._guarded = {name: guarded_names(adapter.reads, emits) for name, adapter in ADAPTERS.items()}

    def answer(self, adapter: Adapter, subrequest: Subrequest, peer: Peer) -> Reply | Pending:
        """Return the reply to *subrequest* of *peer*, or a `Pending` if it has to wait for a lookup. Never raises.

        Only an `Allow` makes the reply a 200.
        """
        started = perf_counter()
        if self.peers.unix_socket:
            peer = UNIX_PEER
        request = None
        try:
            if peer.trusted_by is not self.peers:
                self.peers.check(peer)
            request = adapter.read(subrequest, self._trusted, self._guarded[adapter.name])
            if subrequest.is_own:
                self._check_own(request)
            decision = self._gate.begin(request)
        except Unreadable as unreadable:
            decision = self._gate.refuse_unreadable(unreadable, subrequest.headers)
        except Exception as bug:  # noqa: BLE001 - a bug before the gate: refuse the request, log the bug, count it
            decision = self._gate.refuse_bug(bug, subrequest.headers)
        if isinstance(decision, Suspended):
            return Pending(self, adapter, subrequest, peer, decision, started)
        return self._reply(adapter, subrequest, peer, request, decision, started)

    def record_unknown_path(self, peer: Peer) -> None:
        """Record that *peer* asked at a path that is not in `ENDPOINTS`."""
        self._recorder.record_unknown_path((UNIX_PEER if self.peers.unix_socket else peer).address, NO_ENDPOINT)

    def _check_own(self, request: Request) -> None:
        """Refuse AuthGate's own *request* unless its decision needs neither keys nor sessions."""
        if not self._gate.is_public(request):
            raise Unreadable(Reason.UNREADABLE_REQUEST, _OWN_REQUEST, fix=_FIX_OWN_REQUEST)

    async def finish(self, pending: Pending) -> Reply:
        """Return the reply of *pending*, after its lookups."""
        decision = await self._gate.finish(pending.suspended)
        request = pending.suspended.request
        return self._reply(pending.adapter, pending.subrequest, pending.peer, request, decision, pending.started)

    def _reply(
        self,
        adapter: Adapter,
        subrequest: Subrequest,
        peer: Peer,
        request: Request | None,
        decision: Decision,
        started: float,
    ) -> Reply:
        """Write and record *decision*. *request* is None if it cannot be read."""
        try:
            # Only a refusal needs an id, so only a refusal makes one.
            refusal_id = (request_id(subrequest.headers) or urandom(16).hex()) if isinstance(decision, Deny) else ""
            reply = adapter.write(decision, refusal_id)
            self._recorder.record(
                decision=decision,
                adapter=adapter.name,
                request=request,
                headers=subrequest.headers,
                peer=peer.address,
                refusal_id=refusal_id,
                seconds=perf_counter() - started,
            )
        except Exception as bug:  # noqa: BLE001 - nobody else could answer: the decision may have been recorded
            log_bug(bug)
            return FAILED
        return reply


class Pending:
    """A reply that waits for a lookup. It holds the suspended decision, which goes on where it stopped."""

    __slots__ = ("_desk", "adapter", "peer", "started", "subrequest", "suspended")

    def __init__(
        self, desk: Desk, adapter: Adapter, subrequest: Subrequest, peer: Peer, suspended: Suspended, started: float
    ) -> None:
        self._desk = desk
        self.adapter = adapter
        self.subrequest = subrequest
        self.peer = peer
        self.suspended = suspended
        self.started = started

    async def reply(self) -> Reply:
        """Return the reply. Call it once. Raises only if it is canceled."""
        return await self._desk.finish(self)
