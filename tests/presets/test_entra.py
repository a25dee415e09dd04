"""Entra ID's tokens, as Microsoft documents them: versions 1.0 and 2.0, of users and of programs, access and ID tokens.

https://learn.microsoft.com/entra/identity-platform/access-tokens, …/access-token-claims-reference and
…/id-token-claims-reference name the claims (May 2025).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.config.load import load
from tests.situations.explained import bearer, explained
from tests.support.deciding import decide_now, request_with
from tests.support.documented import blocks
from tests.support.provider import KEY_ID, Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, NOT_FOUND, Published, Wrong, certified
from tests.support.tokens import mint, public_jwk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.situations.explained import Explained

ENTRA = Provider("entra")
TENANT, OTHER = "5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8", "c2f7a916-4e0b-4d85-b3a1-6f0d92e847c5"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
API, PAGE = "0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36", "9a2c5e71-0d84-4b3f-8e60-7f1b3c95d2a4"
USER, PROGRAM = "690222be-ff1a-4d56-abd1-7e4f7d38e474", "2f0c6b85-91de-4a37-8c4f-b5e1a07d3926"
TEMPLATE = "https://login.microsoftonline.com/{tenantid}/v2.0"


def version_2(tenant: str = TENANT) -> dict[str, Any]:
    return {"iss": f"https://login.microsoftonline.com/{tenant}/v2.0", "tid": tenant, "ver": "2.0"}


def version_1(tenant: str = TENANT) -> dict[str, Any]:
    return {"iss": f"https://sts.windows.net/{tenant}/", "tid": tenant, "ver": "1.0"}


ACCESS: dict[str, Any] = {
    **times(3900, begins=True), **version_2(), "aud": API, "aio": "AXQAi/8IAAAA", "azp": PAGE, "azpacr": "0",
    "name": "Abe Lincoln", "oid": USER, "preferred_username": "abeli@example.com", "rh": "I",
    "roles": ["Tasks.Admin"], "scp": "access_as_user", "sub": "HKZpfaHyWadeOouYlitjrI", "uti": "fqiBqXLPj0eQa82S",
}  # fmt: skip
ACCESS_1: dict[str, Any] = {
    **times(3900, begins=True), **version_1(), "aud": f"api://{API}", "acr": "1", "aio": "A", "amr": ["pwd", "mfa"],
    "appid": PAGE, "appidacr": "0", "family_name": "Lincoln", "given_name": "Abe", "ipaddr": "203.0.113.7",
    "name": "Abe Lincoln", "oid": USER, "rh": "I", "scp": "user_impersonation", "sub": "HKZpfaHyWadeOouYlitjrI",
    "unique_name": "abeli@example.com", "upn": "abeli@example.com", "uti": "f",
}  # fmt: skip
ID: dict[str, Any] = {
    **times(3600, begins=True), **version_2(), "aud": API, "aio": "A", "name": "Abe Lincoln", "oid": USER, "rh": "I",
    "preferred_username": "abeli@example.com", "sub": "HKZpfaHyWadeOouYlitjrI", "uti": "f", "roles": ["Tasks.Admin"],
}  # fmt: skip
OF_PROGRAM: dict[str, Any] = {
    **times(3600, begins=True), **version_2(), "aud": API, "aio": "A", "azp": PAGE, "azpacr": "1", "oid": PROGRAM,
    "rh": "I", "roles": ["Tasks.Read.All"], "sub": PROGRAM, "uti": "f",
}  # fmt: skip
OF_PROGRAM_1: dict[str, Any] = {
    **times(3600, begins=True), **version_1(), "aud": API, "aio": "A", "appid": PAGE, "appidacr": "1",
    "idp": f"https://sts.windows.net/{TENANT}/", "idtyp": "app", "oid": PROGRAM, "rh": "I",
    "roles": ["Tasks.Read.All"], "sub": PROGRAM, "uti": "f",
}  # fmt: skip
GRAPH: dict[str, Any] = ACCESS_1 | {"aud": "00000003-0000-0000-c000-000000000000", "scp": "User.Read profile openid"}
MANY_GROUPS = {
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}},
}

ANY = {"tenant": None, "tenants": "any"}
TWO = {"tenant": None, "tenants": [TENANT, OTHER]}
OF_PAGE = {"clients": [PAGE]}
BY_GROUPS = {"identity": {"roles": "groups"}}
WITHOUT_RIGHTS = "it has no scp"

TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        headers={"X-User-Id": USER, "X-User-Roles": "Tasks.Admin", "X-User-Name": "Abe Lincoln", "X-User-Email": ""},
    ),
    Token(name="of a user, version 1.0", claims=ACCESS_1, header={"x5t": KEY_ID}, headers={"X-User-Id": USER}),
    Token(name="version 1.0 with the client ID as audience", claims=ACCESS_1 | {"aud": API}),
    Token(name="the URI is configured, version 2.0", claims=ACCESS, settings={"audiences": [f"api://{API}"]}),
    Token(name="an upper-case tenant", claims=ACCESS, settings={"tenant": TENANT.upper()}),
    Token(name="of a program", claims=OF_PROGRAM, headers={"X-User-Id": PROGRAM, "X-User-Roles": "Tasks.Read.All"}),
    Token(name="of a program, version 1.0", claims=OF_PROGRAM_1, headers={"X-User-Id": PROGRAM}),
    Token(name="of any program", claims=OF_PROGRAM | {"roles": ...}, answer="401 missing_claim", detail=WITHOUT_RIGHTS),
    Token(
        name="of any program, version 1.0",
        claims=OF_PROGRAM_1 | {"roles": []},
        answer="401 missing_claim",
        detail=WITHOUT_RIGHTS,
    ),
    Token(name="of a listed program", claims=OF_PROGRAM | {"roles": ...}, settings=OF_PAGE),
    Token(name="of a listed client, version 1.0", claims=ACCESS_1, settings=OF_PAGE),
    Token(
        name="of a foreign client",
        claims=ACCESS | {"azp": OTHER},
        settings=OF_PAGE,
        answer="401 wrong_claim",
        detail="clients accepts",
    ),
    Token(
        name="an ID token where a client is listed",
        claims=ID,
        settings=OF_PAGE,
        answer="401 missing_claim",
        detail="it has no azp",
    ),
    Token(
        name="an ID token for the same registration",
        claims=ID,
        answer="401 missing_claim",
        detail="it has no azp",
    ),
    Token(name="an ID token with a nonce", claims=ID | {"nonce": "n"}, answer="401 wrong_type", detail="an ID token"),
    Token(name="an ID token, accepted", claims=ID | {"nonce": "n"}, settings={"accept": "id_token"}),
    Token(
        name="an access token of a program where ID tokens are accepted",
        claims=OF_PROGRAM,
        settings={"accept": "id_token"},
        answer="401 wrong_type",
    ),
    Token(name="an ID token where any is accepted", claims=ID, settings={"accept": "any"}),
    Token(name="for another API", claims=ACCESS | {"aud": PAGE}, answer="401 wrong_audience"),
    Token(name="of another tenant", claims=ACCESS | version_2(OTHER), answer="401 unknown_issuer"),
    Token(name="of another tenant, version 1.0", claims=ACCESS_1 | version_1(OTHER), answer="401 unknown_issuer"),
    Token(
        name="that names another tenant than its iss",
        claims=ACCESS | {"tid": OTHER},
        answer="401 wrong_claim",
        detail="tid",
    ),
    Token(name="without tid", claims=ACCESS | {"tid": ...}, answer="401 missing_claim", detail="it has no tid"),
    Token(name="without oid", claims=ACCESS | {"oid": ...}, answer="401 missing_claim", detail="it has no oid"),
    Token(name="of the second tenant", claims=ACCESS | version_2(OTHER), settings=TWO),
    Token(name="of the second tenant, version 1.0", claims=ACCESS_1 | version_1(OTHER), settings=TWO),
    Token(
        name="of one listed tenant with the iss of the other",
        claims=ACCESS | version_2(OTHER) | {"tid": TENANT},
        settings=TWO,
        answer="401 wrong_claim",
    ),
    Token(name="of a tenant that is listed twice", claims=ACCESS, settings={"tenant": None, "tenants": [TENANT] * 2}),
    Token(name="of no listed tenant", claims=ACCESS | version_2(PERSONAL), settings=TWO, answer="401 unknown_issuer"),
    Token(name="of any tenant", claims=ACCESS | version_2(OTHER), settings=ANY),
    Token(name="of a personal account", claims=ACCESS | version_2(PERSONAL), settings=ANY),
    Token(
        name="of any tenant with the iss of another",
        claims=ACCESS | version_2(OTHER) | {"tid": TENANT},
        settings=ANY,
        answer="401 wrong_claim",
    ),
    Token(
        name="of another host",
        claims=ACCESS | {"iss": f"https://evil.example.com/{TENANT}/v2.0"},
        settings=ANY,
        answer="401 unknown_issuer",
    ),
    Token(
        name="of the government's cloud",
        claims=ACCESS | {"iss": f"https://login.microsoftonline.us/{TENANT}/v2.0"},
        settings={"authority": "login.microsoftonline.us"},
    ),
    Token(
        name="of the cloud in China, version 1.0",
        claims=ACCESS_1 | {"iss": f"https://sts.chinacloudapi.cn/{TENANT}/"},
        settings={"authority": "login.partner.microsoftonline.cn"},
    ),
    Token(
        name="of the public cloud in another",
        claims=ACCESS,
        settings={"authority": "login.microsoftonline.us"},
        answer="401 unknown_issuer",
    ),
    Token(name="bound to a key", claims=ACCESS | {"cnf": {"kid": "k"}}, answer="401 wrong_claim", detail="it has cnf"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
    Token(
        name="an overridden subject",
        claims=ACCESS,
        settings={"identity": {"subject": "sub"}},
        headers={"X-User-Id": "HKZpfaHyWadeOouYlitjrI"},
    ),
    Token(
        name="a demanded scope",
        claims=ACCESS,
        settings={"require_claims": {"scp": "tasks.write"}},
        answer="401 wrong_claim",
    ),
    Token(
        name="groups as roles",
        claims=ACCESS | {"groups": ["g-1", "g-2"]},
        settings=BY_GROUPS,
        headers={"X-User-Roles": "g-1,g-2"},
    ),
]
SLIPS = [
    Slip(settings={"tenant": None}, setting="tenant", message="is missing"),
    Slip(settings={"tenants": [OTHER]}, setting="tenant", message="tenants are both set"),
    Slip(settings={"tenant": "contoso.onmicrosoft.com"}, setting="tenant", message="is not the ID of a tenant"),
    Slip(settings={"tenant": f"{{{TENANT}}}"}, setting="tenant", message=f"write {TENANT}"),
    Slip(settings={"tenant": version_1()["iss"]}, setting="tenant", message=f"write {TENANT}"),
    Slip(settings={"tenant": "common"}, setting="tenant", message="no token is from it"),
    Slip(settings={"tenant": "any"}, setting="tenant", message="write tenants: any"),
    Slip(settings={"tenant": None, "tenants": "organizations"}, setting="tenants[0]", message="write tenants: any"),
    Slip(settings={"tenant": None, "tenants": ["any", TENANT]}, setting="tenants", message="write tenants: any,"),
    Slip(settings={"tenant": None, "tenants": []}, setting="tenants", message="is empty"),
    Slip(settings={"audiences": None}, setting="audiences", message="write the Application (client) ID"),
    Slip(settings={"clients": []}, setting="clients", message="is empty"),
    Slip(settings={"clients": [PAGE], "accept": "id_token"}, setting="clients", message="in audiences"),
    Slip(settings={"authority": "contoso.b2clogin.com"}, setting="authority", message="Azure AD B2C"),
    Slip(settings={"authority": "contoso.ciamlogin.com"}, setting="authority", message="External ID"),
    Slip(settings={"authority": "sts.windows.net"}, setting="authority", message="write login.microsoftonline.com"),
    Slip(settings={"authority": "https://login.microsoftonline.us/"}, setting="authority", message="write login."),
]
HOST = "https://login.microsoftonline.com"
CLOUD = {"tenant_region_scope": "EU", "cloud_instance_name": "microsoftonline.com", "msgraph_host": "graph.example.com"}


def published_key(key_id: str, issuer: str) -> dict[str, Any]:
    """Return a key as Entra publishes it: without `alg`, with certificates and the issuer for which it signs."""
    return certified(key_id, 2, alg=None, issuer=issuer, cloud_instance_name="microsoftonline.com")


PUBLISHED = [
    Published(
        issuer=version_2()["iss"],
        keys_url=f"{HOST}/{TENANT}/discovery/v2.0/keys",
        keys=[published_key("a", version_2()["iss"]), published_key("b", TEMPLATE)],
        metadata=CLOUD,
        wrong=[
            Wrong(settings={"tenant": API}, message=NOT_FOUND),
            Wrong(settings={"authority": "login.example.com"}, message=ANOTHER_ISSUER, host="login.example.com"),
        ],
    ),
    Published(
        name="for all tenants",
        settings=ANY,
        issuer=TEMPLATE,
        metadata_url=f"{HOST}/common/v2.0/.well-known/openid-configuration",
        keys_url=f"{HOST}/common/discovery/v2.0/keys",
        keys=[published_key(key_id, TEMPLATE) for key_id in ("a", *(f"old-{number}" for number in range(39)))],
        metadata=CLOUD,
        wrong=[
            Wrong(settings={"issuer": f"{HOST}/common/v2.0", "discovery": True}, message="is for all tenants"),
        ],
    ),
]


def keys(folder: Path, **members: Any) -> str:
    """Return a file with the tests' key as Entra publishes its keys: without `alg`, with its issuer."""
    file = folder / "entra.json"
    jwk = public_jwk("RS256", KEY_ID, alg=None, use="sig", x5t=KEY_ID, cloud_instance_name="microsoftonline.com")
    file.write_text(json.dumps({"keys": [jwk | members]}))
    return str(file)


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    ENTRA.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    ENTRA.check_slip(tmp_path, slip)


@pytest.mark.parametrize(
    ("issuer", "claims", "settings", "answer"),
    [
        (TEMPLATE, ACCESS, {}, "200"),
        (TEMPLATE, ACCESS_1, {}, "200"),
        (TEMPLATE, ACCESS | version_2(OTHER), ANY, "200"),
        (version_2()["iss"], ACCESS, {}, "200"),
        (version_2()["iss"], ACCESS_1, {}, "200"),
        (version_2()["iss"], ACCESS | version_2(OTHER), ANY, "401 wrong_claim"),
        (version_2()["iss"], ACCESS_1 | version_1(OTHER), TWO, "401 wrong_claim"),
        (version_2(PERSONAL)["iss"], ACCESS, {}, "401 wrong_claim"),
        (version_2(PERSONAL)["iss"], ACCESS, ANY, "401 wrong_claim"),
        (version_2(PERSONAL)["iss"], ACCESS | version_2(PERSONAL), ANY, "200"),
        ("https://login.microsoftonline.us/{tenantid}/v2.0", ACCESS, {}, "401 wrong_claim"),
    ],
)
def test_a_key_signs_for_the_tenants_that_its_issuer_names(
    tmp_path: Path, issuer: str, claims: Mapping[str, Any], settings: Mapping[str, Any], answer: str
) -> None:
    settings = {"jwks_file": keys(tmp_path, issuer=issuer), **settings}
    decision = ENTRA.decide(tmp_path, claims, settings=settings)
    assert decision.answer == answer, decision.detail
    assert ("its key signs for" in decision.detail) == (answer != "200")


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
    ("claims", "hint"),
    [(ID, "and ID tokens do not"), ({name: OF_PROGRAM[name] for name in OF_PROGRAM if name != "roles"}, "")],
    ids=["an ID token", "a program without roles"],
)
def test_explain_asks_whether_the_token_is_an_id_token(tmp_path: Path, claims: dict[str, Any], hint: str) -> None:
    keys(tmp_path)
    config = yaml.safe_dump(ENTRA.configuration({"jwks_file": "entra.json"}))
    decision = explained(tmp_path, config, bearer(mint(claims, algorithm="RS256", header={"kid": KEY_ID})))
    assert decision.answer == "401 missing_claim"
    assert (hint in " ".join(decision.hints)) if hint else not decision.hints


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


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({}, ""),
        (ANY, ""),
        ({"tenant": "t-one"}, "tenant t-one is not a GUID"),
        ({"audiences": [f"api://{API}/access_as_user"]}, "looks like a scope"),
        ({"audiences": [f"api://{TENANT}/tasks"]}, ""),
        ({"audiences": ["api://tasks"]}, ""),
        ({"accept": "any"}, "accepts tokens without scopes and roles"),
        ({"accept": "any", "require_claims": {"roles": "Tasks.Admin"}}, ""),
    ],
    ids=str,
)
def test_what_is_probably_not_meant_is_a_warning(tmp_path: Path, settings: Mapping[str, Any], warning: str) -> None:
    prepared = ENTRA.prepared(tmp_path, settings)
    assert (warning in " ".join(prepared.warnings)) if warning else not prepared.warnings


def test_the_id_of_a_tenant_need_not_be_a_guid(tmp_path: Path) -> None:
    settings = {"tenant": None, "tenants": ["t-one"], "audiences": ["api-1"]}
    one = {**times(), **version_2("t-one"), "aud": "api-1", "oid": "0d-t-one", "sub": "p", "scp": "x"}
    decision = ENTRA.decide(tmp_path, one, settings=settings)
    assert (decision.answer, decision.headers["X-User-Id"]) == ("200", "0d-t-one")
    foreign = one | version_2("t-foreign") | {"oid": "0d-t-foreign"}
    assert ENTRA.decide(tmp_path, foreign, settings=settings).answer == "401 unknown_issuer"
    elsewhere = one | {"iss": "https://evil.example.com"}
    assert ENTRA.decide(tmp_path, elsewhere, settings=settings).answer == "401 unknown_issuer"


def test_names_and_scopes_arrive_in_headers(tmp_path: Path) -> None:
    token = ACCESS | {"scp": "tasks.read tasks.write", "name": "Zoë Ångström"}
    headers = {"X-User-Id": "subject", "X-Scopes": "scopes", "X-User-Name": "name", "X-Organization": "organization"}
    assert ENTRA.decide(tmp_path, token, headers=headers).headers == {
        "X-User-Id": USER, "X-Scopes": "tasks.read,tasks.write", "X-User-Name": "Zo%C3%AB %C3%85ngstr%C3%B6m",
        "X-Organization": TENANT,
    }  # fmt: skip


def several(folder: Path, *issuers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return *issuers* of preset entra unless they state another, with keys and a prefix each but the first."""
    return [
        {"name": f"i{number}", "preset": "entra", "audiences": [API], "jwks_file": keys(folder)}
        | ({"subject_prefix": f"{number}:"} if number else {})
        | dict(issuer)
        for number, issuer in enumerate(issuers)
    ]


OF_ANY_ISS = {"preset": "jwt", "identity": {"subject": "oid"}}


@pytest.mark.parametrize(
    ("issuers", "claims", "user"),
    [
        ([{"tenants": "any"}, {"tenant": TENANT}], version_2(), f"1:{USER}"),
        ([{"tenants": "any"}, {"tenant": TENANT}], version_1(), f"1:{USER}"),
        ([{"tenants": "any"}, {"tenant": TENANT}], version_2(OTHER), USER),
        ([OF_ANY_ISS, {"tenants": "any"}], version_2(), f"1:{USER}"),
        ([{"tenants": "any"}, OF_ANY_ISS], version_2(), USER),
        ([OF_ANY_ISS, {"tenants": "any"}], {"iss": "https://ids.example.com"}, USER),
        ([OF_ANY_ISS, {"tenant": TENANT}], version_2(), f"1:{USER}"),
        ([OF_ANY_ISS, {"tenant": TENANT}], version_2(OTHER), USER),
    ],
)
def test_a_token_goes_to_the_issuer_that_names_its_tenant_most_exactly(
    tmp_path: Path, issuers: list[dict[str, Any]], claims: dict[str, Any], user: str
) -> None:
    decision = ENTRA.decide(tmp_path, ACCESS | claims, issuers=several(tmp_path, *issuers))
    assert decision.headers.get("X-User-Id") == user, decision.detail


@pytest.mark.parametrize(
    ("issuers", "message"),
    [
        ([{"tenants": "any"}, {"tenants": "any"}], "https://login.microsoftonline.com/{tenant}/v2.0"),
        ([{"tenant": TENANT}, {"tenants": [OTHER, TENANT]}], f"https://sts.windows.net/{TENANT}/"),
        ([{"tenants": "any"}, {"tenants": "any", "authority": "login.microsoftonline.us"}], "https://sts.windows.net/"),
    ],
)
def test_two_issuers_of_the_same_tenants_are_reported(
    tmp_path: Path, issuers: list[dict[str, Any]], message: str
) -> None:
    problems = ENTRA.load(tmp_path, issuers=several(tmp_path, *issuers)).problems
    assert any(message in problem.message and "cannot tell" in problem.message for problem in problems), problems


def other_product(folder: Path, number: int, token: Mapping[str, Any]) -> Explained:
    """Return the decision on *token* under the page's configuration number *number*, with the tests' key."""
    config = yaml.safe_load(blocks(ENTRA.page, "Configuration", "yaml")[number])
    (folder / "as-it-is.yaml").write_text(yaml.safe_dump(config))
    assert not load(str(folder / "as-it-is.yaml"), {}).problems
    (issuer,) = config["issuers"]
    issuer.pop("jwks_url")
    return ENTRA.decide(folder, token, issuers=[issuer | {"jwks_file": keys(folder)}])


EXTERNAL = ACCESS | {"iss": f"https://{TENANT}.ciamlogin.com/{TENANT}/v2.0"}
B2C: dict[str, Any] = {
    **times(begins=True), "iss": f"https://contoso.b2clogin.com/{TENANT}/v2.0/", "aud": API, "azp": PAGE, "ver": "1.0",
    "oid": USER, "sub": "Not supported currently. Use oid claim.", "tfp": "B2C_1_signin", "scp": "tasks.read",
    "emails": ["abeli@example.com"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "token", "answer"),
    [
        (1, EXTERNAL, "200"),
        (1, EXTERNAL | {"azp": ...}, "401 missing_claim"),
        (1, EXTERNAL | version_2(), "401 unknown_issuer"),
        (2, B2C, "200"),
        (2, B2C | {"oid": ...}, "401 missing_claim"),
        (2, B2C | {"tfp": "B2C_1_weak"}, "401 wrong_claim"),
        (2, B2C | {"azp": ..., "scp": ..., "nonce": "n"}, "401 wrong_type"),
        (2, B2C | {"azp": ..., "scp": ...}, "401 missing_claim"),
    ],
)
def test_preset_jwt_reads_external_id_and_b2c(
    tmp_path: Path, number: int, token: Mapping[str, Any], answer: str
) -> None:
    decision = other_product(tmp_path, number, token)
    assert decision.answer == answer, decision.detail
    assert decision.headers.get("X-User-Id", USER) == USER


def test_two_users_of_b2c_in_two_cookies_are_two_people(tmp_path: Path) -> None:
    config = yaml.safe_load(blocks(ENTRA.page, "Configuration", "yaml")[2])
    (issuer,) = config["issuers"]
    issuer.pop("jwks_url")
    prepared = ENTRA.prepared(tmp_path, issuers=[issuer | {"jwks_file": keys(tmp_path)}])
    ada, bob = (mint(B2C | {"oid": user}, algorithm="RS256", header={"kid": KEY_ID}) for user in ("ada", "bob"))
    for second, reason in ((bob, "ambiguous_credential"), (ada, None)):
        cookies = ("Cookie", f"access_token={ada}; access_token={second}")
        decision = decide_now(request_with(cookies), prepared.snapshot)
        assert getattr(decision, "reason", None) == reason
