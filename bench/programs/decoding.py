"""aiohttp's low-level server on uvloop, which verifies the token of each request with jwt.decode."""

from __future__ import annotations

import jwt
from _serving import options, serve
from aiohttp import web

OPTIONS = options()
KEY, ALGORITHMS = OPTIONS["key"], [OPTIONS["algorithm"]]


async def answer(request: web.BaseRequest) -> web.Response:
    """Answer 200 with the user's headers, or 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return web.Response(status=401)
    try:
        claims = jwt.decode(token, KEY, algorithms=ALGORITHMS, options={"require": ["exp", "sub"]})  # noqa: TID251
    except jwt.InvalidTokenError:
        return web.Response(status=401)
    identity = {
        "X-User-Id": claims["sub"],
        "X-User-Email": claims["email"],
        "X-User-Name": claims["name"],
        "X-User-Roles": ",".join(claims["roles"]),
    }
    return web.Response(status=200, headers=identity)


if __name__ == "__main__":
    serve(answer, OPTIONS)
