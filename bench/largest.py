"""Measure the largest configuration: `python -m bench.largest`. docs/measurements.md has a run.

It measures `check`, a start, a reload while a probe asks /healthz without a pause, and a decision: each with the
largest configuration, and with one issuer and one policy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import jwt

from authgate import wiring
from authgate.config.load import load
from authgate.core.decide import decide
from authgate.core.decision import Allow
from authgate.core.request import make_request
from authgate.tokens import LruProofCache
from bench.deciding import as_received
from bench.largest_configuration import largest_configuration, user
from bench.serving import authgate
from tests.support.client import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.request import Request
    from tests.support.processes import RunningAuthGate

DECISIONS = 2000
ROUNDS = 5
MEGABYTE = 1024 * 1024
SMALLEST = 1 / 1000  # one issuer, one policy


def main() -> None:
    """Print a table."""
    results: dict[str, list[str]] = {}
    for share in (SMALLEST, 1):
        for name, value in measured(largest_configuration(share), last=max(0, round(1000 * share) - 2)).items():
            results.setdefault(name, []).append(value)
    print("| | one issuer, one policy | the largest configuration |\n| --- | --- | --- |")
    for name, values in results.items():
        print(f"| {name} | {' | '.join(values)} |")


def measured(config: str, last: int) -> dict[str, str]:
    """Return the figures of *config*, of which the issuer and the policy number *last* are asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "check.yaml"
        path.write_text(config)
        return {
            "size of the file": f"{len(config) / 1024:.0f} KiB",
            **of_check(path),
            **of_serving(folder, config),
            **of_decisions(path, last),
        }


def of_check(path: Path) -> dict[str, str]:
    """Return the processor time and the memory of `authgate check`."""
    command = [sys.executable, "-m", "authgate", "check", "--config", path]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: check ended with {process.returncode}")
    return {"check": f"{usage.ru_utime + usage.ru_stime:.1f} s, {usage.ru_maxrss / 1024:.0f} MiB"}


def of_serving(folder: Path, config: str) -> dict[str, str]:
    """Return processor time and memory of a start and of a reload, and the longest pauses that a probe saw."""
    with authgate(folder, config) as running:
        started, memory = processor_time(running), memory_of(running)
        quiet = longest_pause(running, lambda: time.sleep(3))
        began = processor_time(running)
        reload(running)
        took = processor_time(running) - began
        pause = longest_pause(running, lambda: reload(running))
        return {
            "start": f"{started:.1f} s, {memory['VmRSS']} MiB",
            "reload": f"{took:.1f} s, {memory_of(running)['VmHWM']} MiB at most",
            "longest wait of /healthz, in a reload": f"{pause * 1000:.0f} ms",
            "longest wait of /healthz, without one": f"{quiet * 1000:.0f} ms",
        }


def reload(running: RunningAuthGate) -> None:
    """Change the configuration and wait until it is used."""
    before = running.log.read_text().count("configuration reloaded")
    running.config.write_text(running.config.read_text() + "# changed\n")
    while running.log.read_text().count("configuration reloaded") == before:
        time.sleep(0.2)


def processor_time(running: RunningAuthGate) -> float:
    """Return the processor time of the process so far, in seconds."""
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def longest_pause(running: RunningAuthGate, during: Callable[[], None]) -> float:
    """Return the longest time, in seconds, that a request for /healthz took *during* something."""
    is_over, longest = threading.Event(), [0.0]

    def probe() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            ask(running.admin_port, "/healthz")
            longest[0] = max(longest[0], time.monotonic() - began)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        during()
    finally:
        is_over.set()
        thread.join()
    return longest[0]


def memory_of(running: RunningAuthGate) -> dict[str, int]:
    """Return the memory that the process has now (VmRSS) and had at most (VmHWM), in MiB."""
    lines = Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
    return {name: int(rest.split()[0]) // 1024 for name, _, rest in (line.partition(":") for line in lines)
            if name in {"VmRSS", "VmHWM"}}  # fmt: skip


def of_decisions(path: Path, last: int) -> dict[str, str]:
    """Return the processor time of decisions: with a cached proof, with a new token, and of a refusal."""
    claims, secret = user(last)
    snapshot = wiring.prepare(load(str(path), {})).snapshot
    warm = replace(snapshot, proofs=LruProofCache())
    claims["exp"] = time.time() + 9999
    tokens = [jwt.encode({**claims, "n": n}, secret) for n in range(DECISIONS)]
    foreign = [jwt.encode({**claims, "n": n, "iss": "else"}, secret) for n in range(DECISIONS)]
    kinds = {
        "a decision, warm": (warm, [request(last, tokens[0])] * DECISIONS, True),
        "a decision, a new token": (snapshot, [request(last, token) for token in tokens], True),
        "a refusal, an issuer that is not known": (snapshot, [request(last, token) for token in foreign], False),
    }
    return {name: f"{median(microseconds(*kind) for _ in range(ROUNDS)):.0f} µs" for name, kind in kinds.items()}


def microseconds(snapshot: Any, requests: list[Request], allowed: bool) -> float:  # noqa: ANN401, FBT001 - see above
    """Return the processor time of one decision on *requests*."""
    snapshot = replace(snapshot, proofs=LruProofCache()) if len({*map(id, requests)}) > 1 else snapshot
    began = time.process_time()
    for one in requests:
        try:
            next(decide(one, snapshot, time.time()))
        except StopIteration as done:
            decision = done.value
    if isinstance(decision, Allow) is not allowed:
        sys.exit(f"bench: another decision was expected: {decision}")
    return (time.process_time() - began) / len(requests) * 1e6


def request(last: int, token: str) -> Request:
    """Return a request that the policy number *last* matches."""
    return make_request(
        method="GET",
        scheme="https",
        authority="app.example.com",
        target=f"/a{last}/tasks",
        headers=as_received({"Authorization": f"Bearer {token}"}),
        adapter="nginx",
    )


if __name__ == "__main__":
    main()
