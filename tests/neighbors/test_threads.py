"""A neighbor in the pod takes all processes and threads: AuthGate can start none, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.neighbors.beside import Neighborhood, beside
from tests.support.client import ask, bearer
from tests.support.issuer import by_url, running_issuer
from tests.support.processes import (
    ROOT,
    RunningAuthGate,
    free_port,
    running,
    stop,
    wait_for_port,
)
from tests.support.reloading import reload_outcomes
from tests.support.serving import fresh
from tests.support.tokens import OTHER_SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.issuer import Issuer

CLEAN = {"PATH": os.environ["PATH"]}
PRLIMIT = "prlimit"  # of util-linux, as setpriv
NO_THREAD = "no thread can be started: the limit of processes is reached"
OTHER = {"name": "other", "preset": "jwt", "secret": OTHER_SECRET.decode(), "audiences": ["tasks"]}
MODULE = [sys.executable, "-m", "tests.neighbors.busy_threads", "serve", "--config"]


def as_limited_user() -> list[str]:
    """Return the beginning of a command that runs the rest as a user. RLIMIT_NPROC does not limit root."""
    if os.getuid() != 0:
        return []
    capability = "-all,+dac_override"  # the tests' files are those of root
    limits = (f"--inh-caps={capability}", f"--ambient-caps={capability}", f"--bounding-set={capability}")
    return [
        "setpriv",
        "--reuid=64321",
        "--regid=64321",
        "--clear-groups",
        *limits,
    ]


@contextmanager
def limited(folder: Path, config: str, *, environ: Mapping[str, str] | None = None) -> Iterator[RunningAuthGate]:
    """Run AuthGate as `processes.authgate` does, as a limited user. A line on its input keeps its threads busy."""
    del environ
    port, admin_port = free_port(), free_port()
    path, log = folder / "authgate.yaml", folder / "authgate.log"
    path.write_text(f"listen: 127.0.0.1:{port}\nadmin: {{listen: 127.0.0.1:{admin_port}}}\n{config}")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*as_limited_user(), *MODULE, path],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=CLEAN,
        )
    try:
        wait_for_port(port, process, log)
        yield RunningAuthGate(port=port, admin_port=admin_port, log=log, process=process, config=path)
    finally:
        stop(process)
        process.communicate()


@contextmanager
def no_free_thread(running_one: RunningAuthGate) -> Iterator[None]:
    pid = running_one.process.pid
    line = next(
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max processes")
    )
    _limit_processes(pid, "1")
    try:
        yield
    finally:
        if running_one.process.poll() is None:
            _limit_processes(pid, line.split()[3])


def _limit_processes(pid: int, soft_limit: str) -> None:
    # As the same user: another one, even root in a container, may need a capability for it.
    command = [*as_limited_user(), PRLIMIT, "--pid", str(pid), f"--nproc={soft_limit}:"]
    subprocess.run(command, check=True, timeout=60)


@contextmanager
def busy_threads(running_one: RunningAuthGate) -> Iterator[None]:
    process = running_one.process
    assert isinstance(process, subprocess.Popen)
    assert process.stdin is not None
    process.stdin.write(b"hang\n")
    process.stdin.flush()
    try:
        yield
    finally:
        if process.poll() is None:
            process.stdin.write(b"go on\n")
            process.stdin.flush()


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    (tmp_path / "issuer").mkdir()
    with running_issuer(tmp_path / "issuer") as running_one:
        yield running_one


@pytest.fixture
def neighborhood(tmp_path: Path, issuer: Issuer) -> Iterator[Neighborhood]:
    """AuthGate with an issuer whose keys are loaded every second."""
    app = {**by_url("app", issuer), "refresh_seconds": 1, "cooldown_seconds": 1, "subject_prefix": "app:"}
    with beside(tmp_path, app, run=limited) as beside_it:
        yield beside_it


def status(neighborhood: Neighborhood, token: str) -> int:
    lines = ("X-Original-Method: GET", "X-Original-URL: http://app.example.com/api", bearer(token))
    return ask(neighborhood.running.port, "/auth/nginx", *lines).status


def key_failure(neighborhood: Neighborhood) -> str:
    return str(ask(neighborhood.running.admin_port, "/readyz").json["issuers"]["app"].get("why", ""))


def reload_failure(neighborhood: Neighborhood) -> str:
    return ask(neighborhood.running.admin_port, "/readyz").json["configuration"]["reload_failed"] or ""


def test_without_a_free_thread_keys_refresh_and_the_configuration_reloads(
    neighborhood: Neighborhood, issuer: Issuer
) -> None:
    running_one = neighborhood.running
    threads = Path(f"/proc/{running_one.process.pid}/task")
    # Its own, that of this test, the log's, two for blocking calls, and four of libuv, which could abort the process
    # later.
    assert len([*threads.iterdir()]) == 9
    with no_free_thread(running_one):
        issuer.rotate("K2", overlap=False)
        fetched = len(issuer.requests(issuer.jwks_path))
        until(lambda: len(issuer.requests(issuer.jwks_path)) > fetched + 1)
        assert status(neighborhood, issuer.token()) == 200
        running_one.config.write_text(running_one.config.read_text().replace("- tasks", "- other"))
        until(lambda: reload_outcomes(running_one)["succeeded"])
        assert status(neighborhood, fresh(key=OTHER_SECRET, aud="tasks")) == 401
        running_one.config.write_text(running_one.config.read_text().replace("- other", "- tasks"))
        until(lambda: reload_outcomes(running_one)["succeeded"] == 2)
        neighborhood.others.faults.clear()  # they were refused meanwhile, as the configuration demanded
        neighborhood.until_others_are_served()
        command = [
            *as_limited_user(),
            PRLIMIT,
            "--nproc=1:1",
            sys.executable,
            "-m",
            "authgate",
            "healthcheck",
            "--config",
        ]
        subprocess.run([*command, running_one.config], cwd=ROOT, env=CLEAN, check=True, timeout=60)
    assert not any(NO_THREAD in event for event in neighborhood.events())


def test_if_all_threads_hang_and_none_can_be_started_the_log_says_so_and_all_recovers(
    neighborhood: Neighborhood, issuer: Issuer
) -> None:
    running_one = neighborhood.running
    until(lambda: status(neighborhood, issuer.token()) == 200)  # its keys are loaded
    with busy_threads(running_one):
        with no_free_thread(running_one):
            issuer.rotate("K2", overlap=False)
            running_one.process.send_signal(signal.SIGHUP)
            until(lambda: NO_THREAD in key_failure(neighborhood) and NO_THREAD in reload_failure(neighborhood))
            until(lambda: reload_outcomes(running_one)["failed"])
            assert status(neighborhood, issuer.token(key="K1")) == 200
            assert status(neighborhood, issuer.token()) == 503, "nobody knows this key yet"
            neighborhood.until_others_are_served()
        until(lambda: not key_failure(neighborhood))
        assert status(neighborhood, issuer.token()) == 200
        running_one.process.send_signal(signal.SIGHUP)
        until(lambda: not reload_failure(neighborhood))
        assert reload_outcomes(running_one)["succeeded"] == 1
    said = [event for event in neighborhood.events() if NO_THREAD in event]
    assert len(said) < 6, "each failure once, not once for each attempt"


def test_sigterm_ends_a_process_that_can_start_no_thread(tmp_path: Path) -> None:
    with limited(tmp_path, yaml.safe_dump({"issuers": [OTHER]})) as running_one:
        with busy_threads(running_one), no_free_thread(running_one):
            running_one.process.terminate()
            assert running_one.process.wait(60) == 0
        assert '"event": "stopped"' in running_one.log.read_text().splitlines()[-1]


def test_a_start_without_threads_says_so_and_exits_with_71(tmp_path: Path) -> None:
    path, log = tmp_path / "authgate.yaml", tmp_path / "log"
    path.write_text(yaml.safe_dump({"listen": f"127.0.0.1:{free_port()}", "issuers": [OTHER]}))
    command = [*as_limited_user(), PRLIMIT, "--nproc=1:1", sys.executable, "-m", "authgate", "serve", "--config", path]
    with running(command, log) as process:
        assert process.wait(60) == os.EX_OSERR
    assert log.read_text().startswith(f"AuthGate cannot start: {NO_THREAD}")
    assert "Traceback" not in log.read_text()
