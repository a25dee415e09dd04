"""A configuration with one issuer for a real AuthGate process, and subrequests to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.client import ask
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "issuers: [{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}]\n"
ENVIRON = {"APP_SECRET": SECRET.decode()}


def subrequest(port: int, *headers: str) -> int:
    """Return the status of the answer to a subrequest with these *headers*. Its URL has a secret in the query."""
    return ask(
        port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/some/path?token=query-canary", *headers
    ).status


def log_lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
