"""The task service takes the caller from the identity headers and from nothing else."""

from __future__ import annotations

import pytest

from tests.support.task_service import (
    HEADERS,
    NOBODYS,
    REPORT,
    TASKS,
    TaskService,
    assert_problem,
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/api/v1/auth/me", HEADERS, TASKS, REPORT, f"{TASKS}/{NOBODYS}")),
        ("DELETE", f"{TASKS}/{NOBODYS}"),
    ],
)
@pytest.mark.parametrize("headers", [(), ("X-User-Id:",), ("X-User-Id:   ", "X-User-Email: ada@example.com")])
def test_a_missing_or_empty_user_id_is_not_signed_in(
    tasks: TaskService, method: str, path: str, headers: tuple[str, ...]
) -> None:
    answer = tasks.ask(path, *headers, method=method)
    assert_problem(answer, 401, "Not signed in")
    assert answer.header("WWW-Authenticate") == "Bearer"


@pytest.mark.parametrize(
    "user",
    [
        "%00", "ada%00", "ada%0A", "ada%1f", "%7F", "ada%C2%85",  # control characters
        "%FF", "%C3", "ada%ED%A0%80", "%C0%80", "ü",  # not percent-encoded UTF-8
        "a" * 256, "%C3%BC" * 256,  # longer than any id, and than PostgreSQL can index
        "ada\r\nX-User-Id: eve", "ada\r\nx-user-id: ada", "ada\r\nX-User-Id:",
        *(f"ada\r\n{name}: a\r\n{name}: b" for name in ("X-User-Email", "X-User-Name", "X-User-Roles")),
    ],
)  # fmt: skip
def test_a_user_id_that_authgate_does_not_send_is_not_signed_in(tasks: TaskService, user: str) -> None:
    for path in ("/api/v1/auth/me", TASKS):
        answer = tasks.ask(path, user=user)
        assert_problem(answer, 401, "Not signed in")
        assert answer.header("WWW-Authenticate") == "Bearer"
    assert_problem(tasks.send("POST", TASKS, {"title": "a title"}, user=user), 401)


def test_the_longest_user_id_can_have_tasks(tasks: TaskService, ada: str) -> None:
    longest = f"{ada}{'%F0%9F%A7%80' * (255 - len(ada))}"
    mine = tasks.create(longest)
    assert tasks.ask(TASKS, user=longest).json["items"] == [mine]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_without_a_user_id_is_refused(tasks: TaskService, method: str) -> None:
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


def test_only_the_id_header_is_required(tasks: TaskService) -> None:
    empty = ("X-User-Email:", "X-User-Name:", "X-User-Roles:")
    expected = {"id": "ada", "email": None, "name": None, "roles": []}
    assert tasks.ask("/api/v1/auth/me", user="ada").json == expected
    assert tasks.ask("/api/v1/auth/me", *empty, user="ada").json == expected


def test_credentials_are_ignored(tasks: TaskService) -> None:
    headers = ("Authorization: Bearer x.y.z", "Cookie: better-auth.session_token=x")
    assert_problem(tasks.ask("/api/v1/auth/me", *headers), 401)


def test_the_headers_are_shown_as_the_service_received_them_except_credentials(tasks: TaskService) -> None:
    sent = (
        "X-User-Email: j%C3%BCrgen@example.com",
        "X-Twice: 1",
        "Accept: */*",
        "X-Twice: 2",
        "X-Empty:",
        "X-Bytes: ü",
        "Authorization: Bearer canary",
        "Cookie: theme=canary",
        "Proxy-Authorization: Basic canary",
    )
    answer = tasks.ask(f"{HEADERS}?a=canary", *sent, user="j%C3%BCrgen")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.json == {
        "method": "GET",
        "path": HEADERS,
        "headers": [
            ["host", "app.example.com"],
            ["x-user-email", "j%C3%BCrgen@example.com"],
            ["x-twice", "1"],
            ["accept", "*/*"],
            ["x-twice", "2"],
            ["x-empty", ""],
            ["x-bytes", "Ã¼"],  # bytes that are not ASCII are shown as Latin-1
            ["authorization", "(present)"],
            ["cookie", "(present)"],
            ["proxy-authorization", "(present)"],
            ["x-user-id", "j%C3%BCrgen"],
        ],
    }
