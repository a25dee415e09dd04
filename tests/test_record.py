"""What the recorder logs and counts for a decision, and what it never logs."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate.config.model import LogConfig
from authgate.core.challenge import Challenge
from authgate.core.decision import Allow, Check, Decision, Deny
from authgate.core.identity import Identity
from authgate.core.pages import Page
from authgate.core.reasons import REASONS, Fault, Reason
from authgate.core.request import make_request
from authgate.metrics import Metrics
from authgate.record import Lines, Recorder
from tests.support.ruling import decide_ruled

if TYPE_CHECKING:
    from authgate.core.request import Request

ALLOW = Allow(
    policy="default",
    identity=Identity(issuer="app", format="jwt", subject="hunter2", claims={"password": "hunter2"}),
    headers=(("X-User-Id", "hunter2"),),
    checks=(),
)


def deny(reason: Reason = Reason.EXPIRED, fix: str = "") -> Deny:
    check = Check("token", passed=False, detail="quoted claim")
    return Deny(reason=reason, policy="default", issuer_name="app", checks=(check,), fix=fix)


class Log:
    """A recorder and the lines that it has logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture, **config: Any) -> None:
        caplog.set_level(logging.INFO)
        self.metrics = Metrics()
        self._recorder = Recorder(self.metrics, LogConfig(**config), Lines(elapsed=lambda: 0))
        self._caplog = caplog

    def record(self, decision: Decision, *headers: tuple[str, str], peer: str = "10.0.0.1", path: str = "/a") -> None:
        request = make_request(
            method="GET",
            scheme="https",
            authority="app.example.com",
            target=f"{path}?token=hunter2",
            headers=CIMultiDict(headers),
            adapter="nginx",
            client_ip=ip_address("203.0.113.7"),
        )
        self._record(decision, request, request.headers, peer)

    def record_unreadable(self, decision: Decision) -> None:
        self._record(decision, None, CIMultiDict(), "10.0.0.1")

    def _record(self, decision: Decision, request: Request | None, headers: CIMultiDict[str], peer: str) -> None:
        self._recorder.record(
            decision=decision,
            adapter="nginx",
            request=request,
            headers=headers,
            peer=peer,
            refusal_id="id-1" if isinstance(decision, Deny) else "",
            seconds=0.00123456,
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [{"event": r.message, "level": r.levelname, **vars(r)["fields"]} for r in self._caplog.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


def test_a_refusal_is_logged_as_one_line(log: Log) -> None:
    log.record(deny())
    assert log.lines == [
        {
            "event": "deny",
            "level": "INFO",
            "reason": "expired",
            "adapter": "nginx",
            "policy": "default",
            "issuer": "app",
            "duration_ms": 1.235,
            "peer": "10.0.0.1",
            "method": "GET",
            "scheme": "https",
            "host": "app.example.com",
            "path": "/a",
            "client_ip": "203.0.113.7",
            "request_id": "id-1",
        }
    ]


def test_an_allowed_request_is_counted_and_not_logged(log: Log) -> None:
    log.record(ALLOW)
    log.record(ALLOW)
    assert log.lines == []
    sample = 'authgate_decisions_total{adapter="nginx",outcome="allow",policy="default",reason=""} 2.0'
    assert sample in log.metrics.exposition().decode()


def test_an_allowed_request_is_logged_without_claims_if_the_configuration_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = Log(caplog, allowed=True, details=True)
    log.record(ALLOW)
    assert [(line["event"], line["issuer"], line["level"]) for line in log.lines] == [("allow", "app", "INFO")]
    assert "hunter2" not in str(log.lines)


@pytest.mark.parametrize(("share", "logged"), [(0.0, 0), (1.0, 50), (False, 0), (True, 50)])
def test_the_configured_share_of_allowed_requests_is_logged(
    caplog: pytest.LogCaptureFixture, *, share: float | bool, logged: int
) -> None:
    log = Log(caplog, allowed=share)
    for _ in range(50):
        log.record(ALLOW)
    assert len(log.lines) == logged


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_is_counted_and_its_level_depends_on_the_fault(log: Log, reason: Reason) -> None:
    log.record(deny(reason))
    assert f'outcome="deny",policy="default",reason="{reason}"}} 1.0' in log.metrics.exposition().decode()
    expected = "INFO" if REASONS[reason].fault is Fault.CLIENT else "WARNING"
    assert [line["level"] for line in log.lines] == [expected]


@pytest.mark.parametrize("reason", Reason)
def test_details_are_logged_only_if_they_quote_no_claim_or_the_configuration_says_so(
    caplog: pytest.LogCaptureFixture, reason: Reason
) -> None:
    Log(caplog).record(deny(reason))
    Log(caplog, details=True).record(deny(reason))
    lines = Log(caplog).lines
    about_the_proxy = {Reason.UNREADABLE_REQUEST, Reason.UNTRUSTED_PROXY, Reason.NO_CREDENTIAL, Reason.CSRF}
    about_the_store = {Reason.SESSION_NOT_FOUND, Reason.SESSIONS_UNAVAILABLE, Reason.OVERLOADED}
    about_the_policies = {Reason.NO_POLICY, Reason.AMBIGUOUS_PATH}
    assert ("detail" in lines[0]) is (reason in about_the_proxy | about_the_store | about_the_policies)
    assert lines[1]["detail"] == "quoted claim"


def test_an_untrusted_peer_is_logged_once_and_counted_every_time(log: Log) -> None:
    for _ in range(3):
        log.record(deny(Reason.UNTRUSTED_PROXY, fix="add it"))
    log.record(deny(Reason.UNTRUSTED_PROXY), peer="10.0.0.2")
    log.record(deny(Reason.UNREADABLE_REQUEST))
    log.record(deny(Reason.UNREADABLE_REQUEST))
    assert [(line["reason"], line["peer"]) for line in log.lines] == [
        ("untrusted_proxy", "10.0.0.1"),
        ("untrusted_proxy", "10.0.0.2"),
        ("unreadable_request", "10.0.0.1"),
        ("unreadable_request", "10.0.0.1"),
    ]
    assert log.lines[0]["fix"] == "add it"
    assert 'reason="untrusted_proxy"} 4.0' in log.metrics.exposition().decode()


def test_the_end_of_a_loop_is_a_warning_because_the_operator_has_to_act(log: Log) -> None:
    log.record(Deny(reason=Reason.BAD_SIGNATURE, challenge=Challenge(is_loop=True)))
    log.record(Deny(reason=Reason.BAD_SIGNATURE, challenge=Challenge(location="https://app.example.com/sign-in")))
    assert [(line["level"], line["answer"]) for line in log.lines] == [("WARNING", "loop page"), ("INFO", "redirect")]


def test_mistakes_of_a_client_are_logged_every_time(log: Log) -> None:
    log.record(deny())
    log.record(deny())
    assert len(log.lines) == 2


def test_the_query_is_never_logged_and_a_long_path_is_cut(log: Log) -> None:
    log.record(deny(), path="/" + "a" * 1000)
    assert len(log.lines[0]["path"]) == 256
    assert "hunter2" not in str(log.lines)


def test_an_unreadable_request_is_logged_without_method_and_path(log: Log) -> None:
    log.record_unreadable(deny(Reason.UNREADABLE_REQUEST, fix="proxy_set_header"))
    assert {"method", "host", "path", "client_ip"}.isdisjoint(log.lines[0])
    assert log.lines[0]["fix"] == "proxy_set_header"


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_request_id_and_the_traceparent_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = Log(caplog, allowed=True)
    for decision in (ALLOW, deny()):
        log.record(decision, ("X-Request-Id", "01J-abc.DEF_1"), ("traceparent", TRACE))
    assert [(line["request_id"], line["traceparent"]) for line in log.lines] == [
        ("01J-abc.DEF_1", TRACE),
        ("id-1", TRACE),  # the id in the reply
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Request-Id", "")],
        [("X-Request-Id", "a b")],
        [("X-Request-Id", "a\x1b[31m")],
        [("X-Request-Id", "a" * 129)],
        [("X-Request-Id", "a"), ("X-Request-Id", "b")],
        [("traceparent", "x")],
        [("traceparent", TRACE.upper())],
    ],
)
def test_an_id_in_an_unexpected_form_is_not_logged(
    caplog: pytest.LogCaptureFixture, headers: list[tuple[str, str]]
) -> None:
    log = Log(caplog, allowed=True)
    log.record(ALLOW, *headers)
    assert {"request_id", "traceparent"}.isdisjoint(log.lines[0])


@pytest.mark.parametrize(
    ("challenge", "answer"),
    [
        (Challenge(), None),
        (Challenge(allowed_origin="https://app.example.com"), None),
        (Challenge(page=Page(heading="a", text="b")), "page"),
        (Challenge(page=Page(heading="a", text="b"), is_loop=True), "loop page"),
        (Challenge(location="https://app.example.com/sign-in?return_to=hunter2", set_cookie="hunter2"), "redirect"),
    ],
    ids=["problem details", "problem details for another origin", "page", "loop page", "redirect"],
)
def test_the_line_says_what_a_person_sees_and_never_the_return_address(
    log: Log, challenge: Challenge, answer: str | None
) -> None:
    log.record(replace(deny(), challenge=challenge))
    assert log.lines[0].get("answer") == answer
    assert "hunter2" not in str(log.lines)


@pytest.mark.parametrize(
    ("settings", "rule", "values"),
    [
        ({"roles": {"any_of": ["admin"]}}, "roles.any_of", 'expected ["admin"], actual ["hunter2"]'),
        ({"scopes": {"all_of": ["a"]}}, "scopes.all_of", 'expected ["a"], actual []'),
        ({"authenticated_within_seconds": 60}, "authenticated_within_seconds", "expected 60.0, actual null"),
        ({"any": [{"acr": {"any_of": ["high"]}}]}, "any", 'acr.any_of: expected ["high"], actual []'),
    ],
)
def test_a_refusal_by_a_rule_is_logged_with_its_name_and_with_the_values_only_if_the_configuration_says_so(
    caplog: pytest.LogCaptureFixture, settings: dict[str, Any], rule: str, values: str
) -> None:
    decision = decide_ruled(settings, roles=["hunter2"])
    for details in (False, True):
        Log(caplog, details=details).record(decision)
    without, with_details = Log(caplog).lines
    assert (without["policy"], without["rule"], with_details["rule"]) == ("default", rule, rule)
    assert "detail" not in without
    assert "hunter2" not in str(without)
    assert with_details["detail"].endswith(values)


def test_the_policy_of_each_decision_is_counted_and_a_path_never_becomes_a_label(log: Log) -> None:
    log.record(decide_ruled({"roles": {"any_of": ["admin"]}}), path="/hunter2")
    log.record(ALLOW)
    log.record(Deny(reason=Reason.AMBIGUOUS_PATH), path="/hunter2")
    exposition = log.metrics.exposition().decode()
    assert (
        'authgate_decisions_total{adapter="nginx",outcome="deny",policy="default",reason="forbidden"} 1.0' in exposition
    )
    assert 'outcome="allow",policy="default",reason=""} 1.0' in exposition
    assert 'outcome="deny",policy="",reason="ambiguous_path"} 1.0' in exposition
    assert "hunter2" not in exposition
