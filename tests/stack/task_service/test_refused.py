"""The task service refuses requests that are not as described."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

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
    from tests.support.client import Answer
    from tests.support.postgres import Postgres


@pytest.mark.parametrize(
    "task_id", ["x", "1", "%00", f"{NOBODYS}0", NOBODYS[:-1], "%F0%9F", "..%2F..", "'--", "A" * 5000]
)
def test_an_invalid_id_is_refused_by_every_method(tasks: TaskService, task_id: str) -> None:
    path = f"{TASKS}/{task_id}"
    answers = [tasks.ask(path, user="ada", method=method) for method in ("GET", "DELETE")]
    for answer in [*answers, tasks.send("PATCH", path, {"done": True}, user="ada")]:
        assert_problem(answer, 404 if "%2F" in task_id else 422, *([] if "%2F" in task_id else ["path.task_id"]))


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": ""}', b'{"title": " \\n\\t\\u00a0 "}', b'{"title": "a\\u0000b"}', b'{"title": "\\u0000"}',
        b'{"title": "\\ufeff\\u0085\\u001f"}', b'{"title": "\\ud800"}', b'{"title": "a\\udfffb"}',
        b'{"title": null}', b'{"title": 1}', b'{"title": ["a"]}', b'{"title": "a", "done": "yes"}',
        b'{"title": "a", "done": null}', b'{"title": "a", "done": 1}',
        b'{"title": "a", "user_id": "eve"}', b'{"title": "a", "id": "x"}', b'{"title": "a", "\\ud800": 1}',
        b"[]", b'"a"', b"null", b"1", b"{}",
    ],
)  # fmt: skip
def test_an_invalid_task_is_refused(tasks: TaskService, ada: str, body: bytes) -> None:
    mine = tasks.create(ada)
    refused = tasks.send("POST", TASKS, body, user=ada)
    assert_problem(refused, 422, "body")
    assert "Value error" not in refused.json["detail"]
    assert_problem(tasks.send("PATCH", f"{TASKS}/{mine['id']}", body, user=ada), 422, "body")
    assert tasks.ask(TASKS, user=ada).json["items"] == [mine]


@pytest.mark.parametrize("body", [b"{", b'{"title": "a",}', b'{"title": "\xff"}', b"[" * 16_000, b"9" * 16_000])
def test_a_body_that_is_not_json_is_refused(tasks: TaskService, ada: str, body: bytes) -> None:
    assert_problem(tasks.send("POST", TASKS, body, user=ada), 400)


def test_a_body_with_another_content_type_than_json_is_refused(tasks: TaskService, ada: str) -> None:
    body = b'{"title": "from a form of another site"}'
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = tasks.ask(TASKS, f"Content-Type: {content_type}", user=ada, method="POST", body=body)
        assert_problem(answer, 415, "application/json")
        assert answer.header("Accept") == "application/json"
    assert_problem(tasks.ask(TASKS, user=ada, method="POST", body=body), 415)
    assert_problem(tasks.ask(f"{TASKS}/{NOBODYS}", user=ada, method="PATCH", body=body), 415)
    assert_problem(tasks.ask(TASKS, "Content-Type: text/plain", method="POST", body=body), 401)
    assert tasks.ask(TASKS, user=ada).json["items"] == []
    utf_8 = tasks.ask(TASKS, "Content-Type: Application/JSON; charset=utf-8", user=ada, method="POST", body=body)
    assert utf_8.status == 201


def test_a_title_has_at_most_200_characters(tasks: TaskService, ada: str) -> None:
    longest = "🧀" * 200
    assert tasks.create(ada, longest)["title"] == longest
    for title in (longest + "x", longest + " "):
        assert_problem(tasks.send("POST", TASKS, {"title": title}, user=ada), 422, "body.title", "200")


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


def test_no_cache_stores_an_answer_under_api(tasks: TaskService, ada: str) -> None:
    paths = ("/api/v1/auth/me", TASKS, f"{TASKS}/{NOBODYS}", "/api/v1/openapi.json", "/api/nothing", "/api/")
    assert [tasks.ask(path, user=ada).header("Cache-Control") for path in paths] == ["no-store"] * len(paths)


def test_no_answer_may_be_read_as_another_type_or_embedded_by_another_site(tasks: TaskService, ada: str) -> None:
    refused = tasks.ask(TASKS)
    assert refused.status == 401
    for answer in (refused, *(tasks.ask(path, user=ada) for path in ("/healthz", TASKS, "/api/nothing", "/nothing"))):
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"


def test_unknown_paths_and_methods_are_problem_documents(tasks: TaskService) -> None:
    assert_problem(tasks.ask(f"{TASKS}/", user="ada"), 404)
    assert_problem(tasks.ask("/api/v1/nothing", user="ada"), 404)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/auth/me", "GET, HEAD"),
        (TASKS, "GET, HEAD, POST"),
        (f"{TASKS}/{NOBODYS}", "GET, HEAD, PATCH, DELETE"),
        ("/healthz", "GET, HEAD"),
        ("/api/v1/openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_answered_with_all_that_it_has(
    tasks: TaskService, path: str, methods: str
) -> None:
    for method in ("PUT", "OPTIONS", "TRACE", "PROPFIND"):
        refused = tasks.ask(path, user="ada", method=method)
        assert_problem(refused, 405, methods)
        assert refused.header("Allow") == methods


@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/{NOBODYS}", f"{TASKS}/x", "/healthz", "/api/v1/openapi.json", "/x"])
def test_head_is_get_without_the_body(tasks: TaskService, ada: str, path: str) -> None:
    head, get = tasks.ask(path, user=ada, method="HEAD"), tasks.ask(path, user=ada)
    undated = [[pair for pair in answer.headers if pair[0] != "date"] for answer in (head, get)]
    assert (head.status, undated[0], head.body) == (get.status, undated[1], b"")
