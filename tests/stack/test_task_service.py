"""The task service of the example stack, as a process on a real PostgreSQL: what a client behind AuthGate may do."""

from __future__ import annotations

import json
import ssl
import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from fastapi.openapi.models import OpenAPI

from tests.support.certificates import Authority
from tests.support.postgres import READER, Postgres, pgbouncer, postgres
from tests.support.processes import ROOT
from tests.support.task_service import (
    ConfigError,
    TaskService,
    alembic,
    create_database,
    finish,
    read_settings,
    refused_start,
    task_service,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.client import Answer

TASKS = "/api/v1/tasks"
AUTHORITY = Authority()
NOBODYS = "00000000-0000-4000-8000-000000000000"
FRONT_END = "https://www.example.com"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres(tls=AUTHORITY.issue("localhost")) as running:
        yield running


@pytest.fixture(scope="module")
def dsn(server: Postgres) -> str:
    made = create_database(server, "app")
    finish(alembic(made, "upgrade", "head"))
    return made


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory, dsn: str) -> Iterator[TaskService]:
    with task_service(tmp_path_factory.mktemp("tasks"), dsn) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def ada() -> str:
    """A user of this test alone."""
    return f"ada-{uuid4().hex}"


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


# Who is calling


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/auth/me"), ("GET", TASKS), ("GET", f"{TASKS}/{NOBODYS}"),
                                              ("DELETE", f"{TASKS}/{NOBODYS}")])  # fmt: skip
@pytest.mark.parametrize("headers", [(), ("X-User-Id:",), ("X-User-Id:   ", "X-User-Email: ada@example.com")])
def test_without_a_user_id_or_with_an_empty_one_nobody_is_signed_in(
    tasks: TaskService, method: str, path: str, headers: tuple[str, ...]
) -> None:
    answer = tasks.ask(path, *headers, method=method)
    assert_problem(answer, 401, "Not signed in")
    assert answer.header("WWW-Authenticate") == "Bearer"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_nobody_writes_without_a_user_id(tasks: TaskService, method: str) -> None:
    path = TASKS if method == "POST" else f"{TASKS}/{NOBODYS}"
    assert_problem(tasks.send(method, path, {"title": "a title"}, user=""), 401)


def test_the_headers_are_read_as_percent_encoded_utf_8(tasks: TaskService) -> None:
    headers = (
        "X-User-Email: j%C3%BCrgen@example.com",
        "X-User-Name: J%C3%BCrgen %22Jay%22, %E2%82%AC 100%25",
        "X-User-Roles: admin,r%C3%A9dacteur,a%2Cb",
    )
    assert tasks.ask("/api/v1/auth/me", *headers, user="j%C3%BCrgen").json == {
        "id": "jürgen",
        "email": "jürgen@example.com",
        "name": 'Jürgen "Jay", € 100%',
        "roles": ["admin", "rédacteur", "a,b"],
    }


def test_whoever_has_an_id_alone_has_neither_email_nor_name_nor_roles(tasks: TaskService) -> None:
    empty = ("X-User-Email:", "X-User-Name:", "X-User-Roles:")
    expected = {"id": "ada", "email": None, "name": None, "roles": []}
    assert tasks.ask("/api/v1/auth/me", user="ada").json == expected
    assert tasks.ask("/api/v1/auth/me", *empty, user="ada").json == expected


def test_credentials_that_arrive_here_decide_nothing(tasks: TaskService) -> None:
    headers = ("Authorization: Bearer x.y.z", "Cookie: better-auth.session_token=x")
    assert_problem(tasks.ask("/api/v1/auth/me", *headers), 401)


# Tasks


def test_a_task_is_created_read_changed_and_deleted(tasks: TaskService, ada: str) -> None:
    made = tasks.send("POST", TASKS, {"title": "  Milch & Käse 🧀 "}, user=ada)
    task = made.json
    where = f"{TASKS}/{task['id']}"
    assert (made.status, made.header("Location")) == (201, where)
    assert (task["title"], task["done"], task["created_at"]) == ("Milch & Käse 🧀", False, task["updated_at"])
    assert tasks.ask(where, user=ada).json == task
    done = tasks.send("PATCH", where, {"done": True}, user=ada).json
    assert done == task | {"done": True, "updated_at": done["updated_at"]}
    assert done["updated_at"] > task["updated_at"]
    both = tasks.send("PATCH", where, {"title": "Brot", "done": False}, user=ada).json
    assert (both["title"], both["done"], both["created_at"]) == ("Brot", False, task["created_at"])
    gone = tasks.ask(where, user=ada, method="DELETE")
    assert (gone.status, gone.body) == (204, b"")
    assert_problem(tasks.ask(where, user=ada), 404, "No such task")


def test_a_title_that_looks_like_sql_or_html_is_a_title(tasks: TaskService, ada: str) -> None:
    title = """'); DROP TABLE tasks.task; -- <script>alert("1")</script> %s $1 :title \\"""
    assert tasks.create(ada, title)["title"] == title
    assert tasks.ask(TASKS, user=ada).json["items"][0]["title"] == title


def test_somebody_elses_task_is_one_that_does_not_exist(tasks: TaskService, ada: str) -> None:
    mine = tasks.create(ada)
    eve = f"eve-of-{ada}"
    for path in (f"{TASKS}/{mine['id']}", f"{TASKS}/{NOBODYS}"):
        answers = [
            tasks.ask(path, user=eve),
            tasks.send("PATCH", path, {"done": True}, user=eve),
            tasks.ask(path, user=eve, method="DELETE"),
        ]
        assert {answer.body for answer in answers} == {answers[0].body}
        assert_problem(answers[0], 404, "No such task.")
    assert tasks.ask(TASKS, user=eve).json == {"items": [], "next": None}
    assert tasks.ask(f"{TASKS}/{mine['id']}", user=ada).json == mine


def test_ids_of_users_that_differ_a_little_are_different_users(tasks: TaskService, ada: str) -> None:
    tasks.create(ada)
    for other in (ada.upper(), f"{ada}%20", ada[:-1], f"{ada}%25", f"{ada}%C2%AD"):
        assert tasks.ask(TASKS, user=other).json["items"] == []


# Pages


def test_pages_have_no_gap_and_no_repeat_when_all_times_are_equal(
    tasks: TaskService, server: Postgres, ada: str
) -> None:
    fill(server, ada, 23, "'2026-01-02 03:04:05.678901+00'")
    pages = list(tasks.pages(ada, 5))
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    found = [task for page in pages for task in ids(page)]
    assert len(set(found)) == 23
    assert found == sorted(found, reverse=True)


def test_pages_are_newest_first_and_stay_in_place_when_tasks_come_and_go(
    tasks: TaskService, server: Postgres, ada: str
) -> None:
    fill(server, ada, 9, "now() - n * interval '1 microsecond' - interval '1 hour'")
    expected = ids(tasks.ask(TASKS, user=ada).json["items"])
    first = tasks.ask(f"{TASKS}?limit=3", user=ada).json
    newest = tasks.create(ada)["id"]
    assert tasks.ask(f"{TASKS}/{expected[2]}", user=ada, method="DELETE").status == 204  # where the cursor points
    second = tasks.ask(f"{TASKS}?limit=100&after={first['next']}", user=ada).json
    assert ids(first["items"]) + ids(second["items"]) == expected
    assert second["next"] is None
    assert ids(tasks.ask(f"{TASKS}?limit=2", user=ada).json["items"]) == [newest, expected[0]]


def test_the_last_page_says_so_even_when_it_is_full(tasks: TaskService, server: Postgres, ada: str) -> None:
    fill(server, ada, 4, "now()")
    assert [len(page) for page in tasks.pages(ada, 2)] == [2, 2]
    assert [len(page) for page in tasks.pages(f"nobody-{ada}", 2)] == [0]


def test_pages_are_read_along_the_index(server: Postgres, dsn: str, ada: str) -> None:
    plan = server.execute(
        "EXPLAIN SELECT * FROM tasks.task WHERE user_id = $1 AND (created_at, id) < (now(), $2) "
        "ORDER BY created_at DESC, id DESC LIMIT 51",
        ada,
        UUID(NOBODYS),
        database="app",
    )
    text = "\n".join(row["QUERY PLAN"] for row in plan)
    assert "Index Scan Backward using task_page" in text
    assert "Sort" not in text


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1e2", "x", "", "99999999999999999999"])
def test_a_limit_out_of_bounds_is_refused(tasks: TaskService, limit: str) -> None:
    assert_problem(tasks.ask(f"{TASKS}?limit={limit}", user="ada"), 422, "query.limit")


def test_a_cursor_that_is_none_is_refused(tasks: TaskService, server: Postgres, ada: str) -> None:
    fill(server, ada, 2, "now()")
    cursor = tasks.ask(f"{TASKS}?limit=1", user=ada).json["next"]
    too_late = urlsafe_b64encode(b"\xff" * 24).decode()
    for wrong in ("", "x", cursor[:-1], f"{cursor}A", f"{cursor}%3D", f"{cursor[:-1]}%2B", f"{cursor[:-1]}%00",
                  f"{cursor[:-3]}%C3%BC", f"%0A{cursor[1:]}", f"{cursor}%0A", too_late, NOBODYS):  # fmt: skip
        assert_problem(tasks.ask(f"{TASKS}?after={wrong}", user=ada), 400, "`after` is not a cursor")


def test_a_cursor_that_was_tampered_with_or_is_somebody_elses_shows_the_callers_own_tasks_alone(
    tasks: TaskService, server: Postgres, ada: str
) -> None:
    fill(server, ada, 3, "now()")
    eve = f"eve-of-{ada}"
    fill(server, eve, 2, "now() - interval '1 day'")
    cursor = tasks.ask(f"{TASKS}?limit=1", user=ada).json["next"]
    own = ids(tasks.ask(TASKS, user=eve).json["items"])
    assert ids(tasks.ask(f"{TASKS}?after={cursor}", user=eve).json["items"]) == own
    for position in range(32):
        for letter in "A_9":
            answer = tasks.ask(f"{TASKS}?after={cursor[:position]}{letter}{cursor[position + 1 :]}", user=eve)
            assert answer.status in {200, 400}, answer.body
            if answer.status == 200:
                assert set(ids(answer.json["items"])) <= set(own)


def fill(server: Postgres, user: str, count: int, moment: str) -> None:
    server.execute(
        f"INSERT INTO tasks.task (id, user_id, title, created_at) SELECT gen_random_uuid(), $1, 'task ' || n, {moment} "
        "FROM generate_series(1, $2::int) n",
        user,
        count,
        database="app",
    )


# What is refused


@pytest.mark.parametrize(
    "task_id", ["x", "1", "%00", f"{NOBODYS}0", NOBODYS[:-1], "%F0%9F", "..%2F..", "'--", "A" * 5000]
)
def test_an_id_that_is_none_is_refused_by_every_method(tasks: TaskService, task_id: str) -> None:
    path = f"{TASKS}/{task_id}"
    answers = [tasks.ask(path, user="ada", method=method) for method in ("GET", "DELETE")]
    for answer in [*answers, tasks.send("PATCH", path, {"done": True}, user="ada")]:
        assert_problem(answer, 404 if "%2F" in task_id else 422, *([] if "%2F" in task_id else ["path.task_id"]))


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": ""}', b'{"title": " \\n\\t\\u00a0 "}', b'{"title": "a\\u0000b"}', b'{"title": "\\u0000"}',
        b'{"title": "\\ud800"}', b'{"title": "a\\udfffb"}', b'{"title": null}', b'{"title": 1}', b'{"title": ["a"]}',
        b'{"title": "a", "done": "yes"}', b'{"title": "a", "done": null}', b'{"title": "a", "done": 1}',
        b'{"title": "a", "user_id": "eve"}', b'{"title": "a", "id": "x"}', b'{"title": "a", "\\ud800": 1}',
        b"[]", b'"a"', b"null", b"1", b"{}",
    ],
)  # fmt: skip
def test_a_task_that_is_not_as_described_is_refused(tasks: TaskService, ada: str, body: bytes) -> None:
    mine = tasks.create(ada)
    assert_problem(tasks.send("POST", TASKS, body, user=ada), 422, "body")
    assert_problem(tasks.send("PATCH", f"{TASKS}/{mine['id']}", body, user=ada), 422, "body")
    assert tasks.ask(TASKS, user=ada).json["items"] == [mine]


@pytest.mark.parametrize("body", [b"{", b'{"title": "a",}', b'{"title": "\xff"}', b"[" * 16_000, b"9" * 16_000])
def test_a_body_that_is_no_json_is_refused(tasks: TaskService, ada: str, body: bytes) -> None:
    assert_problem(tasks.send("POST", TASKS, body, user=ada), 400)


def test_a_body_that_says_it_is_no_json_is_refused(tasks: TaskService, ada: str) -> None:
    body = b'{"title": "from a form of another site"}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = tasks.ask(TASKS, f"Content-Type: {content_type}", user=ada, method="POST", body=body)
        assert_problem(answer, 422)
    assert_problem(tasks.ask(TASKS, user=ada, method="POST", body=body), 422)
    assert tasks.ask(TASKS, user=ada).json["items"] == []


def test_a_title_has_at_most_200_characters_after_trimming(tasks: TaskService, ada: str) -> None:
    longest = "🧀" * 200
    assert tasks.create(ada, f"  {longest}\n")["title"] == longest
    assert_problem(tasks.send("POST", TASKS, {"title": longest + "x"}, user=ada), 422, "body.title", "200")


def test_a_body_above_16_kib_is_refused_announced_or_in_chunks(tasks: TaskService, ada: str) -> None:
    fits = json.dumps({"title": "a title"}).encode().ljust(16_384)
    mine = tasks.send("POST", TASKS, fits, user=ada).json
    where = f"{TASKS}/{mine['id']}"
    assert_problem(tasks.send("POST", TASKS, fits + b" ", user=ada), 413, "16384 bytes")
    assert_problem(tasks.send("PATCH", where, fits + b" ", user=ada), 413, "16384 bytes")
    assert_problem(tasks.ask(where, user=ada, method="DELETE", body=fits + b" "), 413, "16384 bytes")
    assert tasks.ask(TASKS, user=ada).json["items"] == [mine]
    assert send_chunks(tasks, ada, [fits]).status == 201
    for chunks in ([fits, b" "], [b" " * 1000] * 17, [b" "] * 16_385):
        assert_problem(send_chunks(tasks, ada, chunks), 413, "16384 bytes")


def send_chunks(tasks: TaskService, user: str, chunks: list[bytes]) -> Answer:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    # Written as raw header lines: the client would announce a length.
    head = ("Transfer-Encoding: chunked", "Content-Type: application/json", "", body.decode())
    return tasks.ask(TASKS, f"X-User-Id: {user}", *head, method="POST")


def test_a_user_has_at_most_1000_tasks_however_many_come_at_once(
    tasks: TaskService, server: Postgres, ada: str
) -> None:
    fill(server, ada, 995, "now()")
    create = partial(tasks.send, "POST", TASKS, {"title": "one more"}, user=ada)
    with ThreadPoolExecutor(24) as threads:
        answers = list(threads.map(lambda _: create(), range(24)))
    assert sorted(answer.status for answer in answers) == [201] * 5 + [409] * 19
    assert_problem(create(), 409, "1000 tasks", "Delete one first")
    everything = [task for page in tasks.pages(ada, 100) for task in ids(page)]
    assert len(set(everything)) == len(everything) == 1000
    assert tasks.ask(f"{TASKS}/{everything[0]}", user=ada, method="DELETE").status == 204
    assert create().status == 201
    assert tasks.create(f"eve-of-{ada}")


def test_every_answer_under_api_is_stored_by_no_cache(tasks: TaskService, ada: str) -> None:
    paths = ("/api/v1/auth/me", TASKS, f"{TASKS}/{NOBODYS}", "/api/v1/openapi.json", "/api/nothing", "/api/")
    assert [tasks.ask(path, user=ada).header("Cache-Control") for path in paths] == ["no-store"] * len(paths)


def test_what_is_not_there_is_a_problem_too(tasks: TaskService) -> None:
    assert_problem(tasks.ask(f"{TASKS}/", user="ada"), 404)
    assert_problem(tasks.ask("/api/v1/nothing", user="ada"), 404)
    refused = tasks.ask(TASKS, user="ada", method="PUT")
    assert_problem(refused, 405)
    assert refused.header("Allow")


# The database


def test_the_database_goes_and_comes_back(tmp_path: Path, server: Postgres, dsn: str, ada: str) -> None:
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


def test_a_database_that_hangs_is_503_within_seconds_until_it_goes_on(
    tmp_path: Path, server: Postgres, dsn: str, ada: str
) -> None:
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


def test_a_service_without_its_database_starts_and_one_without_tables_waits_for_them(
    tmp_path: Path, server: Postgres
) -> None:
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
    tmp_path: Path, server: Postgres, dsn: str
) -> None:
    roots = tmp_path / "ca.pem"
    roots.write_bytes(AUTHORITY.pem)
    neon = f"{dsn.replace('127.0.0.1', 'localhost')}?sslmode=require&channel_binding=require"
    with task_service(tmp_path, f"{neon}&sslrootcert={roots}") as tasks:
        assert tasks.ask("/readyz").status == 200
        assert encrypted(server) == {True}
    with task_service(tmp_path, neon) as tasks:  # whose CA the system does not know
        assert tasks.ask("/readyz").status == 503
        assert "certificate verify failed" in tasks.log.read_text()


@pytest.mark.parametrize(
    ("query", "tls"),
    [
        ("", "prefer"),
        ("?sslmode=disable", "disable"),
        ("?sslmode=require", "require"),
        ("?sslmode=require&channel_binding=require", True),
        ("?sslmode=verify-full&sslrootcert=system", True),
        ("?sslmode=verify-ca", False),
        ("?pgbouncer=true&connect_timeout=10&sslmode=prefer", "prefer"),
    ],
)
def test_sslmode_means_what_it_means_to_libpq(query: str, tls: str | bool) -> None:  # noqa: FBT001 - a column
    settings = read_settings({"DATABASE_URL": f"postgres://u:p%40ss@h:6432/d{query}"})
    assert settings.database_url.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p%40ss@h:6432/d"
    if isinstance(settings.tls, ssl.SSLContext):
        assert (settings.tls.verify_mode, settings.tls.check_hostname) == (ssl.CERT_REQUIRED, tls)
    else:
        assert settings.tls == tls


def encrypted(server: Postgres) -> set[bool]:
    connections = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tasks'"
    return {row["ssl"] for row in server.execute(connections)}


# Migrations


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


# Settings


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "exactly one of DATABASE_URL and DATABASE_URL_FILE"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "DATABASE_URL_FILE": "/dev/null"}, "exactly one of"),
        ({"DATABASE_URL_FILE": "/nonexistent"}, "cannot be read: No such file"),
        ({"DATABASE_URL": "u:canary@h"}, "is not a URL like"),
        ({"DATABASE_URL": "mysql://u:canary@h/d"}, "needs a scheme"),
        ({"DATABASE_URL": "postgresql://u:canary@h:port/d"}, "is not a URL like"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d?options=-c"}, "unknown parameters, remove them: options"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d?sslmode=on"}, "sslmode in DATABASE_URL must be one of disable"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d?sslmode=disable&channel_binding=require"}, "needs TLS"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "CORS_ORIGINS": "*"}, "exact origins"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "CORS_ORIGINS": "https://a.example/"}, "'https://a.example/'"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "CORS_ORIGINS": "https://a.example,null"}, "'null'"),
    ],
)
def test_settings_that_are_wrong_are_told_without_the_password(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as problem:
        read_settings(environ)
    assert words in str(problem.value)
    assert "canary" not in str(problem.value)


def test_settings_that_are_wrong_end_the_start_with_one_line_and_78() -> None:
    neither = "task_service: set exactly one of DATABASE_URL and DATABASE_URL_FILE\n"
    assert refused_start({}) == (78, neither)
    migration = alembic("", "upgrade", "head")
    output, _ = migration.communicate(timeout=30)
    assert (migration.returncode, output) == (78, neither)


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database_url"
    file.write_text("postgresql://u:p@h/d\n")
    assert str(read_settings({"DATABASE_URL_FILE": str(file)}).database_url) == "postgresql+asyncpg://u:***@h/d"


# Browsers and clients


def test_cors_is_off_unless_origins_are_named(tasks: TaskService) -> None:
    origin = f"Origin: {FRONT_END}"
    preflight = tasks.ask(TASKS, origin, "Access-Control-Request-Method: POST", method="OPTIONS")
    for answer in (tasks.ask(TASKS, origin, user="ada"), preflight):
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    assert preflight.status == 405


def test_cors_lets_the_named_origins_in_with_credentials_and_nobody_else(tmp_path: Path, dsn: str) -> None:
    wanted = ("Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: content-type, authorization")
    with task_service(tmp_path, dsn, CORS_ORIGINS=f"{FRONT_END}, http://localhost:3001") as tasks:
        preflight = tasks.ask(TASKS, f"Origin: {FRONT_END}", *wanted, method="OPTIONS")
        assert preflight.status == 200
        assert preflight.header("Access-Control-Allow-Origin") == FRONT_END
        assert preflight.header("Access-Control-Allow-Credentials") == "true"
        assert preflight.header("Access-Control-Allow-Methods") == "GET, POST, PATCH, DELETE"
        assert preflight.header("Access-Control-Max-Age") == "600"
        refused = tasks.ask(TASKS, f"Origin: {FRONT_END}")  # a page must be able to read why
        assert (refused.status, refused.header("Access-Control-Allow-Origin")) == (401, FRONT_END)
        assert "Location" in (refused.header("Access-Control-Expose-Headers") or "")
        assert "Origin" in (refused.header("Vary") or "")
        for other in (
            "https://evil.example",
            "null",
            f"{FRONT_END}.evil.example",
            FRONT_END.upper(),
            f"{FRONT_END}:444",
        ):
            answers = [tasks.ask(TASKS, f"Origin: {other}", user="ada"),
                       tasks.ask(TASKS, f"Origin: {other}", *wanted, method="OPTIONS")]  # fmt: skip
            assert [answer.header("Access-Control-Allow-Origin") for answer in answers] == [None, None]
            assert answers[1].status == 400


def test_openapi_is_valid_and_tells_how_to_sign_in_and_what_goes_wrong(tasks: TaskService) -> None:
    document = tasks.ask("/api/v1/openapi.json").json
    OpenAPI.model_validate(document)
    text = json.dumps(document)
    for reference in {part.partition('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}:
        assert reference in document["components"]["schemas"]
    assert document["components"]["securitySchemes"].keys() == {"session", "token"}
    session, token = (document["components"]["securitySchemes"][name] for name in ("session", "token"))
    assert (session["in"], session["name"]) == ("cookie", "better-auth.session_token")
    assert (token["scheme"], token["bearerFormat"]) == ("bearer", "JWT")
    assert set(document["paths"]) == {"/api/v1/auth/me", TASKS, f"{TASKS}/{{task_id}}"}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == 6
    for operation in operations:
        assert operation["security"] == [{"session": []}, {"token": []}]
        assert {"401", "403", "503"} <= operation["responses"].keys()
        for status, answer in operation["responses"].items():
            media_types = {"200": ["application/json"], "201": ["application/json"], "204": []}
            assert list(answer.get("content", {})) == media_types.get(status, ["application/problem+json"])
    assert "x-user-id" not in text.lower()  # clients send none
    assert {tasks.ask(path).status for path in ("/docs", "/redoc", "/api/v1/docs", "/openapi.json")} == {404}


def test_docs_can_show_the_recipe_as_it_is() -> None:
    recipe = (ROOT / "deploy" / "stack" / "tasks" / "task_service" / "identity.py").read_text()
    assert len(recipe.splitlines()) <= 40
    imported = {
        line.split()[1].partition(".")[0] for line in recipe.splitlines() if line.startswith(("from ", "import "))
    }
    assert imported == {"__future__", "dataclasses", "typing", "urllib", "fastapi"}
    assert "CurrentUser = Annotated[User, Depends(current_user)]" in recipe
