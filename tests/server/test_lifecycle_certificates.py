"""A real AuthGate process with TLS: start and end. tests/cli/test_admin.py has its health check."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.certificates import Authority
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CONFIG = (
    "issuers: [{name: app, preset: jwt, secret: an-honest-test-secret-0123456789-abcdefghijk, audiences: [tasks]}]\n"
)
CA = Authority()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return CA.server().write(tmp_path / "tls")


@pytest.fixture
def running(tmp_path: Path, folder: Path) -> Iterator[processes.RunningAuthGate]:
    with processes.authgate(tmp_path, CONFIG, environ=environ(folder)) as found:
        yield found


def environ(folder: Path) -> dict[str, str]:
    files = {"CERTIFICATE_FILE": f"{folder}/tls.crt", "KEY_FILE": f"{folder}/tls.key"}
    return {f"AUTHGATE_{where}TLS__{name}": path for name, path in files.items() for where in ("", "ADMIN__")}


def run(command: str, config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "authgate", command, "--config", config],
        capture_output=True,
        text=True,
        env=environ(folder),
        cwd=processes.ROOT,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_whatever_is_connected(running: processes.RunningAuthGate, name: signal.Signals) -> None:
    plain = socket.create_connection(("127.0.0.1", running.port))  # in the middle of a handshake, for ever
    idle = CA.context().wrap_socket(socket.create_connection(("127.0.0.1", running.port)), server_hostname="127.0.0.1")
    running.process.send_signal(name)
    assert running.process.wait(50) == 0
    plain.close()
    idle.close()
    events = [json.loads(line)["event"] for line in running.log.read_text().splitlines()]
    assert events[-2:] == ["stopping: no longer ready, finishing requests in flight", "stopped"]


def test_a_rotation_is_logged_with_the_serial(folder: Path, running: processes.RunningAuthGate) -> None:
    new = CA.server()
    new.write(folder)
    until(lambda: f"tls: new certificate with serial {new.serial:x}" in running.log.read_text())


def test_a_bad_file_is_exit_code_78_and_nothing_listens(tmp_path: Path, folder: Path) -> None:
    (folder / "tls.key").write_bytes(CA.server().key)
    config = tmp_path / "c.yaml"
    config.write_text(f"listen: 127.0.0.1:{processes.free_port()}\n{CONFIG}")
    for command in ("serve", "check"):
        ended = run(command, config, folder)
        assert ended.returncode == 78
        assert "tls.key_file: the private key does not belong to the certificate" in ended.stderr
        assert "admin.tls.key_file: the private key does not belong to the certificate" in ended.stderr
        assert "configuration has 2 problems" in ended.stderr


def test_check_says_what_is_shown_and_who_is_trusted(tmp_path: Path, folder: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG)
    found = run("check", config, folder)
    assert found.returncode == 0
    assert "# tls: TLS with the certificate of serial" in found.stdout
    assert "# trusted as proxies: 127.0.0.0/8, ::1/128" in found.stdout
