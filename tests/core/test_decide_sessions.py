"""Decisions about sessions, from cookies or the session store: every row of the truth table (docs/sessions.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.decide import decide
from authgate.core.decision import Allow, Deny
from authgate.core.errors import LookupFailed
from authgate.core.lookups import RefreshKeys
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.tokens import LruProofCache, derived, jwk, session_record
from authgate.tokens.better_auth.cookie_jwt import AUDIENCE_BY_JWKS, TYPE_BY_JWKS
from authgate.tokens.better_auth.session import BetterAuthSession
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    ACCOUNT_RULES,
    ALL_ALGORITHMS,
    SESSION_PLACES,
    make_session_issuer,
    make_snapshot,
    request_with,
)
from tests.support.session_deciding import Store, driven
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, mint, public_jwk

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.policy import AccountRule

FALLBACK, ALWAYS, NONE = SessionCheck.FALLBACK, SessionCheck.ALWAYS, SessionCheck.NONE
FRESH = cookies.compact()
STALE = cookies.compact(expires_at=NOW - 1)
OF_ANOTHER = cookies.compact(cookies.payload(session=cookies.session("b" * 32)))
OF_ANOTHER_VERSION = cookies.compact(cookies.payload(version="2"))
FORGED = cookies.compact(secret=OTHER_SECRET)
WITHOUT = None


def stored(**user: Any) -> Identity:
    row = cookies.session(now=NOW, **user.pop("session", {}))
    record = session_record.read(row, cookies.user(name="Ada of the store", **user))
    return record.identity(issuer="app", token_format="better-auth-session")


def decided(
    data: str | None,
    check: SessionCheck,
    store: Store,
    *,
    token: str | None = None,
    now: float = NOW,
    account_rules: tuple[AccountRule, ...] = ACCOUNT_RULES,
    **changes: Any,
) -> Allow | Deny:
    issuer = make_session_issuer(session_check=check, **changes)
    snapshot = make_snapshot(issuer, places=SESSION_PLACES, account_rules=account_rules)
    return driven(snapshot, [cookies.cookie_line(data, token=token)], store, now)


def test_without_a_store_valid_data_decides_and_no_lookup_is_made() -> None:
    store = Store(None)
    decision = decided(FRESH, NONE, store)
    assert isinstance(decision, Allow)
    assert (decision.identity.name, decision.identity.subject, store.asked) == ("Ada", "user-1", [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WITHOUT, Reason.SESSION_NOT_FOUND),
        (STALE, Reason.EXPIRED),
        (OF_ANOTHER, Reason.CLAIM_MISMATCH),
        (OF_ANOTHER_VERSION, Reason.CLAIM_MISMATCH),
        (FORGED, Reason.BAD_SIGNATURE),
        ("garbage", Reason.MALFORMED_TOKEN),
    ],
)
def test_without_a_store_invalid_data_is_refused_with_its_own_reason(data: str | None, reason: Reason) -> None:
    store = Store(stored())
    decision = decided(data, NONE, store)
    assert isinstance(decision, Deny)
    assert (decision.reason, store.asked) == (reason, [])
    assert "no session store is configured" in decision.detail


def test_with_check_fallback_the_store_is_not_asked_while_the_data_is_valid() -> None:
    store = Store(None)
    assert isinstance(decided(FRESH, FALLBACK, store), Allow)
    assert store.asked == []


@pytest.mark.parametrize("data", [WITHOUT, STALE, OF_ANOTHER, OF_ANOTHER_VERSION, FORGED, "garbage", "a.b.c"])
def test_with_check_fallback_the_store_decides_if_the_data_is_invalid(data: str | None) -> None:
    store = Store(stored())
    decision = decided(data, FALLBACK, store)
    assert isinstance(decision, Allow)
    assert decision.identity.name == "Ada of the store"
    (asked,) = store.asked
    assert (asked.issuer_name, asked.token, asked.signed_token) == ("app", cookies.SESSION_TOKEN, cookies.signed())
    refused = decided(data, FALLBACK, Store(None))
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.SESSION_NOT_FOUND


@pytest.mark.parametrize(("data", "check"), [(FRESH, NONE), (FRESH, FALLBACK), (FRESH, ALWAYS), (WITHOUT, FALLBACK)])
def test_wherever_a_session_comes_from_its_user_has_the_prefix_of_the_issuer(data: str, check: SessionCheck) -> None:
    store = Store(stored())
    decision = decided(data, check, store, subject_prefix="shop:")
    assert isinstance(decision, Allow)
    assert dict(decision.headers)["X-User-Id"] == "shop:user-1"
    foreign = decided(data, check, store, other_prefixes=("user-",))
    assert isinstance(foreign, Deny)
    assert foreign.reason is Reason.FOREIGN_SUBJECT


@pytest.mark.parametrize("data", [FRESH, WITHOUT, STALE, OF_ANOTHER, FORGED])
def test_with_check_always_the_store_decides_whatever_the_cookies_hold(data: str | None) -> None:
    decision = decided(data, ALWAYS, Store(stored()))
    assert isinstance(decision, Allow)
    assert decision.identity.name == "Ada of the store"
    refused = decided(data, ALWAYS, Store(None))
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.SESSION_NOT_FOUND


@pytest.mark.parametrize(
    ("check", "role", "organization", "organization_role", "is_known"),
    [
        (FALLBACK, None, "acme", (), False),
        (FALLBACK, "owner", "acme", ("owner",), True),
        (FALLBACK, "", None, (), True),
        (ALWAYS, "owner", None, (), True),
    ],
)
def test_with_check_fallback_the_organization_comes_from_the_cookie_and_with_check_always_from_the_store(
    check: SessionCheck, role: str | None, organization: str | None, organization_role: Any, *, is_known: bool
) -> None:
    active = {"activeOrganizationId": "acme", "activeOrganizationRole": role}
    data = cookies.compact(cookies.payload(session=cookies.session(**active)))
    left = stored(session={"activeOrganizationId": "acme", "activeOrganizationRole": ""})
    decision = decided(data, check, Store(left))
    assert isinstance(decision, Allow)
    identity = decision.identity
    assert identity is not None
    assert (identity.organization, identity.organization_role) == (organization, organization_role)
    assert ("organization_role" not in identity.unknown) is is_known


@pytest.mark.parametrize("data", [FRESH, WITHOUT])
def test_a_store_that_does_not_answer_is_our_own_fault(data: str | None) -> None:
    store = Store(LookupFailed(Reason.SESSIONS_UNAVAILABLE, "it is down"))
    decision = decided(data, ALWAYS, store)
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.SESSIONS_UNAVAILABLE


@pytest.mark.parametrize("check", list(SessionCheck))
@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (cookies.signed(secret=OTHER_SECRET), Reason.BAD_SIGNATURE),
        (cookies.signed()[:-2] + "a=", Reason.BAD_SIGNATURE),
        (cookies.SESSION_TOKEN, Reason.MALFORMED_TOKEN),
        (cookies.signed() + "=", Reason.MALFORMED_TOKEN),
        (f"{cookies.SESSION_TOKEN}.", Reason.MALFORMED_TOKEN),
        ("a" * 3000, Reason.MALFORMED_TOKEN),
    ],
)
def test_a_token_without_a_valid_signature_is_refused_before_any_lookup(
    check: SessionCheck, token: str, reason: Reason
) -> None:
    store = Store(stored())
    decision = decided(FRESH, check, store, token=token)
    assert isinstance(decision, Deny)
    assert (decision.reason, store.asked) == (reason, [])


@pytest.mark.parametrize("written", ["as the library sends it", "not percent-encoded", "in quotation marks"])
def test_the_token_is_read_in_every_way_that_browsers_write_it(written: str) -> None:
    line = cookies.cookie_line(FRESH)
    if written == "not percent-encoded":
        line = ("Cookie", f"{cookies.COOKIES[0]}={cookies.signed()}; {cookies.COOKIES[1]}={FRESH}")
    if written == "in quotation marks":
        line = ("Cookie", f'{cookies.COOKIES[0]}="{cookies.signed()}"; {cookies.COOKIES[1]}="{FRESH}"')
    snapshot = make_snapshot(make_session_issuer(), places=SESSION_PLACES)
    assert isinstance(driven(snapshot, [line], Store(None)), Allow)


def test_data_and_stored_sessions_are_valid_until_the_exact_second() -> None:
    assert isinstance(decided(FRESH, NONE, Store(None), now=NOW + 299.9), Allow)
    assert isinstance(decided(FRESH, NONE, Store(None), now=NOW + 300), Deny)
    ending = Store(stored(session={"expiresAt": cookies.iso(NOW + 10)}))
    assert isinstance(decided(WITHOUT, FALLBACK, ending, now=NOW + 9.9), Allow)
    ended = decided(WITHOUT, FALLBACK, ending, now=NOW + 10)
    assert isinstance(ended, Deny)
    assert (ended.reason, ended.detail) == (Reason.SESSION_NOT_FOUND, "the session has expired")


def test_data_never_outlives_its_session() -> None:
    short = cookies.compact(cookies.payload(session=cookies.session(expiresAt=cookies.iso(NOW + 5))))
    assert isinstance(decided(short, NONE, Store(None), now=NOW + 4), Allow)
    assert isinstance(decided(short, NONE, Store(None), now=NOW + 5), Deny)


def test_the_warm_path_makes_no_lookup_while_the_data_is_fresh_and_checks_its_age_on_every_request() -> None:
    cache = LruProofCache()
    snapshot = make_snapshot(make_session_issuer(session_check=FALLBACK), places=SESSION_PLACES, proofs=cache)
    line, store = cookies.cookie_line(FRESH), Store(stored())
    for _ in range(3):
        assert isinstance(driven(snapshot, [line], store), Allow)
    assert (cache.stored, cache.hits, store.asked) == (1, 2, [])
    later = driven(snapshot, [line], store, NOW + 301)
    assert isinstance(later, Allow)
    assert (cache.stored, cache.hits, len(store.asked)) == (1, 3, 1)


def test_the_answer_of_the_store_is_not_cached_as_a_proof() -> None:
    cache = LruProofCache()
    snapshot = make_snapshot(make_session_issuer(session_check=ALWAYS), places=SESSION_PLACES, proofs=cache)
    line = cookies.cookie_line(FRESH)
    assert isinstance(driven(snapshot, [line], Store(stored())), Allow)
    assert isinstance(driven(snapshot, [line], Store(None)), Deny)


@pytest.mark.parametrize("check", [NONE, ALWAYS])
@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({"banned": True}, Reason.BANNED_USER),
        ({"banned": True, "banExpires": cookies.iso(NOW + 1)}, Reason.BANNED_USER),
        ({"banned": True, "banExpires": "some day"}, Reason.BANNED_USER),
        ({"banned": True, "banExpires": cookies.iso(NOW - 1)}, None),
        ({"banned": 1}, Reason.BANNED_USER),
        ({"banned": "yes"}, Reason.BANNED_USER),
        ({"banned": "false"}, None),
        ({"banned": False, "banExpires": cookies.iso(NOW + 1)}, None),
        ({"isAnonymous": True}, Reason.ANONYMOUS_USER),
        ({"isAnonymous": "t"}, Reason.ANONYMOUS_USER),
        ({"isAnonymous": False}, None),
    ],
)
def test_banned_and_anonymous_users_are_refused_wherever_the_record_comes_from(
    check: SessionCheck, user: dict[str, Any], reason: Reason | None
) -> None:
    data = cookies.compact(cookies.payload(user=cookies.user(**user)))
    decision = decided(data, check, Store(stored(**user)))
    if reason is None:
        assert isinstance(decision, Allow)
    else:
        assert isinstance(decision, Deny)
        assert decision.reason is reason


def test_anonymous_users_pass_if_they_are_allowed() -> None:
    data = cookies.compact(cookies.payload(user=cookies.user(isAnonymous=True)))
    assert isinstance(decided(data, NONE, Store(None), account_rules=()), Allow)


def test_an_older_secret_verifies_only_if_configured_and_the_store_gets_a_token_signed_with_the_current_one() -> None:
    secrets = derived.better_auth((OTHER_SECRET, SECRET))
    refused = decided(FRESH, NONE, Store(None), session_key_set=secrets)
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.BAD_SIGNATURE
    lenient = {"session_key_set": secrets, "formats": (BetterAuthSession(old_secrets_verify=True),)}
    assert isinstance(decided(FRESH, NONE, Store(None), **lenient), Allow)
    store = Store(stored())
    assert isinstance(decided(WITHOUT, FALLBACK, store, **lenient), Allow)
    assert store.asked[0].signed_token == cookies.signed(secret=OTHER_SECRET)


def test_a_cookie_encrypted_under_an_older_secret_opens_beside_a_token_signed_with_the_current_one() -> None:
    secrets = derived.better_auth((OTHER_SECRET, SECRET))
    token = cookies.signed(secret=OTHER_SECRET)
    assert isinstance(decided(cookies.cookie_jwe(), NONE, Store(None), token=token, session_key_set=secrets), Allow)


@pytest.mark.parametrize("other", ["of the same person", "of another person", "forged"])
def test_two_token_cookies_pass_only_if_they_prove_one_person(other: str) -> None:
    second_token = {"of the same person": "b" * 32, "of another person": "b" * 32, "forged": "c" * 32}[other]
    second_user = cookies.user() | ({"id": "user-2"} if other == "of another person" else {})
    second_session = cookies.session(second_token) | {"userId": second_user["id"]}
    second_data = cookies.compact(cookies.payload(session=second_session, user=second_user))
    token = cookies.signed(second_token, OTHER_SECRET if other == "forged" else SECRET)
    name, data_name = cookies.COOKIES
    line = f"{name}={cookies.signed()}; {name}={token}; {data_name}={FRESH}; {data_name}={second_data}"
    snapshot = make_snapshot(make_session_issuer(), places=SESSION_PLACES)
    decision = driven(snapshot, [("Cookie", line)], Store(None))
    if other == "of another person":
        assert isinstance(decision, Deny)
        assert decision.reason is Reason.AMBIGUOUS_CREDENTIAL
    else:
        assert isinstance(decision, Allow)
        assert decision.identity.subject == "user-1"


def test_more_than_four_combinations_of_cookies_are_refused_unverified() -> None:
    name, data_name = cookies.COOKIES
    pairs = [f"{name}={cookies.signed(n * 32)}" for n in "abc"] + [f"{data_name}={FRESH}", f"{data_name}={STALE}"]
    snapshot = make_snapshot(make_session_issuer(), places=SESSION_PLACES)
    decision = driven(snapshot, [("Cookie", "; ".join(pairs))], Store(None))
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.checks[-1].name) == (Reason.AMBIGUOUS_CREDENTIAL, "credential")


@pytest.mark.parametrize(
    "ended", [(NOW - 86400) * 1000, cookies.iso(NOW - 86400), NOW - 86400, "infinity", float("inf")]
)
def test_a_session_that_has_ended_is_refused_however_its_end_is_written(ended: object) -> None:
    row = {"id": "session-1", "token": cookies.SESSION_TOKEN, "userId": "user-1", "expiresAt": ended}
    try:
        identity = session_record.read(row, cookies.user()).identity(issuer="app", token_format="any")
    except ValueError:
        return  # milliseconds and infinity are not valid ends: there is no session
    decision = decided(WITHOUT, ALWAYS, Store(identity))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.SESSION_NOT_FOUND


KEYED = {
    "key_set": jwk.from_jwks(json.dumps(public_jwk("ES256", "K1")).encode(), ALL_ALGORITHMS),
    "iss": "https://app.example.com",
    "algorithms": frozenset({"ES256"}),
}


def by_jwks(key_id: str) -> str:
    """Return a data cookie that the JWT plugin's key with this id signed."""
    registered = {"iss": KEYED["iss"], "aud": AUDIENCE_BY_JWKS, "sub": "user-1", "sid": cookies.SESSION_TOKEN}
    claims = cookies.payload() | registered | {"iat": int(NOW), "exp": int(NOW) + 300}
    return mint(claims, algorithm="ES256", header={"kid": key_id, "typ": TYPE_BY_JWKS})


def test_a_cookie_that_arrives_before_its_key_is_published_passes_afterwards() -> None:
    cache, line = LruProofCache(), cookies.cookie_line(by_jwks("K2"))
    issuer = make_session_issuer(**KEYED)
    snapshot = make_snapshot(issuer, places=SESSION_PLACES, proofs=cache)
    for _ in range(3):
        steps = decide(request_with(line), snapshot, NOW)
        lookup = next(steps)
        assert isinstance(lookup, RefreshKeys), "newer keys are not looked up"
        with pytest.raises(StopIteration) as done:
            steps.send(issuer)  # the key is not published yet
        assert done.value.value.reason is Reason.UNKNOWN_KEY
    keys = jwk.from_jwks(json.dumps(public_jwk("ES256", "K2")).encode(), ALL_ALGORITHMS)
    steps = decide(request_with(line), snapshot, NOW)
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.send(issuer.with_keys(keys))
    assert isinstance(done.value.value, Allow)


def test_with_a_store_an_unknown_key_of_a_cookie_causes_no_load_of_keys() -> None:
    store = Store(stored())
    decision = decided(by_jwks("K2"), FALLBACK, store, **KEYED)
    assert isinstance(decision, Allow)
    assert (decision.identity.name, len(store.asked)) == ("Ada of the store", 1)


def test_the_session_token_is_in_no_header_and_in_no_claim() -> None:
    decision = decided(FRESH, NONE, Store(None))
    assert isinstance(decision, Allow)
    assert cookies.SESSION_TOKEN not in repr((decision, decision.identity.claims, decision.headers))
    assert decision.identity.claim(("session", "token")) is None
    assert decision.identity.claim(("session", "id")) == "session-1"
