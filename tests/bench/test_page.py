"""bench/page.py, goals.py and picture.py: what the documentation says of a run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from bench.contenders import CONTENDERS
from bench.goals import GOALS, Goal
from bench.loads import LOADS
from bench.loads.load import title_of
from bench.page import (
    BLOCKS,
    PAGE,
    README,
    filled,
    goals_block,
    loads_block,
    memory_block,
    profile_block,
    readme_block,
)
from bench.picture import THEMES, bound, picture


def runs(*times: float) -> list[dict[str, Any]]:
    return [{"cpu_us": time, "replies": 1000, "seconds": 0.5} for time in times]


WARM = {
    "authgate": runs(20, 25, 24),
    "bare_aiohttp": runs(44, 50, 60),
    "haproxy": runs(16, 20, 18),
    "envoy": runs(40, 50, 48),
    "fastapi_jose": runs(300, 250, 310),
    "better_auth": runs(2000, 2100, 1900),
}
RESULTS = {
    "at": "2026-01-02T03:04:05+00:00",
    "commit": "abc",
    "machine": {"processor": "P", "cores": 2, "memory_gib": 4, "kernel": "6", "python": "3.11"},
    "versions": {"wrk": "4.1"},
    "seconds": 1,
    "rounds": 3,
    "loads": {"warm": WARM, "nginx": {"authgate": runs(100), "authgate_not_asked": runs(40), "floor": runs(80)}},
}


def test_a_ratio_compares_runs_of_the_same_round() -> None:
    goal = Goal("warm", "bare_aiohttp", 2.2)
    assert goal.ratios(RESULTS["loads"]) == (44 / 20, 50 / 25, 60 / 24)  # type: ignore[arg-type]
    assert goal.reached(RESULTS["loads"])  # type: ignore[arg-type]
    assert not Goal("warm", "bare_aiohttp", 2.3).reached(RESULTS["loads"])  # type: ignore[arg-type]


def test_what_was_not_measured_is_not_reached() -> None:
    goal = Goal("tls", "envoy", 0.1)
    assert goal.ratios({}) == ()
    assert not goal.reached({})


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: f"{goal.load}-{goal.rival}")
def test_a_goal_is_about_a_load_and_a_rival_that_takes_part(goal: Goal) -> None:
    load = LOADS[goal.load]
    assert goal.rival in load.contenders or title_of(goal.rival)


def test_the_page_says_which_goals_are_not_reached() -> None:
    text = goals_block(RESULTS)
    rows = [row for row in text.splitlines() if row.startswith("| one warm token")]
    assert ["**not reached**" in row for row in rows] == [True, False, True, True]
    assert "| one warm token | bare aiohttp | 2.5 | 2.20 (2.00-2.50) | **not reached** |" in rows
    assert "not measured" in text


def test_the_page_compares_every_turn_with_that_of_authgate() -> None:
    text = loads_block(RESULTS)
    assert "| AuthGate | 24.0 (20.0-25.0) | 1 | 2,000 |" in text
    assert "| HAProxy `jwt_verify` | 18.0 (16.0-20.0) | 0.80 (0.75-0.80) | 2,000 |" in text
    assert "| AuthGate, not asked | 40.0 (40.0-40.0) | 0.40 (0.40-0.40) | 2,000 |" in text


def test_only_the_blocks_of_figures_are_replaced() -> None:
    page = "Before.\n<!-- figures: run -->\nold\n<!-- end -->\nAfter.\n"
    once = filled(page, RESULTS)
    assert once.startswith("Before.\n<!-- figures: run -->\nMedians of 3 rounds of 1 s on 2026-01-02")
    assert once.endswith("<!-- end -->\nAfter.\n")
    assert filled(once, RESULTS) == once


def test_a_block_about_what_was_not_measured_stays() -> None:
    page = "<!-- figures: memory -->\nold\n<!-- end -->\n<!-- figures: profile -->\nold\n<!-- end -->\n"
    assert filled(page, RESULTS) == page


def test_the_goals_of_memory_compare_with_idle() -> None:
    sizes = {0: 76.0, 10_000: 86.0, 100_000: 100.0, 200_000: 110.0, 300_000: 112.0, 1_000_000: 116.0}
    steps = [
        {"tokens": tokens, "resident_mib": mib, "proofs": 10_000, "counted_bytes": 8_000_000.0}
        for tokens, mib in sizes.items()
    ]
    text = memory_block({"memory": {"steps": steps}})
    assert text is not None
    rows = text.splitlines()[2:6]
    assert ["**not reached**" in row for row in rows] == [False, False, True, True]
    assert "| 800 |" in rows[0]
    assert "| 1,049 |" in rows[1]
    assert "| 1.53 |" in rows[2]


def test_the_profile_has_calls_and_shares() -> None:
    rows = [{"where": "authgate/desk.py", "share": 0.25, "calls": 3.0}]
    text = profile_block({"profile": {"calls": 50.4, "python_calls": 25.2, "rows": rows}})
    assert text is not None
    assert "| authgate/desk.py | 25% | 3.0 |" in text


def test_every_block_is_in_a_page() -> None:
    text = PAGE.read_text() + README.read_text()
    assert all(f"<!-- figures: {name} -->" in text for name in BLOCKS)


def test_the_readme_says_nothing_that_was_not_measured() -> None:
    assert "24 µs" in readme_block(RESULTS)
    assert "µs" not in readme_block({"loads": {"warm": {"authgate": runs(20)}}})


def test_the_picture_is_one_scale_and_breaks_only_the_longest_bar() -> None:
    assert bound([10, 20, 30]) == 30
    assert bound([10, 300, 2000]) == 360
    for colors in THEMES.values():
        drawn = ET.fromstring(picture({"warm": WARM, "realistic": {"authgate": runs(48)}}, colors))
        bars = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")][1:]
        assert bars == sorted(bars[:6]) + bars[6:]
        assert bars[6] == pytest.approx(2 * bars[1], abs=0.2)  # 48 µs beside 24


def test_every_turn_has_a_title() -> None:
    assert title_of("authgate_alone") == "AuthGate, alone"
    assert all(title_of(name) for name in CONTENDERS)
