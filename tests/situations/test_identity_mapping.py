"""Issuers put the user's id, roles and other facts into claims of their own choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.decision import Allow
from authgate.core.reasons import REASONS
from tests.situations.explained import Explained, publish
from tests.support.deciding import decide_token
from tests.support.ruling import configured
from tests.support.tokens import NOW, mint

if TYPE_CHECKING:
    from pathlib import Path

ISS = "https://ids.example.com"


def config(settings: str = "", rest: str = "") -> str:
    return f"""
issuers:
  - {{name: idp, preset: jwt, issuer: "{ISS}", audiences: [tasks], jwks_file: jwks.json{settings and ", " + settings}}}
{rest}
"""


def told(folder: Path, text: str, **claims: Any) -> Explained:
    """Return the decision on a token of the issuer with *claims*; `...` leaves out a usual claim."""
    publish(folder)
    usual = {"iss": ISS, "aud": "tasks", "sub": "ada", "iat": int(NOW) - 5, "exp": int(NOW) + 900}
    payload = {name: value for name, value in (usual | claims).items() if value is not ...}
    snapshot = configured(folder, text.replace("_file: ", f"_file: {folder}/"))
    decision = decide_token(mint(payload, algorithm="RS256"), snapshot)
    if isinstance(decision, Allow):
        return Explained(answer="200", headers=dict(decision.headers), detail=decision.checks[-1].detail)
    return Explained(answer=f"{REASONS[decision.reason].status} {decision.reason}", detail=decision.detail)


ID_IS_OID = config(rest="headers: {X-User-Id: claims.oid}")
ID_IS_EMAIL = config(rest="headers: {X-User-Id: email}")
SUBJECT_IS_OID = config("identity: {subject: oid}")
EITHER = config("identity: {subject: [sub, common_name]}")
NAMESPACED = config("""identity: {subject: '"https://example.com/user".id'}""")
MISSING, MALFORMED = "401 missing_claim", "401 malformed_token"

# The configuration, the claims, the answer, and X-User-Id or a part of the detail.
IDS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("sub, as usual", config(), {}, "200", "ada"),
    ("no sub", config(), {"sub": ...}, MISSING, "identity.subject"),
    ("an empty sub", config(), {"sub": ""}, MISSING, "no sub"),
    ("a null sub", config(), {"sub": None}, MISSING, "no sub"),
    ("an integer sub", config(), {"sub": 7}, MALFORMED, "an integer, not a non-empty string; identity: {subject: sub}"),
    ("a fraction as sub", config(), {"sub": 7.5}, MALFORMED, "claim sub is a number with a fraction"),
    ("an integer as sub, named", config("identity: {subject: sub}"), {"sub": 7}, "200", "7"),
    ("zero as sub, named", config("identity: {subject: sub}"), {"sub": 0}, "200", "0"),
    ("a header from a claim", ID_IS_OID, {"oid": "0d-1"}, "200", "0d-1"),
    ("a header from an integer", ID_IS_OID, {"oid": 7}, "200", "7"),
    ("a header from no claim", ID_IS_OID, {}, MISSING, "claims.oid"),
    ("a header from an empty claim", ID_IS_OID, {"oid": ""}, MISSING, "claims.oid"),
    ("a header from null", ID_IS_OID, {"oid": None}, MISSING, "claims.oid"),
    ("a header from a list", ID_IS_OID, {"oid": ["a"]}, MALFORMED, "claims.oid, where X-User-Id comes from, is a list"),
    ("a header from an empty list", ID_IS_OID, {"oid": []}, MALFORMED, "is a list"),
    ("a header from an object", ID_IS_OID, {"oid": {"a": 1}}, MALFORMED, "is an object"),
    ("a header from a boolean", ID_IS_OID, {"oid": True}, MALFORMED, "is a boolean"),
    ("a header from a fraction", ID_IS_OID, {"oid": 1.5}, MALFORMED, "is a number with a fraction"),
    ("a header from the e-mail address", ID_IS_EMAIL, {"email": "a@b.c"}, "200", "a@b.c"),
    ("no e-mail address", ID_IS_EMAIL, {}, MISSING, "email"),
    ("a header, and no sub", ID_IS_OID, {"oid": "0d-1", "sub": ...}, MISSING, "no sub"),
    ("a subject from a claim", SUBJECT_IS_OID, {"oid": "0d-1", "sub": ...}, "200", "0d-1"),
    ("a subject from a claim, beside sub", SUBJECT_IS_OID, {"oid": "0d-1"}, "200", "0d-1"),
    ("a subject from a claim, beside a broken sub", SUBJECT_IS_OID, {"oid": "0d-1", "sub": ["x"]}, "200", "0d-1"),
    ("a subject from an integer", SUBJECT_IS_OID, {"oid": -12}, "200", "-12"),
    ("a subject from no claim", SUBJECT_IS_OID, {}, MISSING, "no oid"),
    ("a subject from an empty claim", SUBJECT_IS_OID, {"oid": ""}, MISSING, "no oid"),
    ("a subject from null", SUBJECT_IS_OID, {"oid": None}, MISSING, "no oid"),
    ("a subject from a boolean", SUBJECT_IS_OID, {"oid": False}, MALFORMED, "claim oid is a boolean"),
    ("a subject from a list", SUBJECT_IS_OID, {"oid": []}, MALFORMED, "claim oid is a list"),
    ("a subject from an object", SUBJECT_IS_OID, {"oid": {}}, MALFORMED, "claim oid is an object"),
    ("a subject from a fraction", SUBJECT_IS_OID, {"oid": 3.0}, MALFORMED, "claim oid is a number with a fraction"),
    ("the first of two", EITHER, {"common_name": "c"}, "200", "ada"),
    ("the second of two", EITHER, {"common_name": "c", "sub": ""}, "200", "c"),
    ("none of two", EITHER, {"sub": None}, MISSING, "no sub, common_name"),
    ("a first of two that is broken", EITHER, {"sub": [], "common_name": "c"}, MALFORMED, "claim sub is a list"),
    ("a namespaced subject", NAMESPACED, {"https://example.com/user": {"id": "u"}}, "200", "u"),
    ("a namespace that is text", NAMESPACED, {"https://example.com/user": "u"}, MISSING, '"https://example.com/user".id'),
    ("a required claim that is empty", config("required_claims: [exp, a.b]"), {"a": {"b": []}}, MISSING, "no a.b"),
    ("sub required beside another", config("required_claims: [sub], identity: {subject: oid}"), {"oid": "o", "sub": ""},
     MISSING, "no sub"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "claims", "answer", "shown"), [row[1:] for row in IDS], ids=[row[0] for row in IDS])
def test_a_user_has_an_id_or_is_refused(
    tmp_path: Path, text: str, claims: dict[str, Any], answer: str, shown: str
) -> None:
    decision = told(tmp_path, text, **claims)
    assert decision.answer == answer, decision.detail
    if answer == "200":
        assert decision.headers["X-User-Id"] == shown
    else:
        assert shown in decision.detail


@pytest.mark.parametrize(
    ("demanded", "claims", "answer"),
    [
        ("client_id: [tasks-web]", {"client_id": "tasks-web"}, "200"),
        ("client_id: tasks-web", {"client_id": "tasks-web"}, "200"),
        ("client_id: [tasks-web, tasks-app]", {"client_id": "tasks-app"}, "200"),
        ("client_id: [tasks-web]", {"client_id": "other"}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {"client_id": "Tasks-Web"}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {"client_id": ["other", "tasks-web"]}, "200"),
        ("client_id: [tasks-web]", {"client_id": ["other", {"a": 1}, ["tasks-web"]]}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {"client_id": {"tasks-web": 1}}, "401 wrong_claim"),
        ("client_id: [tasks-web]", {}, MISSING),
        ("client_id: [tasks-web]", {"client_id": ""}, MISSING),
        ("client_id: [tasks-web]", {"client_id": None}, MISSING),
        ("client_id: [tasks-web]", {"client_id": []}, MISSING),
        ("level: 1", {"level": 1}, "200"),
        ("level: 1", {"level": 1.0}, "200"),
        ("level: 1", {"level": True}, "401 wrong_claim"),
        ("level: 1", {"level": "1"}, "401 wrong_claim"),
        ("level: 0", {"level": 0}, "200"),
        ("level: false", {"level": 0}, "401 wrong_claim"),
        ("email_verified: true", {"email_verified": True}, "200"),
        ("email_verified: true", {"email_verified": "true"}, "401 wrong_claim"),
        ("email_verified: true", {"email_verified": 1}, "401 wrong_claim"),
        ("tenant.id: t", {"tenant": {"id": "t"}}, "200"),
        ("tenant.id: t", {"tenant.id": "t"}, MISSING),
        ("""'"tenant.id"': t""", {"tenant.id": "t"}, "200"),
        ("client_id: a, use: tasks", {"client_id": "a", "use": "tasks"}, "200"),
        ("client_id: a, use: tasks", {"client_id": "a", "use": "mail"}, "401 wrong_claim"),
        ("""client_id: [a, b], '"client_id"': b""", {"client_id": "a"}, "401 wrong_claim"),
    ],
)
def test_a_claim_has_one_of_the_values_that_the_issuer_demands(
    tmp_path: Path, demanded: str, claims: dict[str, Any], answer: str
) -> None:
    decision = told(tmp_path, config(f"require_claims: {{{demanded}}}"), **claims)
    assert decision.answer == answer, decision.detail


def test_the_refusal_names_the_claim_its_value_and_the_accepted_ones(tmp_path: Path) -> None:
    decision = told(tmp_path, config("require_claims: {client_id: [web, app]}"), client_id="other")
    assert decision.detail == 'its client_id is "other"; require_claims accepts "web", "app"'
