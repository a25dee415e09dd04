"""Tokens that the preset of an identity provider refuses: which of its settings `authgate explain` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer, explained, publish
from tests.situations.hinted import ISS, KEYS, Situation, check
from tests.situations.test_hints_of_kinds import CLERK, ENTRA, FIREBASE, OKTA, SUPABASE, token
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from pathlib import Path

KEYCLOAK = f'{{name: kc, preset: keycloak, realm_url: "{ISS}/realms/shop", clients: [spa], jwks_file: jwks.json}}'
GOOGLE = "{name: google, preset: google, clients: [1-a.apps.googleusercontent.com], jwks_file: jwks.json}"
OKTA_ISS = "https://acme.okta.com/oauth2/default"
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
            "Check the value: docs/issuers/okta.md",
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
        has=("only the slash at the end of its iss differs", "`realm_url` gives", "Check the value"),
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
