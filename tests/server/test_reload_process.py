"""A real AuthGate process that reloads: under load, at its start, at its end, and with TLS."""

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
from tests.support.reloading import reloaded, reloads, rewritten
from tests.support.tokens import OTHER_SECRET, SECRET, mint
from tests.support.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

RELOADS = 100
CLIENTS = 4
LOCAL = "  - {name: local, preset: jwt, secret_env: APP_SECRET, issuer: local, audiences: [tasks]}\n"
ENVIRON = {"APP_SECRET": SECRET.decode(), "OTHER_SECRET": OTHER_SECRET.decode()}
QUESTION = {"X-Original-Method": "GET", "X-Original-URL": "http://a/"}


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Issuer]:
    (tmp_path / "issuer").mkdir()
    with running_issuer(tmp_path / "issuer") as running:
        yield running


def app(at: Issuer) -> str:
    return f"  - {json.dumps(by_url('app', at))}\n"


def kept(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Return what *process* holds: file descriptors, threads, memory in KiB."""
    folder = Path("/proc") / str(process.pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return {
        "descriptors": len(list((folder / "fd").iterdir())),
        "threads": int(status["Threads"]),
        "memory": int(status["VmRSS"].split()[0]),
    }


class Client(threading.Thread):
    """Asks all the time, on one connection, and keeps what was answered otherwise than *expected*."""

    def __init__(self, port: int, expected: dict[str, set[int]]) -> None:
        super().__init__()
        self._port = port
        self._expected = expected
        self.wrong: list[Any] = []
        self.asked = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.connect()
            socket = connection.sock
            for token, expected in itertools.cycle(self._expected.items()):
                if self.stopping.is_set():
                    return
                connection.request("GET", "/auth/nginx", headers=QUESTION | {"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                answer.read()
                if answer.status not in expected or connection.sock is not socket:
                    self.wrong.append((answer.status, expected))
                self.asked += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, a request was lost
            self.wrong.append(error)
        finally:
            connection.close()


@pytest.mark.timeout(120)
def test_a_hundred_reloads_lose_no_request_and_leave_nothing_behind(tmp_path: Path, one: Issuer) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [one.keys["K1"].jwk]}))
    extra = f"  - {{name: extra, preset: jwt, jwks_file: {keys}, issuer: extra, audiences: [tasks]}}\n"
    variants = [
        f"issuers:\n{LOCAL}{app(one)}",
        f"issuers:\n{LOCAL}{app(one)}{extra}headers: {{X-Subject: subject}}\n",
        f"issuers:\n{app(one)}{LOCAL}leeway_seconds: 7\n",
        f"issuers:\n{LOCAL}{app(one)}nonsense: true\n",
    ]
    expected = {
        mint(sound(iss="local")): {200},
        one.token(): {200},
        mint(sound(iss="local"), key=OTHER_SECRET): {401},
        one.token(aud="other"): {401},
        one.token(iss="extra"): {200, 401},
    }
    with processes.authgate(tmp_path, variants[0], environ=ENVIRON) as running:
        clients = [Client(running.port, expected) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            warm: dict[str, int] = {}
            for number in range(RELOADS):
                rewritten(running, variants[number % len(variants)])
                reloaded(running)
                if number == RELOADS // 4:
                    warm = kept(running.process)
            after = kept(running.process)
        finally:
            for client in clients:
                client.stopping.set()
            for client in clients:
                client.join(20)
        outcomes = reloads(running)
        fetched = len(one.requests(one.jwks_path))
    assert [client.wrong for client in clients] == [[]] * CLIENTS
    assert all(client.asked > RELOADS for client in clients)
    assert outcomes["failed"] >= RELOADS // len(variants)
    assert sum(outcomes.values()) >= RELOADS
    assert fetched == 1, "the issuer never changed"
    assert after["descriptors"] <= warm["descriptors"] + 2  # a look at the metrics, a file that is being read
    assert after["threads"] <= warm["threads"] + 2
    assert after["memory"] < warm["memory"] + 8 * 1024
    assert "Traceback" not in running.log.read_text()


def test_sighup_during_the_start_does_not_end_it(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    port = processes.free_port()
    config.write_text(
        f"listen: 127.0.0.1:{port}\nadmin: {{listen: 127.0.0.1:{processes.free_port()}}}\nissuers:\n{LOCAL}"
    )
    command = [sys.executable, "-m", "authgate", "serve", "--config", config]
    with processes.running(command, tmp_path / "log", environ=ENVIRON) as process:
        until(lambda: _minds_sighup(process.pid), pause_seconds=0)
        sent = 0

        def listens() -> bool:
            nonlocal sent
            if '"listening on' in (tmp_path / "log").read_text():
                return True
            process.send_signal(signal.SIGHUP)
            sent += 1
            assert process.poll() is None
            return False

        until(listens, pause_seconds=0.005)
        assert sent
        assert ask(port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/").status == 401
        assert processes.stop(process) == 0


def _minds_sighup(pid: int) -> bool:
    """Say whether SIGHUP would not end the process any more."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    masks = re.findall(r"^Sig(?:Ign|Cgt):\s*([0-9a-f]+)$", status, re.MULTILINE)
    return any(int(mask, 16) & 1 << (signal.SIGHUP - 1) for mask in masks)


def test_sigterm_during_a_reload_ends_cleanly(tmp_path: Path, one: Issuer) -> None:
    one.answer("slow", seconds=30)
    with processes.authgate(tmp_path, f"issuers:\n{LOCAL}", environ=ENVIRON) as running:
        rewritten(running, f"issuers:\n{LOCAL}{app(one)}")
        running.process.send_signal(signal.SIGHUP)
        until(lambda: one.requests(one.jwks_path))  # it is being asked: the reload waits for the answer
        assert processes.stop(running.process) == 0
        events = [json.loads(line)["event"] for line in running.log.read_text().splitlines()]
    assert events[-1] == "stopped"
    assert "Traceback" not in running.log.read_text()


def test_a_reload_behind_tls_goes_on_showing_the_certificate(tmp_path: Path) -> None:
    authority = Authority()
    folder = authority.server().write(tmp_path / "tls")
    tls = f"tls: {{certificate_file: {folder}/tls.crt, key_file: {folder}/tls.key}}\n"
    token = bearer(mint(sound(iss="local")))
    question = ("/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/", token)
    trusted = (authority.context(), SERVER_NAME)
    with processes.authgate(tmp_path, f"{tls}issuers:\n{LOCAL}", environ=ENVIRON) as running:
        assert ask(running.port, *question, tls=trusted).status == 200
        rewritten(running, f"{tls}issuers:\n{LOCAL.replace('[tasks]', '[other]')}")
        assert reloaded(running) == {"succeeded": 1, "failed": 0}
        assert ask(running.port, *question, tls=trusted).status == 401
        rewritten(running, f"issuers:\n{LOCAL}")
        assert reloaded(running) == {"succeeded": 1, "failed": 1}
        readyz = ask(running.admin_port, "/readyz").json
        assert readyz["ready"]
        assert readyz["configuration"]["reload_failed"] == "tls: has changed, and needs a restart to take effect"
        rewritten(running, f"{tls}issuers:\n{LOCAL}")
        assert reloaded(running) == {"succeeded": 2, "failed": 1}
        assert ask(running.port, *question, tls=trusted).status == 200


def test_the_watch_of_a_real_process_takes_a_new_file_over(tmp_path: Path) -> None:
    """And a request's answer changes without a signal."""
    token = bearer(mint(sound(iss="local")))
    with processes.authgate(tmp_path, f"issuers:\n{LOCAL}", environ=ENVIRON) as running:
        rewritten(running, f"issuers:\n{LOCAL.replace('[tasks]', '[other]')}")
        question = ("/auth/nginx", *(f"{name}: {value}" for name, value in QUESTION.items()), token)
        until(lambda: ask(running.port, *question).status == 401, pause_seconds=0.1)
        assert reloads(running) == {"succeeded": 1, "failed": 0}
