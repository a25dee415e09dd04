"""Ten thousand tokens, each naming a key that nobody has, against a real AuthGate process (J8)."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import processes
from tests.support.client import ask
from tests.support.issuer import Issuer, by_url, running_issuer
from tests.support.serving import bearer_line, described, head, read_answer
from tests.support.tokens import b64
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

FLOOD = 10_000
COOLDOWN_SECONDS = 10  # the default
# What the flood may leave in memory, generously: every token held would be 5 MiB, with its headers and log line 20.
GROWTH_KIB = 16 * 1024


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


@pytest.fixture
def running(tmp_path: Path, one: Issuer) -> Iterator[processes.RunningAuthGate]:
    config = f"issuers: {json.dumps([by_url('app', one)])}\nlog: {{details: true}}\n"
    with processes.authgate(tmp_path, config) as authgate:
        yield authgate


def forged(one: Issuer) -> str:
    """Return a token that names a key of its own, with a signature of noise."""
    now = int(time.time())
    header = {"alg": "ES256", "typ": "JWT", "kid": token_urlsafe(16)}
    payload = {"iss": one.url, "sub": "u1", "aud": "tasks", "exp": now + 900}
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}.{token_urlsafe(64)[:86]}"


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Callable[[str], Awaitable[tuple[int, str]]]]:
    """Yield what asks about one token after the other on one connection, as a proxy does: status and reason."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def one_answer(token: str) -> tuple[int, str]:
        lines = [("Host", "authgate:4190"), *described("nginx"), bearer_line(token)]
        writer.write(head("/auth/nginx", lines))
        answer = await read_answer(reader)
        return answer.status, answer.reason

    try:
        yield one_answer
    finally:
        writer.close()
        await writer.wait_closed()


async def flood(port: int, one: Issuer, *, connections: int, total: int = FLOOD) -> Counter[tuple[int, str]]:
    """Send *total* forged tokens on so many *connections*, and return how often each answer came."""
    answers: Counter[tuple[int, str]] = Counter()

    async def some() -> None:
        async with connected(port) as asked:
            for _ in range(total // connections):
                answers[await asked(forged(one))] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(some())
    return answers


@asynccontextmanager
async def meanwhile(port: int, *valid: Callable[[], str]) -> AsyncIterator[list[tuple[int, str]]]:
    """Ask about valid tokens in turn, one after the other, and yield the answers that came so far."""
    answers: list[tuple[int, str]] = []

    async def forever() -> None:
        async with connected(port) as asked:
            while True:
                answers.extend([await asked(make()) for make in valid])

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(forever())
        yield answers
        asking.cancel()


def resident_kib(authgate: processes.RunningAuthGate) -> int:
    status = Path(f"/proc/{authgate.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def report(authgate: processes.RunningAuthGate) -> dict[str, Any]:
    found: dict[str, Any] = ask(authgate.admin_port, "/keys").json["issuers"]["app"]
    return found


async def test_J8_a_flood_of_unknown_key_ids_causes_one_fetch_per_cooldown_and_hurts_nobody(
    running: processes.RunningAuthGate, one: Issuer
) -> None:
    """CVE-2026-48524 / GHSA-2gx3 (PyJWT), lua-resty-openidc#468."""
    remembered = one.token()
    async with connected(running.port) as asked:
        assert await asked(remembered) == (200, "")
    began = time.monotonic()
    await flood(running.port, one, connections=8, total=800)  # what a running process takes once
    before = resident_kib(running)
    async with meanwhile(running.port, lambda: remembered, lambda: one.token(sub=token_urlsafe(8))) as valid:
        answers = await flood(running.port, one, connections=8)
    seconds = time.monotonic() - began
    assert answers == {(401, "unknown_key"): FLOOD}
    assert valid
    assert {*valid} == {(200, "")}
    fetches = len(one.requests(one.jwks_path)) - 1  # the start's
    assert 1 <= fetches <= 1 + seconds // COOLDOWN_SECONDS
    assert resident_kib(running) - before < GROWTH_KIB
    told = report(running)
    assert len(told["unknown_key_ids"]) == 16
    assert told["unknown_key_ids_total"] == FLOOD + 800
    assert [key["key_id"] for key in told["keys"]] == ["K1"]


async def test_J8_with_the_issuer_down_a_flood_is_answered_503_and_the_last_good_keys_stay(
    running: processes.RunningAuthGate, one: Issuer
) -> None:
    """GHSA-2gx3 (PyJWT): a fetch that failed wiped the cache."""
    remembered = one.token()
    async with connected(running.port) as asked:
        assert await asked(remembered) == (200, "")
    one.close()
    async with meanwhile(running.port, lambda: remembered, lambda: one.token(sub=token_urlsafe(8))) as valid:
        answers = await flood(running.port, one, connections=8)
    assert answers == {(503, "keys_unavailable"): FLOOD}
    assert valid
    assert {*valid} == {(200, "")}
    told = report(running)
    assert (told["state"], len(told["unknown_key_ids"])) == ("stale", 16)


async def test_J8_while_the_issuer_is_slow_a_flood_uses_up_nothing_that_valid_requests_need(
    running: processes.RunningAuthGate, one: Issuer
) -> None:
    remembered = one.token()
    async with connected(running.port) as asked:
        assert await asked(remembered) == (200, "")
    one.answer("slow", seconds=4)
    fetched = len(one.requests(one.jwks_path))
    async with meanwhile(running.port, lambda: remembered, lambda: one.token(sub=token_urlsafe(8))) as valid:
        answers = await flood(running.port, one, connections=1000)  # four times as many as may wait
    assert answers.keys() <= {(503, "keys_unavailable"), (401, "unknown_key")}
    assert sum(answers.values()) == FLOOD
    assert valid
    assert {*valid} == {(200, "")}
    until(lambda: len(one.requests(one.jwks_path)) > fetched)
    assert report(running)["failures_in_a_row"] == 0
    # A thread writes the log.
    until(lambda: "256 requests wait for the keys of app" in running.log.read_text())  # the others are refused at once
    until(lambda: "takes longer than 3 s" in running.log.read_text())  # no request waits for ever
