"""Configurations of presets with sessions, written as an operator writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.support.prefixes import as_one
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "hunter2canary"  # a password that no message may quote
URL = "https://app.example.com"
GET_SESSION = f"{URL}/api/auth/get-session"
DSN = f"postgresql://reader:{CANARY}@db.example/app?sslmode=verify-full"
REDIS = f"redis://:{CANARY}@redis.example/0"


def issuer(**changes: Any) -> dict[str, Any]:
    """Return a sound issuer of Better Auth with *changes*; a None leaves a setting out."""
    sound = {"name": "app", "preset": "better-auth", "url": URL, "secret": SECRET.decode()}
    return {name: value for name, value in (sound | changes).items() if value is not None}


def written(folder: Path, *issuers: dict[str, Any]) -> str:
    """Return the path of a configuration with *issuers*."""
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": as_one(issuers)}), encoding="utf-8")
    return str(path)
