"""The caller. AuthGate names it in four headers; the proxy sets them and removes the client's copies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader

MAX_ID_CHARACTERS = 255  # OpenID Connect's bound for `sub`
_HEADERS = ("x-user-id", "x-user-email", "x-user-name", "x-user-roles")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_USER_ID = APIKeyHeader(  # for the OpenAPI document; current_user reads the header
    name="X-User-Id",
    scheme_name="authgate",
    description="AuthGate sets this header to the id of the user whose session or token it accepts. Clients cannot: "
    "the proxy removes what they send. The value is no secret, so only the proxy may reach this service.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class User:
    """The caller, as AuthGate identified it."""

    id: str
    email: str | None
    name: str | None
    roles: tuple[str, ...]


async def current_user(request: Request, _: Annotated[str | None, Depends(_USER_ID)]) -> User:
    """Return the caller. Refuse anonymous requests, and headers that AuthGate does not send."""
    headers = request.headers
    once = all(len(headers.getlist(name)) <= 1 for name in _HEADERS)  # a second one would be the client's
    user_id = _read_id(headers.get("x-user-id", "")) if once else None
    if not user_id:
        raise HTTPException(401, "Not signed in.", {"WWW-Authenticate": "Bearer"})
    return User(
        id=user_id,
        email=unquote(headers.get("x-user-email", "")) or None,
        name=unquote(headers.get("x-user-name", "")) or None,
        roles=tuple(unquote(role) for role in headers.get("x-user-roles", "").split(",") if role),
    )


def _read_id(value: str) -> str | None:
    """Return the id, or None if PostgreSQL could not store it or *value* is not as AuthGate writes it."""
    if not value.isascii():  # AuthGate percent-encodes everything but printable ASCII
        return None
    try:
        user_id = unquote(value, errors="strict")
    except UnicodeDecodeError:
        return None
    return user_id if len(user_id) <= MAX_ID_CHARACTERS and not _CONTROL_CHARACTER.search(user_id) else None


CurrentUser = Annotated[User, Depends(current_user)]
