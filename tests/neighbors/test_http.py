"""A server that lies at the address of get-session: every bad response is a 503, and nobody else notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.neighbors import http_modes
from tests.neighbors.beside import beside, better_auth
from tests.neighbors.lying import lying
from tests.support.fetching import FLOODS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neighbors.lying import Liar

MIB = 1024 * 1024


def http_at(liar: Liar) -> dict[str, object]:
    url = f"http://127.0.0.1:{liar.port}/api/auth/get-session"
    return better_auth(http={"url": url}) | {"allow_http": True}


def test_a_bad_response_is_a_503_and_the_next_good_response_counts(tmp_path: Path) -> None:
    with lying(http_modes.answering(b"")) as liar, beside(tmp_path, http_at(liar)) as neighborhood:
        modes = {name: http_modes.answering(response) for name, response in http_modes.BAD_RESPONSES.items()}
        floods = {f"endless {name}": http_modes.pouring(*flood) for name, flood in FLOODS.items()}
        drips = {mode.__name__: mode for mode in (http_modes.dripping, http_modes.dripping_head)}
        for name, mode in {**modes, **floods, **drips}.items():
            liar.mode = mode
            before = liar.sent
            answer = neighborhood.session()
            assert (answer.status, answer.header("X-AuthGate-Reason")) == (503, "sessions_unavailable"), name
            assert liar.sent - before < 16 * MIB, name
        liar.mode = http_modes.honest
        answer = neighborhood.session()
        assert (answer.status, answer.header("X-User-Id")) == (200, "app:ada")
        assert neighborhood.grown_bytes() < 48 * MIB
        assert "\x1b" not in "\n".join(neighborhood.events())
