"""The ID tokens of Firebase Authentication and Identity Platform, and what else a client of Firebase may send.

https://firebase.google.com/docs/auth/admin/verify-id-tokens and .../custom-claims name the claims; firebase-admin-node
(src/auth/token-verifier.ts) those of session cookies and custom tokens.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.decision import Allow
from authgate.core.reasons import Reason
from tests.support.deciding import bearer, decide_now
from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import Published, jwk
from tests.support.tokens import NOW, b64

if TYPE_CHECKING:
    from pathlib import Path

FIREBASE = Provider("firebase")
PROJECT = "my-app-1234"
ISS = f"https://securetoken.google.com/{PROJECT}"
USER = "Xk893u23H9SJ893abcdefghijkl"
SERVICE_ACCOUNT = f"firebase-adminsdk-x1@{PROJECT}.iam.gserviceaccount.com"

BASE: dict[str, Any] = {
    **times(), "iss": ISS, "aud": PROJECT, "auth_time": int(NOW) - 60, "user_id": USER, "sub": USER,
}  # fmt: skip
GOOGLE: dict[str, Any] = BASE | {
    "name": "Ada L", "picture": "https://lh3.example.com/a", "email": "ada@example.com", "email_verified": True,
    "firebase": {"identities": {"google.com": ["1098"]}, "sign_in_provider": "google.com"},
}  # fmt: skip
PASSWORD: dict[str, Any] = BASE | {
    "email": "ada@example.com", "email_verified": False,
    "firebase": {"identities": {"email": ["ada@example.com"]}, "sign_in_provider": "password"},
}  # fmt: skip
PHONE: dict[str, Any] = BASE | {
    "phone_number": "+15555550100",
    "firebase": {"identities": {"phone": ["+15555550100"]}, "sign_in_provider": "phone"},
}  # fmt: skip
ANONYMOUS: dict[str, Any] = BASE | {
    "provider_id": "anonymous", "firebase": {"identities": {}, "sign_in_provider": "anonymous"},
}  # fmt: skip
OF_TENANT: dict[str, Any] = PASSWORD | {
    "firebase": PASSWORD["firebase"]
    | {"tenant": "acme-x7", "sign_in_second_factor": "totp", "second_factor_identifier": "9f"}
}
SESSION_COOKIE: dict[str, Any] = GOOGLE | {"iss": f"https://session.firebase.google.com/{PROJECT}"}
CUSTOM: dict[str, Any] = {
    **times(), "iss": SERVICE_ACCOUNT, "sub": SERVICE_ACCOUNT, "uid": USER,
    "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
}  # fmt: skip
OF_GOOGLE: dict[str, Any] = {
    **times(), "iss": "https://accounts.google.com", "aud": "1234-abc.apps.googleusercontent.com", "sub": "1098",
    "azp": "1234-abc.apps.googleusercontent.com", "email": "ada@example.com", "email_verified": True,
}  # fmt: skip
APP_CHECK: dict[str, Any] = {
    **times(), "iss": "https://firebaseappcheck.googleapis.com/123456789012", "sub": "1:123456789012:web:ab12",
    "aud": ["projects/123456789012", f"projects/{PROJECT}"],
}  # fmt: skip
OF_FUNCTION: dict[str, Any] = GOOGLE | {
    "aud": f"https://us-central1-{PROJECT}.cloudfunctions.net/beforeSignIn", "event_type": "beforeSignIn",
}  # fmt: skip

MFA = {"policies": [{"name": "all", "match": {"path": "/**"}, "require": {"amr": {"any_of": ["totp", "phone"]}}}]}
DOMAIN = {"policies": [{"name": "all", "match": {"path": "/**"}, "require": {"email": {"domain": "example.com"}}}]}
ADMIN = {"policies": [{"name": "all", "match": {"path": "/**"}, "require": {"claims": {"admin": {"any_of": [True]}}}}]}

TOKENS = [
    Token(
        name="of a user of Google",
        claims=GOOGLE,
        headers={"X-User-Id": USER, "X-User-Email": "ada@example.com", "X-User-Name": "Ada L", "X-User-Roles": ""},
    ),
    Token(name="of a user with a password", claims=PASSWORD, headers={"X-User-Id": USER}),
    Token(name="of a user with a phone", claims=PHONE, headers={"X-User-Id": USER, "X-User-Email": ""}),
    Token(
        name="of a custom sign-in",
        claims=BASE | {"roles": ["admin"], "firebase": {"identities": {}, "sign_in_provider": "custom"}},
        headers={"X-User-Roles": "admin"},
    ),
    Token(name="with roles", claims=GOOGLE | {"roles": ["admin", "editor"]}, headers={"X-User-Roles": "admin,editor"}),
    Token(name="with one role", claims=GOOGLE | {"role": "admin"}, headers={"X-User-Roles": "admin"}),
    Token(name="with a flag for a role", claims=GOOGLE | {"admin": True}, headers={"X-User-Roles": ""}),
    Token(name="of an anonymous user", claims=ANONYMOUS, answer="403 anonymous_user"),
    Token(
        name="of an anonymous user who claims to be none",
        claims=ANONYMOUS | {"is_anonymous": False},
        answer="403 anonymous_user",
    ),
    Token(name="of an anonymous user, allowed", claims=ANONYMOUS, settings={"anonymous": "allow"}),
    Token(name="of a tenant", claims=OF_TENANT),
    Token(name="of a listed tenant", claims=OF_TENANT, settings={"tenants": "acme-x7"}),
    Token(
        name="of another tenant",
        claims=OF_TENANT,
        settings={"tenants": ["other"]},
        answer="401 wrong_claim",
        detail="its firebase.tenant",
    ),
    Token(
        name="of the project itself, where tenants are listed",
        claims=GOOGLE,
        settings={"tenants": ["acme-x7"]},
        answer="401 missing_claim",
        detail="it has no firebase.tenant",
    ),
    Token(name="of another project", claims=GOOGLE | {"aud": "other"}, answer="401 wrong_audience"),
    Token(
        name="of the iss of another project",
        claims=GOOGLE | {"iss": "https://securetoken.google.com/other"},
        answer="401 unknown_issuer",
    ),
    Token(
        name="a session cookie",
        claims=SESSION_COOKIE,
        answer="401 unknown_issuer",
        detail="https://session.firebase.google.com/",
    ),
    Token(name="a custom token", claims=CUSTOM, answer="401 unknown_issuer", detail=SERVICE_ACCOUNT),
    Token(name="an ID token of Google", claims=OF_GOOGLE, answer="401 unknown_issuer", detail="accounts.google.com"),
    Token(name="a token of App Check", claims=APP_CHECK, answer="401 unknown_issuer"),
    Token(name="a token for a blocking function", claims=OF_FUNCTION, answer="401 wrong_audience"),
    Token(
        name="without the member firebase",
        claims=BASE,
        answer="401 missing_claim",
        detail="it has no firebase.sign_in_provider",
    ),
    Token(name="without sub", claims=GOOGLE | {"sub": ...}, answer="401 missing_claim"),
    Token(name="with an empty sub", claims=GOOGLE | {"sub": ""}, answer="401 missing_claim"),
    Token(name="with a custom claim scope", claims=GOOGLE | {"scope": "read"}, answer="401 wrong_type"),
    Token(name="with a custom claim scope, allowed", claims=GOOGLE | {"scope": "read"}, settings={"accept": "any"}),
    Token(name="bound to a key", claims=GOOGLE | {"cnf": {"jkt": "x"}}, answer="401 wrong_claim"),
    Token(name="of another algorithm", claims=GOOGLE, algorithm="ES256", answer="401 wrong_algorithm"),
    Token(name="expired", claims=GOOGLE | times(-60), answer="401 expired"),
]
SLIPS = [
    Slip(settings={"project_id": None}, setting="project_id", message="is missing"),
    Slip(settings={"project_id": "123456789012"}, setting="project_id", message="the number of a project"),
    Slip(settings={"project_id": "AIzaSyA-x"}, setting="project_id", message="a Web API key"),
    Slip(settings={"project_id": "1:123456789012:web:ab12"}, setting="project_id", message="the ID of an app"),
    Slip(
        settings={"project_id": "1234-abc.apps.googleusercontent.com"},
        setting="project_id",
        message="the ID of an OAuth client",
    ),
    Slip(settings={"project_id": ISS}, setting="project_id", message=f"write {PROJECT}"),
    Slip(settings={"project_id": f"{PROJECT}.firebaseapp.com"}, setting="project_id", message=f"write {PROJECT}"),
    Slip(settings={"project_id": "My App"}, setting="project_id", message="copy the Project ID"),
    Slip(settings={"tenants": []}, setting="tenants", message="is empty"),
    Slip(settings={"anonymous": "deny"}, setting="anonymous", message="refuse"),
    Slip(settings={"audiences": "any"}, setting="audiences", message="ID tokens of every client"),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url="https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        keys=[jwk("a"), jwk("b")],
    )
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    FIREBASE.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    FIREBASE.check_slip(tmp_path, slip)


def test_the_id_of_an_older_project_may_have_a_domain(tmp_path: Path) -> None:
    claims = GOOGLE | {"iss": "https://securetoken.google.com/example.com:my-proj", "aud": "example.com:my-proj"}
    assert FIREBASE.decide(tmp_path, claims, settings={"project_id": "example.com:my-proj"}).answer == "200"


def test_the_keys_are_those_of_google(tmp_path: Path) -> None:
    (entry,) = FIREBASE.load(tmp_path).issuers
    assert entry.config.given("jwks_url") == (
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
    )


def test_the_tenant_is_the_organization(tmp_path: Path) -> None:
    headers = {"X-User-Id": "subject", "X-Organization": "organization", "X-Anonymous": "is_anonymous"}
    decision = FIREBASE.decide(tmp_path, OF_TENANT, headers=headers)
    assert (decision.headers["X-Organization"], decision.headers["X-Anonymous"]) == ("acme-x7", "false")


@pytest.mark.parametrize(
    ("claims", "rest", "answer"),
    [
        (OF_TENANT, MFA, "200"),
        (GOOGLE, MFA, "403 forbidden"),
        (GOOGLE, DOMAIN, "200"),
        (PASSWORD, DOMAIN, "403 forbidden"),  # nobody confirmed the address
        (GOOGLE | {"admin": True}, ADMIN, "200"),
        (GOOGLE | {"admin": False}, ADMIN, "403 forbidden"),
        (GOOGLE, ADMIN, "403 forbidden"),
    ],
)
def test_the_rules_of_the_page_pass_the_right_users(
    tmp_path: Path, claims: dict[str, Any], rest: dict[str, Any], answer: str
) -> None:
    assert FIREBASE.decide(tmp_path, claims, **rest).answer == answer


def test_a_token_of_the_emulator_is_refused(tmp_path: Path) -> None:
    token = f"{b64(json.dumps({'alg': 'none', 'typ': 'JWT'}).encode())}.{b64(json.dumps(GOOGLE).encode())}."
    decision = decide_now(bearer(token), FIREBASE.prepared(tmp_path).snapshot)
    assert not isinstance(decision, Allow)
    assert decision.reason in {Reason.MALFORMED_TOKEN, Reason.WRONG_ALGORITHM}
