"""The vectors that are made while the tests run: there are enough of every kind, and each is consistent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.fresh_vectors import fresh_vectors

pytestmark = pytest.mark.timeout(400)  # the first test installs the libraries

CACHES = ("compact", "jwt", "jwe", "jwt-jwks")
KINDS = {
    *(f"better-auth/cookie-{strategy}" for strategy in CACHES),
    "better-auth/session-token",
    "better-auth/bearer-session",
    "better-auth/jwt",
    "authjs/v5",
    "nextauth/v4",
}


def vectors_of(kind: str, *, accept: bool | None = None) -> list[dict[str, Any]]:
    return [
        vector
        for vector in fresh_vectors()
        if vector["kind"] == kind and accept in (None, vector["expected"]["accept"])
    ]


def test_every_kind_has_cases_to_accept_and_to_refuse() -> None:
    accepted = Counter(vector["kind"] for vector in fresh_vectors() if vector["expected"]["accept"])
    refused = Counter(vector["kind"] for vector in fresh_vectors() if not vector["expected"]["accept"])
    assert set(accepted) == KINDS
    assert set(refused) == {*KINDS, "jwt"}
    assert min(accepted.values()) >= 5
    assert min(count for kind, count in refused.items() if kind != "jwt") >= 5


def test_names_are_unique_and_each_derived_vector_names_its_origin() -> None:
    names = [vector["name"] for vector in fresh_vectors()]
    assert len(names) == len(set(names))
    assert {vector["derived_from"] for vector in fresh_vectors() if "derived_from" in vector} <= set(names)


def test_a_library_agrees_or_the_vector_says_why_it_differs() -> None:
    for vector in fresh_vectors():
        agrees = vector.get("reference") in (None, "accepts" if vector["expected"]["accept"] else "rejects")
        assert agrees != ("differs" in vector), vector["name"]


@pytest.mark.parametrize("strategy", CACHES)
def test_each_cookie_cache_has_vectors_of_every_shape(strategy: str) -> None:
    vectors = vectors_of(f"better-auth/cookie-{strategy}", accept=True)
    names = {vector["expected"]["name"] for vector in vectors}
    assert any("\ud83d" in name for name in names), "no lone surrogate"
    assert any("🦄" in name for name in names)
    cookies = [vector["request"]["headers"]["cookie"] for vector in vectors]
    assert any("__Secure-better-auth.session_data=" in cookie for cookie in cookies)
    assert any("__Secure-sid.cache=" in cookie for cookie in cookies)
    assert any("session_data.3=" in cookie and len(cookie) > 15_000 for cookie in cookies)
    users = [vector["expected"] for vector in vectors]
    assert {user.get("role") for user in users} >= {"user", "admin,editor"}
    for fact in ("is_banned", "is_anonymous", "impersonated_by", "active_organization_id", "email_verified"):
        assert any(user.get(fact) for user in users), fact
    assert any("version" in vector["config"] for vector in vectors)


def test_every_run_has_new_secrets() -> None:
    secrets = {vector["config"]["secret"] for vector in fresh_vectors() if "secret" in vector["config"]}
    assert len(secrets) > 50
    assert all(secret.startswith("fresh-") and len(secret) == 50 for secret in secrets)


def test_the_api_tokens_use_every_algorithm() -> None:
    used = {vector["config"]["algorithms"][0] for vector in vectors_of("better-auth/jwt", accept=True)}
    assert used == {"EdDSA", "ES256", "ES512", "RS256", "PS256"}
