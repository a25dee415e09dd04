"""Measure what a flood of unknown key ids costs all other requests: `python bench/flood.py`. See docs/benchmarks.md.

AuthGate loads its keys by URL from an issuer in this process. AuthGate is pinned to one core and wrk to another. Valid
requests are measured alone, beside a flood of tokens that name made-up keys, and beside a flood of tokens of an unknown
issuer. AuthGate refuses the latter before it looks for a key, so the difference between the two floods is the cost of
unknown keys. Needs Linux, two cores and wrk.
"""

from __future__ import annotations

import http.client
import json
import secrets
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import driving
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from driving import (
    Load,
    Server,
    arguments,
    drive,
    free_ports,
    run_rounds,
    running,
    two_cores,
    warm,
    write_bearer_tokens,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

FLOOD_TOKENS = 20_000
HEAD_START_SECONDS = 0.5  # the flood starts before the valid requests are measured, and ends after them
COOLDOWN_SECONDS = 10

ALONE, UNKNOWN_KEYS, UNKNOWN_ISSUER = "alone", "beside unknown keys", "beside an unknown issuer"


@dataclass(frozen=True, slots=True)
class Round:
    """One run: the valid requests, the rate of the flood, and how often the keys were fetched during the run."""

    valid: driving.Round
    flood_per_second: float
    fetches: int


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over all rounds; *fetches* is their sum. The baseline of *valid* is the run without a flood.

    The processor time for one valid request includes that for the flood.
    """

    valid: driving.Result
    flood_per_second: float
    fetches: int


class Issuer:
    """An issuer at *url*, with one key. *fetches* counts the requests for its key set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fetches = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        public: dict[str, Any] = jwt.get_algorithm_by_name("ES256").to_jwk(self._key.public_key(), as_dict=True)
        self.document = json.dumps({"keys": [public | {"kid": "K1", "alg": "ES256", "use": "sig"}]}).encode()

    def token(self, number: int, key_id: str = "K1", issuer: str = "") -> str:
        """Return the token of user *number*, about as large as those of real applications."""
        now = int(time.time())
        claims = {
            "iss": issuer or self.url,
            "aud": "tasks",
            "sub": f"user-{number:08}",
            "email": f"user-{number:08}@example.com",
            "name": f"User {number:08}",
            "roles": ["member", "editor"],
            "iat": now,
            "exp": now + 86400,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": key_id})


@contextmanager
def issuing(port: int) -> Iterator[Issuer]:
    """Run an issuer at *port* of the loopback interface."""
    issuer = Issuer(f"http://127.0.0.1:{port}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetches += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(issuer.document)))
            self.end_headers()
            self.wfile.write(issuer.document)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Run the rounds and print the results."""
    options = arguments("Valid requests beside a flood of unknown key ids, as ratios.", seconds=10)
    core, other_core = two_cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="authgate-bench-")))
        log = stack.enter_context((folder / "log.json").open("w"))
        port, admin_port, issuer_port = free_ports(3)
        issuer = stack.enter_context(issuing(issuer_port))
        config = folder / "authgate.yaml"
        config.write_text(configuration(issuer, port, admin_port))
        command = [sys.executable, "-m", "authgate", "serve", "--config", str(config)]
        authgate = stack.enter_context(running(command, port, core, log))
        valid, floods = make_loads(folder, issuer)
        warm(port, [valid])
        before = authgate.peak_mib()
        turns = {
            name: partial(measure, valid, floods.get(name), authgate, other_core, issuer)
            for name in (ALONE, UNKNOWN_KEYS, UNKNOWN_ISSUER)
        }
        rounds = run_rounds(turns, options.rounds, options.seconds)
        results = [summary(name, runs, rounds[ALONE]) for name, runs in rounds.items()]
        outcome = {"peak_mib": [before, authgate.peak_mib()], "refusals": refusals(admin_port)}
    if options.json:
        print(json.dumps({"results": [asdict(result) for result in results], **outcome}, indent=2))
    else:
        show(results, outcome, options)


def configuration(issuer: Issuer, port: int, admin_port: int) -> str:
    """Return the shipped configuration, with other listen addresses and this *issuer*."""
    return json.dumps(  # JSON is YAML
        {
            "listen": f"127.0.0.1:{port}",
            "admin": {"listen": f"127.0.0.1:{admin_port}"},
            "issuers": [
                {
                    "name": "app",
                    "preset": "jwt",
                    "issuer": issuer.url,
                    "jwks_url": f"{issuer.url}/jwks",
                    "allow_http": True,
                    "audiences": ["tasks"],
                    "cooldown_seconds": COOLDOWN_SECONDS,
                }
            ],
        }
    )


def make_loads(folder: Path, issuer: Issuer) -> tuple[Load, dict[str, Load]]:
    """Write the tokens to *folder*, and return the valid load and the floods by name."""
    unknown_keys = (issuer.token(number, key_id=secrets.token_hex(8)) for number in range(FLOOD_TOKENS))
    unknown_issuer = (issuer.token(number, issuer="https://other.example") for number in range(FLOOD_TOKENS))
    return Load("valid", write_bearer_tokens(folder / "valid", [issuer.token(0)])), {
        UNKNOWN_KEYS: Load(UNKNOWN_KEYS, write_bearer_tokens(folder / "unknown-keys", unknown_keys), status=401),
        UNKNOWN_ISSUER: Load(
            UNKNOWN_ISSUER, write_bearer_tokens(folder / "unknown-issuer", unknown_issuer), status=401
        ),
    }


def measure(valid: Load, flood: Load | None, server: Server, core: int, issuer: Issuer, seconds: int) -> Round:
    """Return the results of the *valid* requests while the *flood* runs."""
    fetches_before = issuer.fetches
    flood_rates: list[float] = []

    def run_flood(load: Load) -> None:
        flood_rates.append(drive(load, server, core, seconds + 1).requests_per_second)

    flood_thread = threading.Thread(target=run_flood, args=(flood,)) if flood else None
    if flood_thread:
        flood_thread.start()
        time.sleep(HEAD_START_SECONDS)
    valid_round = drive(valid, server, core, seconds)
    if flood_thread:
        flood_thread.join()
        if not flood_rates:
            sys.exit("bench: the flood did not get the expected replies")
    return Round(valid_round, sum(flood_rates), issuer.fetches - fetches_before)


def refusals(admin_port: int) -> dict[str, int]:
    """Return how many requests AuthGate refused, by reason."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    denials = (line for line in lines if line.startswith("authgate_decisions_total{") and 'outcome="deny"' in line)
    return {line.split('reason="')[1].split('"')[0]: int(float(line.rpartition(" ")[2])) for line in denials}


def summary(name: str, rounds: Sequence[Round], alone: Sequence[Round]) -> Result:
    """Return the medians of *rounds*, and their ratios to the run *alone* in the same round."""
    return Result(
        valid=driving.summary(name, [run.valid for run in rounds], [run.valid for run in alone]),
        flood_per_second=median(run.flood_per_second for run in rounds),
        fetches=sum(run.fetches for run in rounds),
    )


def show(results: Sequence[Result], outcome: dict[str, Any], options: argparse.Namespace) -> None:
    """Print *results* and *outcome* as tables."""
    print(f"Medians of {options.rounds} rounds of {options.seconds} s; 32 valid connections, 32 that flood.\n")
    print(f"{'valid requests':26}{'vs alone':>9}{'(min - max)':>15}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'flood/s':>9}{'fetches':>9}")
    for result in results:
        valid = result.valid
        spread = f"({min(valid.ratios):.2f} - {max(valid.ratios):.2f})"
        print(
            f"{valid.load:26}{median(valid.ratios):9.2f}{spread:>15}{valid.requests_per_second:9,.0f}"
            f"{valid.p50_ms:9.2f}{valid.p99_ms:9.2f}{result.flood_per_second:9,.0f}{result.fetches:9}"
        )
    print(f"\nfetches: how often the key set was fetched, in all rounds. Refusals: {outcome['refusals']}.")
    before, after = outcome["peak_mib"]
    print(f"Peak memory: {before:.0f} MiB before the floods, {after:.0f} MiB after.")


if __name__ == "__main__":
    main()
