"""The soak (bench/soak): a short run, and what it must notice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bench.soak.attacks import BURST_KIND, CONNECTIONS, HEADS, REQUESTS
from bench.soak.issuers import Person
from bench.soak.report import Process, Sample, Soak, read_logs
from bench.soak.users import KINDS, Request, Tally, WrongIdentity
from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from pathlib import Path

ANN, BEN = Person("ann"), Person("ben")
# A short run ends no session and withdraws no key.
LONG_RUNS_ONLY = {"key that was withdrawn", "session that ended"}


# What a run sends, however short it is.
SENT_ALWAYS = (
    {*KINDS, *REQUESTS, BURST_KIND} - LONG_RUNS_ONLY
    | {f"{kind}, {sender}" for kind in HEADS for sender in ("from a proxy", "not from a proxy")}
    | {f"{port}: {kind}" for port, kinds in CONNECTIONS.items() for kind in kinds}
)


def test_a_short_run_sends_every_kind_and_finds_no_fault(tmp_path: Path) -> None:
    program("nginx", fix="apt-get install nginx-light")
    report = tmp_path / "soak.json"
    for seconds in (3, 20, 60):  # on a busy machine, three seconds are not enough for all kinds
        command = [sys.executable, "-m", "bench.soak", "--seconds", str(seconds), "--json", str(report)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)
        run = json.loads(report.read_text())
        # On a busy machine a lookup may take longer than a request waits.
        assert [fault for fault in run["faults"] if "answered with 503" not in fault] == [], done.stdout
        unsent = SENT_ALWAYS - run["good"]["sent"].keys() - run["bad"]["sent"].keys()
        if not unsent:
            break
    assert not unsent
    assert run["metrics"]['authgate_config_reloads_total{outcome="succeeded"}'] > 0


def echoed(**headers: str) -> bytes:
    return json.dumps({"headers": [[name.replace("_", "-"), value] for name, value in headers.items()]}).encode()


SEEN_AS_ANN = echoed(X_User_Id="ann", X_User_Email="ann@example.com", X_User_Name="Ann", X_User_Roles="member")


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (Request("/api/tasks", person=BEN), SEEN_AS_ANN),
        (Request("/api/public/about"), SEEN_AS_ANN),
        (Request("/api/tasks", person=ANN), echoed()),
        (Request("/api/tasks", person=ANN), echoed(X_User_Id="ann")),
        (Request("/api/tasks", statuses=(401,)), echoed()),
    ],
    ids=["another user", "a user instead of nobody", "nobody", "a part of the identity", "a request to refuse"],
)
def test_a_wrong_identity_ends_the_run(request_: Request, body: bytes) -> None:
    with pytest.raises(WrongIdentity):
        Tally().add("kind", request_, 200, body)


def test_a_right_answer_is_no_fault_and_a_refused_user_is_one() -> None:
    run = Soak(600)
    run.good.add("kind", Request("/api/tasks", person=ANN), 200, SEEN_AS_ANN)
    assert run.good.wrong.total() == 0
    run.good.add("kind", Request("/api/tasks", person=ANN), 503, b"")
    assert run.good.wrong.total() == 1


def process(mib: float = 80, descriptors: int = 15) -> Process:
    return Process(mib, mib, descriptors, threads=5, cpu_seconds=1, queued_seconds=0)


def steady(**changes: Any) -> Soak:
    samples = [Sample(at, process(), process(), log_bytes=0) for at in range(0, 600, 5)]
    return Soak(600, **({"samples": samples, "before": process(), "after": process()} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": [Sample(at, process(80 + at / 60), process(), log_bytes=0) for at in range(0, 600, 5)]},
        {"after": process(descriptors=16)},
        {"probes": {200: 599, 0: 1}},
        {"metrics": {'authgate_log_lines_dropped_total{cause="too_slow"}': 1.0}},
    ],
    ids=["a MiB a minute", "a descriptor", "the admin port", "a log line"],
)
def test_what_grows_or_goes_missing_is_a_fault(changes: dict[str, Any]) -> None:
    assert steady().faults() == []
    assert len(steady(**changes).faults()) == 1


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "internal error: KeyError at authgate.core.rules:117"}',
        '{"event": "deny", "reason": "internal_error"}',
        '{"event": "closed a connection: a request took too long (peer 127.0.0.1)"}',
        '{"event": "deny", "reason": "keys_unavailable"}',
        "Traceback (most recent call last):",
    ],
)
def test_an_unexpected_line_is_a_fault(tmp_path: Path, line: str) -> None:
    log, nginx_log = tmp_path / "authgate.log", tmp_path / "nginx.log"
    nginx_log.touch()
    log.write_text('{"event": "deny", "reason": "expired"}\n')
    run = steady()
    read_logs(run, log, nginx_log)
    assert run.faults() == []
    log.write_text(f"{line}\n")
    read_logs(run, log, nginx_log)
    assert len(run.faults()) == 1
