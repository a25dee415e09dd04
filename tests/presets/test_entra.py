"""Entra ID: which tokens of its documented shapes pass, slips in its settings, and what it publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.entra import (
    ACCESS,
    ACCESS_1,
    ANY,
    API,
    BY_GROUPS,
    ENTRA,
    ID,
    OF_PAGE,
    OF_PROGRAM,
    OF_PROGRAM_1,
    OTHER,
    PAGE,
    PERSONAL,
    PROGRAM,
    TEMPLATE,
    TENANT,
    TWO,
    USER,
    version_1,
    version_2,
)
from tests.support.provider import KEY_ID, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, NOT_FOUND, Published, Wrong, certified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    *(
        Slip(settings={"audiences": [audience]}, setting="audiences[0]", message="is a service of Microsoft")
        for audience in (
            "00000003-0000-0000-C000-000000000000",
            "https://graph.microsoft.com",
            "https://management.azure.com/",
        )
    ),
    Slip(settings={"audiences": [TENANT]}, setting="audiences", message="is the ID of the tenant"),
    Slip(settings={"clients": ["tasks-web"]}, setting="clients[0]", message="copy the Application (client) ID"),
    Slip(settings={"authority": "https://contoso.b2clogin.com/x"}, setting="authority", message="Azure AD B2C"),
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
            Wrong(settings={"tenant": OTHER}, message=NOT_FOUND),
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


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    ENTRA.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    ENTRA.check_slip(tmp_path, slip)


def test_ids_in_upper_case_are_those_in_lower_case(tmp_path: Path) -> None:
    settings = {"audiences": [API.upper()], "clients": [PAGE.upper()]}
    assert ENTRA.decide(tmp_path, ACCESS, settings=settings).answer == "200"


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"audiences": ["tasks"]}, "is neither a GUID nor a URI"),
        ({}, ""),
        (ANY, "may sign in: list tenants"),
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


def test_names_and_scopes_arrive_in_headers(tmp_path: Path) -> None:
    token = ACCESS | {"scp": "tasks.read tasks.write", "name": "Zoë Ångström"}
    headers = {"X-User-Id": "subject", "X-Scopes": "scopes", "X-User-Name": "name", "X-Organization": "organization"}
    assert ENTRA.decide(tmp_path, token, headers=headers).headers == {
        "X-User-Id": USER, "X-Scopes": "tasks.read,tasks.write", "X-User-Name": "Zo%C3%AB %C3%85ngstr%C3%B6m",
        "X-Organization": TENANT,
    }  # fmt: skip
