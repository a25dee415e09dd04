"""How commands reach the admin port: over TLS they trust the certificate of the file and no other."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support import commands, processes
from tests.support.certificates import Authority
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = f"issuers: [{{name: app, preset: jwt, secret: {SECRET.decode()}, audiences: [tasks]}}]\n"
CA = Authority()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return CA.server().write(tmp_path / "tls")


@pytest.fixture
def running(tmp_path: Path, folder: Path) -> Iterator[processes.RunningAuthGate]:
    with processes.authgate(tmp_path, CONFIG, environ=environ(folder)) as authgate:
        yield authgate


def environ(folder: Path) -> dict[str, str]:
    return {
        "AUTHGATE_ADMIN__TLS__CERTIFICATE_FILE": f"{folder}/tls.crt",
        "AUTHGATE_ADMIN__TLS__KEY_FILE": f"{folder}/tls.key",
    }


def healthcheck(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return commands.authgate("healthcheck", "--config", config, environ=environ(folder))


def test_the_very_certificate_of_the_file_is_trusted(
    tmp_path: Path, folder: Path, running: processes.RunningAuthGate
) -> None:
    healthy = healthcheck(running.config, folder)
    assert (healthy.returncode, json.loads(healthy.stdout)["ready"]) == (0, True)
    other = CA.server().write(tmp_path / "other")  # the same name from the same CA, another certificate
    refused = healthcheck(running.config, other)
    assert refused.returncode == 1
    assert f"it shows another certificate than {other}/tls.crt holds" in refused.stderr
    missing = healthcheck(running.config, tmp_path / "nowhere")
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)


def test_a_rotation_in_progress_is_waited_for(folder: Path, running: processes.RunningAuthGate) -> None:
    CA.server().write(folder)
    assert healthcheck(running.config, folder).returncode == 0


def test_a_file_that_is_being_written_is_waited_for(folder: Path, running: processes.RunningAuthGate) -> None:
    whole = (folder / "tls.crt").read_bytes()
    (folder / "tls.crt").write_bytes(whole[:300])
    rest = threading.Timer(1.5, (folder / "tls.crt").write_bytes, (whole,))
    rest.start()
    ended = healthcheck(running.config, folder)
    rest.join()
    assert ended.returncode == 0, ended.stderr


def test_a_file_that_stays_half_written_is_named(
    tmp_path: Path, folder: Path, running: processes.RunningAuthGate
) -> None:
    other = CA.server().write(tmp_path / "other")
    (other / "tls.crt").write_bytes((other / "tls.crt").read_bytes()[:300])
    ended = healthcheck(running.config, other)
    assert ended.returncode == 1
    assert f"is not trusted: {other}/tls.crt holds no certificate in PEM" in ended.stderr


def test_a_server_that_never_answers_the_handshake_times_out(tmp_path: Path, folder: Path) -> None:
    config = tmp_path / "c.yaml"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        config.write_text(f"admin: {{listen: '127.0.0.1:{deaf.getsockname()[1]}'}}\n{CONFIG}")
        ended = healthcheck(config, folder)
    assert ended.returncode == 1
    assert "timed out" in ended.stderr


def test_a_server_without_tls_is_not_trusted(tmp_path: Path, folder: Path) -> None:
    with processes.authgate(tmp_path, CONFIG) as plain:
        ended = healthcheck(plain.config, folder)
    assert ended.returncode == 1
    assert "does not answer" in ended.stderr
