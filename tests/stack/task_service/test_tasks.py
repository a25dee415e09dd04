"""Tasks are created, read, changed and deleted by their owner."""

from __future__ import annotations

from tests.support.task_service import (
    NOBODYS,
    REPORT,
    TASKS,
    TaskService,
    assert_problem,
)


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


def test_a_task_of_another_user_is_not_found(tasks: TaskService, ada: str) -> None:
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


def test_user_ids_that_differ_a_little_are_different_users(tasks: TaskService, ada: str) -> None:
    tasks.create(ada)
    for other in (ada.upper(), f"{ada}%20", ada[:-1], f"{ada}%25", f"{ada}%C2%AD"):
        assert tasks.ask(TASKS, user=other).json["items"] == []


def test_the_report_counts_the_tasks_of_all_users(tasks: TaskService, ada: str) -> None:
    before = tasks.ask(REPORT, user="machine").json
    done = tasks.create(ada)
    tasks.create(f"eve-of-{ada}")
    assert tasks.send("PATCH", f"{TASKS}/{done['id']}", {"done": True}, user=ada).status == 200
    after = tasks.ask(REPORT, user="machine").json
    assert after == {"tasks": before["tasks"] + 2, "done": before["done"] + 1}
