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
    samples = [sample for family in families for sample in family.samples if "_session_" in sample.name]
    assert {sample.labels["issuer"] for sample in samples} <= {"app"}
    return {
        " ".join((sample.name.removeprefix("authgate_session_"), *_other_labels(sample.labels))): sample.value
        for sample in samples
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
            assert before["store_up"] == 1
            assert before["cache_bytes"] == before["cache_entries found"] == before["cache_entries not_found"] == 0
            await ask(served, TOKEN, TOKEN, "b" * 32, "c" * 32, "c" * 32, "c" * 32)
            after = await read_session_samples(served)
            assert 1024 < after.pop("cache_bytes") < 64 * 1024
            assert after == {
                "lookups_total found": 1,
                "lookups_total not_found": 2,
                "lookups_total failed": 0,
                **{f"turned_away_total {cause} {token}": 0 for token, cause in product(TOKENS, CAUSES)},
                "cache_hits_total found": 1,
                "cache_hits_total not_found": 2,
                "cache_entries found": 1,
                "cache_entries not_found": 2,
                "waiting signed": 0,
                "waiting unsigned": 0,
                "store_up": 1,
            }
            await store.stop()
            await ask(served, "d" * 32)
            assert (await read_session_samples(served))["store_up"] == 0


async def test_without_a_store_there_are_no_samples() -> None:
    async with serving(ENVIRON) as served:
        assert await read_session_samples(served) == {}
