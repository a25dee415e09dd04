"""`make stack`: Next.js with Better Auth, the task service, PostgreSQL and AuthGate behind nginx and Traefik.

Everything listens on loopback, without Docker; Ctrl-C stops all of it. Users and tasks stay for the next time, in
.run/stack, where the logs are, too. --port (8080) is nginx's; Traefik's is the next one, if free.
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
    end_of,
    free_port,
    kept_secret,
    program,
    replaced,
    run_until_stopped,
    running,
    wait_for,
    wait_until_one_ends,
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
# Of the front end's settings those that may be given to `make stack`; the others it sets itself.
SETTINGS = ("COOKIE_CACHE", "COOKIE_CACHE_SECONDS", "TOKEN_LIFETIME", "AUTH_RATE_LIMIT")


class Stack:
    """The six parts by name, in the order in which they start."""

    def __init__(self, folder: Path, ports: Mapping[str, int], web: Mapping[str, str] | None = None) -> None:
        """Keep everything in *folder*, listen on *ports* (see `free_ports`); *web* are settings of the front end."""
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ports = ports
        self.url = f"http://localhost:{self.ports['nginx']}"
        self.traefik_url = f"http://localhost:{self.ports['traefik']}"
        self.administrator_password = kept_secret(folder / "administrator_password", 20)
        self.secret_file = folder / "better_auth_secret"
        kept_secret(self.secret_file)
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
        """Run all of it, the database up to date, while the context lasts."""
        for part in self.parts.values():
            part.log.unlink(missing_ok=True)
        with running([self.postgres]):
            self._migrate()
            with running([part for part in self.parts.values() if part is not self.postgres]):
                for name, url in (("nginx", self.url), ("traefik", self.traefik_url)):
                    wait_for(f"{url}/sign-in", self.parts[name])
                yield

    def _migrate(self) -> None:
        """Make the tables of both services, each as its own role, or bring them up to date."""
        web = {"ADMIN_EMAIL": ADMINISTRATOR, "ADMIN_PASSWORD": self.administrator_password}
        _finish([_node(), str(WEB / "migrate.mjs")], self.parts["web"].environ | web, self.logs / "migrate-web.log")
        alembic = [str(BIN / "alembic"), "--config", str(SOURCES / "tasks" / "alembic.ini"), "upgrade", "head"]
        _finish(alembic, self.parts["tasks"].environ, self.logs / "migrate-tasks.log")

    def _web(self, more: Mapping[str, str]) -> Part:
        environ = {
            "NODE_ENV": "production",
            "HOSTNAME": "127.0.0.1",
            "PORT": str(self.ports["web"]),
            "DATABASE_URL": self.postgres.dsn("web"),
            "BETTER_AUTH_SECRET_FILE": str(self.secret_file),
            "BETTER_AUTH_URL": self.url,
            # Traefik's address, and both for who writes 127.0.0.1: pages there may sign in, too.
            "BETTER_AUTH_TRUSTED_ORIGINS": ",".join(
                f"http://{host}:{self.ports[edge]}"
                for host in ("localhost", "127.0.0.1")
                for edge in ("nginx", "traefik")
            ),
            **more,
        }
        return Part("web", [_node(), WEB / "server.js"], self.ports["web"], environ, logs=self.logs)

    def _tasks(self) -> Part:
        number = self.ports["tasks"]
        command = [BIN / "uvicorn", "--app-dir", SOURCES / "tasks", "task_service.app:app", "--port", str(number)]
        environ = {"DATABASE_URL": self.postgres.dsn("tasks")}
        return Part("tasks", [*command, "--no-access-log"], number, environ, logs=self.logs)

    def _authgate(self) -> Part:
        addresses = {
            "http://localhost:8080": self.url,
            "http://web:3000": f"http://127.0.0.1:{self.ports['web']}",
            "/run/secrets/better_auth_secret": str(self.secret_file),
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
        """Copy what is shipped for nginx and Traefik, where the addresses are replaced."""
        for name in ("nginx", "stack/edge"):
            target = self.folder / Path(name).name
            delete(target)
            shutil.copytree(ROOT / "deploy" / name, target)

    def _nginx(self) -> Part:
        work = self.folder / "nginx-work"
        work.mkdir(exist_ok=True)
        config = self.folder / "edge" / "nginx.conf"
        addresses = {
            "authgate:4190": f"127.0.0.1:{self.ports['authgate']}",
            "tasks:8001": f"127.0.0.1:{self.ports['tasks']}",
            "web:3000": f"127.0.0.1:{self.ports['web']}",
            "listen 8080": f"listen 127.0.0.1:{self.ports['nginx']}",
        }
        config.write_text(replaced(config.read_text(), addresses))
        nginx = program("nginx", "apt-get install nginx-light")
        command = [nginx, "-p", f"{work}/", "-c", config, "-g", "daemon off;"]
        return Part("nginx", command, self.ports["nginx"], {}, logs=self.logs)

    def _traefik(self) -> Part:
        config = self.folder / "edge" / "traefik.yml"
        addresses = {
            '":8080"': f"127.0.0.1:{self.ports['traefik']}",
            "/etc/authgate/edge/traefik-routes.yml": str(config.with_name("traefik-routes.yml")),
        }
        config.write_text(replaced(config.read_text(), addresses))
        environ = {
            f"{name.upper()}_URL": f"http://127.0.0.1:{self.ports[name]}" for name in ("authgate", "tasks", "web")
        }
        command = [program("traefik", "make stack installs it"), f"--configFile={config}"]
        return Part("traefik", command, self.ports["traefik"], environ, logs=self.logs)


def free_ports(edge: int = 8080) -> dict[str, int]:
    """Return a free port for each part: the usual one where it is free. nginx's is *edge*, Traefik's the next."""
    usual = {"nginx": edge, "traefik": edge + 1, "authgate": 4190, "admin": 4191, "web": 3000, "tasks": 8001}
    found: dict[str, int] = {}
    for name, number in {**usual, "postgres": 5433}.items():
        found[name] = free_port(number)
        while list(found.values()).count(found[name]) > 1:
            found[name] = free_port(0)
    return found


def _node() -> str:
    return program("node", "apt-get install nodejs")


def _finish(command: list[str], environ: Mapping[str, str], log: Path) -> None:
    name = Path(command[-1]).name
    with log.open("wb") as output:
        given = {"PATH": os.environ["PATH"], **environ}
        try:
            subprocess.run(command, stdout=output, stderr=output, env=given, cwd=ROOT, timeout=120, check=True)
        except subprocess.TimeoutExpired:
            raise CannotStart(f"{name} has not ended within 120 s; {log}:\n{end_of(log)}") from None
        except subprocess.CalledProcessError as ran:
            raise CannotStart(f"{name} ended with {ran.returncode}; {log}:\n{end_of(log)}") from None


def main() -> int:
    """Run the stack until Ctrl-C; with --forget delete its users and tasks instead."""
    arguments = argparse.ArgumentParser(prog="make stack", description=__doc__)
    arguments.add_argument(
        "--port", type=_edge_port, default=8080, help="nginx's, 8080 unless told; Traefik's is the next one, if free"
    )
    arguments.add_argument("--forget", action="store_true", help="delete all users, sessions and tasks, and end")
    asked = arguments.parse_args()
    work = _forget if asked.forget else partial(_run, asked.port)
    kept = "Users and tasks are kept: `make stack` goes on with them, `make stack-forget` deletes them."
    return run_until_stopped(FOLDER, "make stack", work, f"\nStopped. {kept}")


def _edge_port(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65534):  # 65535 has no next one
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65534")
    return int(text)


def _forget() -> int:
    postgres.forget(FOLDER)
    delete(FOLDER)
    print("Deleted.")
    return 0


def _run(port: int) -> int:
    given = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    stack = Stack(FOLDER, free_ports(port), given)
    print("Starting PostgreSQL, Next.js, the task service, AuthGate, nginx and Traefik ...", flush=True)
    with stack.running():
        if stack.ports["nginx"] != port:
            print(f"\nPort {port} is not free; nginx has {stack.ports['nginx']}.")
        print(f"""
Open {stack.url} and sign up, or sign in as {ADMINISTRATOR} with {stack.administrator_password}

  through nginx    {stack.url}
  through Traefik  {stack.traefik_url}
  database         postgresql://postgres@127.0.0.1:{stack.ports["postgres"]}/app
                   its password: {os.path.relpath(stack.folder)}/passwords/postgres
  metrics          http://127.0.0.1:{stack.ports["admin"]}/metrics

Logs: {os.path.relpath(stack.logs)}/*.log.  Ctrl-C stops everything.
""", flush=True)  # fmt: skip
        ended = wait_until_one_ends(list(stack.parts.values()))
        print(f"{ended.name} has ended by itself; its log is {ended.log}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
