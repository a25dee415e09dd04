"""What every session store may do: say nothing, hang up, speak another protocol, send noise, also in place of TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.neighbors import lying
from tests.neighbors.beside import beside, better_auth
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neighbors.beside import Neighborhood

# The last one still has lookups when AuthGate must end.
MODES = [lying.closing, lying.resetting, lying.http, lying.noise, lying.silent]
STORES = {
    "postgres": {"postgres": {"dsn": "postgresql://authgate:secret@127.0.0.1:{port}/app?sslmode=disable"}},
    "postgres by TLS": {"postgres": {"dsn": "postgresql://authgate:secret@127.0.0.1:{port}/app?sslmode=verify-full"}},
    "redis": {"redis": {"url": "redis://127.0.0.1:{port}"}},
    "redis by TLS": {"redis": {"url": "rediss://127.0.0.1:{port}"}},
    "http": {"http": {"url": "http://127.0.0.1:{port}/api/auth/get-session"}},
    "http by TLS": {"http": {"url": "https://127.0.0.1:{port}/api/auth/get-session"}},
}


def until_refused(neighborhood: Neighborhood, liar: lying.Liar) -> None:
    """Ask until AuthGate has opened a connection for it: after a failure it may wait for a moment."""
    before = len(liar.connections)

    def has_connected() -> bool:
        answer = neighborhood.session()
        assert (answer.status, answer.header("X-AuthGate-Reason")) == (503, "sessions_unavailable"), liar.mode
        return len(liar.connections) > before

    until(has_connected)


@pytest.mark.parametrize("store", STORES)
def test_sessions_get_503_and_nobody_else_notices(tmp_path: Path, store: str) -> None:
    with lying.lying(lying.closing) as liar:
        [(kind, settings)] = STORES[store].items()
        settings = {name: text.format(port=liar.port) for name, text in settings.items()}
        app = better_auth(**{kind: settings}) | ({"allow_http": True} if kind == "http" else {})
        with beside(tmp_path, app) as neighborhood:
            for mode in MODES:
                liar.mode = mode
                until_refused(neighborhood, liar)
                neighborhood.until_others_are_served()
            assert neighborhood.grown_bytes() < 32 * 1024 * 1024
