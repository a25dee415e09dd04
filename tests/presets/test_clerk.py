"""Clerk's session tokens, versions 1 and 2, in its cookies and in Authorization, and its tokens of other kinds.

https://clerk.com/docs/guides/sessions/session-tokens and .../jwt-templates name the claims. The suffixes of cookies are
those of packages/shared/src/__tests__/keys.spec.ts in clerk/javascript.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import UNREACHABLE, Published, Wrong
from tests.support.tokens import NOW

if TYPE_CHECKING:
    from pathlib import Path


CLERK = Provider("clerk")
ISS = "https://clerk.example.com"
USER, OTHER = "user_2RfWKJREkjKbHZy0Wqa5qrHeAnb", "user_2NNEqL2nrIRdJ194ndJqAHwEfxC"
SUFFIX = "naoXFJnI"
SESSION_CAT, TEMPLATE_CAT, MACHINE_CAT = "cl_B7d4PD111AAA", "cl_B7d4PD222AAA", "cl_B7d4PD333AAA"

COMMON: dict[str, Any] = {
    **times(60), "nbf": int(NOW) - 15, "azp": "https://app.example.com", "iss": ISS, "sub": USER,
}  # fmt: skip
V2: dict[str, Any] = COMMON | {
    "fva": [7, -1], "jti": "10db7f531a90cb2faea4", "sid": "sess_2Ro7e2IxrffdqBboq8KfB6eGbIy", "sts": "active", "v": 2,
    "pla": "o:pro", "fea": "o:dashboard,o:teams",
    "o": {"id": "org_123", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"},
}  # fmt: skip
V1: dict[str, Any] = COMMON | {
    "fva": [7, -1], "sid": "sess_2Ro7e2IxrffdqBboq8KfB6eGbIy", "org_id": "org_123", "org_slug": "acme",
    "org_role": "org:admin", "org_permissions": ["org:dashboard:manage"],
}  # fmt: skip
TEMPLATE: dict[str, Any] = COMMON | {"jti": "10db7f531a90cb2faea4", "name": "Ada", "roles": ["admin"]}
OAUTH: dict[str, Any] = {
    **times(86400), "iss": ISS, "sub": USER, "client_id": "k7lAIPdUQZxBb2qF", "scope": "profile email",
    "scp": ["profile", "email"], "jti": "oat_2xKa9Bgv7NxMRDFyQw8LpZ3cTmU1vHjE",
}  # fmt: skip
OAUTH_ID: dict[str, Any] = {
    **times(86400), "iss": ISS, "sub": USER, "aud": "k7lAIPdUQZxBb2qF", "nonce": "n", "email": "ada@example.com",
    "unsafe_metadata": {"roles": ["admin"]},
}  # fmt: skip
MACHINE: dict[str, Any] = {**times(), "iss": ISS, "sub": "mch_2vYVtestTESTtestTESTtestTESTtest", "jti": "mt_2x"}

HEADERS = {
    "headers": {
        "X-User-Id": "subject", "X-User-Roles": "roles", "X-User-Email": "email", "X-Session": "session_id",
        "X-Organization": "organization", "X-Organization-Role": "organization_role", "X-Actor": "impersonated_by",
    }
}  # fmt: skip
NOT_IMPERSONATED = {
    "policies": [{"name": "all", "match": {"path": "/**"}, "require": {"session": {"impersonated": False}}}]
}

TOKENS = [
    Token(name="of a session, version 2", claims=V2, headers={"X-User-Id": USER, "X-User-Roles": ""}),
    Token(name="of a session, version 1", claims=V1, headers={"X-User-Id": USER, "X-User-Roles": ""}),
    Token(name="with a category in its header", claims=V2, header={"cat": SESSION_CAT}),
    Token(name="in the cookie with the suffix", claims=V2, place=f"cookie:__session_{SUFFIX}"),
    Token(name="in the cookie without a suffix", claims=V2, place="cookie:__session"),
    Token(
        name="in the cookie of another application",
        claims=V2,
        place="cookie:__session_QvfNY2dr",
        answer="401 no_credential",
        detail=f"cookie __session_{SUFFIX}",
    ),
    Token(
        name="with the public metadata",
        claims=V2 | {"metadata": {"roles": ["admin", "editor"]}, "email": "ada@example.com", "email_verified": True},
        headers={"X-User-Roles": "admin,editor", "X-User-Email": "ada@example.com"},
    ),
    Token(name="with one role", claims=V2 | {"metadata": {"role": "admin"}}, headers={"X-User-Roles": "admin"}),
    Token(
        name="with its roles at the top",
        claims=V2 | {"metadata": {}, "roles": ["admin"]},
        headers={"X-User-Roles": "admin"},
    ),
    Token(name="of a user without roles", claims=V2 | {"metadata": {}}, headers={"X-User-Roles": ""}),
    Token(
        name="with roles that the user wrote",
        claims=V2 | {"unsafe_metadata": {"roles": ["admin"]}},
        headers={"X-User-Roles": ""},
    ),
    Token(
        name="of a session with tasks left",
        claims=V2 | {"sts": "pending"},
        answer="401 wrong_claim",
        detail="its sts",
    ),
    Token(
        name="of another page",
        claims=V2 | {"azp": "https://evil.example.com"},
        answer="401 wrong_claim",
        detail="its azp",
    ),
    Token(
        name="without azp",
        claims=V2 | {"azp": ...},
        answer="401 missing_claim",
        detail="it has no azp",
    ),
    Token(name="without azp, allowed", claims=V2 | {"azp": ...}, settings={"absent_azp": "allow"}),
    Token(
        name="of another page, where azp may be absent",
        claims=V2 | {"azp": "https://evil.example.com"},
        settings={"absent_azp": "allow"},
        answer="401 wrong_claim",
    ),
    Token(
        name="of an extension",
        claims=V2 | {"azp": "chrome-extension://bmhlpocbhkndjmljfmimimknbbpcgoil"},
        settings={"authorized_parties": "chrome-extension://bmhlpocbhkndjmljfmimimknbbpcgoil"},
    ),
    Token(
        name="of a JWT template",
        claims=TEMPLATE,
        header={"cat": TEMPLATE_CAT},
        answer="401 missing_claim",
        detail="it has no sid",
    ),
    Token(name="of an OAuth application", claims=OAUTH, header={"typ": "at+jwt"}, answer="401 missing_claim"),
    Token(
        name="of an OAuth application, with the claims of a session",
        claims=V2 | OAUTH,
        header={"typ": "at+jwt"},
        answer="401 wrong_claim",
        detail="it has client_id",
    ),
    Token(name="an ID token for an OAuth application", claims=OAUTH_ID, answer="401 wrong_type"),
    Token(name="of a machine", claims=MACHINE, header={"cat": MACHINE_CAT}, answer="401 missing_claim", detail="sid"),
    Token(
        name="of the development instance",
        claims=V2 | {"iss": "https://clean-mayfly-62.clerk.accounts.dev"},
        answer="401 unknown_issuer",
    ),
    Token(name="of an iss with a slash", claims=V2 | {"iss": f"{ISS}/"}, answer="401 unknown_issuer"),
    Token(name="expired", claims=V2 | times(-60), answer="401 expired"),
    Token(name="of another algorithm", claims=V2, algorithm="ES256", answer="401 wrong_algorithm"),
    Token(name="of another algorithm, allowed", claims=V2, algorithm="ES256", settings={"algorithms": ["ES256"]}),
    Token(
        name="for another audience, where the operator lists one",
        claims=V2 | {"aud": "other"},
        settings={"audiences": ["tasks"]},
        answer="401 wrong_audience",
    ),
]
KEY = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"
SLIPS = [
    Slip(settings={"publishable_key": None}, setting="publishable_key", message="is missing"),
    Slip(settings={"publishable_key": "sk_live_abc"}, setting="publishable_key", message="holds a secret key of Clerk"),
    Slip(settings={"publishable_key": ISS}, setting="publishable_key", message="copy the Publishable key"),
    Slip(settings={"publishable_key": "pk_live_"}, setting="publishable_key", message="is not a publishable key"),
    Slip(settings={"publishable_key": f"{KEY}!"}, setting="publishable_key", message="is not a publishable key"),
    Slip(settings={"publishable_key": KEY[:-4]}, setting="publishable_key", message="is not a publishable key"),
    # A host with a path, and one $ too many.
    Slip(settings={"publishable_key": "pk_live_YS5iL2Mk"}, setting="publishable_key", message="is not a publishable"),
    Slip(settings={"publishable_key": "pk_live_YS5iJCQ="}, setting="publishable_key", message="is not a publishable"),
    Slip(settings={"publishable_key": "pk_live_bG9jYWwk"}, setting="publishable_key", message="is not a publishable"),
    Slip(settings={"authorized_parties": None}, setting="authorized_parties", message="is missing"),
    Slip(settings={"authorized_parties": []}, setting="authorized_parties", message="is empty"),
    Slip(
        settings={"authorized_parties": ["https://app.example.com/"]},
        setting="authorized_parties[0]",
        message="without a path",
    ),
    Slip(settings={"authorized_parties": ["app.example.com"]}, setting="authorized_parties[0]", message="an origin"),
    Slip(settings={"authorized_parties": "https://App.example.com"}, setting="authorized_parties[0]", message="lower"),
    Slip(settings={"absent_azp": "ignore"}, setting="absent_azp", message="refuse"),
]  # fmt: skip
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}/.well-known/jwks.json",
        wrong=[
            Wrong(
                settings={"publishable_key": "pk_live_Y2xlcmsuZXhhbXBsZS5vcmck"},
                message=UNREACHABLE,
                host="clerk.example.org",
            )
        ],
    )
]


@pytest.mark.parametrize("case", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, case: Token) -> None:
    CLERK.check(tmp_path, case)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    CLERK.check_slip(tmp_path, slip)


def test_no_message_quotes_what_may_be_a_secret_key(tmp_path: Path) -> None:
    for wrong in ("sk_live_q7secretq7", "pk_live_q7secretq7", "q7secretq7"):
        assert "q7secretq7" not in str(CLERK.problems(tmp_path, {"publishable_key": wrong}))


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("pk_test_Y2xlYW4tbWF5Zmx5LTYyLmNsZXJrLmFjY291bnRzLmRldiQ", "clean-mayfly-62.clerk.accounts.dev"),
        ("pk_live_Y2xlcmsuY2xlcmsuZGV2JA", "clerk.clerk.dev"),
        ("pk_live_Y2xlcmsuY2xlcmsuZGV2JA==", "clerk.clerk.dev"),  # older keys are padded
    ],
)
def test_the_issuer_and_its_keys_follow_from_the_publishable_key(tmp_path: Path, key: str, host: str) -> None:
    (entry,) = CLERK.load(tmp_path, {"publishable_key": key}).issuers
    assert entry.config.given("issuer") == f"https://{host}"
    assert entry.config.given("jwks_url") == f"https://{host}/.well-known/jwks.json"


@pytest.mark.parametrize("claims", [V1, V2], ids=["version 1", "version 2"])
def test_the_session_and_the_organization_are_read_from_both_versions(tmp_path: Path, claims: dict[str, Any]) -> None:
    headers = CLERK.decide(tmp_path, claims, **HEADERS).headers
    assert headers["X-Session"] == "sess_2Ro7e2IxrffdqBboq8KfB6eGbIy"
    assert headers["X-Organization"] == "org_123"
    assert headers["X-Organization-Role"] == ("admin" if claims is V2 else "org:admin")


def test_an_impersonated_session_has_the_user_and_the_impersonator(tmp_path: Path) -> None:
    act = {"iss": "https://dashboard.clerk.com", "sid": "sess_456", "sub": OTHER}
    decision = CLERK.decide(tmp_path, V2 | {"act": act}, **HEADERS)
    assert (decision.headers["X-User-Id"], decision.headers["X-Actor"]) == (USER, OTHER)
    assert CLERK.decide(tmp_path, V2 | {"act": act}, **NOT_IMPERSONATED).answer == "403 forbidden"


def test_a_session_without_act_is_not_impersonated(tmp_path: Path) -> None:
    assert CLERK.decide(tmp_path, V2, **NOT_IMPERSONATED).answer == "200"


def test_roles_that_users_write_are_a_warning(tmp_path: Path) -> None:
    prepared = CLERK.prepared(
        tmp_path, {"identity": {"roles": "unsafe_metadata.roles", "name": "unsafe_metadata.name"}}
    )
    assert [one for one in prepared.warnings if "users may write the claim unsafe_metadata.roles themselves" in one]
    assert "unsafe_metadata.name" not in str(prepared.warnings)
