"""The claims and times of a token: the causes that `authgate explain` tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer
from tests.situations.hinted import AUTHJS, ISS, KEYS, TOKEN, WITH_SECRET, Situation, check, cookies, signed
from tests.support import session_cookies
from tests.support.tokens import NOW, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

AUTHENTIK = f'{{name: ak, preset: authentik, url: "{ISS}", application: shop, client_id: spa, jwks_file: jwks.json}}'
OF_AUTHENTIK = {"iss": f"{ISS}/application/o/shop/", "aud": "spa"}

SITUATIONS = {
    # -- the claims that become the identity
    "an integer as the subject": Situation(
        issuers=KEYS, headers=bearer(signed(sub=1234)), answer="401 malformed_token",
        has=("`identity: {subject: sub}`, issuer idp accepts", "the user's id is '1234'", "may be an integer"),
    ),
    "a list as the subject": Situation(
        issuers=KEYS, headers=bearer(signed(sub=["ada"])), answer="401 malformed_token"
    ),
    "no subject, but a name": Situation(
        issuers=KEYS, answer="401 missing_claim",
        headers=bearer(signed(sub=None, typ="Bearer", azp="spa", preferred_username="ada")),
        has=("names its user only in preferred_username", "the client scope `basic`", "`identity: {subject: …}`"),
    ),
    "no subject, but an object id": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, upn="ada@example.com", oid="0d-1")), answer="401 missing_claim",
        has=("`identity: {subject: oid}`",),
    ),
    "no subject, but a client": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, client_id="billing")), answer="401 missing_claim",
        has=("token of the client 'billing'", "`identity: {subject: [sub, client_id]}`", "if clients cannot"),
    ),
    "no subject, but a client of a user": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, client_id="spa", username="ada")), answer="401 missing_claim",
        has=("names its user only in username",),
    ),
    "no subject, and nothing like it": Situation(
        issuers=KEYS, headers=bearer(signed(sub=None, client_id="spa", name="Ada")), answer="401 missing_claim"
    ),
    "the claim of X-User-Id is missing": Situation(
        issuers=KEYS, more="headers: {X-User-Id: claims.oid}", headers=bearer(signed(user={"oid": "0d-1"})),
        answer="401 missing_claim", has=("The claim for the header X-User-Id is `oid`", "It has `user.oid`"),
    ),
    "a required claim is elsewhere": Situation(
        issuers=KEYS.replace("}", ", required_claims: [exp, tenant.id]}"), answer="401 missing_claim",
        headers=bearer(signed(**{"tenant.id": "t"})),
        has=("A claim that required_claims demands is `tenant.id`, which the token does not have", 'has `"tenant.id"`'),
    ),
    "a claim that a preset demands is elsewhere": Situation(
        issuers=AUTHENTIK, headers=bearer(signed(**OF_AUTHENTIK, azp="spa", user={"uid": "u"})),
        answer="401 missing_claim", has=("A claim that preset authentik demands is `uid`", "It has `user.uid`"),
    ),
    "the client is elsewhere": Situation(
        issuers=AUTHENTIK, headers=bearer(signed(**OF_AUTHENTIK, uid="u", act={"azp": "spa"})),
        answer="401 missing_claim", has=("A claim that client_id demands is `azp`", "It has `act.azp`"),
    ),
    "roles that are objects": Situation(
        issuers=KEYS, headers=bearer(signed(roles=[{"authority": "ROLE_ADMIN"}], role="user")), answer="200",
        has=("cannot read roles from the claim roles, which is a list that holds an object", "`identity: {roles: …}`"),
    ),
    "roles that are objects, and a rule needs them": Situation(
        issuers=KEYS, headers=bearer(signed(roles=[1])), answer="403 forbidden",
        more="policies: [{name: a, require: {roles: {any_of: [admin]}}}]",
        has=("the claim roles, which is a list that holds an integer",),
    ),
    "another role than the rule needs": Situation(
        issuers=KEYS, headers=bearer(signed(roles=["user"])), answer="403 forbidden",
        more="policies: [{name: a, require: {roles: {any_of: [admin]}}}]",
    ),
    "roles of the realm are mapped, and the client's are there": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm_access.roles}}"), answer="200",
        headers=bearer(signed(resource_access={"tasks": {"roles": ["admin"]}})),
        has=("`identity.roles` is `realm_access.roles`", "It has `resource_access.tasks.roles`"),
    ),
    **{
        f"no identity is set, and roles are in {setting}": Situation(
            issuers=KEYS, headers=bearer(signed(**claims_with_roles)), answer="200",
            has=(f"The user has no roles. The token has `{path}`: set `identity: {{roles: {setting}}}`",),
        )
        for path, setting, claims_with_roles in (
            ("realm_access.roles", "realm_access.roles", {"realm_access": {"roles": ["admin"]}}),
            ('"https://a.example/roles"', "'\"https://a.example/roles\"'", {"https://a.example/roles": ["admin"]}),
            ("cognito:groups", "'cognito:groups'", {"cognito:groups": ["admin"]}),
            ("urn:zitadel:iam:org:project:roles", "'urn:zitadel:iam:org:project:roles'",
             {"urn:zitadel:iam:org:project:roles": {"admin": {"1": "a.example"}}}),
            ("authorities", "authorities", {"authorities": "admin"}),
        )
    },
    "no identity is set, and a rule needs roles": Situation(
        issuers=KEYS, headers=bearer(signed(realm_access={"roles": ["admin"]})), answer="403 forbidden",
        more="headers: {X-User-Id: subject}\npolicies: [{name: a, require: {any: [{roles: {any_of: [admin]}}]}}]",
        has=("set `identity: {roles: realm_access.roles}`",),
    ),
    "no identity is set, and nothing needs roles": Situation(
        issuers=KEYS, headers=bearer(signed(realm_access={"roles": ["admin"]})), answer="200",
        more="headers: {X-User-Id: subject}",
    ),
    "no identity is set, and a claim with such a name holds no roles": Situation(
        issuers=KEYS, headers=bearer(signed(groups=[7], realm={"roles": {"a": 1}})), answer="200",
    ),
    "the path of the roles has another spelling": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm_acess.role}}"), answer="200",
        headers=bearer(signed(realm_access={"roles": ["admin"]})), has=("It has `realm_access.roles`",),
    ),
    "the roles are mapped to nothing, and groups are there": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: authorization}}"), answer="200",
        headers=bearer(signed(groups=["admin"])), has=("`identity.roles` is `authorization`", "It has `groups`"),
    ),
    "the name of a claim has another spelling": Situation(
        issuers=KEYS.replace("}", ", identity: {organization: tenantid}}"), answer="200",
        headers=bearer(signed(tenant_id="t")), has=("`identity.organization` is `tenantid`", "It has `tenant_id`"),
    ),
    "the roles are the object around their list": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm_access}}"), answer="200",
        headers=bearer(signed(realm_access={"roles": ["admin"]})),
        has=("the names of its members are the roles: 'roles'", "did you mean `identity: {roles: realm_access.roles}`"),
    ),
    "the roles are the names of members": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: 'urn:roles'}}"), answer="200",
        headers=bearer(signed(**{"urn:roles": {"admin": {"1": "a.example"}}})),
    ),
    "roles of the realm are mapped, and there are none": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm_access.roles}}"), headers=bearer(signed()), answer="200"
    ),
    # -- times
    "expired after a life of minutes": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(iat=NOW - 1620, exp=NOW - 720))), answer="401 expired",
        has=("expired 12 minutes ago, after a life of 15 minutes (iat to exp)",),
    ),
    "expired a session of Auth.js": Situation(
        issuers=AUTHJS, answer="401 expired",
        headers=cookies(
            "__Secure-authjs.session-token="
            + session_cookies.authjs_cookie(
                session_cookies.authjs_claims(iat=int(NOW) - 40 * 86400, exp=int(NOW) - 10 * 86400),
                name="__Secure-authjs.session-token",
            )
        ),
        has=("expired 10 days ago, after a life of 30 days",),
    ),
    "expired before it was issued": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(exp=60))), answer="401 expired", has=("never valid",),
    ),
    "the clock of the issuer is ahead": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(iat=int(NOW) + 300))), answer="401 not_yet_valid",
        has=("issued 5 minutes in the future", "ahead of this machine's"),
    ),
    "the token is meant to begin later": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(nbf=int(NOW) + 300))), answer="401 not_yet_valid",
        has=("No clock has to be wrong",),
    ),
    # -- allowed requests, and headers
    "a claim whose name would change the terminal": Situation(
        issuers=KEYS.replace("}", ", identity: {roles: realm.roles}}"), answer="200",
        headers=bearer(signed(**{"\x1b[31m": {"roles": ["admin"]}})), has=("It has `\\x1b[31m.roles`",),
    ),
    "too many roles": Situation(
        issuers=WITH_SECRET, headers=bearer(mint(claims(roles=[f"a-long-name-of-a-role-{n}" for n in range(400)]))),
        answer="403 headers_too_large", has=("X-User-Roles, from roles with 400 values, has",),
    ),
    "nothing is wrong": Situation(issuers=WITH_SECRET, headers=bearer(TOKEN), answer="200"),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_names_the_causes_that_hold_and_no_others(tmp_path: Path, situation: Situation) -> None:
    check(tmp_path, situation)
