"""A real AuthGate process with TLS: start, rotation and end. tests/cli/test_admin.py has its health check."""

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
    with processes.authgate(tmp_path, CONFIG, environ=environ(folder)) as authgate:
        yield authgate


def environ(folder: Path) -> dict[str, str]:
    files = {"CERTIFICATE_FILE": f"{folder}/tls.crt", "KEY_FILE": f"{folder}/tls.key"}
    return {f"AUTHGATE_{port}TLS__{name}": path for name, path in files.items() for port in ("", "ADMIN__")}


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
def test_a_signal_ends_the_process_whatever_is_connected(
    running: processes.RunningAuthGate, name: signal.Signals
) -> None:
    plain = socket.create_connection(("127.0.0.1", running.port))  # never finishes its handshake
    idle = CA.context().wrap_socket(socket.create_connection(("127.0.0.1", running.port)), server_hostname="127.0.0.1")
    running.process.send_signal(name)
    assert running.process.wait(50) == 0
    plain.close()
    idle.close()
    events = [json.loads(line)["event"] for line in running.log.read_text().splitlines()]
    assert events[-2].startswith("stopping: no longer ready")
    assert events[-1] == "stopped"


def test_a_rotation_is_logged_with_the_serial(folder: Path, running: processes.RunningAuthGate) -> None:
    new = CA.server()
    new.write(folder)
    until(lambda: f"new certificate with serial {new.serial:x}" in running.log.read_text())


def test_a_bad_file_is_exit_code_78_and_nothing_listens(tmp_path: Path, folder: Path) -> None:
    (folder / "tls.key").write_bytes(CA.server().key)
    config = tmp_path / "c.yaml"
    config.write_text(f"listen: 127.0.0.1:{processes.free_port()}\n{CONFIG}")
    for command in ("serve", "check"):
        ended = run(command, config, folder)
        assert ended.returncode == 78
        lines = ended.stderr.splitlines()
        for setting in ("tls.key_file", "admin.tls.key_file"):
            assert any(line.strip().startswith(f"{setting}: ") and "does not belong" in line for line in lines)
        assert "2 problems" in ended.stderr


def test_check_prints_the_certificate_and_the_trusted_proxies(tmp_path: Path, folder: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG)
    ended = run("check", config, folder)
    assert ended.returncode == 0
    assert "# tls: TLS with the certificate of serial" in ended.stdout
    assert "# trusted as proxies: 127.0.0.0/8, ::1/128" in ended.stdout
