"""The policies of the example stack: health, administrators, a program, users, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import commands
from tests.support.spoofs import SPOOFS
from tests.support.stack import Client, administrator, new_email
from tests.support.task_service import REPORT, TASKS
from tests.support.waiting import until

if TYPE_CHECKING:
    from deploy.stack.run import Stack
    from tests.support.client import Answer

USERS = "/api/auth/admin/list-users?limit=1"
ADMINISTRATORS_PATHS = (USERS, "/admin", "/admin/", "/api/auth/admin/impersonate-user")


def machine(stack: Stack, *scopes: str, **claims: str) -> str:
    """Return the header of a program that has the token of `authgate mint`, as docs/stack.md shows."""
    options = ["--config", stack.folder / "authgate.yaml", "--issuer", "machines", "--sub", "reporter"]
    options += [part for scope in scopes for part in ("--scope", scope)]
    options += [part for name, value in claims.items() for part in ("--claim", f"{name}={value}")]
    ran = commands.authgate("mint", *options)
    assert ran.returncode == 0, ran.stderr
    return f"Authorization: Bearer {ran.stdout.strip()}"


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["reason"]


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_the_health_of_the_service_is_public(stack: Stack, edge: str, spoof: tuple[str, ...]) -> None:
    answer = Client(stack, edge).ask("/healthz", *spoof)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_an_administrator_reaches_the_page_and_the_functions(stack: Stack, edge: str) -> None:
    admin = administrator(stack, edge)
    assert admin.ask("/admin").status == 200
    assert admin.ask(USERS).json["total"] >= 1


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_an_ordinary_user_reaches_neither(stack: Stack, edge: str, spoof: tuple[str, ...]) -> None:
    ada = Client(stack, edge)
    ada.sign_up()
    assert ada.ask(TASKS, *spoof).status == 200
    for path in ADMINISTRATORS_PATHS:
        assert refusal(ada.ask(path, *spoof)) == (403, "forbidden")


def test_without_a_session_the_functions_are_refused(stack: Stack, edge: str) -> None:
    for path in (USERS, "/api/auth/admin/%6cist-users", "/api/auth/admin/nothing"):
        assert refusal(Client(stack, edge).ask(path)) == (401, "no_credential")


def test_an_administrator_who_acts_as_another_has_no_rights_and_gets_them_back(stack: Stack, edge: str) -> None:
    bob = Client(stack)
    user_id = bob.sign_up(new_email("bob"), name="Bob")
    admin = administrator(stack, edge)
    usual = admin.copy()
    assert admin.ask("/api/auth/admin/impersonate-user", body={"userId": user_id}).status == 200
    assert admin.ask("/api/v1/auth/me").json["name"] == "Bob"
    assert refusal(admin.ask(USERS)) == (403, "forbidden")
    # Better Auth lets nobody act as an administrator, but Bob may become one meanwhile.
    stack.postgres.execute(f"""UPDATE "user" SET role = 'admin' WHERE id = '{user_id}'""")
    until(lambda: admin.ask("/api/v1/auth/me").json["roles"] == ["admin"], pause_seconds=0.2)
    for path in ADMINISTRATORS_PATHS:
        assert refusal(admin.ask(path)) == (403, "forbidden")
    assert b'href="/admin"' not in admin.ask("/sessions").body
    assert usual.ask(USERS).status == 200
    assert admin.ask("/api/auth/admin/stop-impersonating", body={}).status == 200
    assert admin.ask(USERS).status == 200


def test_an_administrator_may_have_another_role_too(stack: Stack, edge: str) -> None:
    ada = Client(stack, edge)
    user_id = ada.sign_up()
    stack.postgres.execute(f"""UPDATE "user" SET role = 'user,admin' WHERE id = '{user_id}'""")
    until(lambda: ada.ask(USERS).status == 200, pause_seconds=0.2)
    page = ada.ask("/admin")
    assert (page.status, b'href="/admin"' in page.body, b"E-mail contains" in page.body) == (200, True, True)


def test_the_jwt_of_an_administrator_does_not_count_there(stack: Stack, edge: str) -> None:
    """It states nothing about impersonation."""
    bearer = f"Authorization: Bearer {administrator(stack, edge).ask('/api/auth/token').json['token']}"
    assert Client(stack, edge).ask("/api/v1/auth/me", bearer).json["roles"] == ["admin"]
    assert refusal(Client(stack, edge).ask(USERS, bearer)) == (403, "forbidden")


def test_a_program_with_the_scope_reads_the_report(stack: Stack, edge: str) -> None:
    ada = Client(stack, edge)
    ada.sign_up()
    bearer = machine(stack, "reports:read")
    before = ada.copy().ask(REPORT), Client(stack, edge).ask(REPORT, bearer)
    assert refusal(before[0]) == (403, "forbidden")
    assert ada.ask(TASKS, body={"title": "counted"}).status == 201
    assert Client(stack, edge).ask(REPORT, bearer).json["tasks"] > before[1].json["tasks"]


@pytest.mark.parametrize("scopes", [(), ("reports:write",)])
def test_a_program_without_the_scope_learns_which_one_is_missing(
    stack: Stack, edge: str, scopes: tuple[str, ...]
) -> None:
    answer = Client(stack, edge).ask(REPORT, machine(stack, *scopes))
    assert refusal(answer) == (403, "insufficient_scope")
    assert 'scope="reports:read"' in (answer.header("WWW-Authenticate") or "")


def test_a_program_is_no_user(stack: Stack, edge: str) -> None:
    """Whatever its token says."""
    for claims in ({}, {"roles": '["admin"]', "sid": "x"}):
        bearer = machine(stack, "reports:read", **claims)
        for path in (TASKS, "/api/v1/auth/me", *ADMINISTRATORS_PATHS):
            assert refusal(Client(stack, edge).ask(path, bearer)) == (403, "forbidden")


def test_an_administrator_does_not_read_the_report(stack: Stack, edge: str) -> None:
    assert refusal(administrator(stack, edge).ask(REPORT)) == (403, "forbidden")


def test_a_path_without_a_policy_is_refused(stack: Stack, edge: str) -> None:
    admin = administrator(stack, edge)
    for path in ("/api/", "/api/v2/tasks", "/administrator"):
        assert refusal(admin.ask(path)) == (403, "no_policy")


def test_the_log_names_policy_and_rule(stack: Stack) -> None:
    ada = Client(stack)
    ada.sign_up()
    assert ada.ask("/admin").status == 403

    def logged() -> bool:
        lines = stack.parts["authgate"].log.read_text().splitlines(keepends=True)
        denied = [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "\n"]
        return any(line.get("policy") == "admin" and line.get("rule") == "roles.any_of" for line in denied)

    until(logged)
