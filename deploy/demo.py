"""`make run`: the task service, AuthGate and a real Traefik on this machine, with a generated secret.

Everything listens on loopback, on free ports; Ctrl-C stops all of it. Logs are in .run/.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
RUN = ROOT / ".run"
BIN = Path(sys.executable).parent
_SECRET = RUN / "secret"
START_SECONDS = 30


def main() -> int:
    """Start the parts, say what to try, and wait for Ctrl-C or for a part to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    RUN.mkdir(exist_ok=True)
    lock = (RUN / "lock").open("w")  # held until this program ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("`make run` is running here already; stop it with Ctrl-C first.")
    proxy, auth, admin, tasks = (_port(wanted) for wanted in (8080, 4190, 4191, 8001))
    environ = {
        "PATH": os.environ["PATH"],
        "JWT_SECRET_FILE": str(_secret()),
        "AUTHGATE_AUDIENCE": "tasks",
        "AUTHGATE_LISTEN": f"127.0.0.1:{auth}",
        "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}",
    }
    uvicorn = [BIN / "uvicorn", "--app-dir", ROOT / "deploy" / "tasks", "tasks:app", "--port", str(tasks)]
    urls = {"AUTHGATE_URL": f"http://127.0.0.1:{auth}", "TASKS_URL": f"http://127.0.0.1:{tasks}"}
    try:
        with ExitStack() as parts:
            running = [
                parts.enter_context(_running("tasks", uvicorn, tasks, {"PATH": os.environ["PATH"]})),
                parts.enter_context(_running("authgate", [BIN / "authgate", "serve"], auth, environ)),
                parts.enter_context(_running("traefik", _traefik(proxy), proxy, {"PATH": os.environ["PATH"], **urls})),
            ]
            _wait_for_routes(proxy)
            _say(proxy, admin, environ)
            while all(part.poll() is None for part in running):
                time.sleep(0.5)
            print(f"A part has ended by itself; its log is in {RUN}.", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


def _say(proxy: int, admin: int, environ: dict[str, str]) -> None:
    mint = [BIN / "authgate", "mint", "--sub", "ada", "--claim", "name=Ada", "--expires-in", "8h"]
    token = subprocess.run(mint, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    url = f"http://127.0.0.1:{proxy}/api/v1/auth/me"
    explain = f"{os.path.relpath(BIN / 'authgate')} explain"
    print(f"""
AuthGate is running behind Traefik at http://127.0.0.1:{proxy} (metrics: http://127.0.0.1:{admin}/metrics).
Try, in another terminal:

  TOKEN={token}

  # allowed: the task service learns who calls, and verified nothing itself
  curl -i {url} -H "Authorization: Bearer $TOKEN"

  # no token: refused, with the reason
  curl -i {url}

  # somebody claims to be the administrator: still Ada
  curl -i {url} -H "Authorization: Bearer $TOKEN" -H "X-User-Id: admin" -H "X_User_Id: admin"

Why a token is refused or allowed, check by check:
  echo $TOKEN | JWT_SECRET_FILE={os.path.relpath(_SECRET)} AUTHGATE_AUDIENCE=tasks {explain}

Logs: {os.path.relpath(RUN)}/authgate.log, traefik.log, tasks.log.  Ctrl-C stops everything.
""", flush=True)  # fmt: skip


def _secret() -> Path:
    """Write a new secret that only this user can read."""
    _SECRET.unlink(missing_ok=True)
    with os.fdopen(os.open(_SECRET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
    return _SECRET


def _wait_for_routes(proxy: int) -> None:
    """Traefik listens before it has read its routes, and answers 404 until then."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{proxy}/healthz", timeout=2)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    sys.exit(f"Traefik serves no routes; see {RUN / 'traefik.log'}")


def _traefik(port: int) -> list[str | Path]:
    static = (ROOT / "deploy" / "traefik" / "traefik.yml").read_text()
    config = RUN / "traefik.yml"
    config.write_text(static.replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    return [BIN / "traefik" if (BIN / "traefik").exists() else shutil.which("traefik") or "", f"--configFile={config}"]


@contextmanager
def _running(
    name: str, command: list[str | Path], port: int, environ: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* from the repository's root until the context ends; its output goes to .run/<name>.log."""
    log = RUN / f"{name}.log"
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches this program, which then stops the parts in their order.
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"{process.args!r} did not start; its log says:\n{log.read_text()[-2000:]}")


def _port(wanted: int) -> int:
    """Return *wanted* if it is free on loopback, else a free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a run that ended a moment ago is no obstacle
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError


if __name__ == "__main__":
    sys.exit(main())
