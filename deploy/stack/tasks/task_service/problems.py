"""Answer every refusal and failure with application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from task_service.database import DatabaseUnavailableError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")  # OPTIONS is for CORS preflights alone (middleware)
_log = logging.getLogger("uvicorn.error")  # uvicorn sets up this logger


class Problem(BaseModel):
    """A refusal or a failure (RFC 9457)."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: int
    detail: str


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as an answer. Its type is about:blank, because the status says what kind of problem it is."""
    body = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail)
    # SafeHeaders sets these, too, but the answer to a bug does not pass through middleware.
    safe = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(body.model_dump_json(), status, {**safe, **(headers or {})}, MEDIA_TYPE)


def register(app: FastAPI) -> None:
    """Make *app* answer exceptions with problems."""

    @app.exception_handler(HTTPException)
    async def refused(_: Request, refusal: HTTPException) -> Response:
        return problem(refusal.status_code, refusal.detail, refusal.headers)

    @app.exception_handler(HTTPStatus.METHOD_NOT_ALLOWED)
    async def wrong_method(request: Request, _: Exception) -> Response:
        allowed = ", ".join(_allowed_methods(request))
        return problem(405, f"The methods of this path are {allowed}.", {"Allow": allowed})

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


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of every route with this path. A route's own Allow header names only its own methods."""

    def has(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if has("GET" if method == "HEAD" else method)]


def _summary(error: Mapping[str, Any]) -> str:
    """Return where and what the error is, without the input, which may be anything."""
    if error["type"] == "json_invalid":
        return f"The body is not JSON: {error['ctx']['error']}"
    where = ".".join(str(part) for part in error["loc"])[:100].encode(errors="replace").decode()
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
