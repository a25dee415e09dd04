"""Modes of a program that listens at the admin port while AuthGate is down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.neighbors.hostile import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.neighbors.lying import Connection, Mode

_AT = "2026-11-28T21:00:00Z"


def report(foreign: str = CANARY) -> dict[str, Any]:
    """Return a report on keys with *foreign* in every text."""
    key = {"key_id": foreign, "algorithm": foreign, "named": foreign, "first_seen": _AT, "last_seen": _AT, "proofs": 3}
    key |= {"last_proof": None}
    issuer = {
        "state": "stale",
        "source": foreign,
        "now": _AT,
        "last_success": _AT,
        "age_seconds": 1.0,
        "last_error": foreign,
        "failures_in_a_row": 7,
        "loading": False,
        "next_refresh": _AT,
        "given_up_at": _AT,
        "keys": [key],
        "departed": [key | {"left_at": _AT, "named_since": 1, "named_at": _AT}],
        "skipped": [foreign],
        "unknown_key_ids_total": 1,
        "unknown_key_ids": [{"key_id": foreign, "count": 1, "last_at": _AT}],
        "events": [{"at": _AT, "what": foreign}],
    }
    configuration = {"loaded_at": _AT, "reload_failed": foreign}
    return {"configuration": configuration, "issuers": {"app": issuer, foreign: issuer}, foreign: foreign}


def readiness(foreign: str = CANARY, *, ready: bool = True) -> dict[str, Any]:
    """Return the answer of /readyz with *foreign* in every text."""
    issuers = {"app": {"state": foreign, "keys": 0, "why": foreign}, foreign: {"sessions": foreign}}
    return {"ready": ready, "draining": False, "issuers": issuers, "configuration": {"reload_failed": foreign}}


def http(body: bytes, status: str = "200 OK", headers: str = "") -> Mode:
    """Answer with *body*."""

    def mode(connection: Connection) -> None:
        connection.read()
        connection.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)
        connection.say_nothing()

    return mode


def as_json(document: object, status: str = "200 OK") -> Mode:
    return http(json.dumps(document).encode(), status)


def changed(change: Callable[[dict[str, Any]], object]) -> Mode:
    """Answer a report that *change* has changed."""
    document = report("x")
    change(document)
    return as_json(document)


def endless_body(connection: Connection) -> None:
    connection.read()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.send_endlessly(b"[" * 64 * 1024)


def endless_headers(connection: Connection) -> None:
    connection.read()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    connection.send_endlessly(b"X: 1\r\n" * 1000)


def endless_interim(connection: Connection) -> None:
    connection.read()
    connection.send_endlessly(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def dripping(connection: Connection) -> None:
    """Send a byte of the answer five times a second. Each byte is in time, the whole answer is not."""
    connection.read()
    connection.send_slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b" " * 10_000)


def hostile_status(connection: Connection) -> None:
    connection.read()
    connection.send(b"HTTP/1.1 20\x1b[2J0 " + CANARY.encode("utf-8", "surrogatepass") + b"\r\n\r\n")
    connection.say_nothing()


def garbage(connection: Connection) -> None:
    connection.read()
    connection.send(CANARY.encode("utf-8", "surrogatepass") + b"\r\n")
    connection.say_nothing()
