"""Stores that are killed, hang or cannot be reached, a hundred times: `make restarts`, or `python -m bench.restarts`.

A real AuthGate serves 200 users, each with a session of their own. Meanwhile its session store, a real server, is
killed and started again; then it hangs for 2 s; then the network drops all packets for 2 s, and its connections for
good. The key server is one of the stores. Two AuthGates use each store at the same time, with `cache_seconds` 0 and 5.

AuthGate must recover by itself, each time. No user may be taken for another one, and none may be refused as if signed
out. The exit code is 1 if anything is wrong. Needs Linux, PostgreSQL, PgBouncer and Redis.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bench.restarts.clients import RANDOM, Clients
from bench.restarts.network import Network
from bench.restarts.report import Run, show
from bench.restarts.stores import STORES, running_store
from bench.serving import HOST, authgate
from bench.soak.report import Process
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from bench.restarts.stores import Store
    from tests.support.processes import RunningAuthGate
    from tests.support.server_process import ServerProcess

FAILURE_SECONDS = 2.0
RECOVER_SECONDS = 60.0
STRANGERS = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure. *cause* causes it and ends it; then the store accepts connections."""

    name: str
    part: float  # how often it happens, for each restart
    cause: Callable[[Store, ServerProcess, Network], Awaitable[None]]


async def _restart(store: Store, server: ServerProcess, _: Network) -> None:
    await asyncio.to_thread(server.kill)
    store.meanwhile()
    await asyncio.sleep(RANDOM.uniform(0, 1))
    await asyncio.to_thread(server.start)


async def _hang(store: Store, server: ServerProcess, _: Network) -> None:
    with server.hanging():
        store.meanwhile()
        await asyncio.sleep(FAILURE_SECONDS)


async def _drop(store: Store, _: ServerProcess, network: Network) -> None:
    network.drop()
    store.meanwhile()
    await asyncio.sleep(FAILURE_SECONDS)
    network.restore()


FAILURES = {
    "kill": Failure("kill -9", 1, _restart),
    "hang": Failure("hangs for 2 s", 0.2, _hang),
    "drop": Failure("network drops silently", 0.2, _drop),
}


@dataclass(frozen=True, slots=True)
class Options:
    """How often each store is killed, and the *users* of each AuthGate, who send *rate* requests a second together."""

    restarts: int
    users: list[str]
    rate: float
    failures: Sequence[str]
    together: bool


async def fail(store: Store, failure: Failure, folder: Path, options: Options) -> list[Run]:
    """Let *store* fail again and again, and return what the users of each AuthGate saw."""
    times = max(1, int(options.restarts * failure.part))
    runs = [Run(store.name, failure.name, cache_seconds, times) for cache_seconds in store.cache_seconds]
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Network(free_port(), store.port))
        # A store that is killed closes its connections. AuthGate sees that best without a forwarder in between.
        port = network.port if failure.cause is _drop else store.port
        servers = [await _started(stack, authgate(*_configured(folder, store, run, port))) for run in runs]
        clients = [Clients(store, server.port, options.users, options.rate) for server in servers]
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(one.serve()) for one in clients]
            if await _recovered(clients, runs, time.monotonic(), all_users=True):
                _measure(runs, servers, "before")
                for number in range(times):
                    await asyncio.sleep(store.pause_seconds + RANDOM.uniform(0, 1))
                    for one in clients:
                        one.fails()
                    await failure.cause(store, store.servers[number % len(store.servers)], network)
                    if not await _recovered(clients, runs, time.monotonic(), number, all_users=number == times - 1):
                        break
                _measure(runs, servers, "after")
            for task in serving:
                task.cancel()
        for run, server, seen in zip(runs, servers, clients, strict=True):
            server.process.terminate()
            run.exit_code = await asyncio.to_thread(server.process.wait, 30)
            run.take(seen)
            run.read_log(server.log)
    return runs


async def _recovered(
    clients: list[Clients], runs: list[Run], since: float, number: int | None = None, *, all_users: bool
) -> bool:
    """Wait until the *clients* are served again. Note how long it took, after the failure of this *number*.

    *since* is when the store accepted connections. Return whether it did not take too long.
    """
    try:
        async with asyncio.timeout(RECOVER_SECONDS):
            seconds = await asyncio.gather(*(one.recover(since, all_users=all_users) for one in clients))
    except TimeoutError:
        return False
    if number is not None:
        for run, (first, again) in zip(runs, seconds, strict=True):
            run.first.append(first)
            run.again.append(again)
        print(f"{runs[0].store}: {runs[0].failure} {number + 1}", end="  \r", file=sys.stderr, flush=True)
    return True


async def _started(stack: AsyncExitStack, starting: AbstractContextManager[RunningAuthGate]) -> RunningAuthGate:
    """Return an AuthGate, which *stack* ends. Meanwhile the event loop goes on."""
    entering = asyncio.ensure_future(asyncio.to_thread(starting.__enter__))
    try:
        return await asyncio.shield(entering)
    finally:
        await asyncio.wait({entering})  # also if we are cancelled: what was started must be ended
        if entering.exception() is None:
            stack.push(starting)


def _measure(runs: list[Run], servers: list[RunningAuthGate], when: str) -> None:
    for run, server in zip(runs, servers, strict=True):
        setattr(run, when, Process.read(server.process.pid))


def _configured(folder: Path, store: Store, run: Run, port: int) -> tuple[Path, str]:
    """Return a folder of its own for an AuthGate, and its configuration, with the store at *port*."""
    own = Path(tempfile.mkdtemp(dir=folder))
    return own, yaml.safe_dump(
        {"trusted_proxies": [f"{HOST}/32"], "issuers": [store.issuer(port, run.cache_seconds)]}, sort_keys=False
    )


async def _fail_in_each_way(store: Store, folder: Path, options: Options) -> list[Run]:
    runs: list[Run] = []
    for name in options.failures:
        runs += await fail(store, FAILURES[name], folder, options)
    return runs


def run(names: Sequence[str], options: Options) -> list[Run]:
    """Let the stores *names* fail in each way, all at once or one after the other. Return what happened."""
    runs: list[Run] = []
    for some in [names] if options.together else [[name] for name in names]:
        # The stores live longer than the event loop: no thread of it starts one again while it is ended.
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-restarts-")))
            stores = [stack.enter_context(running_store(name, folder, options.users, STRANGERS)) for name in some]
            runs += asyncio.run(_run_all(stores, folder, options))
    return runs


async def _run_all(stores: list[Store], folder: Path, options: Options) -> list[Run]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_fail_in_each_way(store, folder, options)) for store in stores]
    return [run for task in running for run in task.result()]


def main() -> None:
    """Run all stores, or one, and print what happened."""
    parser = argparse.ArgumentParser(description="Stores that are killed, hang or cannot be reached, under clients.")
    parser.add_argument("--restarts", type=int, default=100, help="restarts of each store (default: 100)")
    parser.add_argument("--clients", type=int, default=200, help="users of each AuthGate (default: 200)")
    parser.add_argument("--rate", type=float, default=60, help="their requests a second, together (default: 60)")
    parser.add_argument("--store", choices=STORES, action="append", help="only this store; may be repeated")
    parser.add_argument("--failure", choices=FAILURES, action="append", help="only this failure; may be repeated")
    parser.add_argument("--together", action="store_true", help="all stores at once: for tests, not for figures")
    parser.add_argument("--json", type=Path, help="also write everything to this file, as JSON")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end what was started
    users = [f"user-{number}" for number in range(chosen.clients)]
    options = Options(chosen.restarts, users, chosen.rate, chosen.failure or list(FAILURES), chosen.together)
    runs = run(chosen.store or list(STORES), options)
    show(runs)
    faults = [fault for one in runs for fault in one.faults()]
    if chosen.json:
        chosen.json.write_text(json.dumps({"runs": runs, "faults": faults}, default=vars))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
