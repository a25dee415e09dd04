"""Reloads of a real AuthGate process: under load, at its start and end, and with TLS."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import processes
from tests.support.certificates import SERVER_NAME, Authority
from tests.support.client import ask, bearer
from tests.support.e2e import sound
from tests.support.issuer import Issuer, by_url, running_issuer
from tests.support.reloading import reload, reload_outcomes, rewrite
from tests.support.tokens import OTHER_SECRET, SECRET, mint
from tests.support.waiting import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

RELOADS = 100
CLIENTS = 4
LOCAL = (
    "  - {name: local, preset: jwt, secret_env: APP_SECRET, issuer: local, audiences: [tasks], subject_prefix: ''}\n"
)
ENVIRON = {"APP_SECRET": SECRET.decode(), "OTHER_SECRET": OTHER_SECRET.decode()}
SUBREQUEST_HEADERS = {"X-Original-Method": "GET", "X-Original-URL": "http://a/"}
# A status, and the headers of the reply that a configuration adds.
Answer = tuple[int, dict[str, str]]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    (tmp_path / "issuer").mkdir()
    with running_issuer(tmp_path / "issuer") as running:
        yield running


def policies(role: str, claim: str) -> str:
    """Return policies of which the first lets users with *role* pass, and tells the upstream *claim*."""
    return (
        "policies:\n"
        f"  - {{name: changing, match: {{path: /changing}}, require: {{roles: {{any_of: [{role}]}}}}, "
        f"headers: {{X-Which: claims.{claim}}}}}\n"
        "  - {name: rest, require: signed_in}\n"
    )


# The headers of the configurations below, and what two of them add for the user "user-1" at other paths.
ADDED = ("X-User-Id", "X-Subject", "X-Which")
BY_ID, BY_SUBJECT = {"X-User-Id": "user-1"}, {"X-Subject": "user-1"}


def app(issuer: Issuer) -> str:
    return f"  - {json.dumps(by_url('app', issuer) | {'subject_prefix': ''})}\n"


def resources(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Return how many file descriptors, threads and KiB of memory *process* uses."""
    folder = Path("/proc") / str(process.pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return {
        "descriptors": len(list((folder / "fd").iterdir())),
        "threads": int(status["Threads"]),
        "memory": int(status["VmRSS"].split()[0]),
    }


class Client(threading.Thread):
    """Asks again and again on one connection. *wrong* has each answer that is not *expected*.

    *expected* has the possible answers by path and token.
    """

    def __init__(self, port: int, expected: dict[tuple[str, str], list[Answer]]) -> None:
        super().__init__()
        self._port = port
        self._expected = expected
        self.wrong: list[Any] = []
        self.answer_count = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.connect()
            socket = connection.sock
            for (path, token), expected in itertools.cycle(self._expected.items()):
                if self.stopping.is_set():
                    return
                described = SUBREQUEST_HEADERS | {"X-Original-URL": f"http://a{path}"}
                connection.request("GET", "/auth/nginx", headers=described | {"Authorization": f"Bearer {token}"})
                response = connection.getresponse()
                response.read()
                added = {name: value for name, value in response.getheaders() if name in ADDED}
                if (response.status, added) not in expected or connection.sock is not socket:
                    self.wrong.append((response.status, added, expected))
                self.answer_count += 1
        except Exception as error:  # noqa: BLE001 - any error means a lost request
            self.wrong.append(error)
        finally:
            connection.close()


@pytest.mark.timeout(600)
def test_a_hundred_reloads_lose_no_request_and_leak_nothing(tmp_path: Path, issuer: Issuer) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [issuer.keys["K1"].jwk]}))
    extra = f"  - {{name: extra, preset: jwt, jwks_file: {keys}, issuer: extra, audiences: [tasks]}}\n"
    variants = [
        f"issuers:\n{LOCAL}{app(issuer)}{policies('a', 'first')}",
        f"issuers:\n{LOCAL}{app(issuer)}{extra}headers: {{X-Subject: subject}}\n{policies('b', 'second')}",
        f"issuers:\n{app(issuer)}{LOCAL}leeway_seconds: 7\n",
        f"issuers:\n{LOCAL}{app(issuer)}nonsense: true\n",
    ]
    # Under each of the first three, in this order. No request is decided by half of one and half of another.
    everywhere: list[Answer] = [(200, BY_ID | {"X-Which": ""}), (200, BY_SUBJECT | {"X-Which": ""}), (200, BY_ID)]
    refused: Answer = (401, {})
    user = {"iss": "local", "first": "1", "second": "2"}
    expected: dict[tuple[str, str], list[Answer]] = {
        ("/", mint(sound(iss="local"))): everywhere,
        ("/", issuer.token(sub="user-1")): everywhere,
        ("/", mint(sound(iss="local"), key=OTHER_SECRET)): [refused],
        ("/", issuer.token(aud="other")): [refused],
        ("/", issuer.token(iss="extra", sub="user-1")): [refused, everywhere[1]],
        ("/changing", mint(sound(**user, roles=["a"]))): [(200, BY_ID | {"X-Which": "1"}), (403, {}), (200, BY_ID)],
        ("/changing", mint(sound(**user, roles=["b"]))): [
            (403, {}),
            (200, BY_SUBJECT | {"X-Which": "2"}),
            (200, BY_ID),
        ],
        ("/changing", mint(sound(**user, roles=["a", "b"]))): [
            (200, BY_ID | {"X-Which": "1"}),
            (200, BY_SUBJECT | {"X-Which": "2"}),
            (200, BY_ID),
        ],
    }
    with processes.authgate(tmp_path, variants[0], environ=ENVIRON) as running:
        clients = [Client(running.port, expected) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            before: dict[str, int] = {}
            for number in range(RELOADS):
                rewrite(running, variants[number % len(variants)])
                reload(running)
                if number == RELOADS // 4:
                    before = resources(running.process)
            after = resources(running.process)
        finally:
            for client in clients:
                client.stopping.set()
            for client in clients:
                client.join(PATIENCE_SECONDS)
        outcomes = reload_outcomes(running)
        fetched = len(issuer.requests(issuer.jwks_path))
    assert [client.wrong for client in clients] == [[]] * CLIENTS
    assert all(client.answer_count > RELOADS for client in clients)
    assert outcomes["failed"] >= RELOADS // len(variants)
    assert sum(outcomes.values()) >= RELOADS
    assert fetched == 1, "the key settings of the issuer never changed"
    assert after["descriptors"] <= before["descriptors"] + 2  # a request for the metrics, a file that is being read
    assert after["threads"] <= before["threads"] + 2
    assert after["memory"] < before["memory"] + 8 * 1024
    assert "Traceback" not in running.log.read_text()


def test_sighup_during_the_start_does_not_end_the_process(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    port = processes.free_port()
    config.write_text(
        f"listen: 127.0.0.1:{port}\nadmin: {{listen: 127.0.0.1:{processes.free_port()}}}\nissuers:\n{LOCAL}"
    )
    command = [sys.executable, "-m", "authgate", "serve", "--config", config]
    with processes.running(command, tmp_path / "log", environ=ENVIRON) as process:
        until(lambda: _survives_sighup(process.pid), pause_seconds=0)
        signal_count = 0

        def listens() -> bool:
            nonlocal signal_count
            if '"listening on' in (tmp_path / "log").read_text():
                return True
            process.send_signal(signal.SIGHUP)
            signal_count += 1
            assert process.poll() is None
            return False

        until(listens, pause_seconds=0.005)
        assert signal_count
        assert ask(port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/").status == 401
        assert processes.stop(process) == 0


def _survives_sighup(pid: int) -> bool:
    """Return whether the process ignores or handles SIGHUP."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    masks = re.findall(r"^Sig(?:Ign|Cgt):\s*([0-9a-f]+)$", status, re.MULTILINE)
    return any(int(mask, 16) & 1 << (signal.SIGHUP - 1) for mask in masks)


def test_sigterm_during_a_reload_ends_cleanly(tmp_path: Path, issuer: Issuer) -> None:
    issuer.answer("slow", seconds=30)
    with processes.authgate(tmp_path, f"issuers:\n{LOCAL}", environ=ENVIRON) as running:
        rewrite(running, f"issuers:\n{LOCAL}{app(issuer)}")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: issuer.requests(issuer.jwks_path))  # the reload waits for this answer
        assert processes.stop(running.process) == 0
        events = [json.loads(line)["event"] for line in running.log.read_text().splitlines()]
    assert events[-1] == "stopped"
    assert "Traceback" not in running.log.read_text()


def test_a_reload_keeps_tls_and_rejects_a_configuration_without_it(tmp_path: Path) -> None:
    authority = Authority()
    folder = authority.server().write(tmp_path / "tls")
    tls = f"tls: {{certificate_file: {folder}/tls.crt, key_file: {folder}/tls.key}}\n"
    token = bearer(mint(sound(iss="local")))
    subrequest = ("/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/", token)
    trusted = (authority.context(), SERVER_NAME)
    with processes.authgate(tmp_path, f"{tls}issuers:\n{LOCAL}", environ=ENVIRON) as running:
        assert ask(running.port, *subrequest, tls=trusted).status == 200
        rewrite(running, f"{tls}issuers:\n{LOCAL.replace('[tasks]', '[other]')}")
        reload(running)
        assert reload_outcomes(running) == {"succeeded": 1, "failed": 0}
        assert ask(running.port, *subrequest, tls=trusted).status == 401
        rewrite(running, f"issuers:\n{LOCAL}")
        reload(running)
        assert reload_outcomes(running) == {"succeeded": 1, "failed": 1}
        readyz = ask(running.admin_port, "/readyz").json
        assert readyz["ready"]
        assert readyz["configuration"]["reload_failed"].startswith("tls: ")
        assert "restart" in readyz["configuration"]["reload_failed"]
        rewrite(running, f"{tls}issuers:\n{LOCAL}")
        reload(running)
        assert reload_outcomes(running) == {"succeeded": 2, "failed": 1}
        assert ask(running.port, *subrequest, tls=trusted).status == 200


def test_a_changed_file_is_reloaded_without_a_signal(tmp_path: Path) -> None:
    token = bearer(mint(sound(iss="local")))
    with processes.authgate(tmp_path, f"issuers:\n{LOCAL}", environ=ENVIRON) as running:
        rewrite(running, f"issuers:\n{LOCAL.replace('[tasks]', '[other]')}")
        subrequest = ("/auth/nginx", *(f"{name}: {value}" for name, value in SUBREQUEST_HEADERS.items()), token)
        until(lambda: ask(running.port, *subrequest).status == 401, pause_seconds=0.1)
        assert reload_outcomes(running) == {"succeeded": 1, "failed": 0}
