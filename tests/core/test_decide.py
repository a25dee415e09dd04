"""The whole decision: which check refuses, which checks are recorded, and which proofs are cached."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from authgate.core.credential import HeaderPlace
from authgate.core.csrf import CsrfRule
from authgate.core.decide import decide
from authgate.core.decision import Allow, Deny
from authgate.core.errors import LookupFailed
from authgate.core.lookups import RefreshKeys
from authgate.core.outputs import Output
from authgate.core.policies import Policies
from authgate.core.reasons import Reason
from authgate.tokens import LruProofCache, jwk
from tests.support.deciding import (
    ALL_ALGORITHMS,
    bearer,
    decide_now,
    decide_token,
    make_issuer,
    make_snapshot,
    request_with,
    secret_keys,
)
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint, public_jwk


def keys_of(*members: dict[str, Any]) -> Any:
    return jwk.from_jwks(json.dumps({"keys": members}).encode(), ALL_ALGORITHMS)


def test_a_valid_token_is_allowed_with_every_configured_header() -> None:
    decision = decide_token(mint())
    assert isinstance(decision, Allow)
    assert (*decision.headers,) == (
        ("X-User-Id", "user-1"),
        ("X-User-Email", ""),
        ("X-User-Name", ""),
        ("X-User-Roles", ""),
    )


def test_an_allowed_request_records_every_check_in_order() -> None:
    decision = decide_token(mint())
    assert [(check.name, check.passed) for check in decision.checks] == [
        (name, True) for name in ("policy", "credential", "token", "times", "headers")
    ]


def test_an_allow_has_the_policy_and_the_identity() -> None:
    decision = decide_token(mint(claims(email="ada@example.test")))
    assert isinstance(decision, Allow)
    assert (decision.policy, decision.identity.issuer, decision.identity.email) == (
        "default",
        "app",
        "ada@example.test",
    )


@pytest.mark.parametrize(
    ("token", "reason", "check"),
    [
        pytest.param(mint(claims(exp=int(NOW) - 31)), Reason.EXPIRED, "times", id="expired"),
        pytest.param(mint(claims(nbf=int(NOW) + 31)), Reason.NOT_YET_VALID, "times", id="not yet"),
        pytest.param(mint(key=OTHER_SECRET), Reason.BAD_SIGNATURE, "token", id="other secret"),
        pytest.param(mint(claims(exp=None)), Reason.MISSING_CLAIM, "token", id="no exp"),
        pytest.param(mint(claims(exp="soon")), Reason.MALFORMED_TOKEN, "token", id="exp a word"),
        pytest.param("a.b.c.d.e", Reason.MALFORMED_TOKEN, "token", id="JWE"),
        pytest.param("opaque", Reason.MALFORMED_TOKEN, "token", id="opaque"),
    ],
)
def test_a_refusal_has_its_reason_and_ends_with_the_check_that_failed(token: str, reason: Reason, check: str) -> None:
    decision = decide_token(token)
    assert isinstance(decision, Deny)
    assert decision.reason is reason
    assert (decision.checks[-1].name, decision.checks[-1].passed) == (check, False)
    assert decision.policy == "default"


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        ("a.b.c.d.e", "5 dot-separated parts: an encrypted token"),
        ('{"payload":"x"}', "a JSON object; only the compact serialization"),
        ("opaque-token", "12 characters and 0 dots"),
    ],
)
def test_an_unrecognized_token_is_described_by_its_shape_and_not_quoted(token: str, shape: str) -> None:
    decision = decide_token(token)
    assert decision.detail.startswith(shape)
    assert token not in decision.detail


def test_a_refusal_names_the_issuer_whose_keys_were_tried() -> None:
    decision = decide_token(mint(key=OTHER_SECRET))
    assert isinstance(decision, Deny)
    assert decision.issuer_name == "app"


def test_a_request_without_a_credential_is_refused() -> None:
    decision = decide_now(request_with())
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.NO_CREDENTIAL
    assert "access_token" in decision.detail


def test_without_any_policy_even_a_valid_token_is_refused() -> None:
    decision = decide_token(mint(), make_snapshot(policies=Policies(policies=())))
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.policy) == (Reason.NO_POLICY, "")


def test_without_any_issuer_even_a_valid_token_is_refused() -> None:
    snapshot = dataclasses.replace(make_snapshot(), issuers=())
    assert decide_token(mint(), snapshot).reason is Reason.MALFORMED_TOKEN


def test_a_bad_credential_in_the_first_place_is_refused_although_the_second_place_has_a_good_one() -> None:
    request = request_with(("Authorization", "Bearer bad"), ("Cookie", f"access_token={mint()}"))
    assert decide_now(request).reason is Reason.MALFORMED_TOKEN


def test_identity_headers_over_8_kib_refuse_the_request() -> None:
    snapshot = make_snapshot(outputs=(Output(header="X-User-Name", source="name"),))
    decision = decide_token(mint(claims(name="n" * 9000)), snapshot)
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.checks[-1].name) == (Reason.HEADERS_TOO_LARGE, "headers")


CROSS_SITE = (("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example"))


def test_a_cookie_sent_by_another_site_is_refused_as_csrf() -> None:
    request = request_with(("Cookie", f"access_token={mint()}"), *CROSS_SITE, method="POST")
    assert decide_now(request).reason is Reason.CSRF


@pytest.mark.parametrize(
    ("header", "from_elsewhere"),
    [
        ("Cf-Access-Jwt-Assertion", Reason.CSRF),
        ("X-Goog-IAP-JWT-Assertion", Reason.CSRF),
        ("x-amzn-oidc-accesstoken", Reason.CSRF),
        ("X-Forwarded-Access-Token", Reason.CSRF),
        ("X-Access-Token", None),
    ],
)
def test_another_site_cannot_use_a_header_that_an_edge_fills_from_a_cookie(
    header: str, from_elsewhere: Reason | None
) -> None:
    snapshot = make_snapshot(places=(HeaderPlace(name=header),))
    own_origin = (("Sec-Fetch-Site", "same-origin"), ("Origin", "https://app.example.com"))
    for sender, method, expected in (
        (CROSS_SITE, "POST", from_elsewhere),
        (CROSS_SITE, "GET", None),
        (own_origin, "POST", None),
        ((), "POST", None),
    ):
        decision = decide_now(request_with((header, mint()), *sender, method=method), snapshot)
        assert (decision.reason if isinstance(decision, Deny) else None) is expected


def test_a_websocket_of_another_site_is_refused_if_an_edge_fills_its_header() -> None:
    snapshot = make_snapshot(places=(HeaderPlace(name="Cf-Access-Jwt-Assertion"),))
    handshake = (("Cf-Access-Jwt-Assertion", mint()), ("Sec-WebSocket-Key", "x"))
    assert isinstance(decide_now(request_with(*handshake), snapshot), Allow)
    assert decide_now(request_with(*handshake, *CROSS_SITE), snapshot).reason is Reason.CSRF


def test_a_bearer_token_needs_no_csrf_check() -> None:
    request = request_with(("Authorization", f"Bearer {mint()}"), *CROSS_SITE, method="POST")
    assert isinstance(decide_now(request), Allow)


@pytest.mark.parametrize(
    "csrf", [None, CsrfRule(allowed_origins=frozenset({"https://evil.example"}))], ids=["off", "allowed"]
)
def test_csrf_protection_can_be_turned_off_or_allow_an_origin(csrf: CsrfRule | None) -> None:
    request = request_with(("Cookie", f"access_token={mint()}"), *CROSS_SITE, method="POST")
    assert isinstance(decide_now(request, make_snapshot(csrf=csrf)), Allow)


def cookies(*tokens: str) -> Any:
    return request_with(("Cookie", "; ".join(f"access_token={token}" for token in tokens)))


@pytest.mark.parametrize(
    ("tokens", "allowed"),
    [
        pytest.param((mint(), mint(claims(exp=int(NOW) + 60))), True, id="one person twice"),
        pytest.param((mint(), mint(claims(exp=int(NOW) - 60))), True, id="one expired"),
        pytest.param(("junk", mint()), True, id="one junk"),
        pytest.param((mint(), mint(claims(sub="user-2"))), False, id="two persons"),
        pytest.param((mint(), mint(claims(roles=["admin"]))), False, id="two sets of rights"),
        pytest.param(("junk", "more-junk"), False, id="none valid"),
    ],
)
def test_cookies_with_the_same_name_pass_only_if_they_prove_exactly_one_identity(
    tokens: tuple[str, ...], *, allowed: bool
) -> None:
    decision = decide_now(cookies(*tokens))
    if allowed:
        assert isinstance(decision, Allow)
        assert decision.identity.subject == "user-1"
    else:
        assert isinstance(decision, Deny)
        assert decision.reason is Reason.AMBIGUOUS_CREDENTIAL


def test_a_proof_is_cached_and_the_second_request_is_not_verified_again() -> None:
    snapshot = make_snapshot()
    token = mint()
    decide_token(token, snapshot)
    decide_token(token, snapshot)
    assert isinstance(snapshot.proofs, LruProofCache)
    assert (snapshot.proofs.stored, snapshot.proofs.hits) == (1, 1)


def test_a_cached_proof_still_expires() -> None:
    snapshot = make_snapshot()
    token = mint()
    assert isinstance(decide_token(token, snapshot), Allow)
    assert decide_token(token, snapshot, now=NOW + 900 + 30).reason is Reason.EXPIRED


def test_a_refused_token_is_never_cached() -> None:
    snapshot = make_snapshot()
    decide_token(mint(key=OTHER_SECRET), snapshot)
    assert isinstance(snapshot.proofs, LruProofCache)
    assert snapshot.proofs.entries == 0


def test_after_a_rotation_of_the_secret_a_cached_token_is_refused() -> None:
    snapshot = make_snapshot()
    token = mint()
    assert isinstance(decide_token(token, snapshot), Allow)
    rotated = snapshot.with_issuer(snapshot.issuers[0].with_keys(secret_keys(OTHER_SECRET)))
    assert decide_token(token, rotated).reason is Reason.BAD_SIGNATURE


def test_a_token_with_an_unknown_key_causes_a_lookup_of_newer_keys_and_passes_with_them() -> None:
    issuer = make_issuer(keys_of(public_jwk("ES256", "old")))
    newer = issuer.with_keys(keys_of(public_jwk("ES256", "new")))
    steps = decide(bearer(mint(algorithm="ES256", header={"kid": "new"})), make_snapshot(issuer), NOW)
    assert next(steps) == RefreshKeys(issuer_name="app", key_id="new")
    with pytest.raises(StopIteration) as done:
        steps.send(newer)
    assert isinstance(done.value.value, Allow)


def test_an_unknown_key_is_refused_if_there_are_no_newer_keys() -> None:
    snapshot = make_snapshot(make_issuer(keys_of(public_jwk("ES256", "old"))))
    decision = decide_token(mint(algorithm="ES256", header={"kid": "new"}), snapshot)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.UNKNOWN_KEY


def test_a_failed_lookup_of_keys_is_our_fault_and_not_the_clients() -> None:
    snapshot = make_snapshot(make_issuer(keys_of(public_jwk("ES256", "old"))))
    steps = decide(bearer(mint(algorithm="ES256", header={"kid": "new"})), snapshot, NOW)
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.throw(LookupFailed(Reason.KEYS_UNAVAILABLE, "no answer"))
    assert done.value.value.reason is Reason.KEYS_UNAVAILABLE
    assert done.value.value.detail == "no answer"


@pytest.mark.parametrize(
    ("output", "changes", "is_ambiguous"),
    [
        (Output(header="X-Tenant", source="claims.tenant"), {"tenant": "evil"}, True),
        (Output(header="X-User-Id", source="claims.oid"), {"oid": "bob"}, True),
        (Output(header="X-User-Id", source="session_id"), {"sid": "s-2"}, True),
        (Output(header="X-User-Name", source="name"), {"name": "Bob"}, True),
        (Output(header="X-Token-Id", source="token_id"), {"jti": "t-2"}, False),
        (Output(header="X-Expires", source="expires_at"), {"exp": int(NOW) + 60}, False),
        (Output(header="X-User-Id", source="subject"), {"tenant": "evil", "oid": "bob"}, False),
    ],
    ids=str,
)
def test_cookies_of_the_same_subject_are_ambiguous_if_the_headers_about_the_user_differ(
    output: Output, changes: dict[str, Any], *, is_ambiguous: bool
) -> None:
    good = claims(tenant="good", oid="ada", sid="s-1", jti="t-1", name="Ada")
    request = request_with(("Cookie", f"access_token={mint(good | changes)}; access_token={mint(good)}"))
    decision = decide_now(request, make_snapshot(outputs=(output,)))
    assert getattr(decision, "reason", None) == (Reason.AMBIGUOUS_CREDENTIAL if is_ambiguous else None)
