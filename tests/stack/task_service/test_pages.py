"""Tasks are listed page by page."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.support.task_service import (
    NOBODYS,
    TASKS,
    TaskService,
    assert_problem,
    fill,
    ids,
)

if TYPE_CHECKING:
    from tests.support.postgres import Postgres


def test_pages_have_no_gap_and_no_repeat_when_all_times_are_equal(
    tasks: TaskService, server: Postgres, ada: str
) -> None:
    fill(server, ada, 23, "'2026-01-02 03:04:05.678901+00'")
    pages = list(tasks.pages(ada, 5))
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    tasks_in_order = [task for page in pages for task in ids(page)]
    assert len(set(tasks_in_order)) == 23
    assert tasks_in_order == sorted(tasks_in_order, reverse=True)


def test_pages_are_newest_first_and_stay_in_place_when_tasks_come_and_go(
    tasks: TaskService, server: Postgres, ada: str
) -> None:
    fill(server, ada, 9, "now() - n * interval '1 microsecond' - interval '1 hour'")
    expected = ids(tasks.ask(TASKS, user=ada).json["items"])
    first = tasks.ask(f"{TASKS}?limit=3", user=ada).json
    newest = tasks.create(ada)["id"]
    assert tasks.ask(f"{TASKS}/{expected[2]}", user=ada, method="DELETE").status == 204  # the task at the cursor
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


def test_an_invalid_cursor_is_refused(tasks: TaskService, server: Postgres, ada: str) -> None:
    fill(server, ada, 2, "now()")
    cursor = tasks.ask(f"{TASKS}?limit=1", user=ada).json["next"]
    for wrong in ("", "x", cursor[:-1], f"{cursor}A", f"{cursor}%3D", f"{cursor[:-1]}%2B", f"{cursor[:-1]}%00",
                  f"{cursor[:-3]}%C3%BC", f"%0A{cursor[1:]}", f"{cursor}%0A", NOBODYS):  # fmt: skip
        assert_problem(tasks.ask(f"{TASKS}?after={wrong}", user=ada), 422, "query.after: ")


def test_a_cursor_beyond_all_times_marks_the_beginning(tasks: TaskService, ada: str) -> None:
    mine = tasks.create(ada)
    for start in (b"\xff" * 8, b"\x7f" * 8, b"\x03" * 8):
        cursor = urlsafe_b64encode(start + b"\xff" * 16).decode()
        assert tasks.ask(f"{TASKS}?after={cursor}", user=ada).json["items"] == [mine]
    earliest = urlsafe_b64encode(bytes(24)).decode()
    assert tasks.ask(f"{TASKS}?after={earliest}", user=ada).json == {"items": [], "next": None}


def test_a_changed_or_foreign_cursor_shows_only_the_callers_own_tasks(
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
            assert set(ids(answer.json["items"])) <= set(own)
