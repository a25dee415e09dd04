"""Better Auth's own answer to "whose session is this?": get-session, on Node."""

from __future__ import annotations

import json
import shutil
import urllib.request
from typing import TYPE_CHECKING

from bench.contenders.contender import Contender
from bench.pinned import HOST, free_port
from bench.stage import PROGRAMS, ROOT
from tests.support.node import installed, node

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage

USERS = 200  # it searches all rows, so many users would make it slow
PATH = "/api/auth/get-session"


def start(stage: Stage, setup: Setup) -> Server:
    """Start it with sessions in memory, its fastest setup. The secret is that of the setup's tokens."""
    return run(stage, setup.signer.verification_key(), stage.core, free_port())


def run(stage: Stage, secret: str, core: int, port: int) -> Server:
    """Start Better Auth on *core* at *port*, with `USERS` signed-in users."""
    folder = stage.fresh("better-auth")
    folder.mkdir()
    shutil.copy(PROGRAMS / "better_auth.mjs", folder)  # Node looks for the packages next to it
    (folder / "node_modules").symlink_to(installed(ROOT / "tests" / "better_auth"))
    command = [node(), str(folder / "better_auth.mjs")]
    return stage.run(command, port, core=core, PORT=str(port), SECRET=secret, SESSIONS=str(USERS))


def session_tokens(server: Server) -> list[str]:
    """Return the session tokens of the signed-in users."""
    with urllib.request.urlopen(f"http://{HOST}:{server.port}/bench/tokens") as answer:
        tokens: list[str] = json.load(answer)
    return tokens


ROW = Contender(
    "better_auth", "Better Auth `get-session`", "Node, sessions in memory, asked with a signed session cookie", start
)
