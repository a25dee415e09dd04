"""Decisions under public, optional and requiring policies, with every kind of credential."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.decision import Allow, Deny
from authgate.core.errors import LookupFailed
from authgate.core.outputs import Output
from authgate.core.policy import Access
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.tokens import LruProofCache
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    OUTPUTS,
    SESSION_PLACES,
    bearer,
    decide_now,
    make_session_issuer,
    make_snapshot,
    request_with,
)
from tests.support.ruling import policies, policy, rule
from tests.support.session_deciding import Store, driven
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint

PUBLIC, OPTIONAL, REQUIRE = Access.PUBLIC, Access.OPTIONAL, Access.REQUIRE
EMPTY = tuple((output.header, "") for output in OUTPUTS)
GOOD, EXPIRED = mint(), mint(claims(exp=int(NOW) - 60))
FROM_ELSEWHERE = (("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example"))


def in_cookies(*tokens: str) -> tuple[tuple[str, str], ...]:
    return (("Cookie", "; ".join(f"access_token={token}" for token in tokens)),)


def in_header(*tokens: str) -> tuple[tuple[str, str], ...]:
    return tuple(("Authorization", f"Bearer {token}") for token in tokens)


# What the request holds, and what an optional and a requiring policy answer: "" for an anonymous request.
CREDENTIALS: dict[str, tuple[tuple[tuple[str, str], ...], str, str]] = {
    "none": ((), "", "no_credential"),
    "of another scheme": ((("Authorization", "Basic Zm9v"),), "", "no_credential"),
    "good": (in_header(GOOD), "user-1", "user-1"),
    "good, in a cookie": (in_cookies(GOOD), "user-1", "user-1"),
    "expired": (in_header(EXPIRED), "", "expired"),
    "expired, in two cookies of the same name": (in_cookies(EXPIRED, mint(claims(exp=1, iat=0))), "", "expired"),
    "expired, and a good one in a cookie": (in_cookies(EXPIRED, GOOD), "user-1", "user-1"),
    "expired, and a forged one in a cookie": (in_cookies(EXPIRED, mint(key=OTHER_SECRET)), "ambiguous_credential", ""),
    "expired in the first place, good in the second": ((*in_header(EXPIRED), *in_cookies(GOOD)), "", "expired"),
    "in two cookies that differ": (in_cookies(GOOD, mint(claims(sub="user-2"))), "ambiguous_credential", ""),
    "in two headers": (in_header(GOOD, GOOD), "ambiguous_credential", ""),
    "in five cookies": (
        in_cookies(*(mint(claims(jti=f"{number}")) for number in range(5))),
        "ambiguous_credential",
        "",
    ),
    "forged": (in_header(mint(key=OTHER_SECRET)), "bad_signature", ""),
    "forged and expired": (in_header(mint(claims(exp=1), key=OTHER_SECRET)), "bad_signature", ""),
    "malformed": (in_header("junk"), "malformed_token", ""),
    "not valid yet": (in_header(mint(claims(nbf=int(NOW) + 60))), "not_yet_valid", ""),
    "without a subject": (in_header(mint(claims(sub=None))), "missing_claim", ""),
    "of a banned user": (in_header(mint(claims(banned=True))), "banned_user", ""),
    "of a user without an account": (in_header(mint(claims(is_anonymous=True))), "anonymous_user", ""),
    "sent by another site": ((*in_cookies(GOOD), *FROM_ELSEWHERE), "csrf", ""),
    "expired, and sent by another site": ((*in_cookies(EXPIRED), *FROM_ELSEWHERE), "", "expired"),
}


def outcome(decision: Allow | Deny) -> str:
    """Return the subject of the allowed identity, "" for an anonymous request, or the reason of the refusal."""
    if isinstance(decision, Deny):
        return decision.reason
    return "" if decision.identity is None else decision.identity.subject


@pytest.mark.parametrize(("lines", "optional", "required"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_a_credential_counts_as_its_policy_says(
    lines: tuple[tuple[str, str], ...], optional: str, required: str
) -> None:
    request = request_with(*lines, method="POST")
    for access, expected in ((PUBLIC, ""), (OPTIONAL, optional), (REQUIRE, required or optional)):
        proofs = LruProofCache()
        decision = decide_now(request, make_snapshot(access=access, proofs=proofs))
        assert outcome(decision) == expected
        if isinstance(decision, Allow) and decision.identity is None:
            assert (*decision.headers,) == EMPTY
        if access is PUBLIC:
            assert proofs.stored == 0
            assert [check.name for check in decision.checks] == ["policy", "headers"]


@pytest.mark.parametrize(
    ("stored", "optional", "required"),
    [
        (None, "", "session_not_found"),
        (LookupFailed(Reason.SESSIONS_UNAVAILABLE, "down"), "sessions_unavailable", "sessions_unavailable"),
    ],
    ids=["the session has ended", "the store is down"],
)
def test_a_session_that_has_ended_is_anonymous_and_one_that_cannot_be_looked_up_is_our_fault(
    stored: LookupFailed | None, optional: str, required: str
) -> None:
    for access, expected in ((PUBLIC, ""), (OPTIONAL, optional), (REQUIRE, required)):
        store = Store(stored)
        issuer = make_session_issuer(session_check=SessionCheck.ALWAYS)
        snapshot = make_snapshot(issuer, places=SESSION_PLACES, access=access)
        assert outcome(driven(snapshot, [cookies.cookie_line(cookies.compact())], store)) == expected
        assert len(store.asked) == (access is not PUBLIC)


def test_an_optional_policy_records_why_the_request_is_anonymous() -> None:
    decision = decide_now(request_with(*in_header(EXPIRED)), make_snapshot(access=OPTIONAL))
    assert [(check.name, check.passed) for check in decision.checks] == [
        ("policy", True),
        ("credential", True),
        ("token", True),
        ("times", False),
        ("headers", True),
    ]
    assert decision.checks[3].detail.startswith("expired: expired 60 s ago")


def test_a_header_of_one_policy_is_empty_under_every_other_and_never_missing() -> None:
    tenant = Output(header="X-Tenant", source="claims.tenant")
    nothing = Output(header="X-Tenant", source=None)
    listed = policies(
        policy("with", "/with", outputs=(*OUTPUTS, tenant)),
        policy("without", "/without", outputs=(*OUTPUTS, nothing)),
        policy("open", "/open", PUBLIC, outputs=(*OUTPUTS, tenant)),
    )
    token = mint(claims(tenant="t-1", name="Ada"))
    seen = {}
    for path in ("/with", "/without", "/open"):
        decision = decide_now(bearer(token, url_path=path), make_snapshot(policies=listed))
        assert isinstance(decision, Allow)
        assert [name for name, _ in decision.headers] == [*(output.header for output in OUTPUTS), "X-Tenant"]
        seen[path] = (dict(decision.headers)["X-Tenant"], dict(decision.headers)["X-User-Name"])
    assert seen == {"/with": ("t-1", "Ada"), "/without": ("", "Ada"), "/open": ("", "")}


def test_each_policy_looks_into_its_own_places_and_judges_by_its_own_rules() -> None:
    only_header = policy("header", "/header", places=make_snapshot().policies.policies[0].places[:1])
    admins = policy("admins", "/admins", rule=rule({"roles": {"any_of": ["admin"]}}))
    snapshot = make_snapshot(policies=policies(only_header, admins, policy("rest")))
    token = mint(claims(roles=["member"]))
    expected: dict[str, Any] = {"/header": "no_credential", "/admins": "forbidden", "/": "user-1"}
    for path, said in expected.items():
        assert outcome(decide_now(request_with(*in_cookies(token), url_path=path), snapshot)) == said
    assert isinstance(snapshot.proofs, LruProofCache)
    assert (snapshot.proofs.stored, snapshot.proofs.hits) == (1, 1), "a proof holds under every policy, a decision not"


def test_an_allowed_request_keeps_what_its_rule_compared() -> None:
    snapshot = make_snapshot(rule=rule({"roles": {"any_of": ["admin"]}}))
    decision = decide_now(bearer(mint(claims(roles=["admin"]))), snapshot)
    (checked,) = [check for check in decision.checks if check.finding is not None]
    assert (checked.name, checked.passed, checked.finding.parts[0].actual) == ("rules", True, ("admin",))
