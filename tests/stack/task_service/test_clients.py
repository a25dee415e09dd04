"""CORS, OpenAPI, and the recipe for services in the docs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

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


def test_openapi_describes_the_caller_and_problems(tasks: TaskService) -> None:
    document = tasks.ask("/api/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]*)"', json.dumps(document)):
        assert reference in schemas
    assert document["components"]["securitySchemes"].keys() == {"authgate"}
    scheme = document["components"]["securitySchemes"]["authgate"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-User-Id")
    assert "only the proxy may reach this service" in scheme["description"]
    operations = {
        operation["operationId"]: (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {name: where for name, (where, _) in operations.items()} == {
        "get_me": "GET /api/v1/auth/me",
        "get_headers": f"GET {HEADERS}",
        "list_tasks": f"GET {TASKS}",
        "create_task": f"POST {TASKS}",
        "get_task": f"GET {TASKS}/{{task_id}}",
        "change_task": f"PATCH {TASKS}/{{task_id}}",
        "delete_task": f"DELETE {TASKS}/{{task_id}}",
        "count_tasks": f"GET {REPORT}",
    }
    tags = {tag["name"] for tag in document["tags"]}
    for _, operation in operations.values():
        assert operation["security"] == [{"authgate": []}]
        assert set(operation["tags"]) <= tags
        assert {"401", "403", "413", "503"} <= operation["responses"].keys()
        assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
        assert "Retry-After" in operation["responses"]["503"]["headers"]
        for status, answer in operation["responses"].items():
            if status[0] == "4" or status[0] == "5":
                problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
                assert answer["content"] == problem
            else:
                assert list(answer.get("content", {})) == ([] if status == "204" else ["application/json"])
    for name in ("create_task", "change_task"):
        assert {"400", "415", "422"} <= operations[name][1]["responses"].keys()
    assert "Location" in operations["create_task"][1]["responses"]["201"]["headers"]
    (after,) = (item for item in operations["list_tasks"][1]["parameters"] if item["name"] == "after")
    bounds = {"type": "string", "minLength": 32, "maxLength": 32, "pattern": "^[A-Za-z0-9_-]{32}$"}
    assert {name: value for name, value in after["schema"].items() if name not in {"title", "description"}} == bounds
    assert schemas["TaskChange"]["minProperties"] == 1
    for name in ("NewTask", "TaskChange"):
        title = schemas[name]["properties"]["title"]
        assert (title["minLength"], title["maxLength"]) == (1, 200)
        assert re.search(title["pattern"], " a\n")
        for wrong in ("a\0", "\0", " ", "\ufeff"):
            assert not re.search(title["pattern"], wrong)
    assert {tasks.ask(path).status for path in ("/docs", "/redoc", "/api/v1/docs", "/openapi.json")} == {404}


def test_docs_can_show_the_recipe_as_it_is() -> None:
    recipe = (ROOT / "deploy" / "stack" / "tasks" / "task_service" / "identity.py").read_text()
    assert len(recipe.splitlines()) <= 65
    imported = {
        line.split()[1].partition(".")[0] for line in recipe.splitlines() if line.startswith(("from ", "import "))
    }
    assert imported == {"__future__", "re", "dataclasses", "typing", "urllib", "fastapi"}
    assert "CurrentUser = Annotated[User, Depends(current_user)]" in recipe
