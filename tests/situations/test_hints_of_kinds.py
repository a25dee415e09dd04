"""Tokens of another kind than a provider's preset reads: what `authgate explain` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.situations.explained import bearer
from tests.situations.hinted import KEYS, Situation, check, signed
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CLERK = (
    "{name: clerk, preset: clerk, publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, "
    'authorized_parties: "https://app.example.com", jwks_file: jwks.json}'
)
SUPABASE = "{name: sb, preset: supabase, project_ref: abcdefghijklmnopqrst, jwks_file: jwks.json}"
FIREBASE = "{name: fb, preset: firebase, project_id: my-app-1234, jwks_file: jwks.json}"
IDP = KEYS.replace("audiences", 'subject_prefix: "idp:", audiences')
CLERK_ISS = "https://clerk.example.com"
AZP = "https://app.example.com"
SUPABASE_ISS = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
OTHER_ISS = "https://other.example.com"


def token(**changes: Any) -> Mapping[str, str]:
    """Return a token with exactly these claims and the usual times."""
    return bearer(mint(claims(**changes), algorithm="RS256"))


SITUATIONS = {
    "a JWT template of Clerk": Situation(
        issuers=CLERK, headers=token(iss=CLERK_ISS, azp=AZP), answer="401 missing_claim",
        has=("belongs to no session", "`await getToken()`, without a template"),
    ),
    "a session of Clerk that is refused for something else": Situation(
        issuers=CLERK, headers=token(iss=CLERK_ISS, azp=OTHER_ISS, sid="sess_1"), answer="401 wrong_claim",
    ),
    "a token of an issuer that is not Clerk": Situation(
        issuers=CLERK, headers=bearer(mint(claims(iss=OTHER_ISS))), answer="401 unknown_issuer",
    ),
    "a token of the issuer beside Clerk": Situation(
        issuers=f"{CLERK}, {IDP}", headers=bearer(signed(sub=None)), answer="401 missing_claim",
    ),
    "the anon key of Supabase": Situation(
        issuers=SUPABASE, headers=bearer(mint(claims(iss="supabase", sub=None, role="anon"))),
        answer="401 unknown_issuer", has=("is an API key of Supabase (anon or service_role)", "`access_token`"),
    ),
    "the service_role key of Supabase": Situation(
        issuers=SUPABASE, headers=bearer(mint(claims(iss="supabase", sub=None, role="service_role"))),
        answer="401 unknown_issuer", has=("is an API key of Supabase",),
    ),
    "roles that a user of Supabase wrote": Situation(
        issuers=SUPABASE, answer="200",
        headers=token(
            iss=SUPABASE_ISS, aud="authenticated", role="authenticated", session_id="s",
            user_metadata={"roles": ["admin"]},
        ),
    ),
    "a role of the same name elsewhere": Situation(
        issuers=KEYS, headers=bearer(mint(claims(iss=OTHER_ISS, role="anon"))), answer="401 unknown_issuer",
    ),
    "a token of Supabase without a session": Situation(  # client_id must be absent, so it is not what is missing
        issuers=SUPABASE,
        headers=token(iss=SUPABASE_ISS, aud="authenticated", role="authenticated", azp=AZP),
        answer="401 missing_claim",
    ),
    "a session cookie of Firebase": Situation(
        issuers=FIREBASE, headers=token(iss="https://session.firebase.google.com/my-app-1234", aud="my-app-1234"),
        answer="401 unknown_issuer", has=("a session cookie of Firebase", "`await user.getIdToken()`"),
    ),
    "a custom token of Firebase": Situation(
        issuers=FIREBASE,
        headers=token(
            iss="robot@my-app-1234.iam.gserviceaccount.com", sub="robot@my-app-1234.iam.gserviceaccount.com",
            aud="https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
        ),
        answer="401 unknown_issuer", has=("a custom token of Firebase",),
    ),
    "a token of App Check": Situation(
        issuers=FIREBASE, headers=token(iss="https://firebaseappcheck.googleapis.com/12"),
        answer="401 unknown_issuer", has=("one of Firebase App Check",),
    ),
    "a token of Google, where Firebase is the issuer": Situation(
        issuers=FIREBASE, headers=token(iss="https://accounts.google.com", aud="a.apps.googleusercontent.com"),
        answer="401 unknown_issuer", has=("Google's own, with which a user signs in at Firebase",),
    ),
    "a publishable key of Supabase": Situation(
        issuers=SUPABASE, headers=bearer("sb_publishable_" + "x" * 30), answer="401 malformed_token",
        has=("is not a JWT", "begin with sb_publishable_ or sb_secret_"),
    ),
    "an OAuth token of Clerk": Situation(
        issuers=CLERK, headers=bearer("oat_" + "x" * 30), answer="401 malformed_token",
        has=("is not a JWT", "begin with oat_, mt_ or ak_"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_explain_says_what_kind_of_token_it_is(tmp_path: Path, situation: Situation) -> None:
    check(tmp_path, situation)
