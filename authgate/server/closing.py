"""Why AuthGate closes a connection before its peer does, and how often it does so."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Why a connection was closed, or not accepted. The values are labels of `authgate_connections_closed_total`."""

    SILENT = "silent"
    SLOW_HEAD = "slow_head"
    LARGE_HEAD = "large_head"
    UNPARSABLE = "unparsable"
    UNANSWERED = "unanswered"
    UNREAD = "unread"
    DISPLACED = "displaced"
    TOO_MANY = "too_many"


# What the log says, once a minute for each peer. A silent peer is not worth a line: port scans and health checks.
MESSAGES = {
    Cause.SLOW_HEAD: "closed a connection: a request head took too long",
    Cause.LARGE_HEAD: "closed a connection: a request head over 64 KiB",
    Cause.UNANSWERED: "closed a connection: a request took too long",
    Cause.UNREAD: "closed a connection: the peer does not read what it asked for",
    Cause.DISPLACED: "closed the oldest connection of this peer: too many from peers that are not trusted proxies",
    Cause.TOO_MANY: "closed a connection: too many connections",
}


@dataclass(slots=True)
class ConnectionCounts:
    """The connections of one listener: how many are *open*, and how many were *closed* for each cause.

    *pauses* counts how often the listener stopped accepting for a moment: see accepting.py.
    """

    open: int = 0
    pauses: int = 0
    closed: dict[Cause, int] = field(default_factory=lambda: dict.fromkeys(Cause, 0))
