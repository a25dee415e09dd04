"""CORS, OpenAPI, and the recipe for services in the docs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi.openapi.models import OpenAPI

from tests.support.processes import ROOT
from tests.support.task_service import (
    HEADERS,
    REPORT,
    TASKS,
    TaskService,
    task_service,
)

if TYPE_CHECKING:
    from pathlib import Path

FRONT_END = "https://www.example.com"


def test_cors_is_off_unless_origins_are_named(tasks: TaskService) -> None:
    origin = f"Origin: {FRONT_END}"
    preflight = tasks.ask(TASKS, origin, "Access-Control-Request-Method: POST", method="OPTIONS")
    for answer in (tasks.ask(TASKS, origin, user="ada"), preflight):
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    assert preflight.status == 405


def test_cors_lets_the_named_origins_in_with_credentials_and_nobody_else(tmp_path: Path, dsn: str) -> None:
    preflight_lines = (
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: content-type, authorization",
    )
    with task_service(tmp_path, dsn, CORS_ORIGINS=f"{FRONT_END}, http://localhost:3001") as tasks:
        preflight = tasks.ask(TASKS, f"Origin: {FRONT_END}", *preflight_lines, method="OPTIONS")
        assert preflight.status == 200
        assert preflight.header("Access-Control-Allow-Origin") == FRONT_END
        assert preflight.header("Access-Control-Allow-Credentials") == "true"
        assert preflight.header("Access-Control-Allow-Methods") == "GET, POST, PATCH, DELETE"
        assert preflight.header("Access-Control-Max-Age") == "600"
        refused = tasks.ask(TASKS, f"Origin: {FRONT_END}")  # a page must be able to read the reason
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
                       tasks.ask(TASKS, f"Origin: {other}", *preflight_lines, method="OPTIONS")]  # fmt: skip
            assert [answer.header("Access-Control-Allow-Origin") for answer in answers] == [None, None]
            assert answers[1].status == 400


def test_openapi_is_valid_and_describes_sign_in_and_errors(tasks: TaskService) -> None:
    document = tasks.ask("/api/v1/openapi.json").json
    OpenAPI.model_validate(document)
    text = json.dumps(document)
    for reference in {part.partition('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}:
        assert reference in document["components"]["schemas"]
    assert document["components"]["securitySchemes"].keys() == {"session", "token"}
    session, token = (document["components"]["securitySchemes"][name] for name in ("session", "token"))
    assert (session["in"], session["name"]) == ("cookie", "better-auth.session_token")
    assert (token["scheme"], token["bearerFormat"]) == ("bearer", "JWT")
    assert set(document["paths"]) == {"/api/v1/auth/me", HEADERS, TASKS, f"{TASKS}/{{task_id}}", REPORT}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == 8
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
