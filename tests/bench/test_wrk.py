"""bench/wrk.py and wrk.lua: a run counts only if every reply is the expected one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bench.pinned import HOST
from bench.request_heads import subrequest
from bench.stage import Stage
from bench.wrk import ONCE, Traffic, Turn, drive, write_heads, wrong
from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.pinned import Server


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    program("wrk", fix="apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        yield Stage(tmp_path, cores[0], cores[-1], seconds=1, rounds=1, stack=stack, reply={"X-User-Id": "u"})


def turn(stage: Stage, server: Server, heads: list[str], **traffic: object) -> Turn:
    file = write_heads(stage.fresh("heads"), heads)
    return Turn(f"http://{HOST}:{server.port}", (server,), Traffic((file,), **traffic))  # type: ignore[arg-type]


def report(**statuses: int) -> dict[str, object]:
    counts = {name.removeprefix("s"): count for name, count in statuses.items()}
    return {"replies": sum(counts.values()), "failures": 0, "statuses": counts}


def test_a_run_is_valid_if_every_reply_has_the_status() -> None:
    assert wrong(report(s200=1000), (200,)) == ""
    assert wrong(report(s200=500, s401=510), (200, 401)) == ""


@pytest.mark.parametrize(
    ("of_run", "expected"),
    [
        (report(s200=1000, s503=1), (200,)),
        (report(s204=1000), (200,)),
        (report(s200=1000), (401,)),
        (report(s200=1000), (200, 401)),
        (report(s200=500, s401=900), (200, 401)),
        (report(), (200,)),
        (report(s200=1000) | {"failures": 1}, (200,)),
    ],
)
def test_any_other_reply_makes_a_run_invalid(of_run: dict[str, object], expected: tuple[int, ...]) -> None:
    assert wrong(of_run, expected) != ""


def test_each_head_is_sent_once(stage: Stage) -> None:
    server = stage.program("constant")
    run = drive(turn(stage, server, [subrequest() for _ in range(200)], mode=ONCE), stage.other_core, 20, 0)
    assert run.replies == 200
    assert run.statuses == {"200": 200}
    assert run.cpu_us > 0


def test_a_reply_with_another_status_ends_the_benchmark(stage: Stage) -> None:
    server = stage.program("constant")
    with pytest.raises(SystemExit, match="not every status was 401"):
        drive(turn(stage, server, [subrequest()], mode=ONCE, statuses=(401,)), stage.other_core, 20, 0)


def test_the_command_measures_and_writes_raw_results(stage: Stage, tmp_path: Path) -> None:
    if stage.core == stage.other_core:
        pytest.skip("the benchmark needs two cores")
    file = tmp_path / "raw.json"
    command = [sys.executable, "-m", "bench", "--seconds", "1", "--rounds", "2", "--output", str(file)]
    chosen = ["--only", "warm,refusal_garbage,new_hs256", "--contenders", "authgate,floor"]
    ran = subprocess.run([*command, *chosen], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    results = json.loads(file.read_text())
    assert {name: set(turns) for name, turns in results["loads"].items()} == {
        "warm": {"authgate", "floor"},
        "refusal_garbage": {"authgate"},
        "new_hs256": {"authgate"},
    }
    runs = [run for turns in results["loads"].values() for of_one in turns.values() for run in of_one]
    assert len(runs) == 8
    assert all(run["cpu_us"] > 0 for run in runs)
    assert results["machine"]["cores"] >= 2
