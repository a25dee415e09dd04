"""`make run`: run the task service, AuthGate and Traefik on this machine, with a generated secret.

Everything listens on free ports of loopback. Ctrl-C stops it. The logs are in .run/.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys

from deploy.processes import (
    BIN,
    ROOT,
    Part,
    free_port,
    program,
    replaced,
    run_until_stopped,
    running,
    wait_for,
    wait_for_exit,
    write_secret,
)

RUN = ROOT / ".run"
_SECRET = RUN / "secret"


def main() -> int:
    """Start the parts, print what to try, and wait until Ctrl-C or until a part exits."""
    return run_until_stopped(RUN, "make run", _run, "\nStopped.")


def _run() -> int:
    proxy, auth, admin, tasks = (free_port(preferred) for preferred in (8080, 4190, 4191, 8001))
    environ = {
        "JWT_SECRET_FILE": str(write_secret(_SECRET, secrets.token_urlsafe(48))),
        "AUTHGATE_AUDIENCE": "tasks",
        "AUTHGATE_LISTEN": f"127.0.0.1:{auth}",
        "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{admin}",
    }
    uvicorn = [BIN / "uvicorn", "--app-dir", ROOT / "deploy" / "tasks", "tasks:app", "--port", str(tasks)]
    parts = [
        Part("tasks", uvicorn, tasks, {}, logs=RUN),
        Part("authgate", [BIN / "authgate", "serve"], auth, environ, logs=RUN),
        Part("traefik", _traefik(proxy, auth), proxy, {"TASKS_URL": f"http://127.0.0.1:{tasks}"}, logs=RUN),
    ]
    for part in parts:
        part.log.unlink(missing_ok=True)
    with running(parts):
        wait_for(f"http://127.0.0.1:{proxy}/healthz", parts[-1])
        _print_instructions(proxy, admin, environ)
        exited = wait_for_exit(parts)
        print(f"{exited.name} has stopped unexpectedly. Its log is {exited.log}", file=sys.stderr)
        return 1


def _print_instructions(proxy: int, admin: int, environ: dict[str, str]) -> None:
    mint = [BIN / "authgate", "mint", "--sub", "ada", "--claim", "name=Ada", "--expires-in", "8h"]
    token = subprocess.run(
        mint, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=True
    ).stdout.strip()
    url = f"http://127.0.0.1:{proxy}/api/v1/auth/me"
    explain = f"{os.path.relpath(BIN / 'authgate')} explain"
    print(f"""
AuthGate is running behind Traefik at http://127.0.0.1:{proxy}
Metrics are at http://127.0.0.1:{admin}/metrics

Try these commands in another terminal:

  TOKEN={token}

  # Allowed: the task service gets the user's id and does not verify anything.
  curl -i {url} -H "Authorization: Bearer $TOKEN"

  # Refused, with the reason: the request has no token.
  curl -i {url}

  # Still Ada: identity headers that a client forges never reach the service.
  curl -i {url} -H "Authorization: Bearer $TOKEN" -H "X-User-Id: admin" -H "X_User_Id: admin"

  # See each check that decides whether a token is allowed.
  echo $TOKEN | JWT_SECRET_FILE={os.path.relpath(_SECRET)} AUTHGATE_AUDIENCE=tasks {explain}

Logs: {os.path.relpath(RUN)}/authgate.log, traefik.log, tasks.log.  Ctrl-C stops everything.
""", flush=True)  # fmt: skip


def _traefik(port: int, authgate: int) -> list[str]:
    """Copy the files of deploy/traefik with these ports."""
    files = RUN / "traefik"
    shutil.rmtree(files, ignore_errors=True)
    shutil.copytree(ROOT / "deploy" / "traefik", files)
    static, middlewares = files / "traefik.yml", files / "dynamic" / "authgate.yml"
    addresses = {"127.0.0.1:8080": f"127.0.0.1:{port}", "deploy/traefik/dynamic": str(files / "dynamic")}
    static.write_text(replaced(static.read_text(), addresses))
    middlewares.write_text(replaced(middlewares.read_text(), {"127.0.0.1:4190": f"127.0.0.1:{authgate}"}))
    return [program("traefik", "make run installs it"), f"--configFile={static}"]


if __name__ == "__main__":
    sys.exit(main())
