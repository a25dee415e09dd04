"""A session cookie of Better Auth, beside a JWT."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.contenders import authgate
from bench.credentials import Minter
from bench.loads.load import Load, start
from bench.pinned import HOST
from bench.request_heads import bearer, subrequest
from bench.stage import Setup
from bench.wrk import Traffic, Turn, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage

ORIGIN = "http://127.0.0.1:3000"  # plain http is for loopback alone
JWT = "_jwt"


def start_both(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start AuthGate twice: for a cookie of strategy jwe, and for a JWT."""
    if "authgate" not in names:
        return {}
    minter = Minter(int(time.time()), ORIGIN)
    issuer = {"name": "app", "preset": "better-auth", "url": ORIGIN, "secret": minter.secret, "jwt_plugin": False}
    server = authgate.serve(stage, {"issuers": [issuer]})
    ((name, cookie),) = minter.cookie_jwe(0).items()
    setup = Setup()
    pairs = {
        "authgate": (server, f"{name}: {cookie}"),
        "authgate" + JWT: (start(stage, ["authgate"], setup)["authgate"], bearer(setup.signer.token(0))),
    }
    return {
        key: Turn(f"http://{HOST}:{at.port}", (at,), Traffic((write_heads(stage.fresh("heads"), [subrequest(line)]),)))
        for key, (at, line) in pairs.items()
    }


ROW = Load(
    "jwe",
    "Better Auth jwe, warm",
    "Better Auth's two session cookies (1.1 KB), whose data is encrypted, decrypted before; `JWT` is the warm token",
    ("authgate",),
    start_both,
)
