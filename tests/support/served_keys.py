"""The server in this process with keys by URL, and what it says of tokens and of its keys."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.support.serving import Served, bearer_line, exchange, head, serving
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

BY_DISCOVERY = {"jwks_url": None, "discovery": True}


@asynccontextmanager
async def serving_keys(folder: Path, *issuers: Mapping[str, Any], **settings: Any) -> AsyncIterator[Served]:
    """Serve these issuers, as `by_url` makes them, with other *settings*."""
    file = folder / "authgate.yaml"
    file.write_text(json.dumps({"issuers": issuers, **settings}))
    async with serving({}, file=str(file)) as served:
        yield served


async def outcome(served: Served, token: str, proxy: str = "nginx") -> tuple[int, str]:
    """Return the status of the answer to *token*, and the reason, "" where there is none."""
    answer = await served.ask(proxy, bearer_line(token))
    return answer.status, answer.reason


async def until_outcome(served: Served, token: str, wanted: tuple[int, str], *, meanwhile: tuple[int, str]) -> None:
    """Ask until the outcome is *wanted*; before that only *meanwhile*."""

    async def it_is() -> bool:
        answer = await outcome(served, token)
        assert answer in {wanted, meanwhile}
        return answer == wanted

    await until_async(it_is, pause_seconds=0.05)


async def report(served: Served, name: str = "app") -> dict[str, Any]:
    """Return what /keys says of an issuer."""
    body = (await exchange(served.admin, head("/keys", [("Host", "localhost")]))).body
    found: dict[str, Any] = json.loads(body)["issuers"][name]
    return found
