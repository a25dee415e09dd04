"""What a flood of unknown key ids costs everybody else: `python bench/flood.py`. docs/benchmarks.md explains it.

AuthGate, with keys by URL from an issuer of the benchmark's own, is pinned to one core, wrk to another. Valid requests
are measured alone, beside a flood of tokens that name made-up keys, and beside one of tokens of an unknown issuer,
which are refused before any key is looked for: what the second takes more than the third is the price of unknown keys.
Needs Linux, two cores and wrk.
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
from driving import Load, Server, arguments, bearing, drive, free_ports, in_rounds, running, two_cores, warm

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

FLOOD_TOKENS = 20_000
HEAD_START_SECONDS = 0.5  # the flood runs before the valid requests are measured, and after
COOLDOWN_SECONDS = 10

ALONE, UNKNOWN_KEYS, UNKNOWN_ISSUER = "alone", "beside unknown keys", "beside an unknown issuer"


@dataclass(frozen=True, slots=True)
class Round:
    """Valid requests in one run, requests of the flood beside them, and how often the issuer was asked meanwhile."""

    valid: driving.Round
    flood_per_second: float
    fetches: int


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over all rounds, the *valid* requests beside those alone in the same round. *fetches*: all.

    What the flood takes is in the processor time for one valid request.
    """

    valid: driving.Result
    flood_per_second: float
    fetches: int


class Issuer:
    """An issuer at *url*, with one key. *fetches* counts who asked for its set."""

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

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
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
    """Run the rounds and print what came out."""
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
        rounds = in_rounds(turns, options.rounds, options.seconds)
        results = [summary(name, seen, rounds[ALONE]) for name, seen in rounds.items()]
        outcome = {"peak_mib": [before, authgate.peak_mib()], "refusals": refusals(admin_port)}
    if options.json:
        print(json.dumps({"results": [asdict(result) for result in results], **outcome}, indent=2))
    else:
        show(results, outcome, options)


def configuration(issuer: Issuer, port: int, admin_port: int) -> str:
    """Return AuthGate's configuration: as shipped, but for where it listens and where its keys are."""
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
    """Return the valid requests, and the floods by name; their tokens are written to *folder*."""
    unknown_keys = (issuer.token(number, key_id=secrets.token_hex(8)) for number in range(FLOOD_TOKENS))
    unknown_issuer = (issuer.token(number, issuer="https://other.example") for number in range(FLOOD_TOKENS))
    return Load("valid", bearing(folder / "valid", [issuer.token(0)])), {
        UNKNOWN_KEYS: Load(UNKNOWN_KEYS, bearing(folder / "unknown-keys", unknown_keys), status=401),
        UNKNOWN_ISSUER: Load(UNKNOWN_ISSUER, bearing(folder / "unknown-issuer", unknown_issuer), status=401),
    }


def measure(valid: Load, flood: Load | None, server: Server, core: int, issuer: Issuer, seconds: int) -> Round:
    """Return what the *valid* requests see while the *flood* goes on."""
    before = issuer.fetches
    flood_rate: list[float] = []

    def pour(load: Load) -> None:
        flood_rate.append(drive(load, server, core, seconds + 1).requests_per_second)

    pouring = threading.Thread(target=pour, args=(flood,)) if flood else None
    if pouring:
        pouring.start()
        time.sleep(HEAD_START_SECONDS)
    seen = drive(valid, server, core, seconds)
    if pouring:
        pouring.join()
        if not flood_rate:
            sys.exit("bench: the flood was not answered as it must be")
    return Round(seen, sum(flood_rate), issuer.fetches - before)


def refusals(admin_port: int) -> dict[str, int]:
    """Return how many requests AuthGate refused, by reason."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    counted = (line for line in lines if line.startswith("authgate_decisions_total{") and 'outcome="deny"' in line)
    return {line.split('reason="')[1].split('"')[0]: int(float(line.rpartition(" ")[2])) for line in counted}


def summary(name: str, rounds: Sequence[Round], alone: Sequence[Round]) -> Result:
    """Return the medians of *rounds*, each compared with the run *alone* in the same round."""
    return Result(
        valid=driving.summary(name, [one.valid for one in rounds], [one.valid for one in alone]),
        flood_per_second=median(one.flood_per_second for one in rounds),
        fetches=sum(one.fetches for one in rounds),
    )


def show(results: Sequence[Result], outcome: dict[str, Any], options: argparse.Namespace) -> None:
    """Print *results* and *outcome* as tables."""
    print(f"Medians of {options.rounds} rounds of {options.seconds} s; 32 connections are valid, 32 the flood's.\n")
    print(f"{'valid requests':26}{'of alone':>9}{'(min - max)':>15}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'flood/s':>9}{'fetches':>9}")
    for result in results:
        valid = result.valid
        spread = f"({min(valid.ratios):.2f} - {max(valid.ratios):.2f})"
        print(
            f"{valid.load:26}{median(valid.ratios):9.2f}{spread:>15}{valid.requests_per_second:9,.0f}"
            f"{valid.p50_ms:9.2f}{valid.p99_ms:9.2f}{result.flood_per_second:9,.0f}{result.fetches:9}"
        )
    print(f"\nfetches: of the key set, in all rounds. Refusals: {outcome['refusals']}.")
    before, after = outcome["peak_mib"]
    print(f"Peak memory: {before:.0f} MiB before the floods, {after:.0f} MiB after.")


if __name__ == "__main__":
    main()
