"""Tokens and cookies that Better Auth, Auth.js and NextAuth make while the tests run, under secrets of that run."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.better_auth import node, scripts

_GENERATE_SECONDS = 120


@cache
def fresh_vectors() -> list[dict[str, Any]]:
    """Return every vector that tests/better_auth/generate.mjs makes, made once for all tests of this process.

    Each stands for itself, as those in tests/vectors do: kind, config, request.headers, verify_at, expected. All are
    made at the present second. `reference` is the library's own verdict, `differs` why another one is expected,
    `misuse` what somebody tries. Strings may hold lone surrogates.
    """
    with tempfile.TemporaryDirectory(prefix="authgate-vectors-") as folder:
        command = [node(), scripts(Path(folder) / "better_auth") / "generate.mjs", str(int(time.time()))]
        ran = subprocess.run(command, capture_output=True, timeout=_GENERATE_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    vectors: list[dict[str, Any]] = json.loads(ran.stdout)
    return vectors
