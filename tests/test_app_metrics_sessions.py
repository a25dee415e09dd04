"""The metrics of session stores and their answer caches."""

from __future__ import annotations

import time
from itertools import product
from typing import TYPE_CHECKING

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support import session_cookies as cookies
from tests.support.get_session import SECRET, get_session, signed
from tests.support.serving import ENVIRON, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.serving import Served

TOKEN = cookies.SESSION_TOKEN
TOKENS, CAUSES = ("signed", "unsigned"), ("full", "pause", "end")


async def read_session_samples(served: Served) -> dict[str, float]:
    """Return the samples by name and other labels than the issuer."""
    families = text_string_to_metric_families(await served.metrics())
    samples = [sample for family in families for sample in family.samples if "issuer" in sample.labels]
    return {
        " ".join((sample.name.removeprefix("authgate_"), *_other_labels(sample.labels))): sample.value
        for sample in samples
        if sample.labels["issuer"] == "app" and sample.name.startswith(("authgate_session_", "authgate_cache_"))
    }


def _other_labels(labels: dict[str, str]) -> list[str]:
    return [value for name, value in labels.items() if name != "issuer"]


async def ask(served: Served, *tokens: str) -> None:
    for token in tokens:
        await served.ask("nginx", cookies.cookie_line(None, token=signed(token)))


async def test_lookups_and_cached_answers_are_counted(tmp_path: Path) -> None:
    async with get_session() as store:
        store.sessions[TOKEN] = {"session": cookies.session(TOKEN, now=time.time()), "user": cookies.user()}
        issuer = {"name": "app", "preset": "better-auth", "secret": SECRET.decode(), "allow_http": True}
        issuer |= {"cookies": {"session_token": cookies.COOKIES[0]}}
        issuer |= {"sessions": {"check": "always", "cache_seconds": 60, "http": {"url": store.url}}}
        path = tmp_path / "authgate.yaml"
        path.write_text(yaml.safe_dump({"issuers": [issuer]}))
        async with serving({}, file=str(path)) as served:
            before = await read_session_samples(served)
            assert before["session_store_up"] == 1
            assert {value for name, value in before.items() if name.startswith("cache_")} == {0}
            await ask(served, TOKEN, TOKEN, "b" * 32, "c" * 32, "c" * 32, "c" * 32)
            after = await read_session_samples(served)
            assert 1024 < after.pop("cache_bytes sessions") < 16 * 1024
            assert after.pop("cache_hits_total no_session") in {0, 1, 2}, "such an answer is cached for a second"
            assert after.pop("session_lookups_total not_found") in {2, 3, 4}
            after = {name: value for name, value in after.items() if not name.endswith(("no_session", "proofs"))}
            assert after == {
                "session_lookups_total found": 1,
                "session_lookups_total failed": 0,
                **{f"session_turned_away_total {cause} {token}": 0 for token, cause in product(TOKENS, CAUSES)},
                "session_waiting signed": 0,
                "session_waiting unsigned": 0,
                "session_store_up": 1,
                "cache_hits_total sessions": 1,
                "cache_stores_total sessions": 1,
                "cache_entries sessions": 1,
                "cache_evictions_total sessions": 0,
            }
            await store.stop()
            await ask(served, "d" * 32)
            assert (await read_session_samples(served))["session_store_up"] == 0


async def test_without_a_store_there_are_no_samples() -> None:
    async with serving(ENVIRON) as served:
        assert await read_session_samples(served) == {}
