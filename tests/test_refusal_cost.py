"""What a refusal costs, from its subrequest to its reply, in calls of Python functions. No test measures time.

Anybody can cause refusals, as often as they like. So a refusal costs about as much as an allowed request: its text is
made only for a line of the log, and its reply once for each reason.
"""

from __future__ import annotations

import logging
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, Reply, TrustedProxies
from authgate.answers import Answers
from authgate.config.model import LogConfig
from authgate.core.subrequest import Subrequest
from authgate.desk import Desk
from authgate.gate import Gate
from authgate.metrics import Metrics
from authgate.peers import Peer, Peers
from authgate.record import Lines, Recorder
from tests.support.deciding import OUTPUTS, SIGN_IN, make_snapshot
from tests.support.ruling import count_calls
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.core.snapshot import Snapshot

SUBREQUESTS = {
    "nginx": (("X-Original-Method", "POST"), ("X-Original-URL", "https://app.example.com/api/v1/tasks?page=2")),
    "traefik": (
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.example.com"),
        ("X-Forwarded-Uri", "/api/v1/tasks?page=2"),
    ),
}
TOKENS = {
    "no_credential": "",
    "malformed_token": "garbage",
    "bad_signature": mint(key=OTHER_SECRET),
    "expired": mint(claims(exp=1, iat=0)),
}
NEW_TOKENS = {
    "malformed_token": [f"garbage{number}" for number in range(40)],
    "bad_signature": [mint(claims(sub=f"user-{number}"), key=OTHER_SECRET) for number in range(40)],
}
CLIENTS = {
    "program": (("Accept", "*/*"), ("User-Agent", "curl/8.5.0")),
    "script of another origin": (("Sec-Fetch-Mode", "cors"), ("Origin", "https://web.example.com")),
    "person": (("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html,*/*;q=0.8")),
}
# Calls of Python functions for one refusal whose line is only counted. The number behind a bound is that of CPython
# 3.11. If you exceed a bound, you have added work that anybody can cause: is it needed there?
MAX_CALLS = {
    "no_credential": 54,  # 50
    "malformed_token": 60,  # 55
    "bad_signature": 60,  # 55
    "expired": 57,  # 52
}
MAX_CALLS_OF_A_NEW_TOKEN = {"malformed_token": 77, "bad_signature": 130}  # 70 and 118
MAX_CALLS_OF_A_LINE = 105  # 97 more, for a refusal that has a line of its own


class Office:
    """A desk, and the subrequests that it answers."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._desk = Desk(
            gate=Gate(snapshot, Answers({}), clock=lambda: NOW),
            peers=Peers(TrustedProxies(networks=(ip_network("10.0.0.0/8"),))),
            emits=[output.header for output in OUTPUTS],
            recorder=Recorder(Metrics(), LogConfig(), Lines(elapsed=lambda: 0.0)),
        )
        self._peer = Peer(address="10.0.0.1")

    def ask(self, proxy: str, token: str, *headers: tuple[str, str]) -> Reply:
        return self._answer(proxy, self._subrequest(proxy, token, headers))

    def calls(self, proxy: str, token: str, *headers: tuple[str, str]) -> int:
        """Return how many calls the next answer takes."""
        subrequest = self._subrequest(proxy, token, headers)
        return count_calls(lambda: self._answer(proxy, subrequest)).total() - 2  # those of this test

    def _answer(self, proxy: str, subrequest: Subrequest) -> Reply:
        reply = self._desk.answer(ADAPTERS[proxy], subrequest, self._peer)
        assert isinstance(reply, Reply)
        return reply

    def _subrequest(self, proxy: str, token: str, headers: tuple[tuple[str, str], ...]) -> Subrequest:
        credential = [("Authorization", f"Bearer {token}")] if token else []
        client = ("X-Forwarded-For", "203.0.113.7")
        return Subrequest.of(CIMultiDict([*SUBREQUESTS[proxy], client, *headers, *credential]))


class Written(logging.Handler):
    """The lines of the log. It takes them as the queue of the writer does, without their text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[logging.LogRecord] = []
        self.emit = self.lines.append  # type: ignore[method-assign]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    logger, written = logging.getLogger("authgate.decision"), Written()
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [written])
    level = logger.level
    logger.setLevel(logging.INFO)  # not by monkeypatch: a logger caches which levels are on until `setLevel` is called
    yield written
    logger.setLevel(level)


@pytest.fixture
def office(written: Written) -> Office:
    assert not written.lines
    return Office(make_snapshot(sign_in=SIGN_IN))


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("proxy", SUBREQUESTS)
@pytest.mark.parametrize("reason", TOKENS)
def test_a_refusal_whose_line_is_only_counted_takes_few_calls(
    office: Office, written: Written, proxy: str, reason: str, client: tuple[tuple[str, str], ...]
) -> None:
    for _ in range(20):
        reply = office.ask(proxy, TOKENS[reason], *client)
        assert dict(reply.headers)["X-AuthGate-Reason"] == reason
    calls = office.calls(proxy, TOKENS[reason], *client)
    assert len(written.lines) == 10
    assert calls <= MAX_CALLS[reason]


@pytest.mark.parametrize("proxy", SUBREQUESTS)
@pytest.mark.parametrize("reason", TOKENS)
def test_a_refusal_that_has_a_line_takes_a_bounded_number_of_calls_more(
    office: Office, proxy: str, reason: str, written: Written
) -> None:
    office.ask(proxy, TOKENS[reason], *CLIENTS["program"])
    calls = office.calls(proxy, TOKENS[reason], *CLIENTS["program"])
    assert len(written.lines) == 2
    assert calls <= MAX_CALLS[reason] + MAX_CALLS_OF_A_LINE


@pytest.mark.parametrize("proxy", SUBREQUESTS)
@pytest.mark.parametrize("reason", NEW_TOKENS)
def test_a_token_that_was_never_sent_before_takes_a_bounded_number_of_calls(
    office: Office, proxy: str, reason: str
) -> None:
    *others, last = NEW_TOKENS[reason]
    for token in others:
        assert dict(office.ask(proxy, token).headers)["X-AuthGate-Reason"] == reason
    assert office.calls(proxy, last) <= MAX_CALLS_OF_A_NEW_TOKEN[reason]
