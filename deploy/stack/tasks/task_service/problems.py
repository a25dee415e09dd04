"""Answer every refusal and failure with application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from task_service.database import DatabaseUnavailableError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5

_log = logging.getLogger("uvicorn.error")  # uvicorn sets up this logger
_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as an answer. Its type is about:blank, because the status says what kind of problem it is."""
    members = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    # NoStore sets Cache-Control too, but the answer to a bug does not pass through middleware.
    return Response(json.dumps(members), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def described(**answers: str) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's `responses` for problems; `described(_404="no such task")` describes 404."""
    content = {MEDIA_TYPE: {"schema": _SCHEMA}}
    return {int(name[1:]): {"description": text, "content": content} for name, text in answers.items()}


def register(app: FastAPI) -> None:
    """Make *app* answer exceptions with problems."""

    @app.exception_handler(HTTPException)
    async def refused(_: Request, refusal: HTTPException) -> Response:
        return problem(refusal.status_code, refusal.detail, refusal.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exception: RequestValidationError) -> Response:
        errors = exception.errors()
        not_json = any(error["type"] == "json_invalid" for error in errors)
        return problem(400 if not_json else 422, "; ".join(map(_summary, errors[:5])))

    @app.exception_handler(DatabaseUnavailableError)
    async def unavailable(request: Request, failure: DatabaseUnavailableError) -> Response:
        _log.error("database unavailable, %s answered 503: %s", request.method, failure)
        return problem(503, "The database does not answer. Try again.", {"Retry-After": str(RETRY_SECONDS)})

    @app.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> Response:
        return problem(500, "The service failed. The request was not at fault.")  # uvicorn logs the traceback


def _summary(error: Mapping[str, Any]) -> str:
    """Return where and what the error is, without the input, which may be anything."""
    if error["type"] == "json_invalid":
        return f"The body is not JSON: {error['ctx']['error']}"
    where = ".".join(str(part) for part in error["loc"])[:100].encode(errors="replace").decode()
    return f"{where}: {error['msg']}"
