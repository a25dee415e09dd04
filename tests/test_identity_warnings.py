"""What `check` and the start-up log say of claims that no token has, and of ids that users may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import load
from tests.support.rejections import GOOD, OTHER, jwt_file

if TYPE_CHECKING:
    from pathlib import Path

IDP = {"name": "idp", "secret": OTHER, "issuer": "https://idp.example.com"}
APP = {"name": "app", "preset": "better-auth", "secret": GOOD, "audiences": None, "url": "https://app.example.com"}
COOKIES = {**APP, "jwt_plugin": False}
CLOUDFLARE = {
    "name": "access", "preset": "cloudflare-access", "team": "acme", "jwks_url": "https://acme.example/certs",
    "audiences": ["32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"],
}  # fmt: skip
VERIFIED = {"email": {"verified": True}}
BY_EMAIL = {"X-User-Id": "email"}


def policy(name: str = "p", require: object = "signed_in", **more: Any) -> dict[str, Any]:
    return {"name": name, "match": {"path": f"/{name}/**"}, "require": require, **more}


def idp(**settings: Any) -> list[dict[str, Any]]:
    return [IDP | settings]


# The issuers, other settings, and the beginning or a part of each warning.
WARNED: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = {
    "the defaults": (idp(), {}, []),
    "the subject from another claim": (idp(identity={"subject": "oid"}), {}, []),
    "an unverified address as id": (idp(), {"headers": BY_EMAIL}, ["(policy default): add `email: {verified: true}`"]),
    "the claim of an address as id": (idp(), {"headers": {"X-User-Id": "claims.email"}}, ["the e-mail address, and"]),
    "an address that the issuer must have verified": (
        idp(require_claims={"email_verified": True}), {"headers": BY_EMAIL}, []),
    "an address that the issuer must have or not": (
        idp(require_claims={"email_verified": [True, False]}), {"headers": BY_EMAIL}, ["the e-mail address, and"]),
    "an address that the policies must have verified": (
        idp(), {"headers": BY_EMAIL, "policies": [policy(require=VERIFIED)]}, []),
    "an address that one policy verifies": (
        idp(), {"headers": BY_EMAIL, "policies": [policy(require=VERIFIED), policy("q"), policy("r")]},
        ["(policies q, r): add"]),
    "an address that a policy verifies or not": (
        idp(), {"headers": BY_EMAIL, "policies": [policy(require={"any": [VERIFIED, {"roles": {"any_of": ["a"]}}]})]},
        ["(policy p): add"]),
    "an address that every branch verifies": (
        idp(), {"headers": BY_EMAIL,
                "policies": [policy(require={"any": [VERIFIED, {"all": [VERIFIED, {"roles": {"any_of": ["a"]}}]}]})]},
        []),
    "an address that must not be verified": (
        idp(), {"headers": BY_EMAIL, "policies": [policy(require={"not": VERIFIED})]}, ["(policy p): add"]),
    "an address of one domain, verified or not": (
        idp(), {"headers": BY_EMAIL,
                "policies": [policy(require={"email": {"domain": "example.com", "verified": "any"}})]},
        ["(policy p): add"]),
    "a claim that says it is verified": (
        idp(), {"headers": BY_EMAIL, "policies": [policy(require={"claims": {"email_verified": {"any_of": [True]}}})]},
        []),
    "an address from a claim that nothing verifies": (
        idp(identity={"email": "upn"}, require_claims={"email_verified": True}), {"headers": BY_EMAIL},
        ["(policy default): add"]),
    "a claim that says that another address is verified": (
        idp(identity={"email": "upn"}), {"headers": BY_EMAIL, "policies": [
            policy(require={"claims": {"email_verified": {"any_of": [True]}}})]}, ["(policy p): add"]),
    "the claim of an address beside a verified address from another": (
        idp(identity={"email": "upn", "email_verified": "upn_verified"}),
        {"headers": {"X-User-Id": "claims.email"}, "policies": [policy(require=VERIFIED)]}, ["(policy p): add"]),
    "a demand on an address that nothing verifies": (
        idp(identity={"email": "upn"}), {"policies": [policy(require=VERIFIED), policy("q")]},
        ["policy p: no claim shows that an address from issuer idp is verified, because identity.email names upn"]),
    "a demand on an address that another claim verifies": (
        idp(identity={"email": "upn", "email_verified": "upn_verified"}), {"policies": [policy(require=VERIFIED)]}, []),
    "a demand on an address that may be the claim": (
        idp(identity={"email": ["upn", "email"]}), {"policies": [policy(require=VERIFIED)]}, []),
    "an address of a claim, verified or not": (
        idp(identity={"email": "upn"}),
        {"policies": [policy(require={"email": {"domain": "example.com", "verified": "any"}})]}, []),
    "a public policy": (
        idp(), {"headers": BY_EMAIL, "policies": [{"name": "a", "public": True}]}, []),
    "a subject that is an address": (
        idp(identity={"subject": ["sub", "email"]}), {}, ["issuer idp: the subject may be the e-mail address"]),
    "a subject that is a verified address": (
        idp(identity={"subject": "email"}, require_claims={"email_verified": True}), {}, []),
    "no id": (idp(), {"headers": {"X-User-Roles": "roles"}}, ["headers: none of them has the user's id"]),
    "the id under another name": (idp(), {"headers": {"Remote-User": "subject"}}, []),
    "the id by a policy": (
        idp(), {"headers": {"X-User-Roles": "roles"}, "policies": [policy(headers={"X-User-Id": "subject"})]}, []),
    "no id, and only public requests": (
        idp(), {"headers": {"X-User-Roles": "roles"}, "policies": [{"name": "a", "public": True}]}, []),
    "a subject that a client may choose": (
        idp(identity={"subject": ["sub", "client_id"]}), {},
        ["issuer idp: identity.subject lists client_id beside sub"]),
    "a subject that a client may choose, first": (
        idp(identity={"subject": ["azp", "uid", "common_name"]}), {},
        ["identity.subject lists azp, common_name beside uid"]),
    "a subject that is one of the listed clients": (
        idp(identity={"subject": ["sub", "client_id"]}, require_claims={"client_id": ["tasks"]}), {}, []),
    "a name that counts before the claim that its bound depends on": (
        [CLOUDFLARE | {"identity": {"subject": ["common_name", "sub"]}}], {},
        ["identity.subject lists common_name beside sub"]),
    "a name that counts after the claim that its bound depends on": ([CLOUDFLARE], {}, []),
    "clients alone": (idp(identity={"subject": ["client_id", "azp"]}), {}, []),
    "roles as id": (idp(), {"headers": {"X-User-Id": "roles"}}, ["comes from roles, which is not an id"]),
    "a time as id": (idp(), {"headers": {"X-User-Id": "issued_at"}}, ["comes from issued_at, which is not an id"]),
    "a header from a member of text": (
        idp(), {"headers": {"X-User-Id": "subject", "X-A": "claims.sub.id"}}, ["header X-A: claims.sub.id never has"]),
    "a rule about a member of text": (
        idp(), {"policies": [policy(require={"claims": {"scope.x": {"none_of": ["a"]}}})]},
        ["policy p: claims.scope.x never has a value: the claim scope has no members"]),
    "a mapping to a member of text": (
        idp(identity={"roles": ["email.roles"]}), {}, ["issuer idp: identity.roles: no token has email.roles"]),
    "a demand on a member of text": (
        idp(require_claims={"iss.x": "a"}), {}, ["issuer idp: require_claims: no token has iss.x"]),
    "a path with the prefix of headers": (
        idp(identity={"subject": "claims.oid"}), {}, ["write oid if you mean the claim itself"]),
    "a claim called claims": (idp(identity={"subject": "claims"}), {}, []),
    "claims of a session": (
        [COOKIES], {"headers": {"X-User-Id": "subject", "X-A": "claims.user.plan", "X-B": "claims.session.team"}}, []),
    "a claim that no session has": (
        [COOKIES], {"headers": {"X-User-Id": "subject", "X-A": "claims.plan"}},
        ["header X-A: claims.plan never has a value: the claims of a session are claims.user"]),
    "a claim that another issuer's tokens may have": (
        [COOKIES, IDP | {"subject_prefix": "idp:", "audiences": ["https://app.example.com"]}],
        {"headers": {"X-User-Id": "subject", "X-A": "claims.plan", "X-B": "scopes"}}, []),
    "a field that no session states": (
        [COOKIES], {"headers": {"X-User-Id": "subject", "X-A": "scopes"}}, ["header X-A: scopes never has a value"]),
    "a mapping without JWTs": (
        [COOKIES | {"identity": {"subject": "oid"}}], {}, ["issuer app: identity has no effect"]),
    "a mapping beside sessions": ([APP | {"identity": {"subject": "oid"}}], {}, []),
}  # fmt: skip


@pytest.mark.parametrize(("issuers", "settings", "expected"), WARNED.values(), ids=WARNED)
def test_check_warns_of_claims_that_are_never_there_and_of_weak_ids(
    tmp_path: Path, issuers: list[dict[str, Any]], settings: dict[str, Any], expected: list[str]
) -> None:
    warnings = wiring.prepare(load(str(jwt_file(tmp_path, *issuers, **settings)), {})).warnings
    assert len(warnings) == len(expected), warnings
    for warning, part in zip(warnings, expected, strict=True):
        assert part in warning
