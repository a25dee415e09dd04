"""The slots of a listener's connections: how many there are, which connection must leave, and what the log says.

Trusted proxies and all other peers together have `max_connections`. The other peers share `max_untrusted_connections`
of them (see shares.py): at that bound, a new connection displaces the oldest one of the address that has the most.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from authgate.repeats import SEVERAL, Bounds, Repeats
from authgate.server.closing import MESSAGES, Cause, ConnectionCounts
from authgate.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.peers import Peer
    from authgate.repeats import Repeated
    from authgate.server.limits import Limits

_log = logging.getLogger(__name__)

# A message is logged once a minute about the same peer, and about at most 20 peers. The others are counted.
_WARNINGS = Bounds(per_address=1, per_kind=20, in_all=100, window_seconds=60.0)
# A peer that was gone before AuthGate could read its address, or one on a unix socket.
_UNKNOWN = "unknown"


class _Connection(Protocol):
    """A connection, as its listener sees it."""

    def __hash__(self) -> int: ...

    def check_deadline(self, now: float) -> None: ...

    def close(self) -> None: ...

    def close_at_once(self, cause: Cause) -> None: ...

    def close_if_certificate_ended(self) -> None: ...

    def force_close(self) -> None: ...


class ConnectionSlots:
    """The slots of one listener, and its open *connections*, displaced ones that are about to close included.

    *trusts* returns whether a peer is a trusted proxy. *counts* is kept up to date.
    """

    def __init__(self, limits: Limits, trusts: Callable[[Peer], bool], counts: ConnectionCounts | None = None) -> None:
        self.trusts = trusts
        self.counts = counts or ConnectionCounts()
        self.connections: set[_Connection] = set()
        self._max_connections = limits.max_connections
        self._trusted_count = 0
        self._untrusted: Shares[_Connection] = Shares(limits.max_untrusted_connections, leaves="oldest")
        self._warnings = Repeats("peers", _WARNINGS, _warn_repeated)

    def __len__(self) -> int:
        """Return the number of slots that are taken. A displaced connection that is about to close has none."""
        return self._trusted_count + len(self._untrusted)

    def enter(self, connection: _Connection, address: str, *, trusted: bool) -> bool:
        """Give *connection* a slot. Return whether there are no more connections than `max_connections`.

        One of a peer that is not a trusted proxy may displace another.
        """
        self.counts.open += 1
        self.connections.add(connection)
        if trusted:
            self._trusted_count += 1
        elif (displaced := self._untrusted.enter(connection, address)) is not None:
            displaced.close_at_once(Cause.DISPLACED)
        return self._trusted_count + len(self._untrusted) <= self._max_connections

    def leave(self, connection: _Connection, *, trusted: bool) -> None:
        """Free the slot of *connection*, which has ended."""
        self.counts.open -= 1
        self.connections.discard(connection)
        if trusted:
            self._trusted_count -= 1
        else:
            self._untrusted.leave(connection)

    def count_closed(self, cause: Cause, peer: str) -> None:
        """Count a connection of *peer* that was closed for *cause*, and log it if that is worth a line."""
        self.counts.closed[cause] += 1
        if cause in MESSAGES:
            self.warn(MESSAGES[cause], peer)

    def warn(self, message: str, peer: str) -> None:
        """Log *message* about *peer*, or count it. Nothing that the peer sent may be part of *message*."""
        if self._warnings.admits(message, peer):
            _log.warning("%s (peer %s)", message, peer or _UNKNOWN)


def _warn_repeated(repeated: Repeated[str]) -> None:
    peer = "other peers" if repeated.address == SEVERAL else f"peer {repeated.address or _UNKNOWN}"
    _log.warning("%s (%s): %d more times in %g s", repeated.kind, peer, repeated.count, repeated.seconds)
