"""What /keys and the metrics tell of keys: enough to say why one stopped working, bounded, and fit for any reader."""

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
    """Gives what it is told to."""

    where: str = "https://issuer.example/jwks"
    next: Any = None

    async def load(self) -> Loaded:
        if isinstance(self.next, Exception):
            raise self.next
        return Loaded(keys=self.next)


@dataclass
class Scene:
    """One issuer's keys under a clock that only the test moves; 0 s is 14:00."""

    seconds: float = 0.0
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        clock = Clock(elapsed=lambda: self.seconds, unix=lambda: AT_14_00 + self.seconds)
        timing = Timing(refresh_seconds=300, cooldown_seconds=10, max_stale_seconds=3600)
        self.keys = WatchedKeys("app", self.source, timing, clock=clock, chance=lambda: 0.0)

    async def load(self, seconds: float, given: Any) -> None:
        self.seconds = seconds
        self.source.next = given
        await self.keys.refresh()
        self.keys.give_up_if_too_stale()

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = key_report([self.keys], LruProofCache(), {})["issuers"]["app"]
        json.dumps(report)
        return report


def keys(*ids: str, **members: Any) -> Any:
    """Return a set of ES256 keys; all are one key pair, but what identifies a key is its id, too."""
    return jwk.from_jwks(
        json.dumps({"keys": [public_jwk("ES256", key_id, **members) for key_id in ids]}).encode(), ALL_ALGORITHMS
    )


def whats(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(event["at"][11:16], event["what"]) for event in report["events"]]


async def test_it_tells_when_a_key_left_and_who_still_names_it() -> None:
    scene = Scene()
    await scene.load(0, keys("K1"))
    await scene.load(120, keys("K2"))
    for seconds in (160, 161):
        scene.seconds = seconds
        scene.keys.journal.unknown("K1", scene.keys.key_set)
    scene.keys.journal.unknown("never-seen", scene.keys.key_set)
    report = scene.report()
    assert report["state"] == "ready"
    assert [(key["key_id"], key["first_seen"]) for key in report["keys"]] == [("K2", "2026-11-21T14:02:00Z")]
    (gone,) = report["departed"]
    assert (gone["key_id"], gone["left_at"], gone["named_since"]) == ("K1", "2026-11-21T14:02:00Z", 2)
    assert gone["named_at"] == "2026-11-21T14:02:41Z"
    assert report["unknown_key_ids"] == [{"key_id": "never-seen", "count": 1, "last_at": "2026-11-21T14:02:41Z"}]
    assert report["unknown_key_ids_total"] == 3
    assert whats(report)[1:] == [
        ("14:02", "key ES256 K1 left the set"),
        ("14:02", "key ES256 K2 joined the set"),
        ("14:00", "key ES256 K1 joined the set"),
    ]
    assert "K1 still arrive (1 so far); it left the set 40 s ago" in report["events"][0]["what"]


async def test_it_tells_of_an_outage_and_of_its_end() -> None:
    scene = Scene()
    await scene.load(0, keys("K1"))
    await scene.load(300, LoadFailed("https://issuer.example/jwks answers 500"))
    report = scene.report()
    assert (report["state"], report["failures_in_a_row"]) == ("stale", 1)
    assert report["last_error"] == "https://issuer.example/jwks answers 500"
    assert (report["last_success"], report["given_up_at"]) == ("2026-11-21T14:00:00Z", "2026-11-21T15:00:00Z")
    assert report["next_refresh"] == "2026-11-21T14:05:01Z"
    await scene.load(3600, LoadFailed("https://issuer.example/jwks answers 500"))
    assert scene.report()["state"] == "given up"
    assert whats(scene.report())[0] == ("15:00", "the keys are given up: no successful load for 3600 s")
    await scene.load(3700, keys("K1"))
    report = scene.report()
    assert (report["state"], report["last_error"], report["failures_in_a_row"]) == ("ready", None, 0)
    assert ("15:01", "keys can be loaded again from https://issuer.example/jwks") in whats(report)


async def test_it_names_a_key_that_is_left_out_and_why() -> None:
    scene = Scene()
    good, bad = public_jwk("ES256", "K1"), public_jwk("ES256", "K2", use="enc")
    await scene.load(0, jwk.from_jwks(json.dumps({"keys": [good, bad]}).encode(), ALL_ALGORITHMS))
    report = scene.report()
    (skipped,) = report["skipped"]
    assert skipped.startswith("key 'K2': ")
    assert whats(report)[0] == ("14:00", f"skipped {skipped}")


async def test_before_the_first_answer_there_is_nothing_to_tell() -> None:
    report = Scene().report()
    assert report["state"] == "no keys"
    assert [report[name] for name in ("last_success", "age_seconds", "last_error", "given_up_at")] == [None] * 4
    assert [report[name] for name in ("keys", "departed", "skipped", "unknown_key_ids", "events")] == [[]] * 5


async def test_it_is_bounded_whatever_an_issuer_and_tokens_say() -> None:
    scene = Scene()
    for number in range(40):  # key sets as large as they may be, none with a key of the one before
        members = [public_jwk("ES256", f"{number}-{n}" + "\U0010ffff" * 180) for n in range(64)]
        document = json.dumps({"keys": members}, ensure_ascii=False).encode()
        await scene.load(number, jwk.from_jwks(document, ALL_ALGORITHMS))
        scene.keys.journal.unknown(f"{number}" + "\x00" * 12_000, scene.keys.key_set)
    report = scene.report()
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
async def test_a_key_id_plays_with_no_reader(kind: str) -> None:
    scene = Scene()
    await scene.load(0, keys(HOSTILE[kind]))
    report = scene.report()
    shown = report["keys"][0]["named"] + report["events"][0]["what"]
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) < 300
    app = build(prepare(load(None, ENVIRON)))
    app.live.watched_keys.clear()
    app.live.watched_keys["app"] = scene.keys
    families = {family.name: family for family in text_string_to_metric_families(app.metrics.exposition().decode())}
    (sample,) = families["authgate_key_proofs"].samples
    assert sample.labels["key_id"].isprintable()
    assert (sample.labels["issuer"], sample.value) == ("app", 0.0)
    assert [sample.value for sample in families["authgate_keys"].samples] == [1.0]


async def test_ids_that_look_alike_in_metrics_are_counted_together() -> None:
    """Prometheus refuses a page on which the same labels come twice."""
    scene = Scene()
    await scene.load(0, keys("k" * 200 + "1", "k" * 200 + "2"))
    app = build(prepare(load(None, ENVIRON)))
    app.live.watched_keys.clear()
    app.live.watched_keys["app"] = scene.keys
    lines = [line for line in app.metrics.exposition().decode().splitlines() if line.startswith("authgate_key_proofs")]
    assert len(lines) == 1
