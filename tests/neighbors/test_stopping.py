"""SIGTERM ends AuthGate in every state.

Others are in test_threads.py (no thread can be started, and all hang), in tests/test_log.py (the pipe of the log is
full) and in tests/server/test_reload_process.py (a reload waits for a silent key server).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.neighbors import lying
from tests.neighbors.beside import better_auth
from tests.neighbors.busy_threads import HANGING
from tests.support import session_cookies as cookies
from tests.support.processes import authgate, free_port, running
from tests.support.tokens import OTHER_SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import RunningAuthGate

WAITING = 200
OTHER = {"name": "other", "preset": "jwt", "secret": OTHER_SECRET.decode(), "audiences": ["tasks"]}
SERVE = [sys.executable, "-m", "tests.neighbors.busy_threads", "serve", "--config"]


def ends_well(running_one: RunningAuthGate) -> None:
    running_one.process.terminate()
    assert running_one.process.wait(60) == 0
    text = running_one.log.read_text()
    assert '"event": "stopped"' in text
    assert "internal error" not in text
    assert "Traceback" not in text


@contextmanager
def silent_writer(path: Path) -> Iterator[None]:
    """Replace the file at *path* with a pipe whose writer says nothing, so that reading it hangs."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    try:
        yield
    finally:
        os.close(writer)


def has_opened(path: Path, pid: int) -> bool:
    """Return whether the process has opened the file at *path*."""
    with suppress(FileNotFoundError):  # another file was closed meanwhile
        return any(descriptor.readlink() == path for descriptor in Path(f"/proc/{pid}/fd").iterdir())
    return False


def in_flight(running_one: RunningAuthGate) -> int:
    found = re.search(rb"^authgate_decisions_in_flight (\d+)", running_one.page("/metrics").body, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.fixture
def app() -> Iterator[dict[str, object]]:
    """An issuer whose session store and whose key server say nothing."""
    with lying.lying(lying.silent) as liar:
        url = f"http://127.0.0.1:{liar.port}"
        store = {"url": f"{url}/api/auth/get-session"}
        yield {"name": "app", "url": url, "allow_http": True, **better_auth(http=store)}


def test_at_the_start_while_key_server_and_store_are_silent(tmp_path: Path, app: dict[str, object]) -> None:
    with authgate(tmp_path, yaml.safe_dump({"issuers": [app]})) as running_one:
        ends_well(running_one)


def test_at_the_start_while_the_configuration_hangs(tmp_path: Path) -> None:
    path = tmp_path / "authgate.yaml"
    with silent_writer(path), running([*SERVE, path], tmp_path / "log") as process:
        until(lambda: has_opened(path, process.pid))
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM


def test_at_the_start_while_the_name_of_an_address_hangs(tmp_path: Path) -> None:
    path, log = tmp_path / "authgate.yaml", tmp_path / "log"
    port = free_port()
    listen = {"listen": f"{HANGING}:4190", "admin": {"listen": f"127.0.0.1:{port}"}}
    path.write_text(yaml.safe_dump({"issuers": [OTHER], **listen}))
    with running([*SERVE, path], log, port=port) as process:  # the admin port opens first
        process.terminate()
        assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


def test_while_a_reload_hangs(tmp_path: Path) -> None:
    with authgate(tmp_path, yaml.safe_dump({"issuers": [OTHER]})) as running_one, silent_writer(running_one.config):
        running_one.process.send_signal(signal.SIGHUP)
        until(lambda: has_opened(running_one.config, running_one.process.pid))
        ends_well(running_one)


@pytest.mark.parametrize("signals", [1, 2], ids=["once", "and again while it drains"])
def test_while_many_requests_wait_for_a_silent_store_and_all_are_answered(
    tmp_path: Path, app: dict[str, object], signals: int
) -> None:
    name, value = cookies.cookie_line(token=cookies.signed("ada-1"))
    request = (
        "GET /auth/nginx HTTP/1.1\r\nHost: a\r\nX-Original-Method: GET\r\nX-Original-URL: http://app.example.com/\r\n"
        f"{name}: {value}\r\n\r\n"
    )
    with authgate(tmp_path, yaml.safe_dump({"issuers": [app]})) as running_one, ExitStack() as clients:
        sockets = [
            clients.enter_context(socket.create_connection(("127.0.0.1", running_one.port), 60)) for _ in range(WAITING)
        ]
        for client in sockets:
            client.sendall(request.encode())
        until(lambda: in_flight(running_one) >= WAITING)  # and the first lookup of the store
        for _ in range(signals - 1):
            running_one.process.terminate()
            until(lambda: "stopping: no longer ready" in running_one.log.read_text())
        ends_well(running_one)
        answers = [client.recv(64) for client in sockets]
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 503"] * WAITING


def test_while_a_task_of_a_library_never_ends(tmp_path: Path) -> None:
    path, log, port = tmp_path / "authgate.yaml", tmp_path / "log", free_port()
    path.write_text(
        yaml.safe_dump(
            {"listen": f"127.0.0.1:{port}", "issuers": [OTHER], "admin": {"listen": f"127.0.0.1:{free_port()}"}}
        )
    )
    with running(
        [sys.executable, "-m", "tests.neighbors.endless_tasks", "serve", "--config", path], log, port=port
    ) as process:
        process.terminate()
        assert process.wait(60) == 0
    assert '"event": "stopped"' in log.read_text()
