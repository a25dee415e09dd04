"""The task service with a database that is down, hangs, is behind PgBouncer or requires TLS; and its migrations."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support.postgres import READER, Postgres, pgbouncer
from tests.support.task_service import (
    TASKS,
    alembic,
    assert_problem,
    create_database,
    finish,
    task_service,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import Authority


def test_while_the_database_is_down_requests_get_503_and_then_recover(
    tmp_path: Path, server: Postgres, dsn: str, ada: str
) -> None:
    with task_service(tmp_path, dsn) as tasks:
        mine = tasks.create(ada)
        server.kill()
        try:
            for path in (TASKS, f"{TASKS}/{mine['id']}"):
                down = tasks.ask(path, user=ada)
                assert_problem(down, 503, "Try again")
                assert down.header("Retry-After") == "5"
            assert tasks.ask("/readyz").status == 503
            assert tasks.ask("/healthz").json == {"status": "ok"}
            assert tasks.ask("/api/v1/auth/me", user=ada).status == 200
        finally:
            server.start()
        assert tasks.ask("/readyz").json == {"status": "ok"}
        assert tasks.ask(TASKS, user=ada).json["items"] == [mine]
        lines = tasks.log.read_text().splitlines()
        assert len([line for line in lines if "database unavailable" in line]) == 3
        assert "Traceback" not in tasks.log.read_text()


def test_a_database_that_hangs_causes_503_within_seconds(tmp_path: Path, server: Postgres, dsn: str, ada: str) -> None:
    with task_service(tmp_path, dsn) as tasks:
        mine = tasks.create(ada)
        with server.hanging():
            began = time.monotonic()
            with ThreadPoolExecutor(12) as threads:
                hung = list(threads.map(lambda _: tasks.ask(TASKS, user=ada), range(12)))
            assert {answer.status for answer in hung} == {503}
            assert time.monotonic() - began < 8 + 10, "TRANSACTION_SECONDS, and what a busy machine needs"
            assert tasks.ask("/healthz").status == 200
        assert tasks.ask(TASKS, user=ada).json["items"] == [mine]
        errors = [line for line in tasks.log.read_text().splitlines() if not line.startswith("INFO")]
        assert len(errors) == 12  # a line for each
        for error in errors:  # the pool has ten connections
            assert error.partition("answered 503: ")[2].startswith(
                ("no answer in time", "TimeoutError: QueuePool limit")
            )


def test_the_service_starts_without_tables_and_uses_them_when_they_exist(tmp_path: Path, server: Postgres) -> None:
    empty = create_database(server, "unmigrated")
    with task_service(tmp_path, empty) as tasks:
        assert_problem(tasks.ask(TASKS, user="ada"), 503)
        assert tasks.ask("/readyz").status == 503
        finish(alembic(empty, "upgrade", "head"))
        assert tasks.ask("/readyz").status == 200
        assert tasks.create("ada")


def test_it_works_through_pgbouncer_in_transaction_mode_on_one_connection(
    tmp_path: Path, server: Postgres, dsn: str, ada: str
) -> None:
    server.execute(f"GRANT USAGE ON SCHEMA tasks TO {READER}; GRANT ALL ON tasks.task TO {READER};", database="app")
    with (
        pgbouncer(server, database="app", server_connections=1) as bouncer,
        task_service(tmp_path, bouncer) as tasks,
        ThreadPoolExecutor(8) as threads,
    ):
        made = list(threads.map(lambda n: tasks.create(ada, f"task {n}")["title"], range(32)))
        assert len(set(made)) == 32
        assert len(tasks.ask(TASKS, user=ada).json["items"]) == 32


def test_urls_as_neon_writes_them_ask_for_tls_and_for_its_certificate(
    tmp_path: Path, server: Postgres, dsn: str, authority: Authority
) -> None:
    roots = tmp_path / "ca.pem"
    roots.write_bytes(authority.pem)
    neon = f"{dsn.replace('127.0.0.1', 'localhost')}?sslmode=require&channel_binding=require"
    with task_service(tmp_path, f"{neon}&sslrootcert={roots}") as tasks:
        assert tasks.ask("/readyz").status == 200
        assert encrypted(server) == {True}
    with task_service(tmp_path, neon) as tasks:  # the system does not know its CA
        assert tasks.ask("/readyz").status == 503
        assert "certificate verify failed" in tasks.log.read_text()


def encrypted(server: Postgres) -> set[bool]:
    connections = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tasks'"
    return {row["ssl"] for row in server.execute(connections)}


def test_migrations_run_from_any_folder_twice_at_once_down_and_up_and_agree_with_the_model(
    tmp_path: Path, server: Postgres
) -> None:
    made = create_database(server, "migrated")
    both = [alembic(made, "upgrade", "head", cwd=tmp_path) for _ in range(2)]
    assert sum("Running upgrade" in finish(process) for process in both) == 1
    assert tables(server) == ["tasks.alembic_version", "tasks.task"]
    finish(alembic(made, "downgrade", "base"))
    assert tables(server) == ["tasks.alembic_version"]
    finish(alembic(made, "upgrade", "head"))
    assert tables(server) == ["tasks.alembic_version", "tasks.task"]
    assert "No new upgrade operations detected" in finish(alembic(made, "check"))
    server.execute("ALTER TABLE tasks.task DROP COLUMN updated_at; DROP INDEX tasks.task_page;", database="migrated")
    output, _ = alembic(made, "check").communicate(timeout=30)
    assert "updated_at" in output
    assert "task_page" in output


def tables(server: Postgres) -> list[str]:
    named = "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE tableowner = 'tasks' ORDER BY 1"
    return [row["name"] for row in server.execute(named, database="migrated")]
