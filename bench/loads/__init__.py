"""The loads, in the order of the page. A new one is a file with its rows, and a line here."""

from __future__ import annotations

from bench.loads import (
    beside_garbage,
    connections,
    new_tokens,
    proxies,
    realistic,
    refusals,
    sessions,
    tls,
    unknown_keys,
    users,
    warm,
)

LOADS = {
    row.name: row
    for row in (
        warm.ROW,
        realistic.ROW,
        users.ROW,
        *new_tokens.ROWS,
        *refusals.ROWS,
        beside_garbage.ROW,
        unknown_keys.ROW,
        connections.ROW,
        tls.ROW,
        sessions.ROW,
        *proxies.ROWS,
    )
}
