"""A server that lies at the address of Redis: every bad reply is a 503, and nobody else notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.neighbors import redis_modes
from tests.neighbors.beside import Neighborhood, beside, better_auth
from tests.neighbors.lying import lying

if TYPE_CHECKING:
    from pathlib import Path

    from tests.neighbors.lying import Liar, Mode

MIB = 1024 * 1024
# What the kernel takes for AuthGate before the connection is closed. A client without bounds takes all that is sent.
MOST_BYTES = 16 * MIB


def redis_at(liar: Liar) -> dict[str, object]:
    return better_auth(redis={"url": f"redis://:password-canary@127.0.0.1:{liar.port}/1"})


def refused(neighborhood: Neighborhood) -> str:
    """Return the message in the log for a session that cannot be looked up."""
    seen = len(neighborhood.events())
    answer = neighborhood.session()
    assert (answer.status, answer.header("X-AuthGate-Reason")) == (503, "sessions_unavailable")
    return "\n".join(neighborhood.events()[seen:])


def test_a_bad_reply_is_a_503_and_the_next_good_reply_counts(tmp_path: Path) -> None:
    with lying(redis_modes.answering(b":5\r\n")) as liar, beside(tmp_path, redis_at(liar)) as neighborhood:
        for name, (reply, _) in redis_modes.BAD_REPLIES.items():
            liar.mode = redis_modes.answering(reply)
            before = len(liar.connections)
            refused(neighborhood)
            assert len(liar.connections) > before, f"the connection that sent {name} was used again"
        liar.mode = redis_modes.honest
        answer = neighborhood.session()
        assert (answer.status, answer.header("X-User-Id")) == (200, "app:ada")
        log = "\n".join(neighborhood.events())
        assert "password-canary" not in log
        assert "\x1b" not in log
        assert neighborhood.grown_bytes() < 32 * MIB


def test_an_endless_reply_is_cut_off(tmp_path: Path) -> None:
    with lying(redis_modes.answering(b":5\r\n")) as liar, beside(tmp_path, redis_at(liar)) as neighborhood:
        for name, (beginning, more) in redis_modes.FLOODS.items():
            liar.mode = redis_modes.pouring(beginning, more)
            before = liar.sent
            refused(neighborhood)
            neighborhood.until_others_are_served(5)
            assert liar.sent - before < MOST_BYTES, name
        assert neighborhood.grown_bytes() < 32 * MIB


@pytest.mark.parametrize("mode", [redis_modes.dripping, redis_modes.half], ids=["dripping", "half"])
def test_a_reply_that_does_not_end_is_not_waited_for(tmp_path: Path, mode: Mode) -> None:
    with lying(mode) as liar, beside(tmp_path, redis_at(liar)) as neighborhood:
        refused(neighborhood)
        neighborhood.until_others_are_served()
        assert max(connection.sent for connection in liar.connections) < 1000, "of 3000 bytes"
