"""Tokens of another kind than a provider's preset reads: what `authgate explain` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.situations.explained import bearer, explained, publish
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
KUBERNETES = "{name: k8s, preset: kubernetes, audiences: [tasks], service_accounts: shop/worker, jwks_file: jwks.json}"
ENTRA = (
    "{name: entra, preset: entra, tenant: 5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8, "
    "audiences: [0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36], jwks_file: jwks.json}"
)
OKTA = "{name: okta, preset: okta, domain: acme.okta.com, audiences: [api://default], jwks_file: jwks.json}"
IDP = KEYS.replace("audiences", 'subject_prefix: "idp:", audiences')
CLERK_ISS = "https://clerk.example.com"
AZP = "https://app.example.com"
SUPABASE_ISS = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
OTHER_ISS = "https://other.example.com"
CLUSTER_ISS = "https://kubernetes.default.svc.cluster.local"
POD = {"iss": CLUSTER_ISS, "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "worker"}}}
OF_A_SECRET = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:shop:worker"}
MICROSOFT_ISS = "https://sts.windows.net/5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8/"


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
        has=("If this client is yours",),
    ),
    "a token of an issuer that is not Clerk": Situation(
        issuers=f"{CLERK}, {IDP}", headers=bearer(mint(claims(iss=OTHER_ISS))), answer="401 unknown_issuer",
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
            user_metadata={"roles": ["admin"]}, is_anonymous=False,
        ),
    ),
    "a role of the same name elsewhere": Situation(
        issuers=KEYS, headers=bearer(mint(claims(iss=OTHER_ISS, role="anon"))), answer="401 unknown_issuer",
    ),
    "a token of Supabase without a session": Situation(  # client_id must be absent, so it is not what is missing
        issuers=SUPABASE,
        headers=token(iss=SUPABASE_ISS, aud="authenticated", role="authenticated", azp=AZP),
        answer="401 missing_claim", has=("For the usual causes, see docs/issuers/supabase.md#traps",),
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
    "a pod's token for the API server": Situation(
        issuers=KUBERNETES, headers=token(**POD, aud=[CLUSTER_ISS]), answer="401 wrong_audience",
        has=("for the API server", "can act as the pod", "`serviceAccountToken: {path: token, audience: tasks}`"),
    ),
    "a pod's token for the API server of EKS": Situation(
        issuers=KUBERNETES, headers=token(**POD, aud=["https://kubernetes.default.svc"]), answer="401 wrong_audience",
        has=("for the API server",),
    ),
    "a pod's token for the API server of a cluster with an issuer of its own": Situation(
        issuers=KUBERNETES.replace("audiences", f'issuer: "{OTHER_ISS}", audiences'), answer="401 wrong_audience",
        headers=token(**POD | {"iss": OTHER_ISS}, aud=[OTHER_ISS]), has=("for the API server",),
    ),
    "a pod's token for another service": Situation(
        issuers=KUBERNETES, headers=token(**POD, aud=["vault"]), answer="401 wrong_audience",
        has=("The pod's manifest sets the audience", "docs/issuers/kubernetes.md"),
    ),
    "a pod's token that names another account": Situation(
        issuers=KUBERNETES, headers=token(**POD, aud=["tasks"], sub="system:serviceaccount:shop:intern"),
        answer="401 wrong_claim", has=("add it to `service_accounts`",),
    ),
    "a token for another service, of no pod": Situation(
        issuers=KUBERNETES, headers=token(iss=CLUSTER_ISS, aud=["vault"]), answer="401 wrong_audience",
        has=("The token is for 'vault'.",),
    ),
    "a pod's token at another issuer than a cluster": Situation(
        issuers=KEYS, headers=bearer(signed(aud=["vault"], **{"kubernetes.io": {"namespace": "shop"}})),
        answer="401 wrong_audience",
    ),
    "a token in a Secret of Kubernetes": Situation(
        issuers=KUBERNETES, headers=token(**OF_A_SECRET), answer="401 unknown_issuer",
        has=("never expires and has no audience", "docs/issuers/kubernetes.md"),
    ),
    "a token in a Secret, where the cluster is one of two issuers": Situation(
        issuers=f"{KUBERNETES}, {IDP}", headers=bearer(mint(claims(**OF_A_SECRET))), answer="401 unknown_issuer",
        has=("never expires and has no audience",),
    ),
    "a token in a Secret, where no issuer is a cluster": Situation(
        issuers=f"{KEYS}, {ENTRA.replace('tenant', 'subject_prefix: e, tenant')}", answer="401 unknown_issuer",
        headers=bearer(mint(claims(**OF_A_SECRET))),
    ),
    "a token for Microsoft Graph": Situation(
        issuers=ENTRA, answer="401 wrong_audience", has=("for a service of Microsoft", "api://CLIENT-ID/access_as_user"),
        headers=token(
            iss=MICROSOFT_ISS, aud="00000003-0000-0000-c000-000000000000", appid="spa", oid="0d",
            tid="5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8", scp="User.Read",
        ),
    ),
    "a token for another service of Microsoft": Situation(
        issuers=ENTRA, answer="401 unknown_issuer", has=("for a service of Microsoft",),
        headers=bearer(mint(claims(iss="https://login.microsoftonline.com/x/v2.0"), header={"nonce": "n"})),
    ),
    "a nonce in the header of a token that is not Microsoft's": Situation(
        issuers=f"{ENTRA}, {IDP}", answer="401 unknown_issuer",
        headers=bearer(mint(claims(iss=OTHER_ISS), header={"nonce": "n"})),
    ),
    "a token for Microsoft Graph, where Entra ID is not configured": Situation(
        issuers=KEYS, answer="401 unknown_issuer",
        headers=bearer(mint(claims(iss=MICROSOFT_ISS, aud="https://graph.microsoft.com"), header={"nonce": "n"})),
    ),
    "a token of Okta's own, where Okta is not configured": Situation(
        issuers=KEYS, answer="401 unknown_issuer",
        headers=bearer(mint(claims(iss="https://acme.okta.com"), header={"typ": "application/okta-internal-at+jwt"})),
    ),
    "a token of Okta's own, of another org": Situation(
        issuers=OKTA, answer="401 unknown_issuer", has=("from Okta's org authorization server",),
        headers=bearer(mint(claims(iss="https://b.okta.com"), header={"typ": "application/okta-internal-at+JWT"})),
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


def test_no_hint_says_to_accept_the_iss_of_a_token_in_a_secret(tmp_path: Path) -> None:
    """The cluster signs it with the same keys."""
    publish(tmp_path)
    result = explained(tmp_path, f"issuers: [{KUBERNETES}]", token(**OF_A_SECRET))
    assert result.answer == "401 unknown_issuer"
    assert "verify this token" not in result.text


def test_no_hint_says_to_accept_the_audience_of_microsoft_graph(tmp_path: Path) -> None:
    publish(tmp_path)
    headers = SITUATIONS["a token for Microsoft Graph"].headers
    assert "require_claims: {appid" not in explained(tmp_path, f"issuers: [{ENTRA}]", headers).text
