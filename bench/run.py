"""Compare AuthGate with a server that does no work: `python bench/run.py`. docs/benchmarks.md explains the figures.

The shipped AuthGate and a bare aiohttp server, which sends the same reply, are pinned to one core. wrk is pinned to
another and drives them in turn. Other programs slow both equally, so the ratios of a round mean more than its absolute
figures. Needs Linux, two cores and wrk.
"""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
from driving import (
    CONNECTIONS,
    HERE,
    Load,
    arguments,
    drive,
    free_ports,
    print_table,
    run_rounds,
    running,
    summary,
    two_cores,
    warm,
    write_bearer_tokens,
)

if TYPE_CHECKING:
    import argparse

    from driving import Result

TOKENS = 10_000
BARE = "bare aiohttp"


def main() -> None:
    """Run the rounds and print the results."""
    options = arguments("Compare AuthGate with a bare aiohttp server.", seconds=5)
    core, other_core = two_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        log = stack.enter_context((folder / "log.json").open("w"))
        secret = secrets.token_urlsafe(48)
        loads = make_loads(folder, secret)
        authgate_port, admin_port, bare_port = free_ports(3)
        authgate = stack.enter_context(
            running(
                [sys.executable, "-m", "authgate", "serve"], authgate_port, core, log,
                JWT_SECRET=secret, AUTHGATE_LISTEN=f"127.0.0.1:{authgate_port}",
                AUTHGATE_ADMIN__LISTEN=f"127.0.0.1:{admin_port}",
            )
        )  # fmt: skip
        reply_headers = warm(authgate_port, loads)
        bare = stack.enter_context(
            running(
                [sys.executable, str(HERE / "bare.py"), str(bare_port), json.dumps(reply_headers)],
                bare_port, core, log,
            )
        )  # fmt: skip
        turns = {load.name: partial(drive, load, bare if load is loads[0] else authgate, other_core) for load in loads}
        rounds = run_rounds(turns, options.rounds, options.seconds)
        results = [summary(name, runs, rounds[BARE]) for name, runs in rounds.items()]
        memory = {"AuthGate": authgate.peak_mib(), BARE: bare.peak_mib()}
    if options.json:
        print(json.dumps({"results": [asdict(result) for result in results], "peak_mib": memory}, indent=2))
    else:
        show(results, memory, options)


def make_loads(folder: Path, secret: str) -> list[Load]:
    """Write the tokens to *folder*, and return the loads in the order of their turns. The bare server is first."""
    now = int(time.time())
    one_token = write_bearer_tokens(folder / "one", [mint(secret, 0, now + 86400)])
    many_tokens = write_bearer_tokens(folder / "many", (mint(secret, number, now + 86400) for number in range(TOKENS)))
    expired_token = write_bearer_tokens(folder / "expired", [mint(secret, 0, now - 3600)])
    return [
        Load(BARE, one_token),
        Load("AuthGate, one token", one_token),
        Load(f"AuthGate, {TOKENS:,} tokens", many_tokens),
        Load("AuthGate, an expired token", expired_token, status=401),
    ]


def mint(secret: str, number: int, expires_at: int) -> str:
    """Return the token of user *number*, about as large as those of real applications."""
    claims = {
        "sub": f"user-{number:08}",
        "email": f"user-{number:08}@example.com",
        "name": f"User {number:08}",
        "roles": ["member", "editor"],
        "iat": expires_at - 86400,
        "exp": expires_at,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def show(results: list[Result], memory: dict[str, float], options: argparse.Namespace) -> None:
    """Print *results* and *memory* as tables."""
    print(f"Medians of {options.rounds} rounds of {options.seconds} s, {CONNECTIONS} connections.\n")
    print_table(results)
    print(f"\n{'peak memory':28}{'MiB':>8}")
    for name, mib in memory.items():
        print(f"{name:28}{mib:8.0f}")


if __name__ == "__main__":
    main()
