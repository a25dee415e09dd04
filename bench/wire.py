"""Compare AuthGate with services that verify themselves, over the wire: `python bench/wire.py`. See docs/benchmarks.md.

AuthGate, a server that does no work, and one server for each recipe are pinned to one core. wrk and Better Auth are
pinned to another. AuthGate has seen every credential before, which is the usual case. Needs Linux, two cores, wrk and
Node.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from better_auth import better_auth
from contests import better_auth_issuer
from credentials import Minter
from driving import (
    CONNECTIONS,
    HERE,
    Load,
    arguments,
    drive,
    free_ports,
    print_table,
    quotients,
    run_rounds,
    running,
    spread,
    summary,
    two_cores,
    warm,
)
from recipe_server import GET_SESSION

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from better_auth import BetterAuth
    from driving import Round, Server

USERS = 300
BARE, AUTHGATE, RECIPE = "bare aiohttp", "AuthGate, ", "recipe, "


@dataclass(frozen=True, slots=True)
class Pair:
    """One format, its load, and the settings of the recipe's server."""

    name: str
    load: Load
    recipe: dict[str, Any]


@dataclass(slots=True)
class BetterAuthUse:
    """Better Auth's processor time while one server was measured, and the number of requests to that server."""

    cpu_seconds: float = 0.0
    requests: float = 0.0


def main() -> None:
    """Run the rounds and print the results."""
    options = arguments("Compare AuthGate with services that verify themselves.", seconds=5)
    core, other_core = two_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        log = stack.enter_context((folder / "log.json").open("w"))
        port, admin_port, bare_port, front_port, *recipe_ports = free_ports(7)
        minter = Minter(int(time.time()), f"http://127.0.0.1:{front_port}")
        front = stack.enter_context(better_auth(front_port, other_core, folder, minter.secret, USERS))
        pairs = make_pairs(minter, front, folder)
        config = configuration(minter, folder, port, admin_port)
        command = [sys.executable, "-m", "authgate", "serve", "--config", str(config)]
        authgate = stack.enter_context(running(command, port, core, log))
        headers = warm(port, [pair.load for pair in pairs])
        command = [sys.executable, str(HERE / "bare.py"), str(bare_port), json.dumps(headers)]
        bare = stack.enter_context(running(command, bare_port, core, log))
        turns = {BARE: partial(drive, pairs[0].load, bare, other_core)}
        use: dict[str, BetterAuthUse] = {}
        for pair, recipe_port in zip(pairs, recipe_ports, strict=True):
            command = [sys.executable, str(HERE / "recipe_server.py"), str(recipe_port)]
            settings = json.dumps(pair.recipe | {"headers": headers})
            recipe_server = stack.enter_context(running(command, recipe_port, core, log, RECIPE=settings))
            warm(recipe_port, [pair.load])
            for name, server in ((AUTHGATE + pair.name, authgate), (RECIPE + pair.name, recipe_server)):
                use[name] = BetterAuthUse()
                turns[name] = partial(measure, pair.load, server, front.server, use[name], other_core)
        rounds = run_rounds(turns, options.rounds, options.seconds)
    report(rounds, use, options)


def make_pairs(minter: Minter, front: BetterAuth, folder: Path) -> list[Pair]:
    """Write the credentials to *folder*, and return the formats."""
    shared = {"origin": minter.origin, "secret": minter.secret}
    compact = {"format": "Better Auth, compact", "recipe": "hmac and json"} | shared
    jwe = {"format": "Better Auth, jwe", "recipe": "joserfc, key cached"} | shared
    get_session = {"format": GET_SESSION, "url": front.get_session}
    numbers = range(USERS)
    return [
        Pair("compact", write_load(folder, "compact", map(minter.compact, numbers)), compact),
        Pair("jwe", write_load(folder, "jwe", map(minter.cookie_jwe, numbers)), jwe),
        Pair("get-session", write_load(folder, "get-session", map(minter.session_cookie, front.tokens)), get_session),
    ]


def write_load(folder: Path, name: str, credentials: Iterable[dict[str, str]]) -> Load:
    """Write *credentials* to the file *name*, and return a load of them."""
    path = folder / name
    lines = (f"{header}: {value}\n" for headers in credentials for header, value in headers.items())
    path.write_text("".join(lines))
    return Load(name, path)


def configuration(minter: Minter, folder: Path, port: int, admin_port: int) -> Path:
    """Write the shipped configuration with other listen addresses and the issuer, and return its path."""
    jwks_file = folder / "jwks.json"
    jwks_file.write_text(json.dumps(minter.jwks()))
    config = {
        "listen": f"127.0.0.1:{port}",
        "admin": {"listen": f"127.0.0.1:{admin_port}"},
        "issuers": [better_auth_issuer(minter, jwks_file)],
    }
    path = folder / "authgate.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


def measure(load: Load, server: Server, front: Server, use: BetterAuthUse, core: int, seconds: int) -> Round:
    """Drive *server* with *load* and return the results. Add Better Auth's processor time to *use*."""
    before = front.cpu_seconds()
    result = drive(load, server, core, seconds)
    use.cpu_seconds += front.cpu_seconds() - before
    use.requests += result.requests_per_second * seconds
    return result


def report(rounds: dict[str, list[Round]], use: dict[str, BetterAuthUse], options: argparse.Namespace) -> None:
    """Print the results."""
    results = [summary(name, runs, rounds[BARE]) for name, runs in rounds.items()]
    better_auth_us = {name: total.cpu_seconds / total.requests * 1e6 for name, total in use.items()}
    if options.json:
        document = {"results": [asdict(result) for result in results], "better_auth_us": better_auth_us}
        print(json.dumps(document, indent=2))
        return
    print(f"Medians of {options.rounds} rounds of {options.seconds} s, {CONNECTIONS} connections, {USERS} users.\n")
    print_table(results)
    print("\nCPU of AuthGate, divided by that of the service with the recipe in the same round:")
    for name, runs in rounds.items():
        if name.startswith(AUTHGATE):
            recipe_runs = rounds[RECIPE + name.removeprefix(AUTHGATE)]
            ratios = quotients([run.cpu_us for run in runs], [run.cpu_us for run in recipe_runs])
            print(f"{name:28}{spread(ratios):>29}")
    print("\nCPU us of Better Auth for each request:")
    for name, microseconds in better_auth_us.items():
        print(f"{name:28}{microseconds:7.0f}")


if __name__ == "__main__":
    main()
