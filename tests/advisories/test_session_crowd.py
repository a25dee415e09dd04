"""J23: no user ever gets the session of another user, however many lookups run at the same time."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support import session_cookies as cookies
from tests.support.get_session import COOKIE, SECRET, get_session, signed
from tests.support.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

USERS = 200


def token(number: int) -> str:
    return f"session-token-of-user-{number:010}"


@pytest.mark.parametrize("cache_seconds", [0, 60])
async def test_J23_each_of_200_concurrent_users_gets_their_own_session(tmp_path: Path, cache_seconds: float) -> None:
    """CVE-2026-71326 (Traefik): requests shared a lookup by a key that two users could have in common."""
    async with get_session() as store:
        sessions = {"check": "always", "cache_seconds": cache_seconds, "http": {"url": store.url}}
        issuer = {"name": "app", "preset": "better-auth", "secret": SECRET.decode(), "sessions": sessions}
        settings = issuer | {"allow_http": True, "cookies": {"session_token": COOKIE}}
        (tmp_path / "authgate.yaml").write_text(yaml.safe_dump({"issuers": [settings]}))
        for number in range(USERS):
            user = cookies.user(id=f"user-{number}", email=f"{number}@example.com")
            session = cookies.session(token(number), now=time.time(), userId=f"user-{number}")
            store.sessions[token(number)] = {"session": session, "user": user}
        async with serving({}, file=str(tmp_path / "authgate.yaml")) as served:

            async def identity(number: int) -> tuple[list[str], list[str]]:
                answer = await served.ask("traefik", cookies.cookie_line(token=signed(token(number))))
                return answer.all("X-User-Id"), answer.all("X-User-Email")

            numbers = [*range(USERS)]
            for seed in range(2):
                random.Random(seed).shuffle(numbers)
                identities = await asyncio.gather(*(identity(number) for number in numbers))
                assert identities == [([f"user-{number}"], [f"{number}@example.com"]) for number in numbers]
            assert len(store.requests) == USERS * (1 if cache_seconds else 2)
