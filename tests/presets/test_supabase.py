"""The tokens of a Supabase project: of users, of anonymous users and for OAuth clients, and its API keys.

https://supabase.com/docs/guides/auth/jwt-fields names the claims.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.core.decision import Allow
from authgate.core.reasons import Reason
from authgate.wiring import prepare
from tests.situations.explained import explained
from tests.support.deciding import bearer, decide_now
from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import ANOTHER_ISSUER, UNREACHABLE, Published, Wrong, jwk
from tests.support.tokens import NOW, mint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authgate.core.decision import Decision

SUPABASE = Provider("supabase")
REF, OTHER_REF = "abcdefghijklmnopqrst", "tsrqponmlkjihgfedcba"
ISS = f"https://{REF}.supabase.co/auth/v1"
USER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
CLIENT = "9a8b7c6d-5e4f-3a2b-1c0d-9e8f7a6b5c4d"
# It looks like base64, and is used as text.
LEGACY_SECRET = base64.b64encode(bytes(range(64))).decode()
LEGACY = {"jwks_file": None, "secret": LEGACY_SECRET}

ACCESS: dict[str, Any] = {
    **times(), "iss": ISS, "sub": USER, "aud": "authenticated", "role": "authenticated", "aal": "aal1",
    "amr": [{"method": "password", "timestamp": int(NOW) - 60}], "session_id": "123e4567-e89b-12d3-a456-426614174000",
    "email": "ada@example.com", "phone": "", "is_anonymous": False,
    "app_metadata": {"provider": "email", "providers": ["email"]},
    "user_metadata": {"name": "Ada", "email_verified": True, "roles": ["admin"], "role": "admin"},
}  # fmt: skip
ANONYMOUS: dict[str, Any] = ACCESS | {
    "email": "", "amr": [{"method": "anonymous", "timestamp": int(NOW) - 60}], "is_anonymous": True,
    "app_metadata": {}, "user_metadata": {},
}  # fmt: skip
FOR_CLIENT: dict[str, Any] = ACCESS | {"client_id": CLIENT, "scope": "openid email"}
ID: dict[str, Any] = {
    **times(), "iss": ISS, "sub": USER, "aud": CLIENT, "auth_time": int(NOW) - 60, "client_id": CLIENT,
    "email": "ada@example.com", "email_verified": True, "phone_number_verified": False, "name": "Ada",
}  # fmt: skip
ANON_KEY: dict[str, Any] = {
    "iss": "supabase", "ref": REF, "role": "anon", "iat": int(NOW) - 9, "exp": int(NOW) + 315_360_000,
}  # fmt: skip
SERVICE_KEY: dict[str, Any] = ANON_KEY | {"role": "service_role"}

HEADERS = {
    "headers": {
        "X-User-Id": "subject", "X-User-Email": "email", "X-User-Name": "name", "X-Session": "session_id",
        "X-Level": "acr", "X-Methods": "amr", "X-Anonymous": "is_anonymous",
    }
}  # fmt: skip

TOKENS = [
    Token(
        name="of a user",
        claims=ACCESS,
        algorithm="ES256",
        headers={"X-User-Id": USER, "X-User-Email": "ada@example.com", "X-User-Name": "Ada", "X-User-Roles": ""},
    ),
    Token(name="of a user, by RSA", claims=ACCESS),
    Token(
        name="of a user with several roles",
        claims=ACCESS | {"app_metadata": {"roles": ["admin", "editor"]}},
        headers={"X-User-Roles": "admin,editor"},
    ),
    Token(
        name="of a user with one role",
        claims=ACCESS | {"app_metadata": {"role": "admin"}},
        headers={"X-User-Roles": "admin"},
    ),
    Token(
        name="of a hook that writes a role", claims=ACCESS | {"user_role": "admin"}, headers={"X-User-Roles": "admin"}
    ),
    Token(name="of a hook without a role", claims=ACCESS | {"user_role": None}, headers={"X-User-Roles": ""}),
    Token(name="of an anonymous user", claims=ANONYMOUS, answer="403 anonymous_user"),
    Token(name="of an anonymous user, allowed", claims=ANONYMOUS, settings={"anonymous": "allow"}),
    Token(
        name="for an OAuth client",
        claims=FOR_CLIENT,
        answer="401 wrong_claim",
        detail="it has client_id",
    ),
    Token(name="for an OAuth client, listed", claims=FOR_CLIENT, settings={"oauth_clients": CLIENT}),
    Token(
        name="for another OAuth client",
        claims=FOR_CLIENT,
        settings={"oauth_clients": ["another"]},
        answer="401 wrong_claim",
        detail="oauth_clients accepts",
    ),
    Token(name="of a user, where clients are listed", claims=ACCESS, settings={"oauth_clients": ["another"]}),
    Token(name="an ID token", claims=ID, answer="401 wrong_audience"),
    Token(name="an ID token with a nonce", claims=ID | {"nonce": "n"}, answer="401 wrong_type"),
    Token(name="the anon key", claims=ANON_KEY, answer="401 unknown_issuer", detail="its iss"),
    Token(name="the service_role key", claims=SERVICE_KEY, answer="401 unknown_issuer"),
    Token(
        name="of another project",
        claims=ACCESS | {"iss": f"https://{OTHER_REF}.supabase.co/auth/v1"},
        answer="401 unknown_issuer",
    ),
    Token(
        name="of the service role, with a user's claims",
        claims=ACCESS | {"role": "service_role"},
        answer="401 wrong_claim",
        detail="its role",
    ),
    Token(name="of another database role", claims=ACCESS | {"role": "manager"}, answer="401 wrong_claim"),
    Token(
        name="of another database role, listed",
        claims=ACCESS | {"role": "manager"},
        settings={"require_claims": {"role": ["authenticated", "manager"]}},
    ),
    Token(
        name="without a session",
        claims=ACCESS | {"session_id": ...},
        answer="401 missing_claim",
        detail="it has no session_id",
    ),
    Token(name="without an audience", claims=ACCESS | {"aud": ...}, answer="401 wrong_audience"),
    Token(name="expired", claims=ACCESS | times(-60), answer="401 expired"),
    Token(
        name="of a Supabase on this machine",
        claims=ACCESS | {"iss": "http://127.0.0.1:54321/auth/v1"},
        settings={"project_ref": None, "project_url": "http://127.0.0.1:54321/"},
    ),
]
SLIPS = [
    Slip(settings={"project_ref": None}, setting="project_ref", message="is missing"),
    Slip(settings={"project_ref": None}, setting="project_ref", message="copy the Project ID"),
    Slip(settings={"project_ref": f"https://{REF}.supabase.co"}, setting="project_ref", message=f"write {REF}"),
    Slip(settings={"project_ref": f"db.{REF}.supabase.co"}, setting="project_ref", message=f"write {REF}"),
    Slip(
        settings={"project_ref": f"https://supabase.com/dashboard/project/{REF}/settings"},
        setting="project_ref",
        message=f"write {REF}",
    ),
    Slip(settings={"project_ref": "My project"}, setting="project_ref", message="20 lower-case letters"),
    Slip(settings={"project_url": "https://db.example.com"}, setting="project_ref", message="are both set"),
    Slip(
        settings={"project_ref": None, "project_url": "https://db.example.com/rest/v1/"},
        setting="project_url",
        message="write https://db.example.com",
    ),
    Slip(
        settings={"project_ref": None, "project_url": f"https://supabase.com/dashboard/project/{REF}"},
        setting="project_url",
        message="a page of the dashboard",
    ),
    Slip(
        settings={"project_ref": None, "project_url": "http://kong.example.com:8000"},
        setting="project_url",
        message="is plain http",
    ),
    Slip(settings={"url": ISS}, setting="url", message="write project_ref"),
    Slip(settings={"oauth_clients": []}, setting="oauth_clients", message="is empty"),
    Slip(settings={"anonymous": "deny"}, setting="anonymous", message="refuse"),
    Slip(settings={"secret_env": "UNSET_SECRET"}, setting="secret_env", message="UNSET_SECRET"),
]
PUBLISHED = [
    Published(
        issuer=ISS,
        keys_url=f"{ISS}/.well-known/jwks.json",
        keys=[jwk("a", "ES256", key_ops=["verify"], ext=True)],
        wrong=[
            Wrong(settings={"project_ref": OTHER_REF}, message=UNREACHABLE, host=f"{OTHER_REF}.supabase.co"),
            Wrong(
                settings={"project_ref": None, "project_url": "https://login.example.com"},
                message=ANOTHER_ISSUER,
                host="login.example.com",
            ),
        ],
    )
]


def decide_by_secret(folder: Path, claims: Mapping[str, Any], key: bytes = LEGACY_SECRET.encode()) -> Decision:
    prepared = prepare(SUPABASE.load(folder, LEGACY))
    return decide_now(bearer(mint(dict(claims), key=key, header={"kid": "legacy"})), prepared.snapshot)


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    SUPABASE.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    SUPABASE.check_slip(tmp_path, slip)


def test_no_message_quotes_what_may_be_a_key(tmp_path: Path) -> None:
    for wrong in ("sb_secret_q7secretq7", mint(SERVICE_KEY), f"sb_secret_{REF}_q7secretq7"):
        shown = str(SUPABASE.problems(tmp_path, {"project_ref": wrong}))
        assert wrong not in shown
        assert REF not in shown


def test_the_session_and_the_level_are_read(tmp_path: Path) -> None:
    headers = SUPABASE.decide(tmp_path, ACCESS | {"aal": "aal2"}, **HEADERS).headers
    assert headers["X-Session"] == ACCESS["session_id"]
    assert (headers["X-Level"], headers["X-Methods"]) == ("aal2", "password")
    assert headers["X-Anonymous"] == "false"


def test_a_policy_can_refuse_anonymous_users_that_the_issuer_allows(tmp_path: Path) -> None:
    policies = [{"name": "all", "match": {"path": "/**"}, "require": {"session": {"anonymous": False}}}]
    settings = {"anonymous": "allow"}
    assert SUPABASE.decide(tmp_path, ANONYMOUS, settings=settings, policies=policies).answer == "403 forbidden"
    assert SUPABASE.decide(tmp_path, ACCESS, settings=settings, policies=policies).answer == "200"


def test_an_optional_policy_refuses_the_anon_key_and_accepts_a_request_without_it(tmp_path: Path) -> None:
    policies = [{"name": "all", "match": {"path": "/**"}, "optional": True}]
    assert SUPABASE.decide(tmp_path, ANON_KEY, policies=policies).answer == "401 unknown_issuer"
    assert SUPABASE.decide(tmp_path, ACCESS, place="X-Nothing", policies=policies).headers["X-User-Id"] == ""


def test_the_legacy_secret_verifies_the_tokens_of_users(tmp_path: Path) -> None:
    decision = decide_by_secret(tmp_path, ACCESS)
    assert isinstance(decision, Allow)
    assert dict(decision.headers)["X-User-Id"] == USER


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        (ANON_KEY, Reason.UNKNOWN_ISSUER),
        (SERVICE_KEY, Reason.UNKNOWN_ISSUER),
        (SERVICE_KEY | {"iss": ISS, "sub": USER, "aud": "authenticated"}, Reason.WRONG_CLAIM),
        (ANONYMOUS, Reason.ANONYMOUS_USER),
        (FOR_CLIENT, Reason.WRONG_CLAIM),
        (ACCESS | {"session_id": ""}, Reason.MISSING_CLAIM),
    ],
)
def test_the_legacy_secret_signs_more_than_tokens_of_users(
    tmp_path: Path, claims: dict[str, Any], reason: Reason
) -> None:
    decision = decide_by_secret(tmp_path, claims)
    assert not isinstance(decision, Allow)
    assert decision.reason is reason


@pytest.mark.parametrize(
    ("claims", "answer", "roles"),
    [
        (ACCESS | {"app_metadata": {"roles": ["admin"]}}, "200", "admin"),
        (ANONYMOUS, "200", ""),  # preset jwt does not look at accounts
        (ANON_KEY, "401 missing_claim", None),  # it names no user
    ],
)
def test_preset_jwt_reads_the_same_tokens_and_knows_less_about_them(
    tmp_path: Path, claims: dict[str, Any], answer: str, roles: str | None
) -> None:
    usual = {"preset": "jwt", "secret": LEGACY_SECRET}
    users = usual | {"name": "users", "issuer": ISS, "audiences": ["authenticated"]}
    keys = usual | {"name": "keys", "issuer": "supabase", "audiences": "any", "subject_prefix": "key:"}
    headers = {"X-User-Id": "subject", "X-User-Roles": "claims.app_metadata.roles"}
    config = yaml.safe_dump({"issuers": [users, keys], "headers": headers})
    token = mint(claims, key=LEGACY_SECRET.encode(), header={"kid": "legacy"})
    decision = explained(tmp_path, config, {"Authorization": f"Bearer {token}"})
    assert (decision.answer, decision.headers.get("X-User-Roles")) == (answer, roles)


def test_the_legacy_secret_is_text_and_not_base64(tmp_path: Path) -> None:
    decision = decide_by_secret(tmp_path, ACCESS, base64.b64decode(LEGACY_SECRET))
    assert not isinstance(decision, Allow)
    assert decision.reason is Reason.BAD_SIGNATURE


def test_the_secret_replaces_the_public_keys(tmp_path: Path) -> None:
    (by_keys,), (by_secret,) = SUPABASE.load(tmp_path).issuers, SUPABASE.load(tmp_path, LEGACY).issuers
    assert (by_keys.config.given("discovery"), by_keys.config.given("issuer")) == (True, ISS)
    assert (by_secret.config.given("discovery"), by_secret.config.given("issuer")) == (False, ISS)
    token = mint(ACCESS, algorithm="ES256")
    decision = decide_now(bearer(token), prepare(SUPABASE.load(tmp_path, LEGACY)).snapshot)
    assert not isinstance(decision, Allow)
    assert decision.reason is Reason.WRONG_ALGORITHM


def test_a_token_under_the_legacy_secret_is_refused_where_public_keys_verify(tmp_path: Path) -> None:
    prepared = SUPABASE.prepared(tmp_path, algorithm="ES256")
    decision = decide_now(bearer(mint(ACCESS, key=LEGACY_SECRET.encode())), prepared.snapshot)
    assert not isinstance(decision, Allow)
    assert decision.reason is Reason.WRONG_ALGORITHM


def test_roles_that_users_write_are_a_warning(tmp_path: Path) -> None:
    for field in ("roles", "email_verified"):
        prepared = SUPABASE.prepared(tmp_path, {"identity": {field: f"user_metadata.{field}"}})
        assert f"users may write the claim user_metadata.{field} themselves" in str(prepared.warnings)
