"""Attacks on the proof cache. A cached proof is valid only for the same token and configuration, and still expires."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from authgate.caches import CacheBudget
from authgate.core.credential import CookiePlace, Credential, UnverifiedToken
from authgate.core.decision import Allow, Deny
from authgate.core.demands import Demand, TenantIssuers, Traits
from authgate.core.reasons import Reason
from authgate.core.snapshot import Accept, Issuer
from authgate.tokens import FORMATS, LruProofCache, derived, jwk
from tests.support.deciding import decide_now, decide_token, make_issuer, make_snapshot, request_with, secret_keys
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint, public_pem


class OtherFormat:
    """A format with another name that reads the same tokens."""

    name = "other"
    shape = "jws"
    recognizes = FORMATS["jwt"].recognizes
    parse = FORMATS["jwt"].parse
    verify = FORMATS["jwt"].verify


# Every setting that verification depends on, with a value under which the tests' token is not proven.
TIGHTENED: dict[str, Any] = {
    "name": "renamed",
    "formats": (OtherFormat(),),
    "iss": "https://other.example",
    "audiences": frozenset({"another-api"}),
    "algorithms": frozenset({"HS384"}),
    "required_claims": frozenset({("exp",), ("jti",)}),
    "identity": {"subject": (("jti",),)},
    "demands": (Demand(paths=(("sub",),), accepted=("another-user",), setting="require_claims"),),
    "traits": Traits(tenants=TenantIssuers(claim=("tid",), templates=("https://issuer.example/{tenant}",))),
    "token_types": frozenset({"at+jwt"}),
    "accept": Accept.ID_TOKEN,  # which demands aud
    "key_set": secret_keys(OTHER_SECRET),
    "session_key_set": derived.better_auth((OTHER_SECRET,)),
    "also_iss": frozenset({"https://also.example"}),
    "other_iss": frozenset({"https://issuer.example"}),
    "subject_prefix": "partner:",
    "other_prefixes": ("user-",),
    "claims_read": frozenset({("plan",)}),  # a cached proof lacks claims that were not read
}


def test_J22_the_tests_cover_every_setting_of_an_issuer() -> None:
    # When the store is asked does not change a proof: `decide` checks it on every request.
    assert {field.name for field in fields(Issuer) if field.init} - {"session_check"} == TIGHTENED.keys()


@pytest.mark.parametrize("setting", TIGHTENED)
def test_J22_a_cached_proof_is_not_found_under_another_configuration(setting: str) -> None:
    """GHSA-qvp4, CVE-2026-33496 (Oathkeeper), liboauth2 2026-06-03: the key of the cache lacked issuer and rule."""
    issuer = make_issuer()
    tightened = replace(issuer, **{setting: TIGHTENED[setting]})
    cache, token = LruProofCache(), mint()
    assert isinstance(decide_token(token, make_snapshot(issuer, proofs=cache)), Allow)
    digest = Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization").digest()
    assert cache.get(digest, issuer) is not None
    assert cache.get(digest, tightened) is None
    assert cache.get(digest, replace(issuer)) is not None


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("iss", Reason.UNKNOWN_ISSUER),
        ("audiences", Reason.WRONG_AUDIENCE),
        ("algorithms", Reason.WRONG_ALGORITHM),
        ("required_claims", Reason.MISSING_CLAIM),
        ("identity", Reason.MISSING_CLAIM),
        ("demands", Reason.WRONG_CLAIM),
        ("token_types", Reason.WRONG_TYPE),
        ("accept", Reason.WRONG_AUDIENCE),
        ("key_set", Reason.BAD_SIGNATURE),
    ],
)
def test_J22_a_cached_token_is_refused_as_soon_as_the_configuration_refuses_it(setting: str, reason: Reason) -> None:
    cache, token = LruProofCache(), mint()
    assert isinstance(decide_token(token, make_snapshot(make_issuer(), proofs=cache)), Allow)
    tightened = make_snapshot(replace(make_issuer(), **{setting: TIGHTENED[setting]}), proofs=cache)
    for _ in range(2):
        decision = decide_token(token, tightened)
        assert isinstance(decision, Deny)
        assert decision.reason is reason


def test_J22_a_cached_token_of_a_removed_key_is_refused() -> None:
    both = public_pem("ES256") + public_pem("ES384")
    allowed = frozenset({"ES256", "ES384"})
    cache, token = LruProofCache(), mint(algorithm="ES384")
    before = make_snapshot(make_issuer(jwk.from_pem(both, allowed)), proofs=cache)
    after = before.with_issuer(before.issuers[0].with_keys(jwk.from_pem(public_pem("ES256"), allowed)))
    assert isinstance(decide_token(token, before), Allow)
    assert isinstance(decide_token(token, after), Deny)
    assert isinstance(decide_token(token, before), Allow)


def test_J22_the_times_of_a_cached_token_are_checked_on_every_request() -> None:
    snapshot = make_snapshot(leeway_seconds=0)
    token = mint(claims(exp=int(NOW) + 60, nbf=int(NOW)))
    outcomes = [decide_token(token, snapshot, NOW + later) for later in (0, 59.9, 60, 61, -1, 0)]
    assert snapshot.proofs.hits == 5
    reasons = [outcome.reason if isinstance(outcome, Deny) else None for outcome in outcomes]
    assert reasons == [None, None, Reason.EXPIRED, Reason.EXPIRED, Reason.NOT_YET_VALID, None]


def test_J22_the_csrf_check_applies_to_a_cached_token() -> None:
    snapshot = make_snapshot(places=(CookiePlace(name="access_token"),))
    cookie = ("Cookie", f"access_token={mint()}")
    assert isinstance(decide_now(request_with(cookie), snapshot), Allow)
    from_elsewhere = request_with(cookie, ("Sec-Fetch-Site", "cross-site"), method="POST")
    decision = decide_now(from_elsewhere, snapshot)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.CSRF
    assert snapshot.proofs.hits == 1


def test_J22_a_refusal_is_not_cached_and_a_bad_token_finds_no_proof() -> None:
    snapshot = make_snapshot()
    good = mint()
    assert isinstance(decide_token(good, snapshot), Allow)
    header, payload, signature = good.split(".")
    other = mint(claims(sub="admin")).split(".")
    for bad in (f"{header}.{other[1]}.{signature}", f"{header}.{payload}.{other[2]}", good + "A", good[:-1]):
        assert isinstance(decide_token(bad, snapshot), Deny)
    assert snapshot.proofs.stored == snapshot.proofs.entries == 1


def test_J22_credentials_whose_parts_are_split_differently_have_different_digests() -> None:
    """The same bytes, split differently, are another credential."""
    divisions = [(("a", "bc"),), (("ab", "c"),), (("a", "b"), ("c", "")), (("a", ""), ("b", "c")), (("", "abc"),)]
    digests = {
        Credential(parts=tuple((n, UnverifiedToken(v)) for n, v in parts), found_in="cookie:x").digest()
        for parts in divisions
    }
    assert len(digests) == len(divisions)


def test_J22_the_cache_is_bounded() -> None:
    cache = LruProofCache(CacheBudget(50_000))
    snapshot = make_snapshot(proofs=cache)
    for number in range(100):
        assert isinstance(decide_token(mint(claims(sub=f"user-{number}")), snapshot), Allow)
    assert cache.stored == 100
    assert 0 < cache.entries < 50
    assert cache.bytes <= 50_000
