"""A session database that sleeps and takes seconds to wake, as serverless ones do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import yaml

from tests.support import session_cookies as cookies
from tests.support.postgres import postgres
from tests.support.serving import serving
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from pathlib import Path

WAKING_SECONDS = 4.0  # longer than a request waits for a session


async def test_the_first_request_gets_503_and_the_next_one_passes(tmp_path: Path) -> None:
    line = cookies.cookie_line(token=cookies.signed("ada-1"))
    with postgres() as server:
        server.create_better_auth()
        server.add_user("ada")
        server.add_session("ada-1", "ada")
        issuer = {"name": "app", "preset": "better-auth", "secret": SECRET.decode()}
        issuer |= {"cookies": {"session_token": cookies.COOKIES[0]}, "sessions": {"postgres": {"dsn": server.reader()}}}
        (tmp_path / "authgate.yaml").write_text(yaml.safe_dump({"issuers": [issuer]}))
        async with serving({}, file=str(tmp_path / "authgate.yaml")) as served:
            with server.hanging():
                began = time.monotonic()
                first = await served.ask("traefik", line)
                await asyncio.sleep(began + WAKING_SECONDS - time.monotonic())
            assert (first.status, first.reason) == (503, "sessions_unavailable")
            following = await served.ask("traefik", line)
            assert (following.status, following.all("X-User-Id")) == (200, ["ada"])
