"""Run the real Better Auth on Node. AuthGate's session store and the recipe get-session send their requests to it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driving import HERE, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from driving import Server

# The tests install it here.
_LOCK = HERE.parent / "tests" / "better_auth" / "package-lock.json"
_INSTALLED = HERE.parent / ".venv" / "node_packages"
_FIX = "run once: apt-get install nodejs npm, then .venv/bin/pytest tests/test_support_better_auth.py"


@dataclass(frozen=True, slots=True)
class BetterAuth:
    """A running Better Auth at *origin*. *tokens* are the session tokens of its signed-in users."""

    server: Server
    origin: str
    tokens: tuple[str, ...]

    @property
    def get_session(self) -> str:
        """The URL that returns the session and user of a cookie."""
        return f"{self.origin}/api/auth/get-session"


@contextmanager
def better_auth(port: int, core: int, folder: Path, secret: str, sessions: int) -> Iterator[BetterAuth]:
    """Run Better Auth at *port*, pinned to *core*, with *sessions* signed-in users, until the context ends."""
    packages = _INSTALLED / hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16] / "node_modules"
    node = shutil.which("node")
    if node is None or not packages.exists():
        sys.exit(f"bench: Better Auth is missing; {_FIX}")
    shutil.copy(HERE / "better_auth.mjs", folder)  # Node looks for the packages next to it
    (folder / "node_modules").symlink_to(packages)
    log: TextIO
    with (folder / "better_auth.log").open("w") as log:
        command = [node, str(folder / "better_auth.mjs")]
        with running(command, port, core, log, PORT=str(port), SECRET=secret, SESSIONS=str(sessions)) as server:
            origin = f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(f"{origin}/bench/tokens") as answer:  # noqa: S310 - loopback
                tokens = tuple(json.load(answer))
            yield BetterAuth(server, origin, tokens)
