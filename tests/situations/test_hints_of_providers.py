"""Tokens that the preset of an identity provider refuses: which of its settings `authgate explain` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer, explained, publish
from tests.situations.hinted import AUTHJS, ISS, KEYS, SESSIONS, Situation, check, cookies, signed
from tests.situations.test_hints_of_kinds import AZP, CLERK, ENTRA, FIREBASE, OKTA, SUPABASE, token
from tests.support import session_cookies
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from pathlib import Path

KEYCLOAK = f'{{name: kc, preset: keycloak, realm_url: "{ISS}/realms/shop", clients: [spa], jwks_file: jwks.json}}'
GOOGLE = "{name: google, preset: google, clients: [1-a.apps.googleusercontent.com], jwks_file: jwks.json}"
OKTA_ISS = "https://acme.okta.com/oauth2/default"
KEYCLOAK_ISS = f"{ISS}/realms/shop"
GOOGLE_ISS = "https://accounts.google.com"
GOOGLE_CLIENT = "1-a.apps.googleusercontent.com"
FOREIGN = "2-b.apps.googleusercontent.com"
FIREBASE_ISS = "https://securetoken.google.com/my-app-1234"
OTHER_SERVER = "https://acme.okta.com/oauth2/aus9f2k1c7QzD0aYb5d7"


def foreign(iss: object) -> dict[str, str]:
    """Return a token of *iss* under a key that no issuer has."""
    return bearer(mint(claims(iss=iss)))


SITUATIONS = {
    # -- the iss, which follows from other settings
    "another server of the domain": Situation(
        issuers=OKTA, headers=foreign(OTHER_SERVER), answer="401 unknown_issuer",
        has=(
            f"is '{OTHER_SERVER}', and `domain` and `authorization_server` give '{OKTA_ISS}'",
            "Check that: docs/issuers/okta.md",
        ),
    ),
    "another server of the domain, with the same keys": Situation(
        issuers=OKTA, headers=token(iss=OTHER_SERVER), answer="401 unknown_issuer",
        has=("The keys of issuer okta verify", "and `domain` and `authorization_server` give", "docs/issuers/okta.md"),
    ),
    "another domain, where one issuer is configured": Situation(
        issuers=OKTA, headers=foreign("https://login.example.com/oauth2/default"), answer="401 unknown_issuer",
        has=(f"`authorization_server` give '{OKTA_ISS}'",),
    ),
    "another realm, beside another issuer": Situation(
        issuers=f"{KEYCLOAK}, {FIREBASE.replace('preset', 'subject_prefix: f, preset')}",
        headers=foreign(f"{ISS}/realms/staff"), answer="401 unknown_issuer",
        has=(f"`realm_url` gives '{ISS}/realms/shop'", "docs/issuers/keycloak.md"),
    ),
    "another realm in another spelling": Situation(
        issuers=KEYCLOAK, headers=token(iss=f"{ISS}/realms/shop/"), answer="401 unknown_issuer",
        has=("only the slash at the end of its iss differs", "`realm_url` gives", "Check that: "),
    ),
    "another project of Supabase": Situation(
        issuers=SUPABASE, headers=foreign("https://zzzzzzzzzzzzzzzzzzzz.supabase.co/auth/v1"),
        answer="401 unknown_issuer", has=("`project_ref` gives 'https://abcdefghijklmnopqrst.supabase.co/auth/v1'",),
    ),
    "a token that is not from Google": Situation(
        issuers=GOOGLE, headers=foreign(ISS), answer="401 unknown_issuer",
        has=("preset google expects 'https://accounts.google.com'", "docs/issuers/google.md#traps"),
    ),
    "the operator wrote the issuer": Situation(
        issuers=KEYCLOAK.replace("clients", f'issuer: "{ISS}/a", clients'), headers=foreign(f"{ISS}/b"),
        answer="401 unknown_issuer", has=(f"and `issuer` is '{ISS}/a'",),
    ),
    "another issuer on no host of a provider": Situation(
        issuers=f"{KEYCLOAK}, {FIREBASE.replace('preset', 'subject_prefix: f, preset')}",
        headers=foreign("https://other.example.com"), answer="401 unknown_issuer",
    ),
    "another path, and no provider": Situation(
        issuers=KEYS, headers=foreign(f"{ISS}/b"), answer="401 unknown_issuer"
    ),
    # -- the audience
    "a token of a foreign client of Google": Situation(
        issuers=GOOGLE, headers=token(iss=GOOGLE_ISS, aud=FOREIGN, azp=FOREIGN), answer="401 wrong_audience",
        has=(f"is for '{FOREIGN}'", "Ask the provider for a token for your API: docs/issuers/google.md#traps"),
    ),
    "a token for another API of Okta": Situation(
        issuers=OKTA, headers=token(iss=OKTA_ISS, aud="api://other", cid="spa", uid="00u1"),
        answer="401 wrong_audience",
        has=("is for 'api://other'", "docs/issuers/okta.md#traps", "If `audiences` is wrong, write the Audience of"),
    ),
    "a token of Okta without aud": Situation(
        issuers=OKTA, headers=token(iss=OKTA_ISS, aud=None, cid="spa"), answer="401 wrong_audience",
        has=("The token has no aud", "docs/issuers/okta.md#traps"),
    ),
    "a token for another project of Firebase": Situation(
        issuers=FIREBASE, headers=token(iss=FIREBASE_ISS, aud="staging"), answer="401 wrong_audience",
        has=("is for 'staging'", "docs/issuers/firebase.md#traps"),
    ),
    "only the spelling of the audience differs": Situation(
        issuers=OKTA, headers=token(iss=OKTA_ISS, aud="api://default/", cid="spa"), answer="401 wrong_audience",
        has=("Only the slash at the end of the token's aud differs",),
    ),
    # -- what the preset demands
    "a client that is not listed": Situation(
        issuers=KEYCLOAK, headers=token(iss=KEYCLOAK_ISS, azp="cli", typ="Bearer"), answer="401 wrong_claim",
        has=("If this client is yours, add it to `clients`.", "docs/issuers/keycloak.md#traps"),
    ),
    "a page that is not listed": Situation(
        issuers=CLERK, headers=token(iss="https://clerk.example.com", azp=ISS, sid="s"), answer="401 wrong_claim",
        has=("If this client is yours, add it to `authorized_parties`.",),
    ),
    "a domain that is not listed": Situation(
        issuers=GOOGLE.replace("clients", "hosted_domains: [a.example], clients"), answer="401 wrong_claim",
        headers=token(iss=GOOGLE_ISS, aud=GOOGLE_CLIENT, azp=GOOGLE_CLIENT, hd="b.example"),
        has=("If you accept this value, add it to `hosted_domains`.",),
    ),
    "a client that has not the form of one": Situation(
        issuers=GOOGLE, headers=token(iss=GOOGLE_ISS, aud=GOOGLE_CLIENT, azp="1234"), answer="401 wrong_claim",
        has=("For the usual causes, see docs/issuers/google.md#traps",),
    ),
    "a token that is bound to a key": Situation(
        issuers=KEYCLOAK, headers=token(iss=KEYCLOAK_ISS, azp="spa", typ="Bearer", cnf={"jkt": "x"}),
        answer="401 wrong_claim", has=("For the usual causes, see docs/issuers/keycloak.md#traps",),
    ),
    "a claim that the preset demands is missing": Situation(
        issuers=CLERK.replace("}", ", absent_azp: refuse}"), answer="401 missing_claim",
        headers=token(iss="https://clerk.example.com", sid="s"), has=("docs/issuers/clerk.md#traps",),
    ),
    "a claim of require_claims has another value": Situation(
        issuers=KEYCLOAK.replace("}", ", require_claims: {tier: [gold]}}"), answer="401 wrong_claim",
        headers=token(iss=KEYCLOAK_ISS, azp="spa", typ="Bearer", tier="tin"),
    ),
    # -- the kind of token
    "an ID token of Keycloak": Situation(
        issuers=KEYCLOAK, headers=token(iss=KEYCLOAK_ISS, azp="spa", aud="spa", typ="ID"), answer="401 wrong_type",
        has=("Send the access token. For the usual causes, see docs/issuers/keycloak.md#traps",),
    ),
    "an access token where ID tokens are accepted": Situation(
        issuers=OKTA.replace("audiences", "accept: id_token, audiences"), answer="401 wrong_type",
        headers=token(iss=OKTA_ISS, aud="api://default", cid="spa", scp=["a"]), has=("Send the ID token.",),
    ),
    # -- claims of the identity
    "a user of Clerk without an organization": Situation(
        issuers=CLERK, headers=token(iss="https://clerk.example.com", azp=AZP, sid="s"), answer="200",
    ),
    "a field that the operator names": Situation(
        issuers=CLERK.replace("}", ", identity: {organization: orgid}}"), answer="200",
        headers=token(iss="https://clerk.example.com", azp=AZP, sid="s", org_id="o"), has=("It has `org_id`",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_names_the_settings_of_the_provider(tmp_path: Path, situation: Situation) -> None:
    check(tmp_path, situation)


@pytest.mark.parametrize("issuer", [OKTA, KEYCLOAK, FIREBASE, CLERK, ENTRA])
def test_no_hint_says_to_set_the_issuer_that_follows_from_other_settings(tmp_path: Path, issuer: str) -> None:
    publish(tmp_path)
    iss = explained(tmp_path, f"issuers: [{issuer}]", foreign(ISS)).detail.rpartition("accepted: ")[2].split(", ")[0]
    for headers in (token(iss=f"{iss}/"), token(iss=iss.replace("https", "http")), token(iss=f"{iss}-2")):
        result = explained(tmp_path, f"issuers: [{issuer}]", headers)
        assert result.answer == "401 unknown_issuer"
        assert result.hints
        assert "`issuer` is" not in result.text
        assert "Set `issuer`" not in result.text


def texts(folder: Path, name: str) -> str:
    publish(folder)
    situation = SITUATIONS[name]
    return explained(folder, f"issuers: [{situation.issuers}]", situation.headers).text


@pytest.mark.parametrize("name", ["a token of a foreign client of Google", "a token for another API of Okta"])
def test_no_hint_says_to_accept_the_audience_of_a_foreign_client(tmp_path: Path, name: str) -> None:
    assert "require_claims" not in texts(tmp_path, name)
    assert "audiences: [" not in texts(tmp_path, name)


@pytest.mark.parametrize("name", ["a client that is not listed", "a token that is bound to a key"])
def test_the_settings_of_preset_jwt_are_not_named_where_the_preset_demands_a_claim(tmp_path: Path, name: str) -> None:
    assert "require_claims" not in texts(tmp_path, name)


def test_no_hint_says_to_accept_id_tokens_of_a_provider(tmp_path: Path) -> None:
    assert "`accept" not in texts(tmp_path, "an ID token of Keycloak")


@pytest.mark.parametrize(("issuers", "is_named"), [(GOOGLE, False), (SESSIONS, True)])
def test_better_auth_is_named_only_where_it_is_configured(tmp_path: Path, issuers: str, *, is_named: bool) -> None:
    publish(tmp_path)
    result = explained(tmp_path, f"issuers: [{issuers}]", bearer("ya29." + "x" * 60))
    assert result.answer == "401 malformed_token"
    assert ("Better Auth" in result.text) == is_named


@pytest.mark.parametrize(("issuers", "is_named"), [(AUTHJS, True), (KEYS, False)])
def test_the_callback_of_auth_js_is_named_only_for_its_sessions(
    tmp_path: Path, issuers: str, *, is_named: bool
) -> None:
    publish(tmp_path)
    name = "__Secure-authjs.session-token"
    session = session_cookies.authjs_claims()
    del session["sub"]
    headers = (
        cookies(f"{name}={session_cookies.authjs_cookie(session, name=name)}") if is_named else bearer(signed(sub=None))
    )
    result = explained(tmp_path, f"issuers: [{issuers}]", headers)
    assert result.answer == "401 missing_claim"
    assert ("jwt() callback" in result.text) == is_named
