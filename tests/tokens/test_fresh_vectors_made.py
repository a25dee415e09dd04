"""The vectors that are made while the tests run: enough of them, of every kind, each sound in itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.fresh_vectors import fresh_vectors

pytestmark = pytest.mark.timeout(400)  # the first one installs the libraries

CACHES = ("compact", "jwt", "jwe", "jwt-jwks")
KINDS = {
    *(f"better-auth/cookie-{strategy}" for strategy in CACHES),
    "better-auth/session-token",
    "better-auth/bearer-session",
    "better-auth/jwt",
    "authjs/v5",
    "nextauth/v4",
}


def made(kind: str, *, accept: bool | None = None) -> list[dict[str, Any]]:
    return [one for one in fresh_vectors() if one["kind"] == kind and accept in (None, one["expected"]["accept"])]


def test_every_kind_is_accepted_and_refused() -> None:
    accepted = Counter(one["kind"] for one in fresh_vectors() if one["expected"]["accept"])
    refused = Counter(one["kind"] for one in fresh_vectors() if not one["expected"]["accept"])
    assert set(accepted) == KINDS
    assert set(refused) == {*KINDS, "jwt"}
    assert min(accepted.values()) >= 5
    assert min(count for kind, count in refused.items() if kind != "jwt") >= 5


def test_each_name_is_given_once_and_each_derived_vector_names_its_origin() -> None:
    names = [one["name"] for one in fresh_vectors()]
    assert len(names) == len(set(names))
    assert {one["derived_from"] for one in fresh_vectors() if "derived_from" in one} <= set(names)


def test_a_library_says_what_is_expected_or_it_is_told_why_not() -> None:
    for one in fresh_vectors():
        agrees = one.get("reference") in (None, "accepts" if one["expected"]["accept"] else "rejects")
        assert agrees != ("differs" in one), one["name"]


@pytest.mark.parametrize("strategy", CACHES)
def test_each_cookie_cache_comes_in_every_shape(strategy: str) -> None:
    vectors = made(f"better-auth/cookie-{strategy}", accept=True)
    names = {one["expected"]["name"] for one in vectors}
    assert any("\ud83d" in name for name in names), "a lone surrogate"
    assert any("🦄" in name for name in names)
    cookies = [one["request"]["headers"]["cookie"] for one in vectors]
    assert any("__Secure-better-auth.session_data=" in cookie for cookie in cookies)
    assert any("__Secure-sid.cache=" in cookie for cookie in cookies)
    assert any("session_data.3=" in cookie and len(cookie) > 15_000 for cookie in cookies)
    people = [one["expected"] for one in vectors]
    assert {person.get("role") for person in people} >= {"user", "admin,editor"}
    for fact in ("is_banned", "is_anonymous", "impersonated_by", "active_organization_id", "email_verified"):
        assert any(person.get(fact) for person in people), fact
    assert any("version" in one["config"] for one in vectors)


def test_no_secret_is_that_of_another_run() -> None:
    secrets = {one["config"]["secret"] for one in fresh_vectors() if "secret" in one["config"]}
    assert len(secrets) > 50
    assert all(secret.startswith("fresh-") and len(secret) == 50 for secret in secrets)


def test_the_api_tokens_use_every_algorithm() -> None:
    used = {one["config"]["algorithms"][0] for one in made("better-auth/jwt", accept=True)}
    assert used == {"EdDSA", "ES256", "ES512", "RS256", "PS256"}
