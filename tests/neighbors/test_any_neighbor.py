"""What every session store may do: say nothing, hang up, speak another protocol, send noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.neighbors import lying
from tests.neighbors.beside import beside, better_auth

if TYPE_CHECKING:
    from pathlib import Path

MODES = [lying.silent, lying.closing, lying.resetting, lying.http, lying.noise]
STORES = {
    "postgres": {"dsn": "postgresql://authgate:secret@127.0.0.1:{port}/app?sslmode=disable"},
    "redis": {"url": "redis://127.0.0.1:{port}"},
    "http": {"url": "http://127.0.0.1:{port}/api/auth/get-session"},
}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
@pytest.mark.parametrize("store", STORES)
def test_sessions_get_503_and_nobody_else_notices(tmp_path: Path, store: str, mode: lying.Mode) -> None:
    with lying.lying(mode) as liar:
        settings = {name: text.format(port=liar.port) for name, text in STORES[store].items()}
        app = better_auth(**{store: settings}) | ({"allow_http": True} if store == "http" else {})
        with beside(tmp_path, app) as neighborhood:
            answer = neighborhood.session()
            assert (answer.status, answer.header("X-AuthGate-Reason")) == (503, "sessions_unavailable")
            neighborhood.until_others_are_served()
            assert liar.connections
            assert neighborhood.grown_bytes() < 32 * 1024 * 1024
