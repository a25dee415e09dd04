"""Bounds on the lines about refusals: how many there are, how long each is, and that the counts are complete."""

from __future__ import annotations

import json
import logging
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate import repeats
from authgate.config.model import LogConfig
from authgate.core.challenge import Challenge
from authgate.core.decision import Check, Deny
from authgate.core.pages import Page
from authgate.core.reasons import Reason
from authgate.core.request import make_request
from authgate.log import JsonFormatter
from authgate.metrics import Metrics
from authgate.record import MAX_LINE_BYTES, Lines, Recorder
from tests.support.manual_time import Time
from tests.support.ruling import count_calls
from tests.support.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.request import Request

CLIENT = "203.0.113.7"
PEER = "10.0.0.1"
NO_HEADERS: CIMultiDict[str] = CIMultiDict()
# The clock of the test is one of them.
MAX_CALLS_OF_A_COUNTED_REFUSAL = 7


def request_of(client: str | None, *headers: tuple[str, str], **parts: str) -> Request:
    return make_request(
        **{"method": "GET", "scheme": "https", "authority": "app.example.com", "target": "/a", **parts},
        headers=CIMultiDict(headers),
        adapter="nginx",
        client_ip=None if client is None else ip_address(client),
    )


class Flood:
    """A recorder, and the lines that it has logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.time = Time()
        self.metrics = Metrics()
        self.sent: Counter[str] = Counter()
        self._lines = Lines(self.time.clock.elapsed)
        self._caplog = caplog
        self.reload()

    def reload(self, **config: Any) -> None:
        self._recorder = Recorder(self.metrics, LogConfig(**config), self._lines)

    def refuse(
        self,
        client: str | None = CLIENT,
        decision: Reason | Deny = Reason.NO_CREDENTIAL,
        *,
        peer: str = PEER,
        times: int = 1,
        readable: bool = True,
    ) -> None:
        """Record a refusal of *client*, as often as *times* says."""
        request = request_of(client) if readable else None
        decision = Deny(reason=decision) if isinstance(decision, Reason) else decision
        self.sent[decision.reason] += times
        for _ in range(times):
            self.record(decision, request, peer=peer)

    def record(self, decision: Deny, request: Request | None, *, peer: str = PEER) -> None:
        self._recorder.record(
            decision=decision,
            adapter="nginx",
            request=request,
            headers=NO_HEADERS,
            peer=peer,
            refusal_id="id-1",
            seconds=0.001,
        )

    def ask_unknown_path(self, peer: str) -> None:
        self._recorder.record_unknown_path(peer, "AuthGate answers at /auth/nginx.")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [{"event": r.message, "level": r.levelname, **vars(r)["fields"]} for r in self._caplog.records]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def assert_complete(self) -> None:
        """Each refusal has a line of its own, or is in a count, and the metrics have all."""
        repeats.write_counts()
        logged: Counter[str] = Counter()
        for line in self.lines:
            logged[line["reason"]] += line.get("count", 1)
        assert logged == self.sent
        exposition = self.metrics.exposition().decode()
        for reason, count in self.sent.items():
            assert f'outcome="deny",policy="",reason="{reason}"}} {float(count)}' in exposition


@pytest.fixture
def flood(caplog: pytest.LogCaptureFixture) -> Flood:
    return Flood(caplog)


def test_51_000_refusals_of_one_client_in_a_second_are_eleven_lines(flood: Flood) -> None:
    flood.refuse(times=51_000)
    flood.time.seconds = 1.0
    flood.refuse()
    assert len(flood.of("deny")) == 11, "the last one begins a new second"
    assert flood.of("deny repeated") == [
        {
            "event": "deny repeated",
            "level": "INFO",
            "reason": "no_credential",
            "client_ip": CLIENT,
            "count": 50_990,
            "seconds": 1.0,
            "detail": "too many for a line each",
        }
    ]
    flood.assert_complete()


def test_a_flood_from_many_clients_leaves_room_for_the_refusals_of_others(flood: Flood) -> None:
    for number in range(5_000):
        flood.refuse(f"10.1.{number >> 8}.{number & 255}")
    flood.refuse(CLIENT, Reason.EXPIRED, times=3)
    assert Counter(line["reason"] for line in flood.lines) == {"no_credential": 100, "expired": 3}
    flood.assert_complete()
    assert len(flood.of("deny repeated")) == 21, "20 clients by themselves, and one count of all others"
    assert sum(line["client_ip"] == "several" for line in flood.lines) == 1


def test_a_flood_for_every_reason_from_many_clients_is_at_most_200_lines_a_second(flood: Flood) -> None:
    reasons = [reason for reason in Reason if reason is not Reason.UNTRUSTED_PROXY]
    for number in range(300):
        for reason in reasons:
            flood.refuse(f"10.1.{number >> 8}.{number & 255}", reason)
    assert len(flood.of("deny")) == 200
    flood.assert_complete()
    assert len(flood.of("deny repeated")) <= 20 + len(reasons)


def test_all_addresses_of_an_ipv6_network_are_one_client(flood: Flood) -> None:
    for host in range(1, 1000):
        flood.refuse(f"2001:db8::{host:x}")
    assert len(flood.of("deny")) == 10
    flood.assert_complete()
    assert [line["client_ip"] for line in flood.of("deny repeated")] == ["2001:db8::/64"]


@pytest.mark.parametrize("readable", [True, False], ids=["the proxy sends no client address", "it cannot be read"])
def test_refusals_without_a_client_address_are_counted_by_peer(flood: Flood, *, readable: bool) -> None:
    for peer in (PEER, "10.0.0.2"):
        flood.refuse(None, Reason.UNREADABLE_REQUEST, peer=peer, readable=readable, times=50)
    assert Counter(line["peer"] for line in flood.of("deny")) == {PEER: 10, "10.0.0.2": 10}
    flood.assert_complete()
    assert {line["peer"]: line["count"] for line in flood.of("deny repeated")} == {PEER: 40, "10.0.0.2": 40}


def test_a_count_has_the_level_of_its_refusals(flood: Flood) -> None:
    flood.refuse(times=20)
    flood.refuse(decision=Reason.SESSIONS_UNAVAILABLE, times=20)
    flood.refuse(decision=Deny(reason=Reason.NO_CREDENTIAL, challenge=Challenge(is_loop=True)), times=20)
    flood.assert_complete()
    counts = sorted((line["reason"], line["level"], line["count"]) for line in flood.of("deny repeated"))
    assert counts == [
        ("no_credential", "INFO", 10),
        ("no_credential", "WARNING", 10),
        ("sessions_unavailable", "WARNING", 10),
    ]


def test_a_flood_of_untrusted_peers_is_20_lines_a_minute(flood: Flood) -> None:
    for number in range(5_000):
        flood.refuse(None, Reason.UNTRUSTED_PROXY, peer=f"2001:db8:{number:x}::1", readable=False)
    flood.time.seconds = 59.9
    flood.refuse(None, Reason.UNTRUSTED_PROXY, readable=False)
    assert len(flood.lines) == 20
    flood.assert_complete()
    assert len(flood.lines) == 20 + 21


def test_a_flood_for_unknown_paths_is_20_lines_a_minute_and_leaves_room_for_untrusted_peers(flood: Flood) -> None:
    for number in range(5_000):
        flood.ask_unknown_path(f"2001:db8:{number:x}::1")
    flood.refuse(None, Reason.UNTRUSTED_PROXY, readable=False)
    repeats.write_counts()
    assert Counter(line["event"] for line in flood.lines) == {
        "unknown path": 20,
        "unknown path repeated": 21,
        "deny": 1,
    }
    assert sum(line["count"] for line in flood.of("unknown path repeated")) == 4_980


def test_a_reload_begins_no_new_count(flood: Flood) -> None:
    flood.refuse(times=30)
    flood.reload(details=True)
    flood.refuse(times=30)
    assert len(flood.of("deny")) == 10
    flood.assert_complete()
    assert [line["count"] for line in flood.of("deny repeated")] == [50]


def test_lines_about_allowed_requests_do_not_count(flood: Flood, caplog: pytest.LogCaptureFixture) -> None:
    flood.reload(allowed=True)
    flood.refuse(times=10)
    before = repeats.repeated_lines()
    flood.refuse(times=1)
    assert repeats.repeated_lines()["refusals"] - before["refusals"] == 1
    assert len(caplog.records) == 10


@pytest.mark.parametrize("client", [CLIENT, "2001:db8::1", None], ids=["IPv4", "IPv6", "no client address"])
@pytest.mark.parametrize("reason", [Reason.NO_CREDENTIAL, Reason.BAD_SIGNATURE, Reason.EXPIRED, Reason.FORBIDDEN])
def test_a_refusal_over_the_bounds_is_counted_with_few_calls_and_makes_no_text(
    flood: Flood, client: str | None, reason: Reason
) -> None:
    flood.refuse(client, reason, times=20)
    decision, request = Deny(reason=reason), request_of(client)
    calls = count_calls(lambda: flood.record(decision, request))
    assert not any(file.endswith(("core/quoting.py", "logging/__init__.py")) for file in calls), calls
    assert calls.total() <= 2 + MAX_CALLS_OF_A_COUNTED_REFUSAL, calls  # and the lambda, and the function of this test
    assert len(flood.of("deny")) == 10


# -- the size of a line ---------------------------------------------------------------------------------------------

ASTRAL = "\U0001f600"  # twelve bytes in JSON


def written(record: logging.LogRecord) -> bytes:
    return JsonFormatter().format(record).encode() + b"\n"


def test_the_longest_line_has_4_kib(caplog: pytest.LogCaptureFixture) -> None:
    """Every field is as long as its source allows, or longer."""
    caplog.set_level(logging.INFO)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    headers = (("traceparent", trace), ("X-Request-Id", "i" * 128))
    request = request_of(
        f"fe80::1%{ASTRAL * 50}", method="M" * 32, authority=".".join(["h" * 50] * 5), target="/" + ASTRAL * 10_000
    )
    check = Check("token", passed=False, detail=ASTRAL * 10_000)
    longest = max(Reason, key=len)
    challenge = Challenge(page=Page(heading="", text=""), is_loop=True)
    decision = Deny(
        reason=longest,
        policy="p" * 1000,
        issuer_name="i" * 1000,
        checks=(check,),
        fix='"' * 10_000,
        challenge=challenge,
    )
    recorder = Recorder(Metrics(), LogConfig(details=True), Lines())
    for _ in range(20):
        recorder.record(
            decision=decision,
            adapter="traefik",
            request=request,
            headers=CIMultiDict(headers),
            peer=f"fe80::1%{ASTRAL * 50}",
            refusal_id="r" * 128,
            seconds=1234.5678,
        )
    repeats.write_counts()
    sizes = [len(written(record)) for record in caplog.records]
    assert len(sizes) == 11
    assert max(sizes) <= MAX_LINE_BYTES
    line = json.loads(written(caplog.records[0]))
    assert line["host"] == request.host, "a field with the longest valid value is not cut"
    assert line["traceparent"] == trace
    assert len(line["path"]) > 20


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        ([("X_User_Id" + "_" * 30_000, "x")], {}),
        ([("Origin", "https://" + "o" * 30_000), ("Cookie", "session=x")], {"method": "POST"}),
        ([("Cookie", ";".join(f"a{number}=b" for number in range(5_000)))], {}),
        ([("Authorization", "Bearer " + "a.b.c" * 3_000)], {}),
        ([("X-Request-Id", "r" * 30_000), ("traceparent", "0" * 30_000)], {}),
        ([("X-Forwarded-For", "203.0.113.7%" + "z" * 30_000)], {}),
        ([], {"uri": "/" + "a" * 30_000}),
        ([], {"uri": "/" + "%2f" * 10_000}),
        ([], {"host": "h" * 30_000}),
        ([], {"method": "M" * 30_000}),
        ([], {"scheme": "s" * 30_000}),
    ],
)
@pytest.mark.parametrize("proxy", ["nginx", "traefik"])
async def test_no_request_makes_a_longer_line(
    proxy: str,
    headers: list[tuple[str, str]],
    parts: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "authgate.yaml"
    file.write_text(
        "issuers: [{name: app, preset: jwt, secret_env: JWT_SECRET, audiences: [tasks]}]\nlog: {details: true}\n"
        "policies: [{name: a, match: {path: /private/**}, require: signed_in}, {name: b, require: signed_in}]\n"
    )
    caplog.set_level(logging.INFO)
    async with serving(file=str(file)) as served:
        answer = await served.ask(proxy, *headers, **parts)
    assert answer.status in {400, 401, 403}
    (record,) = [record for record in caplog.records if record.name == "authgate.decision"]
    assert len(written(record)) <= MAX_LINE_BYTES
