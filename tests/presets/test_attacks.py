"""What neither an attacker nor a slip opens: a setting that replaces one thing must not switch off another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.wiring import prepare
from tests.presets import test_cloudflare_access, test_entra, test_firebase, test_google, test_okta, test_supabase
from tests.support.provider import Provider

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.demands import TenantIssuers

ENTRA, FIREBASE, GOOGLE = Provider("entra"), Provider("firebase"), Provider("google")
CLOUDFLARE, KUBERNETES, OKTA = Provider("cloudflare-access"), Provider("kubernetes"), Provider("okta")
SUPABASE = Provider("supabase")
TENANT = "5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8"
OTHER = "11111111-2222-3333-4444-555555555555"


def tenants_of(folder: Path, settings: dict[str, Any]) -> TenantIssuers | None:
    (issuer,) = ENTRA.prepared(folder, settings).snapshot.issuers
    return issuer.traits.tenants


def iss_of(tenant: str) -> str:
    return f"https://login.microsoftonline.com/{tenant}/v2.0"


@pytest.mark.parametrize(
    "settings",
    [
        {"tenant": TENANT, "issuer": iss_of(TENANT)},
        {"tenant": None, "tenants": [TENANT, OTHER], "issuer": iss_of(OTHER)},
        {"tenant": None, "tenants": "any", "issuer": iss_of(OTHER)},
    ],
)
def test_an_issuer_that_is_written_out_keeps_the_check_of_the_tenant_and_of_its_keys(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    tenants = tenants_of(tmp_path, settings)
    assert tenants is not None
    assert not tenants.accepts_any
    assert tenants.key_placeholder == "{tenantid}"


def test_an_issuer_that_follows_anyway_changes_nothing(tmp_path: Path) -> None:
    usual, written = (
        ENTRA.prepared(tmp_path, settings).snapshot.issuers[0]
        for settings in ({"tenant": TENANT}, {"tenant": TENANT, "issuer": iss_of(TENANT)})
    )
    assert written.every_iss == usual.every_iss
    assert written.fingerprint == usual.fingerprint


def test_an_api_that_a_foreign_tenant_may_have_named_is_no_audience_of_a_service_for_all_tenants(
    tmp_path: Path,
) -> None:
    client = "0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36"
    settings = {"tenant": None, "tenants": "any", "audiences": [client]}
    claims = test_entra.ACCESS | {"aud": f"api://{client}"}
    assert ENTRA.decide(tmp_path, claims, settings=settings).answer == "401 wrong_audience"
    named = ENTRA.prepared(tmp_path, settings | {"audiences": ["api://tasks"]})
    assert any("unique only within a tenant" in warning for warning in named.warnings)


@pytest.mark.parametrize("stated", [..., None, 1, "t", []])
def test_supabase_has_to_say_who_is_anonymous_if_these_are_refused(tmp_path: Path, stated: object) -> None:
    claims = test_supabase.ACCESS | {"is_anonymous": stated}
    assert SUPABASE.decide(tmp_path, claims).answer in {"401 missing_claim", "401 wrong_claim"}
    assert SUPABASE.decide(tmp_path, claims, settings={"anonymous": "allow"}).answer == "200"


def test_firebase_has_to_say_how_a_user_signed_in(tmp_path: Path) -> None:
    claims = test_firebase.PASSWORD | {"firebase": {"sign_in_provider": ["anonymous"]}}
    assert FIREBASE.decide(tmp_path, claims).answer == "401 wrong_claim"


@pytest.mark.parametrize("provider", [FIREBASE, SUPABASE], ids=["firebase", "supabase"])
def test_another_claim_for_who_is_anonymous_is_a_warning(tmp_path: Path, provider: Provider) -> None:
    prepared = provider.prepared(tmp_path, {"identity": {"is_anonymous": "anon"}})
    assert any("identity.is_anonymous decides" in warning for warning in prepared.warnings)


def test_what_the_operator_lists_counts_also_if_require_claims_names_its_claim(tmp_path: Path) -> None:
    google = {"hosted_domains": ["example.com"], "require_claims": {"hd": ["evil.com", "example.com"]}}
    foreign = test_google.OF_USER | {"hd": "evil.com"}
    assert GOOGLE.decide(tmp_path, foreign, settings=google).answer == "401 wrong_claim"
    firebase = {"tenants": ["other"], "require_claims": {"firebase.tenant": ["acme-x7"]}}
    claims = test_firebase.PASSWORD | {"firebase": {"sign_in_provider": "password", "tenant": "acme-x7"}}
    assert FIREBASE.decide(tmp_path, claims, settings=firebase).answer == "401 wrong_claim"


def test_require_claims_cannot_make_a_program_a_user(tmp_path: Path) -> None:
    user = "7335d417-61da-459d-899c-0a01c76a2f94"
    certificate = {name: value for name, value in test_cloudflare_access.USER.items() if name not in {"sub", "email"}}
    settings: dict[str, Any] = {"require_claims": {"common_name": [user]}}
    decision = CLOUDFLARE.decide(
        tmp_path, certificate | {"sub": "", "common_name": user}, settings=settings, place="Cf-Access-Jwt-Assertion"
    )
    assert decision.answer == "401 wrong_claim"
    program = {name: value for name, value in test_okta.ACCESS.items() if name != "uid"}
    chosen = "00u47ijy7sRLaeSdC0g7"
    okta = {"require_claims": {"cid": [chosen]}}
    assert OKTA.decide(tmp_path, program | {"cid": chosen}, settings=okta).answer == "401 wrong_claim"


def test_the_token_of_a_service_account_for_a_client_of_users_is_refused_also_without_azp(tmp_path: Path) -> None:
    claims = test_google.OF_USER | {"azp": ..., "email": "scheduler@acme.iam.gserviceaccount.com"}
    assert GOOGLE.decide(tmp_path, claims).answer == "401 wrong_claim"


@pytest.mark.parametrize("audience", ["rke2", "https://kubernetes.default", "https://10.96.0.1:443", "https://[::1]"])
def test_an_audience_of_the_api_server_is_rejected(tmp_path: Path, audience: str) -> None:
    problems = KUBERNETES.problems(tmp_path, {"audiences": [audience]})
    assert "accepts tokens for the API server" in problems["audiences"]


@pytest.mark.parametrize("settings", [{"in_cluster": None}, {"in_cluster": True}])
def test_the_token_of_the_pod_goes_to_no_address_that_the_operator_wrote(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    loaded = KUBERNETES.load(tmp_path, settings | {"jwks_url": "https://bucket.example.com/keys.json"})
    assert loaded.problems == ()
    assert loaded.issuers[0].config.given("jwks_token_file") is None
    warned = any("set jwks_token_file and ca_file" in warning for warning in prepare(loaded).warnings)
    assert warned == (settings["in_cluster"] is True)
