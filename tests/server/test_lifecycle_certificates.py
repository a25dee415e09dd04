"""A real AuthGate process with TLS: start, health check, end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from authgate.cli import healthcheck
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


def test_the_health_check_believes_the_very_certificate(
    tmp_path: Path, folder: Path, running: processes.RunningAuthGate
) -> None:
    healthy = run("healthcheck", running.config, folder)
    assert (healthy.returncode, json.loads(healthy.stdout)["ready"]) == (0, True)
    other = CA.server().write(tmp_path / "other")  # the same name from the same CA, another certificate
    refused = run("healthcheck", running.config, other)
    assert refused.returncode == 1
    assert f"it shows another certificate than {other}/tls.crt holds" in refused.stderr
    missing = run("healthcheck", running.config, tmp_path / "nowhere")
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)


def test_the_health_check_waits_for_a_rotation_in_progress(folder: Path, running: processes.RunningAuthGate) -> None:
    CA.server().write(folder)
    assert run("healthcheck", running.config, folder).returncode == 0


def test_the_health_check_waits_for_a_file_that_is_being_written(
    folder: Path, running: processes.RunningAuthGate
) -> None:
    whole = (folder / "tls.crt").read_bytes()
    (folder / "tls.crt").write_bytes(whole[:300])
    rest = threading.Timer(1.5, (folder / "tls.crt").write_bytes, (whole,))
    rest.start()
    found = run("healthcheck", running.config, folder)
    rest.join()
    assert found.returncode == 0, found.stderr


def test_the_health_check_names_a_file_that_stays_half_written(
    tmp_path: Path, folder: Path, running: processes.RunningAuthGate
) -> None:
    other = CA.server().write(tmp_path / "other")
    (other / "tls.crt").write_bytes((other / "tls.crt").read_bytes()[:300])
    found = run("healthcheck", running.config, other)
    assert found.returncode == 1
    assert f"is not believed: {other}/tls.crt holds no certificate in PEM" in found.stderr


def test_the_health_check_gives_up_before_the_image_does(tmp_path: Path, folder: Path) -> None:
    dockerfile = (processes.ROOT / "Dockerfile").read_text()
    (timeout,) = re.findall(r"^HEALTHCHECK .*--timeout=(\d+)s", dockerfile, re.MULTILINE)
    assert float(timeout) > healthcheck.DEADLINE_SECONDS
    config = tmp_path / "c.yaml"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        config.write_text(f"admin: {{listen: '127.0.0.1:{deaf.getsockname()[1]}'}}\n{CONFIG}")
        found = run("healthcheck", config, folder)
    assert found.returncode == 1
    assert "timed out" in found.stderr


def test_the_health_check_does_not_believe_a_server_without_tls(tmp_path: Path, folder: Path) -> None:
    with processes.authgate(tmp_path, CONFIG) as plain:
        found = run("healthcheck", plain.config, folder)
    assert found.returncode == 1
    assert "does not answer" in found.stderr


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
