"""Three issuers whose session store returns heavy rows, and what AuthGate's caches hold meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from tests.neighbors import http_modes
from tests.neighbors.beside import better_auth

if TYPE_CHECKING:
    from itertools import count

    from tests.neighbors.beside import Neighborhood
    from tests.neighbors.lying import Connection

MIB = 1024 * 1024
# What a user's row may hold beside the columns of the library, up to the bound of 256 KiB.
HEAVY: dict[str, Any] = {
    "16,000 empty lists": [[] for _ in range(16_000)],
    "a long text": "x" * 200_000,
    "numbers": [0.5] * 50_000,
    "keys": {f"{number:05}": 1 for number in range(14_000)},
    "words": ["ab"] * 40_000,
    "not ASCII": "é" * 40_000,
    "lone surrogates": "\ud800" * 30_000,
}
# Settings by which a rule reads what is heavy, so that it is cached.
READS_EXTRA = {"policies": [{"name": "all", "require": {"claims": {"user.extra": {"none_of": ["locked"]}}}}]}
NAMES = ("app", "second", "third")
SECRETS = {name: f"{name}-secret-of-the-tests-0123456789" for name in NAMES}


class Rows:
    """A mode: every session is that of a user whose row has *extra*, which a test replaces."""

    extra: Any = ""

    def __call__(self, connection: Connection) -> None:
        while True:
            token = http_modes.asked(connection)
            connection.send(http_modes.session(token, extra=self.extra))


def issuers(port: int) -> list[dict[str, Any]]:
    """Return three issuers with the same store."""
    store = {"http": {"url": f"http://127.0.0.1:{port}/api/auth/get-session"}, "cache_seconds": 60}
    common = better_auth(**store) | {"allow_http": True}
    return [
        common
        | {"name": name, "secret": SECRETS[name], "subject_prefix": f"{name}:"}
        | {"cookies": {"session_token": f"{name}.session_token"}}
        for name in NAMES
    ]


def sign_in(neighborhood: Neighborhood, users: int, numbers: count[int]) -> set[int]:
    """Ask with the sessions of so many new *users* of each issuer. Return the statuses of the answers."""

    def status(name: str) -> int:
        token = f"{next(numbers):032}"
        return neighborhood.session(token, f"{name}.session_token", SECRETS[name].encode()).status

    with ThreadPoolExecutor(8) as pool:
        return {*pool.map(status, NAMES * users)}


def held(neighborhood: Neighborhood, kind: str) -> dict[str, float]:
    """Return what the caches of this *kind* hold, in bytes by issuer; "" for the limit of all caches."""
    text = neighborhood.running.page("/metrics").body.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    sizes = [sample for sample in samples if sample.name == "authgate_cache_bytes" and sample.labels["kind"] == kind]
    limit = next(sample.value for sample in samples if sample.name == "authgate_cache_limit_bytes")
    return {sample.labels["issuer"]: sample.value for sample in sizes} | {"": limit}
