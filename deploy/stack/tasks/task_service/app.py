"""The task service. Run it where only the proxy can reach it.

uvicorn --app-dir deploy/stack/tasks task_service.app:app --host 127.0.0.1 --port 8001 --no-access-log
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from task_service import problems
from task_service.database import Database
from task_service.middleware import BodyLimit, HeadAsGet, SafeHeaders
from task_service.openapi import DESCRIPTION, TAGS, DescribedApp, operation_id
from task_service.routes import api, health
from task_service.settings import ConfigError, Settings, read_settings, stop


def create_app(settings: Settings) -> FastAPI:
    """Return the application. It starts without its database and answers 503 until it can connect."""
    database = Database(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

    service = DescribedApp(
        title="Tasks",
        version="1",
        summary="Tasks of the users that AuthGate allows.",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url="/api/v1/openapi.json",
        generate_unique_id_function=operation_id,
        # No Swagger and no ReDoc: their pages load scripts from a CDN into the origin that has the session cookie.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect's Location would name the internal host
        lifespan=lifespan,
        middleware=_middleware(settings),
    )
    service.state.database = database
    service.include_router(api)
    service.include_router(health.router)
    problems.register(service)
    return service


def _middleware(settings: Settings) -> list[Middleware]:
    """Return the middleware, outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_credentials=True,
        allow_methods=("GET", "POST", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=("Location", "Retry-After"),
        max_age=600,
    )
    return [
        Middleware(SafeHeaders),
        *([cors] if settings.cors_origins else []),
        Middleware(BodyLimit),
        Middleware(HeadAsGet),
    ]


try:
    app = create_app(read_settings(os.environ))
except ConfigError as problem:
    stop(problem)
