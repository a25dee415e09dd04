"""A flood of unknown key ids, or a reload, does not affect other requests through real proxies (J8)."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import pytest

from tests.support.issuer import Issuer, by_url, running_issuer
from tests.support.reloading import reload, reload_outcomes, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.behind_proxies import Proxies, Running

FLOOD = 300
RELOADS = 30
COOLDOWN_SECONDS = 10  # the default
through_each = pytest.mark.parametrize("proxy", ["nginx", "traefik", "caddy"])


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


def unknown(issuer: Issuer) -> str:
    """Return a valid token, except that its key id is new and unknown."""
    return issuer.token(header={"kid": token_urlsafe(16)})


def outcome(running: Running, token: str) -> tuple[int, str]:
    answer = running.ask(token)
    return answer.status, "" if answer.status == 200 else answer.json["reason"]


@contextmanager
def meanwhile(running: Running, *making: Callable[[], str]) -> Iterator[Counter[tuple[int, str]]]:
    """Send the tokens of *making* in turn while the context lasts; yield the outcomes."""
    outcomes: Counter[tuple[int, str]] = Counter()
    stopping = threading.Event()

    def forever() -> None:
        for make in itertools.cycle(making):
            if stopping.is_set():
                return
            outcomes[outcome(running, make())] += 1

    with ThreadPoolExecutor(1) as alone:
        asking = alone.submit(forever)
        try:
            yield outcomes
        finally:
            stopping.set()
        asking.result()


def fetches_allowed(began: float) -> int:
    return 1 + int((time.monotonic() - began) // COOLDOWN_SECONDS)


@through_each
def test_J8_a_flood_of_unknown_key_ids_is_refused_and_delays_no_other_request(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str
) -> None:
    with all_proxies.serve(tmp_path, by_url("app", issuer), through=proxy) as running:
        remembered = issuer.token()
        assert running.ask(remembered).status == 200
        issuer.forget()
        began = time.monotonic()
        with (
            meanwhile(running, lambda: remembered, lambda: issuer.token(sub=token_urlsafe(8))) as valid,
            ThreadPoolExecutor(8) as many,
        ):
            flood = Counter(many.map(lambda _: outcome(running, unknown(issuer)), range(FLOOD)))
        assert flood == {(401, "unknown_key"): FLOOD}
        assert valid.keys() == {(200, "")}
        assert 1 <= len(issuer.requests(issuer.jwks_path)) <= fetches_allowed(began)
        assert running.report("app")["unknown_key_ids_total"] == FLOOD


@through_each
def test_reloads_under_load_change_no_decision(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str
) -> None:
    with all_proxies.serve(tmp_path, by_url("app", issuer), through=proxy) as running:
        remembered = issuer.token()
        assert running.ask(remembered).status == 200
        issuer.forget()
        began = time.monotonic()
        with (
            meanwhile(running, lambda: remembered, lambda: issuer.token(sub=token_urlsafe(8))) as valid,
            meanwhile(running, lambda: unknown(issuer)) as refused,
        ):
            for number in range(RELOADS):
                app = by_url("app", issuer, refresh_seconds=300 + number, audiences=["tasks", f"tasks-{number}"])
                rewrite(running.authgate, f"issuers: {json.dumps([app])}\nleeway_seconds: {number}\n")
                reload(running.authgate)
            outcomes = reload_outcomes(running.authgate)
        assert (outcomes["succeeded"] >= RELOADS, outcomes["failed"]) == (
            True,
            0,
        )  # the watcher may have reloaded first
        assert valid.keys() == {(200, "")}
        assert refused.keys() == {(401, "unknown_key")}
        assert len(issuer.requests(issuer.jwks_path)) <= fetches_allowed(began), "a reload begins no new cooldown"
