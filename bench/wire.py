"""AuthGate beside services that verify by themselves, over the wire: `python bench/wire.py`. See docs/benchmarks.md.

AuthGate, a server that does nothing, and one server for each recipe are pinned to one core; wrk, and Better Auth, to
another. AuthGate has seen every credential before, as it has most of the time. Needs Linux, two cores, wrk and Node.
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
    in_rounds,
    over,
    print_table,
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
    """One format, its credentials, and what the recipe's server is told of it."""

    name: str
    load: Load
    recipe: dict[str, Any]


@dataclass(slots=True)
class Asked:
    """Processor time that Better Auth took, and requests meanwhile, while one server was measured."""

    cpu_seconds: float = 0.0
    requests: float = 0.0


def main() -> None:
    """Run the rounds and print what came out."""
    options = arguments("AuthGate beside services that verify by themselves, as ratios.", seconds=5)
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
        asked: dict[str, Asked] = {}
        for pair, recipe_port in zip(pairs, recipe_ports, strict=True):
            command = [sys.executable, str(HERE / "recipe_server.py"), str(recipe_port)]
            told = json.dumps(pair.recipe | {"headers": headers})
            server = stack.enter_context(running(command, recipe_port, core, log, RECIPE=told))
            warm(recipe_port, [pair.load])
            for name, one in ((AUTHGATE + pair.name, authgate), (RECIPE + pair.name, server)):
                asked[name] = Asked()
                turns[name] = partial(measure, pair.load, one, front.server, asked[name], other_core)
        rounds = in_rounds(turns, options.rounds, options.seconds)
    report(rounds, asked, options)


def make_pairs(minter: Minter, front: BetterAuth, folder: Path) -> list[Pair]:
    """Return the formats, with their credentials written to *folder*."""
    shared = {"origin": minter.origin, "secret": minter.secret}
    compact = {"format": "Better Auth, compact", "recipe": "hmac and json"} | shared
    jwe = {"format": "Better Auth, jwe", "recipe": "joserfc, key kept"} | shared
    asking = {"format": GET_SESSION, "url": front.get_session}
    numbers = range(USERS)
    return [
        Pair("compact", written(folder, "compact", map(minter.compact, numbers)), compact),
        Pair("jwe", written(folder, "jwe", map(minter.cookie_jwe, numbers)), jwe),
        Pair("get-session", written(folder, "get-session", map(minter.session_cookie, front.tokens)), asking),
    ]


def written(folder: Path, name: str, credentials: Iterable[dict[str, str]]) -> Load:
    """Write *credentials* into a file, and return their load."""
    path = folder / name
    path.write_text("".join(f"{header}: {value}\n" for one in credentials for header, value in one.items()))
    return Load(name, path)


def configuration(minter: Minter, folder: Path, port: int, admin_port: int) -> Path:
    """Write AuthGate's configuration, as shipped but for where it listens, and return its path."""
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


def measure(load: Load, server: Server, front: Server, asked: Asked, core: int, seconds: int) -> Round:
    """Return what wrk sees of *server*, and add to *asked* what Better Auth did meanwhile."""
    before = front.cpu_seconds()
    seen = drive(load, server, core, seconds)
    asked.cpu_seconds += front.cpu_seconds() - before
    asked.requests += seen.requests_per_second * seconds
    return seen


def report(rounds: dict[str, list[Round]], asked: dict[str, Asked], options: argparse.Namespace) -> None:
    """Print what came out."""
    results = [summary(name, seen, rounds[BARE]) for name, seen in rounds.items()]
    front_us = {name: one.cpu_seconds / one.requests * 1e6 for name, one in asked.items()}
    if options.json:
        print(json.dumps({"results": [asdict(one) for one in results], "better_auth_us": front_us}, indent=2))
        return
    print(f"Medians of {options.rounds} rounds of {options.seconds} s, {CONNECTIONS} connections, {USERS} users.\n")
    print_table(results)
    print("\nCPU of AuthGate, of that of the service that runs the recipe, in the same round:")
    for name, seen in rounds.items():
        if name.startswith(AUTHGATE):
            beside = rounds[RECIPE + name.removeprefix(AUTHGATE)]
            print(f"{name:28}{spread(over([one.cpu_us for one in seen], [one.cpu_us for one in beside])):>29}")
    print("\nCPU us of Better Auth for each request:")
    for name, microseconds in front_us.items():
        print(f"{name:28}{microseconds:7.0f}")


if __name__ == "__main__":
    main()
