"""Memory: session stores with heavy rows, and three issuers that share the one budget of the process."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tests.neighbors.beside import beside
from tests.neighbors.heavy_rows import HEAVY, MIB, NAMES, READS_EXTRA, Rows, held, issuers, sign_in
from tests.neighbors.lying import lying

if TYPE_CHECKING:
    from pathlib import Path


def test_what_no_policy_reads_of_heavy_rows_takes_no_memory(tmp_path: Path) -> None:
    rows, numbers = Rows(), count()
    with lying(rows) as liar:
        app, *more = issuers(liar.port)
        with beside(tmp_path, app, *more) as neighborhood:
            for rows.extra in HEAVY.values():
                assert sign_in(neighborhood, 6, numbers) == {200}, str(rows.extra)[:40]
            neighborhood.until_others_are_served()
            sessions = held(neighborhood, "sessions")
            assert sessions.pop("") == 24 * MIB
            assert sessions.keys() == {*NAMES}
            assert all(0 < size < 6 * len(HEAVY) * 4096 for size in sessions.values()), sessions
            assert neighborhood.grown_bytes() < 40 * MIB


def test_three_issuers_with_heavy_rows_share_one_budget(tmp_path: Path) -> None:
    rows, numbers = Rows(), count()
    with lying(rows) as liar:
        app, *more = issuers(liar.port)
        settings = {**READS_EXTRA, "limits": {"cache_megabytes": 8}}
        with beside(tmp_path, app, *more, **settings) as neighborhood:
            for extra in (["x" * 50] * 250, ["y" * 25_000]):
                rows.extra = [f"{number}{text}" for number, text in enumerate(extra)]
                assert sign_in(neighborhood, 140, numbers) == {200}
                sessions = held(neighborhood, "sessions")
                limit = sessions.pop("")
                assert 0.9 * limit < sum(sessions.values()) <= limit == 8 * MIB
                assert max(sessions.values()) - min(sessions.values()) < limit / 16, "the shares are equal"
            neighborhood.until_others_are_served()
            assert neighborhood.grown_bytes() < 2 * limit + 40 * MIB
