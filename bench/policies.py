"""Compare a decision under 200 policies with one under a single policy: `python -m bench.policies`.

Both run in this process on one core, in turn, round by round; only processor time counts. A decision is the whole of
`decide`, warm: from the headers of the request to those of the reply, with the proof in the cache. docs/measurements.md
has a run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import jwt

from authgate import wiring
from authgate.config.load import load
from authgate.core.decide import decide
from authgate.tokens import LruProofCache
from bench.deciding import as_received, must_be_allowed, request_with
from bench.rounds import quotients, show_progress, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.request import Request
    from authgate.core.snapshot import Snapshot

DECISIONS = 3000  # in one round
MANY = 200
RULES = {"roles": {"any_of": ["editor"]}, "claims": {"tenant.plan": {"any_of": ["pro", "team"]}}}


@dataclass(frozen=True, slots=True)
class Entrant:
    """One list of policies, and a request that the last of them matches."""

    name: str
    snapshot: Snapshot
    request: Request

    def run(self) -> float:
        """Return the processor time of one decision, in microseconds."""
        began = time.process_time()
        for _ in range(DECISIONS):
            try:
                next(decide(self.request, self.snapshot, time.time()))
            except StopIteration as done:
                decision = done.value
        must_be_allowed(decision)
        return (time.process_time() - began) / DECISIONS * 1e6


def main() -> None:
    """Run the rounds and print the results."""
    parser = argparse.ArgumentParser(description="Compare 200 policies with one, in processor time.")
    parser.add_argument("--rounds", type=int, default=25, help="number of rounds (default: 25)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    entrants = make_entrants()
    times_us: dict[str, list[float]] = {entrant.name: [] for entrant in entrants}
    for number in range(options.rounds):
        for entrant in entrants:
            gc.collect()
            times_us[entrant.name].append(entrant.run())
        show_progress(number, options.rounds)
    if options.json:
        print(json.dumps(times_us, indent=2))
    else:
        show(times_us, options.rounds)


def make_entrants() -> tuple[Entrant, ...]:
    """Return what is compared: one policy and 200, each without rules and with rules. The first is the baseline."""
    secret = secrets.token_urlsafe(48)
    now = int(time.time())
    claims = {"sub": "user-1", "email": "user-1@example.com", "name": "User 1", "roles": ["member", "editor"],
              "tenant": {"id": "t-1", "plan": "pro"}, "aud": "api", "iat": now, "exp": now + 86400}  # fmt: skip
    request = request_with(as_received({"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"}))
    met = {"name": "tasks", "match": {"path": "/api/v1/tasks/**"}, "require": "signed_in"}
    with_rules = {**met, "require": RULES}
    lists = {
        "1 policy": [met],
        f"{MANY} policies": [*others(), met],
        "1 policy, two rules": [with_rules],
        f"{MANY} policies, two rules": [*others(), with_rules],
    }
    return tuple(Entrant(name, snapshot_of(secret, policies), request) for name, policies in lists.items())


def others() -> list[dict[str, Any]]:
    """Return policies that the request does not meet: other hosts, other paths, other methods."""
    makers = (
        lambda number: {"host": f"service-{number}.example.com", "path": "/api/**"},
        lambda number: {"path": f"/section-{number}/**"},
        lambda number: {"host": f"*.team-{number}.example.com"},
        lambda number: {"path": f"/api/v1/tasks/{number}", "methods": ["DELETE"]},
    )
    return [
        {"name": f"other-{number}", "match": makers[number % len(makers)](number), "require": RULES}
        for number in range(MANY - 1)
    ]


def snapshot_of(secret: str, policies: Sequence[dict[str, Any]]) -> Snapshot:
    """Return the snapshot of a configuration with *policies*."""
    issuer = {"name": "app", "preset": "jwt", "secret": secret, "audiences": ["api"]}
    with tempfile.TemporaryDirectory(prefix="authgate-bench-") as folder:
        path = Path(folder) / "authgate.json"
        path.write_text(json.dumps({"issuers": [issuer], "policies": policies}))  # JSON is YAML
        return replace(wiring.prepare(load(str(path), {})).snapshot, proofs=LruProofCache())


def show(times_us: dict[str, list[float]], rounds: int) -> None:
    """Print *times_us* as a table, with the ratio to the first entrant in the same round."""
    print(f"Medians of {rounds} rounds of {DECISIONS:,} warm decisions.\n")
    print(f"{'':28}{'CPU µs':>8}   CPU vs 1 policy (min - max)")
    baseline = next(iter(times_us.values()))
    for name, values in times_us.items():
        print(f"{name:28}{median(values):8.1f}   {spread(quotients(values, baseline))}")


if __name__ == "__main__":
    sys.exit(main())
