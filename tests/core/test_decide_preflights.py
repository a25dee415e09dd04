"""Preflights: matched by the method that they announce, anonymous, and only from an allowed origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.cors import CorsRule
from authgate.core.decision import Allow, Deny
from authgate.core.policy import Access
from authgate.core.reasons import Reason
from tests.support.deciding import OUTPUTS, decide_now, make_snapshot
from tests.support.ruling import asked, policies, policy
from tests.support.tokens import mint

if TYPE_CHECKING:
    from authgate.core.policies import Policies

APP, EVIL = "https://app.example.com", "https://evil.example"
CORS = CorsRule(allowed_origins=frozenset({APP}))
EMPTY = tuple((output.header, "") for output in OUTPUTS)
CREDENTIALS = (("Authorization", f"Bearer {mint()}"), ("Cookie", f"access_token={mint()}"))


def preflight(
    *more: tuple[str, str], method: str = "PUT", origin: str = APP, path: str = "/", listed: Policies | None = None,
    **changes: Any,
) -> Allow | Deny:  # fmt: skip
    lines = (("Origin", origin), ("Access-Control-Request-Method", method), *more)
    snapshot = make_snapshot(policies=listed) if listed else make_snapshot(**{"cors": CORS} | changes)
    return decide_now(asked(path, *lines, method="OPTIONS"), snapshot)


def test_a_preflight_of_an_allowed_origin_passes_as_anonymous() -> None:
    decision = preflight(("Access-Control-Request-Headers", "authorization"))
    assert isinstance(decision, Allow)
    assert (decision.identity, (*decision.headers,)) == (None, EMPTY)
    assert [check.name for check in decision.checks] == ["policy", "cors", "headers"]


@pytest.mark.parametrize("access", Access)
def test_P9_a_preflight_never_has_identity_headers_whatever_it_carries(access: Access) -> None:
    """oauth2-proxy #735."""
    decision = preflight(*CREDENTIALS, access=access)
    assert isinstance(decision, Allow)
    assert (decision.identity, (*decision.headers,)) == (None, EMPTY)


@pytest.mark.parametrize("access", Access)
def test_a_bad_credential_does_not_keep_a_preflight_out(access: Access) -> None:
    assert isinstance(preflight(("Authorization", "Bearer junk"), access=access), Allow)


@pytest.mark.parametrize("origin", [EVIL, "null", f"{APP}:8443", f"{APP}.evil.example", "http://app.example.com"])
def test_a_preflight_of_another_origin_is_refused_although_it_carries_a_credential(origin: str) -> None:
    decision = preflight(*CREDENTIALS, origin=origin)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.NO_CREDENTIAL
    assert (decision.challenge.location, decision.challenge.allowed_origin) == ("", "")


@pytest.mark.parametrize("access", [Access.PUBLIC, Access.OPTIONAL])
def test_where_anonymous_requests_pass_a_preflight_of_any_origin_does(access: Access) -> None:
    decision = preflight(origin=EVIL, access=access, cors=CorsRule())
    assert isinstance(decision, Allow)
    assert (*decision.headers,) == EMPTY


METHODS = policies(
    policy("read", "/tasks", methods=frozenset({"GET", "HEAD"}), cors=CorsRule()),
    policy("write", "/tasks", methods=frozenset({"PUT", "POST"}), cors=CORS),
    policy("options", "/tasks", access=Access.PUBLIC, methods=frozenset({"OPTIONS"})),
)


@pytest.mark.parametrize(
    ("method", "met", "passes"), [("GET", "read", False), ("PUT", "write", True), ("OPTIONS", "options", True)]
)
def test_a_preflight_meets_the_policy_of_the_method_that_it_asks_for(method: str, met: str, *, passes: bool) -> None:
    decision = preflight(method=method, path="/tasks", listed=METHODS)
    assert (decision.policy, isinstance(decision, Allow)) == (met, passes)


def test_a_method_that_no_policy_has_is_refused() -> None:
    decision = preflight(method="DELETE", path="/tasks", listed=METHODS)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.NO_POLICY


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("Origin", APP)],
        [("Access-Control-Request-Method", "PUT")],
        [("Origin", APP), ("Access-Control-Request-Method", "put")],
        [("Origin", APP), ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Method", "GET")],
        [("Origin", APP), ("Origin", APP), ("Access-Control-Request-Method", "PUT")],
    ],
    ids=str,
)
def test_other_options_requests_are_ordinary_requests(lines: list[tuple[str, str]]) -> None:
    snapshot = make_snapshot(cors=CORS)
    without = decide_now(asked("/", *lines, method="OPTIONS"), snapshot)
    assert isinstance(without, Deny)
    assert without.reason is Reason.NO_CREDENTIAL
    with_token = decide_now(asked("/", *lines, CREDENTIALS[0], method="OPTIONS"), snapshot)
    assert isinstance(with_token, Allow)
    assert with_token.identity is not None
    met = decide_now(asked("/tasks", *lines, method="OPTIONS"), make_snapshot(policies=METHODS))
    assert met.policy == "options"


SPOOFS = [
    ("X-HTTP-Method-Override", "OPTIONS"),
    ("X-HTTP-Method", "OPTIONS"),
    ("X-Method-Override", "OPTIONS"),
    ("X-Original-Method", "OPTIONS"),
    ("X-Forwarded-Method", "OPTIONS"),
]


@pytest.mark.parametrize("spoof", SPOOFS, ids=lambda spoof: spoof[0])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_P9_a_header_that_claims_another_method_makes_no_preflight(spoof: tuple[str, str], method: str) -> None:
    """oauth2-proxy #735."""
    lines = (("Origin", APP), ("Access-Control-Request-Method", "PUT"), spoof)
    decision = decide_now(asked("/", *lines, method=method), make_snapshot(cors=CORS))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.NO_CREDENTIAL


def test_P9_a_header_that_claims_another_method_does_not_choose_the_policy() -> None:
    decision = preflight(("X-HTTP-Method-Override", "PUT"), method="GET", path="/tasks", listed=METHODS)
    assert (decision.policy, isinstance(decision, Deny)) == ("read", True)


def test_the_path_of_a_preflight_is_read_as_that_of_any_request() -> None:
    decision = preflight(path="/tasks/%2e%2e/admin", listed=METHODS)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.AMBIGUOUS_PATH


def test_the_segment_of_a_user_is_not_asked_of_a_preflight() -> None:
    listed = policies(policy("own", "/files/{subject}/**", cors=CORS))
    decision = preflight(path="/files/user-2/a", listed=listed)
    assert isinstance(decision, Allow)
    assert (*decision.headers,) == EMPTY
    request = asked("/files/user-2/a", ("Origin", APP), CREDENTIALS[0], method="PUT")
    assert isinstance(decide_now(request, make_snapshot(policies=listed)), Deny)
