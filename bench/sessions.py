"""Sessions of which only Better Auth knows: AuthGate's store, with its cache of 5 s, beside asking at each request."""

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
from deciding import asked, configured, must_be_allowed, received
from driving import over, spread, tell
from recipes import get_session

from authgate import wiring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from better_auth import BetterAuth
    from credentials import Minter
    from recipes import Headers

    from authgate.config.load import LoadedConfig
    from authgate.gate import Gate

POOL = 200  # users; Better Auth looks through all of them, so many would make it slow
COLD, WARM, RECIPE = "AuthGate, cold", "AuthGate, warm", "aiohttp, get-session"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one decision costs: processor time of this process and of Better Auth, and how long it takes."""

    cpu_us: float
    better_auth_us: float
    wall_us: float


@dataclass(frozen=True, slots=True)
class Stored:
    """Medians over all rounds, and the ratios of AuthGate's processor time to the recipe's, one for each round."""

    costs: dict[str, Cost]
    ratios: dict[str, tuple[float, ...]]


def measured(server: BetterAuth, minter: Minter, folder: Path, rounds: int) -> Stored:
    """Return what a decision about one of the *server*'s sessions costs."""
    issuer = {"name": "app", "preset": "better-auth", "url": server.origin, "secret": minter.secret}
    loaded = configured(issuer | {"jwt_plugin": False}, folder)
    headers = [received(minter.session_cookie(token)) for token in server.tokens]
    return uvloop.run(_measured(server, loaded, headers, rounds))


async def _measured(server: BetterAuth, loaded: LoadedConfig, headers: list[Headers], rounds: int) -> Stored:
    seen: dict[str, list[Cost]] = {COLD: [], WARM: [], RECIPE: []}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        recipe = partial(get_session, client=client, url=server.get_session)
        for number in range(rounds + 1):
            tell(number, rounds)
            async with _authgate(loaded) as gate:
                turns: dict[str, Callable[[Headers], Awaitable[object]]] = {
                    COLD: partial(_allowed, gate),
                    WARM: partial(_allowed, gate),  # what the turn before it has asked for, within 5 s
                    RECIPE: recipe,
                }
                for name, turn in turns.items():
                    cost = await _cost(turn, headers, server)
                    if number:
                        seen[name].append(cost)
    cpu = {name: [cost.cpu_us for cost in costs] for name, costs in seen.items()}
    return Stored(
        costs={name: _median(costs) for name, costs in seen.items()},
        ratios={name: over(cpu[name], cpu[RECIPE]) for name in seen},
    )


@asynccontextmanager
async def _authgate(loaded: LoadedConfig) -> AsyncIterator[Gate]:
    """Run AuthGate's decisions and lookups, with nothing remembered."""
    app = wiring.build(wiring.prepare(loaded))
    async with asyncio.TaskGroup() as tasks:
        lookups = [tasks.create_task(one.run()) for one in app.live.sessions.values()]
        yield app.live.gate
        for one in lookups:
            one.cancel()


async def _allowed(gate: Gate, headers: Headers) -> None:
    must_be_allowed(await gate.decide(asked(headers)))


async def _cost(turn: Callable[[Headers], Awaitable[object]], headers: list[Headers], server: BetterAuth) -> Cost:
    gc.collect()
    before = server.server.cpu_seconds()
    started, started_ns = time.perf_counter(), time.process_time_ns()
    for one in headers:
        await turn(one)
    cpu_ns, seconds = time.process_time_ns() - started_ns, time.perf_counter() - started
    better_auth_seconds = server.server.cpu_seconds() - before
    return Cost(*(total / len(headers) for total in (cpu_ns / 1000, better_auth_seconds * 1e6, seconds * 1e6)))


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        median(one.cpu_us for one in costs),
        median(one.better_auth_us for one in costs),
        median(one.wall_us for one in costs),
    )


def show(stored: Stored) -> None:
    """Print *stored* as a table."""
    print("\nA session_token alone, so that only Better Auth knows whose it is: one after another, in microseconds.\n")
    print(f"{'':26}{'CPU':>6}{'CPU of Better Auth':>20}{'duration':>10}{'CPU, of recipe':>24}")
    for name, cost in stored.costs.items():
        print(
            f"{name:26}{cost.cpu_us:6.0f}{cost.better_auth_us:20.0f}{cost.wall_us:10.0f}"
            f"{spread(stored.ratios[name]):>24}"
        )
