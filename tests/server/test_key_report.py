"""/keys and the metrics of keys: they explain why a key stopped working, are bounded, and safe to read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from authgate.config.load import load
from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.journal import Clock
from authgate.keysources.watched import Timing, WatchedKeys
from authgate.server.key_report import key_report
from authgate.tokens import LruProofCache, jwk
from authgate.tokens.algorithms import ALL_ALGORITHMS
from authgate.wiring import build, prepare
from tests.support.serving import ENVIRON
from tests.support.tokens import public_jwk

AT_14_00 = 1_795_269_600.0  # 2026-11-21T14:00:00Z


@dataclass
class Source:
    """A key source whose next result a test chooses."""

    where: str = "https://issuer.example/jwks"
    next: Any = None

    async def load(self) -> Loaded:
        if isinstance(self.next, Exception):
            raise self.next
        return Loaded(keys=self.next)


@dataclass
class IssuerKeys:
    """One issuer's keys on a clock that only the test moves. 0 s is 14:00."""

    seconds: float = 0.0
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        clock = Clock(elapsed=lambda: self.seconds, unix=lambda: AT_14_00 + self.seconds)
        timing = Timing(refresh_seconds=300, cooldown_seconds=10, max_stale_seconds=3600)
        self.watched = WatchedKeys("app", self.source, timing, clock=clock, chance=lambda: 0.0)

    async def load(self, seconds: float, result: Any) -> None:
        self.seconds = seconds
        self.source.next = result
        await self.watched.refresh()
        self.watched.give_up_if_too_stale()

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = key_report([self.watched], LruProofCache(), {})["issuers"]["app"]
        json.dumps(report)
        return report


def key_set(*ids: str, **members: Any) -> Any:
    """Return a set of ES256 keys. All have the same key pair and differ by their id."""
    return jwk.from_jwks(
        json.dumps({"keys": [public_jwk("ES256", key_id, **members) for key_id in ids]}).encode(), ALL_ALGORITHMS
    )


def dated_events(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(event["at"][11:16], event["what"]) for event in report["events"]]


async def test_the_report_shows_when_a_key_left_and_how_often_tokens_still_name_it() -> None:
    issuer = IssuerKeys()
    await issuer.load(0, key_set("K1"))
    await issuer.load(120, key_set("K2"))
    for seconds in (160, 161):
        issuer.seconds = seconds
        issuer.watched.journal.unknown("K1", issuer.watched.key_set)
    issuer.watched.journal.unknown("never-seen", issuer.watched.key_set)
    report = issuer.report()
    assert report["state"] == "ready"
    assert [(key["key_id"], key["first_seen"]) for key in report["keys"]] == [("K2", "2026-11-21T14:02:00Z")]
    (departed,) = report["departed"]
    assert (departed["key_id"], departed["left_at"], departed["named_since"]) == ("K1", "2026-11-21T14:02:00Z", 2)
    assert departed["named_at"] == "2026-11-21T14:02:41Z"
    assert report["unknown_key_ids"] == [{"key_id": "never-seen", "count": 1, "last_at": "2026-11-21T14:02:41Z"}]
    assert report["unknown_key_ids_total"] == 3
    events = [("14:02", "K1 left"), ("14:02", "K2 joined"), ("14:00", "K1 joined")]
    for (at, message), (expected_at, part) in zip(dated_events(report)[1:], events, strict=True):
        assert (at, part in message) == (expected_at, True)
    for part in ("K1 still arrive", "1 so far", "left the set 40 s ago"):
        assert part in report["events"][0]["what"]


async def test_the_report_shows_an_outage_and_its_end() -> None:
    issuer = IssuerKeys()
    await issuer.load(0, key_set("K1"))
    await issuer.load(300, LoadFailed("https://issuer.example/jwks answers 500"))
    report = issuer.report()
    assert (report["state"], report["failures_in_a_row"]) == ("stale", 1)
    assert report["last_error"] == "https://issuer.example/jwks answers 500"
    assert (report["last_success"], report["given_up_at"]) == ("2026-11-21T14:00:00Z", "2026-11-21T15:00:00Z")
    assert report["next_refresh"] == "2026-11-21T14:05:01Z"
    await issuer.load(3600, LoadFailed("https://issuer.example/jwks answers 500"))
    assert issuer.report()["state"] == "given up"
    at, message = dated_events(issuer.report())[0]
    assert (at, "given up" in message, "3600 s" in message) == ("15:00", True, True)
    await issuer.load(3700, key_set("K1"))
    report = issuer.report()
    assert (report["state"], report["last_error"], report["failures_in_a_row"]) == ("ready", None, 0)
    assert any(
        at == "15:01" and "loaded again" in message and "https://issuer.example/jwks" in message
        for at, message in dated_events(report)
    )


async def test_the_report_names_a_skipped_key_and_the_reason() -> None:
    issuer = IssuerKeys()
    good, bad = public_jwk("ES256", "K1"), public_jwk("ES256", "K2", use="enc")
    await issuer.load(0, jwk.from_jwks(json.dumps({"keys": [good, bad]}).encode(), ALL_ALGORITHMS))
    report = issuer.report()
    (skipped,) = report["skipped"]
    assert skipped.startswith("key 'K2': ")
    assert dated_events(report)[0] == ("14:00", f"skipped {skipped}")


async def test_before_the_first_load_the_report_is_empty() -> None:
    report = IssuerKeys().report()
    assert report["state"] == "no keys"
    assert [report[name] for name in ("last_success", "age_seconds", "last_error", "given_up_at")] == [None] * 4
    assert [report[name] for name in ("keys", "departed", "skipped", "unknown_key_ids", "events")] == [[]] * 5


async def test_the_report_is_bounded_whatever_issuers_and_tokens_contain() -> None:
    issuer = IssuerKeys()
    for number in range(40):  # key sets of the maximum size, each with other keys than the last
        members = [public_jwk("ES256", f"{number}-{n}" + "\U0010ffff" * 180) for n in range(64)]
        document = json.dumps({"keys": members}, ensure_ascii=False).encode()
        await issuer.load(number, jwk.from_jwks(document, ALL_ALGORITHMS))
        issuer.watched.journal.unknown(f"{number}" + "\x00" * 12_000, issuer.watched.key_set)
    report = issuer.report()
    assert [len(report[name]) for name in ("keys", "departed", "unknown_key_ids", "events")] == [64, 32, 16, 64]
    assert len(json.dumps(report)) < 512 * 1024


HOSTILE = {
    "ANSI": "\x1b[31mK1\x1b[0m\x07",
    "line breaks": "K1\r\nauthgate_keys 0\n",
    "right to left": "\u202eK1\u05d0",
    "256 characters": "k" * 256,
    "half a surrogate": "\ud800K1",
    "quotes": "K1\"} 1\\'",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_key_id_is_shown_as_plain_ascii(kind: str) -> None:
    issuer = IssuerKeys()
    await issuer.load(0, key_set(HOSTILE[kind]))
    report = issuer.report()
    shown = report["keys"][0]["named"] + report["events"][0]["what"]
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) < 300
    app = build(prepare(load(None, ENVIRON)))
    app.live.watched_keys.clear()
    app.live.watched_keys["app"] = issuer.watched
    families = {family.name: family for family in text_string_to_metric_families(app.metrics.exposition().decode())}
    (sample,) = families["authgate_key_proofs"].samples
    assert sample.labels["key_id"].isprintable()
    assert (sample.labels["issuer"], sample.value) == ("app", 0.0)
    assert [sample.value for sample in families["authgate_keys"].samples] == [1.0]


async def test_key_ids_with_the_same_label_in_metrics_are_counted_together() -> None:
    """Prometheus rejects a page that has the same labels twice."""
    issuer = IssuerKeys()
    await issuer.load(0, key_set("k" * 200 + "1", "k" * 200 + "2"))
    app = build(prepare(load(None, ENVIRON)))
    app.live.watched_keys.clear()
    app.live.watched_keys["app"] = issuer.watched
    lines = [line for line in app.metrics.exposition().decode().splitlines() if line.startswith("authgate_key_proofs")]
    assert len(lines) == 1
