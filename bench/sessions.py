"""Measure sessions that only Better Auth knows: AuthGate's session store, which caches for 5 s, and get-session."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import aiohttp
import uvloop

from authgate import wiring
from bench.contenders.better_auth import PATH, session_tokens
from bench.deciding import as_received, load_configuration, must_be_allowed, request_with
from bench.recipes import get_session
from bench.rounds import quotients, show_progress, spread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from authgate.config.load import LoadedConfig
    from authgate.gate import Gate
    from bench.credentials import Minter
    from bench.pinned import Server
    from bench.recipes import Headers

COLD, WARM, RECIPE = "AuthGate, cold", "AuthGate, warm", "aiohttp, get-session"


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one decision: processor time of this process and of Better Auth, and elapsed time."""

    cpu_us: float
    better_auth_us: float
    wall_us: float


@dataclass(frozen=True, slots=True)
class SessionCosts:
    """Medians over all rounds, and each one's processor time divided by the recipe's, for each round."""

    costs: dict[str, Cost]
    ratios: dict[str, tuple[float, ...]]


def measure(server: Server, minter: Minter, folder: Path, rounds: int) -> SessionCosts:
    """Return the costs of a decision about one of the sessions of *server*, which is Better Auth."""
    issuer = {"name": "app", "preset": "better-auth", "url": minter.origin, "secret": minter.secret}
    config = load_configuration(issuer | {"jwt_plugin": False}, folder)
    headers = [as_received(minter.session_cookie(token)) for token in session_tokens(server)]
    return uvloop.run(_measure(server, config, headers, minter.origin + PATH, rounds))


async def _measure(server: Server, config: LoadedConfig, headers: list[Headers], url: str, rounds: int) -> SessionCosts:
    costs: dict[str, list[Cost]] = {COLD: [], WARM: [], RECIPE: []}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        recipe = partial(get_session, client=client, url=url)
        for number in range(rounds + 1):
            show_progress(number, rounds)
            async with _authgate(config) as gate:
                turns: dict[str, Callable[[Headers], Awaitable[object]]] = {
                    COLD: partial(_allowed, gate),
                    WARM: partial(_allowed, gate),  # the turn before it filled the cache, less than 5 s ago
                    RECIPE: recipe,
                }
                for name, turn in turns.items():
                    cost = await _cost(turn, headers, server)
                    if number:
                        costs[name].append(cost)
    cpu_us = {name: [cost.cpu_us for cost in rounds_costs] for name, rounds_costs in costs.items()}
    return SessionCosts(
        costs={name: _median(rounds_costs) for name, rounds_costs in costs.items()},
        ratios={name: quotients(cpu_us[name], cpu_us[RECIPE]) for name in costs},
    )


@asynccontextmanager
async def _authgate(config: LoadedConfig) -> AsyncIterator[Gate]:
    """Run AuthGate's decisions and lookups, with empty caches."""
    app = wiring.build(wiring.prepare(config))
    async with asyncio.TaskGroup() as tasks:
        lookups = [tasks.create_task(sessions.run()) for sessions in app.live.sessions.values()]
        yield app.live.gate
        for lookup in lookups:
            lookup.cancel()


async def _allowed(gate: Gate, headers: Headers) -> None:
    must_be_allowed(await gate.decide(request_with(headers)))


async def _cost(turn: Callable[[Headers], Awaitable[object]], headers: list[Headers], server: Server) -> Cost:
    gc.collect()
    better_auth_before = server.cpu_seconds()
    started, started_ns = time.perf_counter(), time.process_time_ns()
    for user_headers in headers:
        await turn(user_headers)
    cpu_ns, seconds = time.process_time_ns() - started_ns, time.perf_counter() - started
    better_auth_seconds = server.cpu_seconds() - better_auth_before
    return Cost(*(total / len(headers) for total in (cpu_ns / 1000, better_auth_seconds * 1e6, seconds * 1e6)))


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        median(cost.cpu_us for cost in costs),
        median(cost.better_auth_us for cost in costs),
        median(cost.wall_us for cost in costs),
    )


def show(session_costs: SessionCosts) -> None:
    """Print *session_costs* as a table."""
    print("\nA session_token alone: only Better Auth knows its user. One request after another, in microseconds.\n")
    print(f"{'':26}{'CPU':>6}{'CPU of Better Auth':>20}{'duration':>10}{'CPU vs recipe':>24}")
    for name, cost in session_costs.costs.items():
        print(
            f"{name:26}{cost.cpu_us:6.0f}{cost.better_auth_us:20.0f}{cost.wall_us:10.0f}"
            f"{spread(session_costs.ratios[name]):>24}"
        )
