"""Stores that are killed and start again, hang, or are behind a network that drops (bench/restarts): a short run."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bench.restarts.clients import Answer, Clients, begin_of_recovery
from bench.restarts.report import Run
from bench.restarts.stores import STORES, Store
from tests.support.processes import ROOT, free_port, program
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = 20


def restarts(folder: Path, *options: str) -> list[dict[str, Any]]:
    """Run the program with *options*. Return its runs, in which nothing may be wrong."""
    report = folder / "restarts.json"
    command = [
        sys.executable,
        "-m",
        "bench.restarts",
        "--clients",
        str(CLIENTS),
        "--rate",
        "100",
        "--json",
        str(report),
    ]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert report.exists(), done.stderr
    found = json.loads(report.read_text())
    assert found["faults"] == [], done.stdout
    assert done.returncode == 0
    runs: list[dict[str, Any]] = found["runs"]
    for run in runs:
        assert run["statuses"]["200"] >= CLIENTS
        assert run["refused_strangers"]["401"] > 0
        assert run["wrong_identities"] == run["wrong_refusals"] == run["exit_code"] == 0
    return runs


def test_every_store_is_killed_and_authgate_recovers_without_a_wrong_answer(tmp_path: Path) -> None:
    for name in ("redis-server", "pgbouncer"):
        program(name, fix=f"apt-get install {name}")
    runs = restarts(tmp_path, "--restarts", "2", "--failure", "kill", "--together")
    assert [len(run["again"]) for run in runs] == [2] * (2 * len(STORES) - 1)  # the key server has no cache_seconds
    down = [run["statuses"].get("503", 0) for run in runs if run["cache_seconds"] == 0]
    assert all(down), "a store that was killed and asked nevertheless"


def test_authgate_recovers_from_a_store_that_hangs_and_from_a_network_that_drops(tmp_path: Path) -> None:
    program("redis-server", fix="apt-get install redis-server")
    runs = restarts(tmp_path, "--restarts", "2", "--failure", "hang", "--failure", "drop", "--store", "redis")
    assert [len(run["again"]) for run in runs] == [1] * 4


def clients(*, strangers: int = 0) -> Clients:
    lines = ["X-Test: 1"]
    store = Store("a store", (), lines, lines * strangers, issuer=lambda *_: {})
    return Clients(store, free_port(), ["ann"], rate=1000)


ANN = "X-User-Id: ann\r\nX-User-Email: ann@example.com"


@pytest.mark.parametrize(
    ("status", "headers", "wrong"),
    [
        (200, ANN, (0, 0)),
        (200, "X-User-Id: ben\r\nX-User-Email: ben@example.com", (1, 0)),
        (200, "X-User-Id: ann\r\nX-User-Email: ben@example.com", (1, 0)),
        (200, f"{ANN}\r\nX-User-Id: ben", (1, 0)),
        (200, "X-Other: 1", (1, 0)),
        (401, "X-AuthGate-Reason: session_not_found", (0, 1)),
        (503, "X-AuthGate-Reason: sessions_unavailable", (0, 0)),
        (503, "X-AuthGate-Reason: internal_error", (0, 1)),
    ],
)
async def test_clients_notice_a_wrong_answer(status: int, headers: str, wrong: tuple[int, int]) -> None:
    seen = clients()
    await ask_once(seen, f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{headers}\r\n\r\n")
    assert (seen.wrong_identities > 0, seen.wrong_refusals > 0) == tuple(map(bool, wrong))
    assert bool(seen.wrong) == any(wrong)


async def test_a_stranger_who_is_let_in_is_a_wrong_identity() -> None:
    seen = clients(strangers=1)
    await ask_once(seen, f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{ANN}\r\n\r\n")
    assert seen.wrong_identities > 0


async def ask_once(seen: Clients, answer: str) -> None:
    """Let all clients ask a server that gives this *answer* to every request, until each has it."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer.encode())

    async with await asyncio.start_server(respond, "127.0.0.1", seen.port), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(seen.serve())
        await until_async(lambda: seen.statuses and (seen.refused_strangers or not seen.store.strangers))
        serving.cancel()


def answers(rights: str) -> list[Answer]:
    return [Answer(at, at, 0, right == "r") for at, right in enumerate(rights)]


@pytest.mark.parametrize(
    ("rights", "begin"),
    [
        ("r" * 100, 0),
        ("w" * 5 + "r" * 100, 5),
        ("r" + "ww" + "r" * 200, 3),
        ("r" * 50 + "w" + "r" * 49, 0),
        ("r" * 99, None),
        ("rw" * 200, None),
    ],
)
def test_a_recovery_begins_with_the_first_of_100_answers_of_which_99_are_right(rights: str, begin: int | None) -> None:
    first = begin_of_recovery(answers(rights))
    assert (first and first.at) == begin


def test_a_run_reports_a_recovery_that_did_not_come_and_a_bug_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "authgate.log"
    log.write_text('{"event": "internal error: ValueError"}\n{"event": "stopped"}\nTraceback\n')
    run = Run("a store", "kill -9", 0, wanted=2, again=[0.1])
    run.read_log(log)
    assert run.log_lines == 3
    assert len(run.faults()) == 3
