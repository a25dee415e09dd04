"""The caller. AuthGate names it in four headers; the proxy sets them and removes the client's copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, HTTPException, Request


@dataclass(frozen=True, slots=True)
class User:
    """The caller, as AuthGate identified it."""

    id: str
    email: str | None
    name: str | None
    roles: tuple[str, ...]


async def current_user(request: Request) -> User:
    """Return the caller. Refuse anonymous requests: their X-User-Id is absent or empty."""
    headers = request.headers
    if not headers.get("x-user-id"):
        raise HTTPException(401, "Not signed in.", {"WWW-Authenticate": "Bearer"})
    return User(
        id=unquote(headers["x-user-id"]),  # AuthGate percent-encodes everything but printable ASCII
        email=unquote(headers.get("x-user-email", "")) or None,
        name=unquote(headers.get("x-user-name", "")) or None,
        roles=tuple(unquote(role) for role in headers.get("x-user-roles", "").split(",") if role),
    )


CurrentUser = Annotated[User, Depends(current_user)]
