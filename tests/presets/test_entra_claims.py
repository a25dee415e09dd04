"""Claims of Entra ID that may mislead: groups that are elsewhere, addresses that nobody verified, tokens for Graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.situations.explained import bearer, explained
from tests.support.entra import ACCESS, BY_GROUPS, ENTRA, GRAPH, ID, MANY_GROUPS, OF_PROGRAM, keys
from tests.support.provider import KEY_ID
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("many", [MANY_GROUPS, {"hasgroups": True}, {"hasgroups": "true"}], ids=str)
@pytest.mark.parametrize("identity", ["groups", ["groups", "roles"]], ids=str)
def test_the_roles_of_a_user_with_too_many_groups_are_unknown(
    tmp_path: Path, many: dict[str, Any], identity: Any
) -> None:
    settings = {"identity": {"roles": identity}}
    assert ENTRA.decide(tmp_path, ACCESS | many, settings=settings).headers["X-User-Roles"] == ""
    for rule in (
        {"roles": {"none_of": ["blocked"]}},
        {"not": {"roles": {"any_of": ["blocked"]}}},
        {"claims": {"groups": {"none_of": ["blocked"]}}},
    ):
        policies = [{"name": "all", "require": rule}]
        few = ENTRA.decide(tmp_path, ACCESS | {"groups": ["g-1"]}, settings=settings, policies=policies)
        assert few.answer == "200", few.detail
        refused = ENTRA.decide(tmp_path, ACCESS | many, settings=settings, policies=policies)
        assert refused.answer == "403 forbidden"


@pytest.mark.parametrize(
    ("claims", "is_asked"),
    [(ID, True), ({name: OF_PROGRAM[name] for name in OF_PROGRAM if name != "roles"}, False)],
    ids=["an ID token", "a program without roles"],
)
def test_explain_asks_whether_the_token_is_an_id_token(
    tmp_path: Path, claims: dict[str, Any], *, is_asked: bool
) -> None:
    keys(tmp_path)
    config = yaml.safe_dump(ENTRA.configuration({"jwks_file": "entra.json"}))
    decision = explained(tmp_path, config, bearer(mint(claims, algorithm="RS256", header={"kid": KEY_ID})))
    assert decision.answer == "401 missing_claim"
    assert ("and ID tokens do not" in " ".join(decision.hints)) == is_asked


def test_explain_says_that_the_groups_are_elsewhere(tmp_path: Path) -> None:
    keys(tmp_path)
    config = yaml.safe_dump(ENTRA.configuration(BY_GROUPS | {"jwks_file": "entra.json"}))
    token = mint(ACCESS | MANY_GROUPS, algorithm="RS256", header={"kid": KEY_ID})
    decision = explained(tmp_path, config, bearer(token))
    assert (decision.answer, decision.headers["X-User-Roles"]) == ("200", "")
    assert any("does not have groups, and says that another server has it" in hint for hint in decision.hints)


def test_app_roles_are_known_whatever_the_count_of_groups(tmp_path: Path) -> None:
    assert ENTRA.decide(tmp_path, ACCESS | MANY_GROUPS).headers["X-User-Roles"] == "Tasks.Admin"


@pytest.mark.parametrize(("count", "answer"), [(200, "200"), (230, "403 headers_too_large")])
def test_200_groups_fit_into_a_header(tmp_path: Path, count: int, answer: str) -> None:
    groups = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
    headers = {"X-User-Id": "subject", "X-Groups": "claims.groups"}
    decision = ENTRA.decide(tmp_path, ACCESS | {"groups": groups}, headers=headers)
    assert decision.answer == answer, decision.detail
    if answer == "200":
        assert decision.headers["X-Groups"] == ",".join(groups)


@pytest.mark.parametrize(
    ("claims", "verified"),
    [
        ({}, False),
        ({"email_verified": True}, False),
        ({"xms_edov": False}, False),
        ({"xms_edov": "0"}, False),
        ({"xms_edov": True}, True),
        ({"xms_edov": "1"}, True),
        ({"xms_edov": "true"}, True),
        ({"xms_edov": 1}, False),
    ],
    ids=str,
)
def test_an_address_is_verified_only_if_the_tenant_owns_its_domain(
    tmp_path: Path, claims: dict[str, Any], *, verified: bool
) -> None:
    policies = [{"name": "all", "require": {"email": {"domain": "example.com"}}}]
    token = ACCESS | {"email": "abeli@example.com"} | claims
    assert (ENTRA.decide(tmp_path, token, policies=policies).answer == "200") == verified


def test_the_claim_that_verifies_email_verifies_no_other_address(tmp_path: Path) -> None:
    policies = [{"name": "all", "require": {"email": {"domain": "example.com"}}}]
    token = ACCESS | {"email": "a@evil.example", "xms_edov": True, "email_verified": True}
    settings = {"identity": {"email": "preferred_username"}}
    assert ENTRA.decide(tmp_path, token, settings=settings, policies=policies).answer == "403 forbidden"
    settings = {"identity": {"email": "email"}}
    policies = [{"name": "all", "require": {"email": {"domain": "evil.example"}}}]
    assert ENTRA.decide(tmp_path, token, settings=settings, policies=policies).answer == "200"


def test_a_token_for_graph_cannot_be_verified_and_the_reason_names_the_nonce(tmp_path: Path) -> None:
    # Microsoft signs over the SHA-256 of the nonce, and sends the nonce itself.
    sent = mint(GRAPH, algorithm="RS256", header={"kid": KEY_ID, "x5t": KEY_ID, "nonce": "sent"})
    signed = mint(GRAPH, algorithm="RS256", header={"kid": KEY_ID, "x5t": KEY_ID, "nonce": "signed"})
    token = ".".join([*sent.split(".")[:2], signed.split(".")[2]])
    keys(tmp_path)
    config = yaml.safe_dump(ENTRA.configuration({"jwks_file": "entra.json"}))
    decision = explained(tmp_path, config, bearer(token))
    assert (decision.answer, "its header has a nonce" in decision.detail) == ("401 bad_signature", True)
    (hint,) = decision.hints
    assert "Microsoft Graph" in hint
