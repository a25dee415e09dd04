"""`make stack`: run Next.js with Better Auth, the task service, PostgreSQL and AuthGate behind nginx and Traefik.

Everything listens on loopback, without Docker. Ctrl-C stops it. Users and tasks are kept for the next run in
.run/stack, which also has the logs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.processes import (
    BIN,
    ROOT,
    CannotStart,
    Part,
    delete,
    free_port,
    load_or_create_secret,
    program,
    replaced,
    run_until_stopped,
    running,
    tail,
    wait_for,
    wait_for_exit,
    write_secret,
)
from deploy.stack import postgres
from deploy.stack.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOURCES = ROOT / "deploy" / "stack"
WEB = SOURCES / "web" / ".next" / "standalone"
FOLDER = ROOT / ".run" / "stack"
ADMINISTRATOR = "admin@example.com"
# The front end's settings that you can give to `make stack` in the environment. It sets the others itself.
SETTINGS = ("COOKIE_CACHE", "COOKIE_CACHE_SECONDS", "TOKEN_LIFETIME", "AUTH_RATE_LIMIT")


class Stack:
    """The six parts of the stack. `parts` has them by name, in the order in which they start."""

    def __init__(self, folder: Path, ports: Mapping[str, int], web: Mapping[str, str] | None = None) -> None:
        """Keep everything in *folder* and listen on *ports* (see `free_ports`). *web* has settings of the front end."""
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ports = ports
        self.url = f"http://localhost:{self.ports['nginx']}"
        self.traefik_url = f"http://localhost:{self.ports['traefik']}"
        self.administrator_password = load_or_create_secret(folder / "administrator_password", 20)
        self.secret_file = folder / "better_auth_secret"
        load_or_create_secret(self.secret_file)
        self.machine_secret_file = folder / "machine_secret"
        load_or_create_secret(self.machine_secret_file)
        self.postgres = Postgres(folder, self.ports["postgres"], logs=self.logs)
        self._copy_edge()
        self.parts: dict[str, Part] = {
            "postgres": self.postgres,
            "web": self._web(web or {}),
            "tasks": self._tasks(),
            "authgate": self._authgate(),
            "nginx": self._nginx(),
            "traefik": self._traefik(),
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run every part while the context lasts, after the database's migrations."""
        for part in self.parts.values():
            part.log.unlink(missing_ok=True)
        with running([self.postgres]):
            self._migrate()
            with running([part for part in self.parts.values() if part is not self.postgres]):
                for name, url in (("nginx", self.url), ("traefik", self.traefik_url)):
                    wait_for(f"{url}/sign-in", self.parts[name])
                yield

    def _migrate(self) -> None:
        """Create or update the tables of both services, each as its own role."""
        web = {"ADMIN_EMAIL": ADMINISTRATOR, "ADMIN_PASSWORD": self.administrator_password}
        _run_to_end([_node(), str(WEB / "migrate.mjs")], self.parts["web"].environ | web, self.logs / "migrate-web.log")
        alembic = [str(BIN / "alembic"), "--config", str(SOURCES / "tasks" / "alembic.ini"), "upgrade", "head"]
        _run_to_end(alembic, self.parts["tasks"].environ, self.logs / "migrate-tasks.log")

    def _web(self, settings: Mapping[str, str]) -> Part:
        environ = {
            "NODE_ENV": "production",
            "HOSTNAME": "127.0.0.1",
            "PORT": str(self.ports["web"]),
            "DATABASE_URL": self.postgres.dsn("web"),
            "BETTER_AUTH_SECRET_FILE": str(self.secret_file),
            "BETTER_AUTH_URL": self.url,
            "EDGE_URL": f"http://127.0.0.1:{self.ports['nginx']}",
            # Users may sign in through both proxies, at localhost and at 127.0.0.1.
            "BETTER_AUTH_TRUSTED_ORIGINS": ",".join(
                f"http://{host}:{self.ports[edge]}"
                for host in ("localhost", "127.0.0.1")
                for edge in ("nginx", "traefik")
            ),
            **settings,
        }
        return Part("web", [_node(), WEB / "server.js"], self.ports["web"], environ, logs=self.logs)

    def _tasks(self) -> Part:
        port = self.ports["tasks"]
        command = [BIN / "uvicorn", "--app-dir", SOURCES / "tasks", "task_service.app:app", "--port", str(port)]
        environ = {"DATABASE_URL": self.postgres.dsn("tasks")}
        return Part("tasks", [*command, "--no-access-log"], port, environ, logs=self.logs)

    def _authgate(self) -> Part:
        addresses = {
            "http://localhost:8080": self.url,
            "http://web:3000": f"http://127.0.0.1:{self.ports['web']}",
            "/run/secrets/better_auth_secret": str(self.secret_file),
            "/run/secrets/machine_secret": str(self.machine_secret_file),
            "/run/secrets/authgate_database_url": str(
                write_secret(self.folder / "authgate_database_url", self.postgres.dsn("authgate"))
            ),
        }
        config = self.folder / "authgate.yaml"
        config.write_text(replaced((SOURCES / "authgate" / "authgate.yaml").read_text(), addresses))
        environ = {
            "AUTHGATE_LISTEN": f"127.0.0.1:{self.ports['authgate']}",
            "AUTHGATE_ADMIN__LISTEN": f"127.0.0.1:{self.ports['admin']}",
        }
        command = [BIN / "authgate", "serve", "--config", config]
        return Part("authgate", command, self.ports["authgate"], environ, logs=self.logs)

    def _copy_edge(self) -> None:
        """Copy the shipped files of nginx and Traefik, to replace addresses in the copies."""
        target = self.folder / "edge"
        delete(target)
        shutil.copytree(SOURCES / "edge", target)

    def _nginx(self) -> Part:
        work = self.folder / "nginx-work"
        work.mkdir(exist_ok=True)
        config = self.folder / "edge" / "nginx.conf"
        addresses = {
            "tasks:8001": f"127.0.0.1:{self.ports['tasks']}",
            "web:3000": f"127.0.0.1:{self.ports['web']}",
            "listen 8080": f"listen 127.0.0.1:{self.ports['nginx']}",
        }
        config.write_text(replaced(config.read_text(), addresses))
        upstream = config.with_name("nginx") / "authgate_upstream.conf"
        address = {"authgate:4190": f"127.0.0.1:{self.ports['authgate']}"}
        upstream.write_text(replaced(upstream.read_text(), address))
        nginx = program("nginx", "apt-get install nginx-light")
        command = [nginx, "-p", f"{work}/", "-c", config, "-g", "daemon off;"]
        return Part("nginx", command, self.ports["nginx"], {}, logs=self.logs)

    def _traefik(self) -> Part:
        config = self.folder / "edge" / "traefik.yml"
        # Traefik waits 10 s for requests under way before it ends: too long for Ctrl-C.
        at_once = "transport: {lifeCycle: {graceTimeOut: 1s}}"
        addresses = {
            '":8080"': f"127.0.0.1:{self.ports['traefik']}\n    {at_once}",
            "127.0.0.1:8082": "127.0.0.1:0",  # for the health check of containers only
            "/etc/authgate/edge/dynamic": str(config.with_name("dynamic")),
        }
        config.write_text(replaced(config.read_text(), addresses))
        middlewares = config.parent / "dynamic" / "authgate.yml"
        address = {"authgate:4190": f"127.0.0.1:{self.ports['authgate']}"}
        middlewares.write_text(replaced(middlewares.read_text(), address))
        environ = {f"{name.upper()}_URL": f"http://127.0.0.1:{self.ports[name]}" for name in ("tasks", "web")}
        command = [program("traefik", "make stack installs it"), f"--configFile={config}"]
        return Part("traefik", command, self.ports["traefik"], environ, logs=self.logs)


def free_ports(edge: int = 8080) -> dict[str, int]:
    """Return a port for each part: the preferred one if it is free. nginx prefers *edge*, Traefik the next."""
    preferred = {"nginx": edge, "traefik": edge + 1, "authgate": 4190, "admin": 4191, "web": 3000, "tasks": 8001}
    ports: dict[str, int] = {}
    for name, number in {**preferred, "postgres": 5433}.items():
        ports[name] = free_port(number)
        while list(ports.values()).count(ports[name]) > 1:
            ports[name] = free_port(ports[name] + 1)
    return ports


def _node() -> str:
    return program("node", "apt-get install nodejs")


def _run_to_end(command: list[str], environ: Mapping[str, str], log: Path) -> None:
    name = Path(command[-1]).name
    with log.open("wb") as output:
        complete = {"PATH": os.environ["PATH"], **environ}
        try:
            subprocess.run(command, stdout=output, stderr=output, env=complete, cwd=ROOT, timeout=120, check=True)
        except subprocess.TimeoutExpired:
            raise CannotStart(f"{name} did not finish within 120 s; {log} ends with:\n{tail(log)}") from None
        except subprocess.CalledProcessError as error:
            message = f"{name} failed with exit code {error.returncode}; {log} ends with:\n{tail(log)}"
            raise CannotStart(message) from None


def main() -> int:
    """Run the stack until Ctrl-C. With --forget, delete its users and tasks instead."""
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument(
        "--port", type=_edge_port, default=8080, help="nginx's port (8080); Traefik takes the next one if it is free"
    )
    parser.add_argument("--forget", action="store_true", help="delete all users, sessions and tasks, and exit")
    arguments = parser.parse_args()
    work = _forget if arguments.forget else partial(_run, arguments.port)
    kept = "Users and tasks are kept: start again with `make stack`,\nor delete them with `make stack-forget`."
    return run_until_stopped(FOLDER, "make stack", work, f"\nStopped. {kept}")


def _edge_port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65534):  # Traefik needs the next one
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65534")
    return int(text)


def _forget() -> int:
    postgres.forget(FOLDER)
    delete(FOLDER)
    print("Deleted.")
    return 0


def _run(port: int) -> int:
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    stack = Stack(FOLDER, free_ports(port), settings)
    print("Starting PostgreSQL, Next.js, the task service, AuthGate, nginx and Traefik ...", flush=True)
    with stack.running():
        if stack.ports["nginx"] != port:
            print(f"\nPort {port} is in use. nginx listens on {stack.ports['nginx']} instead.")
        print(f"""
Open {stack.url}/inside and sign up (any address will do). The page shows what AuthGate does.
Or sign in as the administrator:

  e-mail           {ADMINISTRATOR}
  password         {stack.administrator_password}

  through nginx    {stack.url}
  through Traefik  {stack.traefik_url}
  metrics          http://127.0.0.1:{stack.ports["admin"]}/metrics
  database         postgresql://postgres@127.0.0.1:{stack.ports["postgres"]}/app
                   (password in {os.path.relpath(stack.folder)}/passwords/postgres)

Logs: {os.path.relpath(stack.logs)}/*.log.  Ctrl-C stops everything.
""", flush=True)  # fmt: skip
        exited = wait_for_exit(list(stack.parts.values()))
        print(f"{exited.name} has stopped unexpectedly. Its log is {exited.log}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
