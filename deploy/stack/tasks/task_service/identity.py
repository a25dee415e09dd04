"""Who is calling. AuthGate says so in four headers, which the proxy sets itself and lets no client set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, HTTPException, Request


@dataclass(frozen=True, slots=True)
class User:
    """Who AuthGate says is calling."""

    id: str
    email: str | None
    name: str | None
    roles: tuple[str, ...]


async def current_user(request: Request) -> User:
    """Return the caller. THE recipe: absent or empty X-User-Id means anonymous, and is refused here."""
    told = request.headers
    if not told.get("x-user-id"):
        raise HTTPException(401, "Not signed in.", {"WWW-Authenticate": "Bearer"})
    return User(
        id=unquote(told["x-user-id"]),  # AuthGate percent-encodes what is not printable ASCII
        email=unquote(told.get("x-user-email", "")) or None,
        name=unquote(told.get("x-user-name", "")) or None,
        roles=tuple(unquote(role) for role in told.get("x-user-roles", "").split(",") if role),
    )


CurrentUser = Annotated[User, Depends(current_user)]
