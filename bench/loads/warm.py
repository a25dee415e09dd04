"""One token, which was verified before."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.contenders import better_auth
from bench.loads.load import USUAL, Load, turns
from bench.pinned import HOST
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import Traffic, Turn, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage


def start(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start all contenders for one HS256 token. Better Auth gets a session cookie instead."""
    setup = Setup()
    heads = write_heads(stage.fresh("heads"), [subrequest(bearer(setup.signer.token(0)))])
    plain = [name for name in names if name != better_auth.ROW.name]
    result = turns(stage, plain, setup, Traffic((heads,)))
    if better_auth.ROW.name in names:
        result[better_auth.ROW.name] = _get_session(stage, setup)
    return result


def _get_session(stage: Stage, setup: Setup) -> Turn:
    server = better_auth.start(stage, setup)
    cookie = _cookie(better_auth.session_tokens(server)[0], setup.signer.verification_key())
    url = f"http://{HOST}:{server.port}{better_auth.PATH}"
    request = urllib.request.Request(url, headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        if not json.load(answer):  # Better Auth answers 200 and null to a cookie that it does not know
            sys.exit("bench: Better Auth does not know the session")
    heads = write_heads(stage.fresh("heads"), [subrequest(f"Cookie: {cookie}", target=better_auth.PATH)])
    return Turn(f"http://{HOST}:{server.port}", (server,), Traffic((heads,)))


def _cookie(token: str, secret: str) -> str:
    """Return the cookie of a session, signed as Better Auth signs it."""
    signature = base64.b64encode(hmac.digest(secret.encode(), token.encode(), hashlib.sha256)).decode()
    return f"better-auth.session_token={quote(f'{token}.{signature}', safe='')}"


ROW = Load(
    "warm",
    "one warm token",
    "one HS256 token in all requests; ten header lines, the same in each request",
    (*USUAL, "jwt_decode", "fastapi_jose", "better_auth", "floor"),
    start,
)
