"""The task service of deploy/stack/tasks as a process, its migrations, and its database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.client import Answer, ask
from tests.support.processes import ROOT, free_port, running

SOURCES = ROOT / "deploy" / "stack" / "tasks"
sys.path.append(str(SOURCES))  # as uvicorn's --app-dir does

from task_service.settings import ConfigError, read_settings  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.postgres import Postgres

__all__ = ["ConfigError", "read_settings"]  # the service's own, for tests

HEADERS = "/api/v1/auth/headers"
TASKS = "/api/v1/tasks"
REPORT = "/api/v1/reports/tasks"
NOBODYS = "00000000-0000-4000-8000-000000000000"
ROLE, PASSWORD = "tasks", "password-of-tasks"
SERVE = [sys.executable, "-m", "uvicorn", "--app-dir", str(SOURCES), "task_service.app:app", "--no-access-log"]


def create_database(server: Postgres, name: str) -> str:
    """Make a database whose schema `tasks` belongs to the role `tasks`, which has no other rights; return its DSN."""
    server.execute(f"CREATE DATABASE {name};")
    server.execute(
        f"""DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}';
          EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA tasks AUTHORIZATION {ROLE};""",
        database=name,
    )
    return server.dsn(ROLE, PASSWORD, name)


def alembic(dsn: str, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start Alembic, in any folder."""
    command = [sys.executable, "-m", "alembic", "--config", str(SOURCES / "alembic.ini"), *arguments]
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": dsn}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=cwd, env=environ, **pipes)


def finish(process: subprocess.Popen[str]) -> str:
    """Return the output of a process. It must succeed."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def refused_start(environ: Mapping[str, str]) -> tuple[int, str]:
    """Start the service with wrong settings; return its exit code and output."""
    clean = {"PATH": os.environ["PATH"], **environ}
    ran = subprocess.run(SERVE, env=clean, capture_output=True, text=True, timeout=120, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@dataclass(frozen=True, slots=True)
class TaskService:
    """The running service. Tests send requests past the proxy, as any user."""

    port: int
    log: Path

    def ask(
        self, path: str, *headers: str, user: str | None = None, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        lines = [*headers, f"X-User-Id: {user}"] if user is not None else list(headers)
        return ask(self.port, path, *lines, method=method, body=body)

    def send(self, method: str, path: str, value: Any, *headers: str, user: str) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask(path, "Content-Type: application/json", *headers, user=user, method=method, body=body)

    def create(self, user: str, title: str = "a title") -> dict[str, Any]:
        answer = self.send("POST", "/api/v1/tasks", {"title": title}, user=user)
        assert answer.status == 201, answer.body
        created: dict[str, Any] = answer.json
        return created

    def pages(self, user: str, limit: int) -> Iterator[list[dict[str, Any]]]:
        """Read the whole list, page after page."""
        after = ""
        while True:
            page = self.ask(f"/api/v1/tasks?limit={limit}{after}", user=user).json
            yield page["items"]
            if page["next"] is None:
                return
            after = f"&after={page['next']}"


@contextmanager
def task_service(folder: Path, dsn: str, *, options: Sequence[str] = (), **environ: str) -> Iterator[TaskService]:
    """Run the service."""
    port, log = free_port(), folder / "tasks.log"
    command = [*SERVE, "--port", str(port), *options]
    with running(command, log, port=port, cwd=folder, environ={"DATABASE_URL": dsn, **environ}):
        yield TaskService(port, log)


def assert_problem(answer: Answer, status: int, *words: str) -> None:
    assert answer.status == status, answer.body
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.json.keys() == {"type", "title", "status", "detail"}
    assert (answer.json["type"], answer.json["status"]) == ("about:blank", status)
    for word in words:
        assert word in answer.json["detail"]


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def fill(server: Postgres, user: str, count: int, moment: str) -> None:
    server.execute(
        f"INSERT INTO tasks.task (id, user_id, title, created_at) SELECT gen_random_uuid(), $1, 'task ' || n, {moment} "
        "FROM generate_series(1, $2::int) n",
        user,
        count,
        database="app",
    )
