"""What a policy demands beside its rules: an account in order, an accepted issuer, and fields in its path."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.authorization import check_account, check_rules
from authgate.core.challenge import NO_CHALLENGE
from authgate.core.decision import Allow, Deny
from authgate.core.paths import PathReading
from authgate.core.policy import Access
from authgate.core.reasons import Reason
from tests.support.deciding import ACCOUNT_RULES, bearer, decide_now, decide_token, make_issuer, make_snapshot
from tests.support.ruling import ABSENT, facts, policies, policy, rule
from tests.support.tokens import OTHER_SECRET, claims, mint

SLASH = PathReading(encoded_slash_is_data=True)


def outcome(decision: Allow | Deny) -> str:
    return "allow" if isinstance(decision, Allow) else decision.reason


def under(pattern: str, path: str, reading: PathReading | None = None, **changes: Any) -> Allow | Deny:
    """Return the decision on *path* for a user with these claims, under a policy for *pattern*."""
    token = mint({name: value for name, value in (claims() | changes).items() if value is not ABSENT})
    only = policies(policy("own", pattern), reading=reading or PathReading())
    return decide_now(bearer(token, url_path=path), make_snapshot(policies=only))


@pytest.mark.parametrize(
    ("path", "subject", "expected"),
    [
        ("/files/user-1", "user-1", "allow"),
        ("/files/user-1/", "user-1", "allow"),
        ("/files/user-1/a/b", "user-1", "allow"),
        ("/FILES/user-1/a", "user-1", "allow"),
        ("/files/user%2D1/a", "user-1", "allow"),
        ("/files/%75ser-1/a", "user-1", "allow"),
        ("/files/user-2/a", "user-1", "forbidden"),
        ("/files/User-1/a", "user-1", "forbidden"),
        ("/files/user-1/a", "USER-1", "forbidden"),
        ("/files/user-11/a", "user-1", "forbidden"),
        ("/files/user-1%20/a", "user-1", "forbidden"),
        ("/files/*/a", "user-1", "forbidden"),
        ("/files/%7Bsubject%7D/a", "user-1", "forbidden"),
        ("/files/*", "*", "allow"),
        ("/files/None/a", "user-1", "forbidden"),
        ("/files", "user-1", "no_policy"),
        ("/files//a", "user-1", "ambiguous_path"),
        ("/files/user-1/../user-2/a", "user-1", "ambiguous_path"),
        ("/files/user-1%2F..%2Fuser-2/a", "user-1", "ambiguous_path"),
        ("/files/user%2F1/a", "user/1", "ambiguous_path"),
        ("/files/j%C3%BCrgen/a", "jürgen", "allow"),
        ("/files/ju%CC%88rgen/a", "jürgen", "forbidden"),
        ("/files/auth0%7C7/a", "auth0|7", "allow"),
        ("/files/100%25/a", "100%", "allow"),
        ("/files/a%2541/a", "a%41", "ambiguous_path"),
    ],
)
def test_the_segment_must_equal_the_subject(path: str, subject: str, expected: str) -> None:
    assert outcome(under("/files/{subject}/**", path, sub=subject)) == expected


@pytest.mark.parametrize(
    ("path", "subject", "expected"),
    [
        ("/files/user-1/a%2Fb", "user-1", "allow"),
        # A server that decodes the slash takes this for a file of the user "idp".
        ("/files/idp%2Fuser/a", "idp/user", "forbidden"),
        ("/files/idp%2fuser/a", "idp/user", "forbidden"),
        ("/files/idp%2Fuser/a", "idp", "forbidden"),
        ("/files/idp/user/a", "idp/user", "forbidden"),
        ("/files/idp%2F..%2Fuser/a", "user", "ambiguous_path"),
        ("/files%2Fuser-1/a", "user-1", "ambiguous_path"),
    ],
)
def test_if_slashes_are_data_the_segment_must_equal_the_subject_in_every_reading(
    path: str, subject: str, expected: str
) -> None:
    assert outcome(under("/files/{subject}/**", path, SLASH, sub=subject)) == expected


@pytest.mark.parametrize(
    ("field", "path", "claims", "expected"),
    [
        ("email", "/ada@example.com", {"email": "ada@example.com", "email_verified": True}, "allow"),
        ("email", "/ada%40example.com", {"email": "ada@example.com", "email_verified": "true"}, "allow"),
        ("email", "/Ada@example.com", {"email": "ada@example.com", "email_verified": True}, "forbidden"),
        ("email", "/ada@example.com", {"email": "ada@example.com", "email_verified": False}, "forbidden"),
        ("email", "/ada@example.com", {"email": "ada@example.com"}, "forbidden"),
        ("email", "/ada@example.com", {"email": "ada@example.com", "email_verified": 1}, "forbidden"),
        ("email", "/None", {"email_verified": True}, "forbidden"),
        ("email", "/None", {"email": None, "email_verified": True}, "forbidden"),
        ("organization", "/org-1", {"org_id": "org-1"}, "allow"),
        ("organization", "/org-1", {"org_id": ["org-1"]}, "forbidden"),
        ("organization", "/org-1", {"org_id": ""}, "forbidden"),
        ("organization", "/None", {}, "forbidden"),
        ("organization", "/null", {"org_id": None}, "forbidden"),
        ("session_id", "/s-1", {"sid": "s-1"}, "allow"),
        ("session_id", "/s-1", {"sid": "s-2"}, "forbidden"),
        ("session_id", "/5", {"sid": 5}, "forbidden"),
        ("issuer", "/app", {}, "allow"),
        ("issuer", "/APP", {}, "forbidden"),
    ],
)
def test_any_field_in_a_path_must_be_a_text_that_the_issuer_vouches_for(
    field: str, path: str, claims: dict[str, Any], expected: str
) -> None:
    decision = under(f"/{{{field}}}", path, **claims)
    assert outcome(decision) == expected
    if isinstance(decision, Deny):
        assert (decision.rule, decision.challenge) == (f"{{{field}}}", NO_CHALLENGE)


def test_the_detail_of_a_foreign_segment_has_both_values() -> None:
    decision = under("/files/{subject}", "/files/user-2")
    assert isinstance(decision, Deny)
    assert decision.detail == '{subject}: expected "user-2", actual "user-1"'


PARTNER = make_issuer(name="partner", iss="https://partner.example")
OTHER = make_issuer(name="app")  # accepts any iss, and tokens without one


@pytest.mark.parametrize(
    ("iss", "path", "expected"),
    [
        ("https://partner.example", "/partner", "allow"),
        ("https://partner.example", "/app", "forbidden"),
        ("https://partner.example", "/both", "allow"),
        ("https://partner.example", "/any", "allow"),
        (ABSENT, "/partner", "forbidden"),
        (ABSENT, "/app", "allow"),
        (ABSENT, "/both", "allow"),
        ("https://else.example", "/partner", "forbidden"),
        ("https://PARTNER.example", "/partner", "forbidden"),
        ("", "/app", "malformed_token"),
    ],
)
def test_a_policy_accepts_users_of_its_issuers_alone(iss: Any, path: str, expected: str) -> None:
    listed = policies(
        policy("partner", "/partner", issuers=frozenset({"partner"})),
        policy("app", "/app", issuers=frozenset({"app"})),
        policy("both", "/both", issuers=frozenset({"app", "partner"})),
        policy("any", "/any"),
    )
    token = mint({name: value for name, value in (claims() | {"iss": iss}).items() if value is not ABSENT})
    decision = decide_now(bearer(token, url_path=path), make_snapshot(PARTNER, OTHER, policies=listed))
    assert outcome(decision) == expected
    if expected == "forbidden":
        assert isinstance(decision, Deny)
        assert (decision.rule, decision.challenge) == ("issuers", NO_CHALLENGE)
        assert decision.detail.startswith('issuers: expected ["')


def test_another_issuers_user_is_refused_before_any_rule_even_if_the_policy_is_optional() -> None:
    listed = policies(policy("x", "/", Access.OPTIONAL, issuers=frozenset({"other"})))
    snapshot = make_snapshot(policies=listed)
    assert outcome(decide_token(mint(), snapshot)) == "forbidden"
    snapshot = make_snapshot(issuers=frozenset({"other"}), rule=rule({"roles": {"any_of": ["admin"]}}))
    assert decide_token(mint(), snapshot).rule == "issuers"


def test_a_token_of_another_issuers_key_is_a_bad_signature_and_not_forbidden() -> None:
    snapshot = make_snapshot(PARTNER, OTHER, issuers=frozenset({"partner"}))
    assert outcome(decide_token(mint(claims(iss="https://partner.example"), key=OTHER_SECRET), snapshot)) == (
        "bad_signature"
    )


@pytest.mark.parametrize(
    ("stated", "issuer", "reason"),
    [
        ({"banned": True}, "app", Reason.BANNED_USER),
        ({"is_anonymous": True}, "app", Reason.ANONYMOUS_USER),
        ({"banned": True, "is_anonymous": True}, "app", Reason.BANNED_USER),
        ({"banned": False, "is_anonymous": False}, "app", None),
        ({}, "app", None),
        ({"banned": 1}, "app", None),
        ({"banned": True}, "partner", None),
    ],
)
def test_accounts_are_refused_for_the_issuers_that_say_so_and_an_unknown_state_passes(
    stated: dict[str, Any], issuer: str, reason: Reason | None
) -> None:
    decision = decide_token(mint(claims() | stated), make_snapshot(make_issuer(name=issuer)))
    assert getattr(decision, "reason", None) is reason


def test_a_policy_without_demands_makes_no_finding_and_one_with_a_rule_keeps_it() -> None:
    about = facts(roles=("admin",))
    assert check_rules(policy("x"), about, ()) is None
    check_account(policy("x", account_rules=ACCOUNT_RULES), about)
    found = check_rules(policy("x", rule=rule({"roles": {"any_of": ["admin"]}})), about, ())
    assert found is not None
    assert found.truth is True
