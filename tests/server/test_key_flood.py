"""Floods of up to ten thousand tokens with unknown key ids against a real AuthGate process (J8)."""

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
from tests.support.issuer import Issuer, by_url, running_issuer
from tests.support.serving import bearer_line, described, head, read_answer
from tests.support.tokens import b64
from tests.support.waiting import until, until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

FLOOD = 10_000
COOLDOWN_SECONDS = 10  # the default
ELSEWHERE = "203.0.113.9"  # the address of another client
# How much memory the flood may leave in use. To keep every token would take 5 MiB, with headers and log lines 20 MiB.
GROWTH_KIB = 16 * 1024


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


@pytest.fixture
def running(tmp_path: Path, issuer: Issuer) -> Iterator[processes.RunningAuthGate]:
    config = f"issuers: {json.dumps([by_url('app', issuer)])}\nlog: {{details: true}}\n"
    with processes.authgate(tmp_path, config) as authgate:
        yield authgate


def forged(issuer: Issuer) -> str:
    """Return a token with a random key id and a random signature."""
    now = int(time.time())
    header = {"alg": "ES256", "typ": "JWT", "kid": token_urlsafe(16)}
    payload = {"iss": issuer.url, "sub": "u1", "aud": "tasks", "exp": now + 900}
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}.{token_urlsafe(64)[:86]}"


@asynccontextmanager
async def connected(port: int, client: str = "127.0.0.1") -> AsyncIterator[Callable[[str], Awaitable[tuple[int, str]]]]:
    """Yield a function that returns the status and reason of the answer to a token of *client*, on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask_about(token: str) -> tuple[int, str]:
        lines = [("Host", "authgate:4190"), ("X-Forwarded-For", client), *described("nginx"), bearer_line(token)]
        writer.write(head("/auth/nginx", lines))
        answer = await read_answer(reader)
        return answer.status, answer.reason

    try:
        yield ask_about
    finally:
        writer.close()
        await writer.wait_closed()


async def flood(port: int, issuer: Issuer, *, connections: int, total: int = FLOOD) -> Counter[tuple[int, str]]:
    """Send *total* forged tokens on *connections* connections, and return the count of each answer."""
    answers: Counter[tuple[int, str]] = Counter()

    async def send_share() -> None:
        async with connected(port) as ask_about:
            for _ in range(total // connections):
                answers[await ask_about(forged(issuer))] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(send_share())
    return answers


@asynccontextmanager
async def asking_meanwhile(port: int, *valid: Callable[[], str]) -> AsyncIterator[list[tuple[int, str]]]:
    """Ask about the *valid* tokens again and again, and yield the growing list of answers."""
    answers: list[tuple[int, str]] = []

    async def forever() -> None:
        async with connected(port) as ask_about:
            while True:
                answers.extend([await ask_about(make()) for make in valid])

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(forever())
        yield answers
        asking.cancel()


def resident_kib(authgate: processes.RunningAuthGate) -> int:
    status = Path(f"/proc/{authgate.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def report(authgate: processes.RunningAuthGate) -> dict[str, Any]:
    issuer_report: dict[str, Any] = authgate.page("/keys").json["issuers"]["app"]
    return issuer_report


async def test_J8_a_flood_of_unknown_key_ids_causes_one_fetch_per_cooldown_and_valid_tokens_still_pass(
    running: processes.RunningAuthGate, issuer: Issuer
) -> None:
    """CVE-2026-48524 / GHSA-2gx3 (PyJWT), lua-resty-openidc#468."""
    cached_token = issuer.token()
    async with connected(running.port) as ask_about:
        assert await ask_about(cached_token) == (200, "")
    began = time.monotonic()
    await flood(running.port, issuer, connections=8, total=800)  # memory that a process takes only once
    before = resident_kib(running)
    async with asking_meanwhile(
        running.port, lambda: cached_token, lambda: issuer.token(sub=token_urlsafe(8))
    ) as valid:
        answers = await flood(running.port, issuer, connections=8)
    seconds = time.monotonic() - began
    assert answers == {(401, "unknown_key"): FLOOD}
    assert valid
    assert {*valid} == {(200, "")}
    fetches = len(issuer.requests(issuer.jwks_path)) - 1  # without the one at the start
    assert 1 <= fetches <= 1 + seconds // COOLDOWN_SECONDS
    assert resident_kib(running) - before < GROWTH_KIB
    issuer_report = report(running)
    assert len(issuer_report["unknown_key_ids"]) == 16
    assert issuer_report["unknown_key_ids_total"] == FLOOD + 800
    assert [key["key_id"] for key in issuer_report["keys"]] == ["K1"]


async def test_J8_while_the_issuer_is_down_a_flood_is_answered_503_and_the_last_good_keys_stay(
    running: processes.RunningAuthGate, issuer: Issuer
) -> None:
    """GHSA-2gx3 (PyJWT): a failed fetch emptied the cache."""
    cached_token = issuer.token()
    async with connected(running.port) as ask_about:
        assert await ask_about(cached_token) == (200, "")
    issuer.close()
    async with asking_meanwhile(
        running.port, lambda: cached_token, lambda: issuer.token(sub=token_urlsafe(8))
    ) as valid:
        answers = await flood(running.port, issuer, connections=8, total=2_000)
    assert answers == {(503, "keys_unavailable"): 2_000}
    assert valid
    assert {*valid} == {(200, "")}
    issuer_report = report(running)
    assert (issuer_report["state"], len(issuer_report["unknown_key_ids"])) == ("stale", 16)


async def test_J8_while_the_issuer_is_slow_a_flood_does_not_delay_valid_tokens(
    running: processes.RunningAuthGate, issuer: Issuer
) -> None:
    cached_token = issuer.token()
    async with connected(running.port) as ask_about:
        assert await ask_about(cached_token) == (200, "")
    issuer.answer("slow", seconds=4)
    fetched = len(issuer.requests(issuer.jwks_path))
    async with (
        asking_meanwhile(running.port, lambda: cached_token, lambda: issuer.token(sub=token_urlsafe(8))) as valid,
        connected(running.port, ELSEWHERE) as ask_about,
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(ask_about(forged(issuer)))
        await until_async(lambda: len(issuer.requests(issuer.jwks_path)) > fetched)
        answers = await flood(running.port, issuer, connections=2500, total=5_000)  # ten times as many as may wait
    assert first.result() == (503, "keys_unavailable")
    assert answers.keys() <= {(503, "keys_unavailable"), (401, "unknown_key")}
    assert sum(answers.values()) == 5_000
    assert valid
    assert {*valid} == {(200, "")}
    # On a busy machine a fetch may miss its deadline during the flood. The next one succeeds.
    until(lambda: report(running)["failures_in_a_row"] == 0)
    # A thread writes the log. It has ten refusals of a client each second, so the first request is another client's.
    until(lambda: "256 requests already wait" in running.log.read_text())  # the others are refused at once
    until(lambda: "takes longer than 3 s" in running.log.read_text())  # no request waits forever
