"""The parts of the OpenAPI document that FastAPI cannot derive from the routes: introduction, tags and problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from task_service.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
Clients call this API through a proxy that asks AuthGate about each request. They sign in with Better Auth's session
cookie, or with a JWT from `GET /api/auth/token` in `Authorization: Bearer`. AuthGate checks it and names the caller to
this service.

Every refusal and failure is a problem document (RFC 9457). `HEAD` works wherever `GET` does. A method that a path does
not have is answered with 405, and `Allow` names those that it has.
"""
TAGS = [
    {"name": "tasks", "description": "The caller's own tasks."},
    {"name": "caller", "description": "What this service knows about the caller."},
    {"name": "reports", "description": "For programs, not for users."},
]

_HEADERS = {
    401: {"WWW-Authenticate": {"description": "How to sign in.", "required": True, "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}},
}


class DescribedApp(FastAPI):
    """A FastAPI application whose document has the schema of problems, which no route returns."""

    def openapi(self) -> dict[str, Any]:
        """Return the document. FastAPI builds it once."""
        document = super().openapi()
        document["components"]["schemas"][Problem.__name__] = Problem.model_json_schema()
        return document


def described(problems: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for *problems*: descriptions by status."""
    return {status: _response(status, text) for status, text in problems.items()}


def operation_id(route: APIRoute) -> str:
    """Return the function's name. Generated clients use it as the name of their method."""
    return route.name


def _response(status: int, text: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    response = {"description": text, "content": content}
    return response | {"headers": _HEADERS[status]} if status in _HEADERS else response
