"""A FastAPI service that verifies the token of each request with python-jose, as its tutorials show it."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jose import JWTError, jwt

OPTIONS = json.loads(os.environ["OPTIONS"])
bearer = HTTPBearer()
app = FastAPI()


async def user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
    """Return the claims of a valid token."""
    try:
        claims: dict[str, Any] = jwt.decode(credentials.credentials, OPTIONS["key"], algorithms=[OPTIONS["algorithm"]])
    except JWTError as error:
        raise HTTPException(401) from error
    return claims


@app.get("/auth/nginx")
async def answer(claims: Annotated[dict[str, Any], Depends(user)]) -> Response:
    """Answer 200 with the user's headers."""
    identity = {
        "X-User-Id": claims["sub"],
        "X-User-Email": claims["email"],
        "X-User-Name": claims["name"],
        "X-User-Roles": ",".join(claims["roles"]),
    }
    return Response(status_code=200, headers=identity)


if __name__ == "__main__":
    uvicorn.run(app, port=OPTIONS["port"], loop="uvloop", http="httptools", access_log=False, log_level="warning")
