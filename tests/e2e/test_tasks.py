"""The task service behind each proxy: it has tasks of each user, and no cryptography."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.client import ask, bearer, cookie
from tests.support.e2e import sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from tests.e2e.conftest import Stack

LEFT: dict[str, list[str]] = {
    "nginx": ["cookie"],
    "traefik": [],
    "caddy": ["cookie"],
}  # the other cookies, if they are kept
JSON = "Content-Type: application/json"


def test_each_user_has_tasks_of_their_own(tasks_stack: Stack) -> None:
    ada, bob = bearer(mint(sound(sub="ada"))), bearer(mint(sound(sub="bob")))
    created = tasks_stack.ask("/api/v1/tasks", ada, JSON, method="POST", body=json.dumps({"title": "write"}).encode())
    assert created.status == 201
    path = f"/api/v1/tasks/{created.json['id']}"

    done = tasks_stack.ask(path, ada, JSON, method="PUT", body=json.dumps({"title": "write", "done": True}).encode())
    assert done.json == {"title": "write", "done": True, "id": created.json["id"]}
    assert tasks_stack.ask("/api/v1/tasks", ada).json == [done.json]

    assert tasks_stack.ask("/api/v1/tasks", bob).json == []
    for method in ("GET", "DELETE"):
        assert tasks_stack.ask(path, bob, method=method).status == 404
    assert tasks_stack.ask(path, bob, JSON, method="PUT", body=b'{"title": "stolen"}').status == 404

    assert tasks_stack.ask(path, ada, method="DELETE").status == 204
    assert tasks_stack.ask("/api/v1/tasks", ada).json == []


def test_me_returns_the_decoded_identity(tasks_stack: Stack) -> None:
    token = mint(sound(sub="ünïcode", name="Zoë, of Oz", roles=["admin", "a,b"], email="zoe@example.com"))
    assert tasks_stack.ask("/api/v1/auth/me", cookie(token)).json == {
        "id": "ünïcode",
        "email": "zoe@example.com",
        "name": "Zoë, of Oz",
        "roles": ["admin", "a,b"],
        "credentials": LEFT[tasks_stack.proxy],
    }


def test_without_a_token_the_task_service_is_not_reached(tasks_stack: Stack) -> None:
    answer = tasks_stack.ask("/api/v1/tasks", "X-User-Id: ada")
    assert (answer.status, answer.json["reason"]) == (401, "no_credential")


@pytest.mark.parametrize("headers", [(), ("X-User-Id:",), ("X-User-Roles: admin",), ("Authorization: Bearer x",)])
def test_the_task_service_itself_refuses_a_request_without_identity(
    tmp_path_factory: pytest.TempPathFactory, headers: tuple[str, ...]
) -> None:
    with processes.tasks(tmp_path_factory.mktemp("alone")) as port:
        assert ask(port, "/api/v1/tasks", *headers).status == 401
        assert ask(port, "/api/v1/auth/me", *headers).status == 401
        assert ask(port, "/api/v1/tasks", "X-User-Id: ada").status == 200
