"""Tokens and cookies that Better Auth, Auth.js and NextAuth make during the tests, with new secrets."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.better_auth import scripts
from tests.support.node import node

_GENERATE_SECONDS = 120


@cache
def fresh_vectors() -> list[dict[str, Any]]:
    """Return every vector of tests/better_auth/generate.mjs. They are made once for each process.

    Each is complete, like those in tests/vectors: kind, config, request.headers, verify_at, expected. All are made now.
    `reference` is the library's own verdict, `differs` the reason for expecting another one, `misuse` the attack.
    Strings may contain lone surrogates.
    """
    with tempfile.TemporaryDirectory(prefix="authgate-vectors-") as folder:
        command = [node(), scripts(Path(folder) / "better_auth") / "generate.mjs", str(int(time.time()))]
        ran = subprocess.run(command, capture_output=True, timeout=_GENERATE_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    vectors: list[dict[str, Any]] = json.loads(ran.stdout)
    return vectors
