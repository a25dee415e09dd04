"""Attacks on session cookies: JSON, encryption, the proof cache, and tokens of other kinds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from authgate.core.credential import CookiePlace, HeaderPlace, SessionPlace
from authgate.core.decision import Allow, Deny
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.tokens import FORMATS, LruProofCache, derived, jwk, session_record
from authgate.tokens.authjs.session import SESSION_PART
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.cookie_jwt import AUDIENCE_BY_JWKS, TYPE_BY_JWKS
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    ALL_ALGORITHMS,
    SESSION_PLACES,
    bearer,
    decide_now,
    make_issuer,
    make_session_issuer,
    make_snapshot,
    request_with,
)
from tests.support.session_deciding import AUTHJS, AUTHJS_PLACES, NAME, Store, authjs, better_auth, driven, refused
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, claims, mint, public_jwk


def test_valid_cookies_pass() -> None:
    """Otherwise the refusals below would prove nothing."""
    for data in (cookies.compact(), cookies.cookie_jwt(), cookies.cookie_jwe()):
        assert isinstance(better_auth(data), Allow)
    for cookie in (cookies.authjs_cookie(), cookies.authjs_cookie(encryption="A256GCM")):
        assert isinstance(authjs(cookie), Allow)


SOUND = cookies.written(cookies.payload())
TWISTED = {
    "a member twice": SOUND[:-1] + ',"updatedAt":1}',
    "two users": SOUND.replace('"user":', '"user":{"id":"admin"},"user":'),
    "a session's member twice": SOUND.replace('"userId":', '"userId":"admin","userId":'),
    "NaN": SOUND.replace('"version":"1"', '"version":"1","x":NaN'),
    "too deep nesting": SOUND[:-1] + ',"x":' + "[" * 40 + "]" * 40 + "}",
    "a number beyond a double": SOUND[:-1] + ',"x":1e999}',
}


@pytest.mark.parametrize("kind", TWISTED)
def test_J16_json_that_two_parsers_read_differently_is_refused_in_a_signed_cookie(kind: str) -> None:
    refused(better_auth(cookies.compact(TWISTED[kind])), Reason.MALFORMED_TOKEN)


@pytest.mark.parametrize("kind", TWISTED)
def test_J16_json_that_two_parsers_read_differently_is_refused_in_an_encrypted_cookie(kind: str) -> None:
    key = derived.better_auth((SECRET,)).keys[1]
    text = TWISTED[kind][:-1] + f',"exp":{int(NOW) + 300}}}'
    sealed = cookies.encrypted(text.encode(), key.material, {"enc": key.algorithm, "kid": key.key_id})
    refused(better_auth(sealed), Reason.MALFORMED_TOKEN)


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbf{}", '{"sub":"a"}'.encode("utf-16"), b'{"sub":"\xff"}', b"[]", b"", b"1"]
)
def test_J16_a_plaintext_that_is_not_a_json_object_in_utf_8_is_refused(raw: bytes) -> None:
    key = derived.authjs((SECRET,), (NAME,)).keys[0]
    sealed = cookies.encrypted(raw, key.material, {"enc": key.algorithm, "kid": key.key_id})
    refused(authjs(sealed), Reason.MALFORMED_TOKEN)


SESSION_ISSUER = make_session_issuer()
CHANGED = {
    "another secret": {"session_key_set": derived.better_auth((OTHER_SECRET,))},
    "the secrets in another order": {"session_key_set": derived.better_auth((OTHER_SECRET, SECRET))},
    "another version of the cache": {"formats": (replace(FORMATS["better-auth-session"], version="2"),)},  # type: ignore[type-var]
    "fewer strategies": {"formats": (replace(FORMATS["better-auth-session"], strategies=("jwe",)),)},  # type: ignore[type-var]
    "another issuer": {"name": "other"},
}


@pytest.mark.parametrize("change", CHANGED)
def test_J22_a_cached_session_is_not_used_under_another_configuration(change: str) -> None:
    cache, line = LruProofCache(), cookies.cookie_line(cookies.compact())
    before = make_snapshot(SESSION_ISSUER, places=SESSION_PLACES, proofs=cache)
    assert isinstance(decide_now(request_with(line), before), Allow)
    issuer = replace(SESSION_ISSUER, **CHANGED[change])
    places = tuple(
        replace(place, issuer_name=issuer.name) if isinstance(place, SessionPlace) else place
        for place in SESSION_PLACES
    )
    after = make_snapshot(issuer, places=places, proofs=cache)
    hits = cache.hits
    decision = decide_now(request_with(line), after)
    assert cache.hits == hits
    assert isinstance(decision, Allow if change == "another issuer" else Deny)


def test_J22_a_session_is_cached_by_all_of_its_cookies() -> None:
    """A valid token with other data, or valid data with another token, never finds the proof of the pair."""
    cache = LruProofCache()
    snapshot = make_snapshot(SESSION_ISSUER, places=SESSION_PLACES, proofs=cache)
    sound = cookies.compact()
    assert isinstance(decide_now(request_with(cookies.cookie_line(sound)), snapshot), Allow)
    of_another = cookies.compact(cookies.payload(session=cookies.session("b" * 32)))
    for line in (
        cookies.cookie_line(of_another),
        cookies.cookie_line(sound, token=cookies.signed("b" * 32)),
        cookies.cookie_line(None),
        cookies.cookie_line(sound + "A"),
    ):
        assert isinstance(decide_now(request_with(line), snapshot), Deny)


def test_J22_the_same_value_in_a_cookie_with_another_name_is_another_credential() -> None:
    """Auth.js's keys depend on the name: a value that opens under one name must not pass under the other."""
    secure = f"__Secure-{NAME}"
    cache, issuer = LruProofCache(), replace(AUTHJS, session_key_set=derived.authjs((SECRET,), (NAME, secure)))
    places = (*AUTHJS_PLACES, SessionPlace(issuer_name="app", part=SESSION_PART, name=secure, chunked=True))
    snapshot, cookie = make_snapshot(issuer, places=places, proofs=cache), cookies.authjs_cookie()
    assert isinstance(decide_now(request_with(("Cookie", f"{NAME}={cookie}")), snapshot), Allow)
    decision = decide_now(request_with(("Cookie", f"{secure}={cookie}")), snapshot)
    refused(decision, Reason.UNDECRYPTABLE_TOKEN)


KEYS = jwk.from_jwks(json.dumps(public_jwk("ES256", "k1")).encode(), ALL_ALGORITHMS)
URL = "https://app.example.com"
API = make_session_issuer(
    formats=(FORMATS["better-auth-session"], FORMATS["better-auth-jwt"]),
    key_set=KEYS,
    iss=URL,
    audiences=frozenset({URL}),
    algorithms=frozenset({"ES256"}),
    token_types=frozenset({"jwt"}),
)


def es256(header: dict[str, Any] | None = None, **changes: Any) -> str:
    payload = claims(**{"iss": URL, "aud": URL, "email": "ada@example.com"} | changes)
    return mint(payload, algorithm="ES256", header={"kid": "k1", "typ": None} | (header or {}))


def test_J28_the_jwt_plugins_token_passes_as_a_bearer() -> None:
    assert isinstance(decide_now(bearer(es256()), make_snapshot(API, places=SESSION_PLACES)), Allow)


CONFUSED = {
    "an ID token": es256(aud="client-1", nonce="n"),
    "an ID token for our own audience": es256(nonce="n-0S6_WzA2Mj"),
    "an ID token with the hash of an access token": es256(at_hash="MTIzNDU2Nzg5MDEyMzQ1Ng"),
    "a logout token": es256({"typ": "logout+jwt"}, events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "a logout token without its type": es256(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "an OAuth access token": es256({"typ": "at+jwt"}, iss=f"{URL}/api/auth"),
    "a session cookie signed by the same keys": es256({"typ": TYPE_BY_JWKS}, aud=AUDIENCE_BY_JWKS, sid="t"),
    "a session cookie signed by the same keys, without its type": es256(aud=AUDIENCE_BY_JWKS, sid="t"),
    "a token that names no key": es256({"kid": None}),
    "an e-mail link under the secret": mint({"email": "ada@example.com", "iat": int(NOW), "exp": int(NOW) + 60}),
    "a session cookie under the secret": cookies.cookie_jwt(),
    "a session's signed token": cookies.signed(),
    "a session's raw token": cookies.SESSION_TOKEN,
    "an encrypted session cookie": cookies.cookie_jwe(),
    "a compact session cookie": cookies.compact(),
}


@pytest.mark.parametrize("kind", CONFUSED)
def test_J28_a_token_of_another_kind_with_a_valid_signature_is_refused_as_an_api_token(kind: str) -> None:
    decision = decide_now(bearer(CONFUSED[kind]), make_snapshot(API, places=SESSION_PLACES))
    assert isinstance(decision, Deny), decision


@pytest.mark.parametrize("kind", CONFUSED)
def test_J28_it_is_refused_even_if_another_issuer_accepts_any_jwt_under_the_same_secret(kind: str) -> None:
    """BETTER_AUTH_SECRET alone configures this: an issuer `jwt` that accepts any `iss` and `aud`."""
    shared = make_issuer(name="jwt")
    decision = decide_now(bearer(CONFUSED[kind]), make_snapshot(API, shared, places=SESSION_PLACES))
    assert isinstance(decision, Deny), decision


@pytest.mark.parametrize("kind", CONFUSED)
@pytest.mark.parametrize("check", [SessionCheck.NONE, SessionCheck.ALWAYS])
def test_J28_it_is_refused_in_session_cookies(kind: str, check: SessionCheck) -> None:
    issuer = replace(API, session_check=check)
    snapshot = make_snapshot(issuer, places=SESSION_PLACES)
    for line in (
        ("Cookie", f"{cookies.COOKIES[0]}={CONFUSED[kind]}; {cookies.COOKIES[1]}={CONFUSED[kind]}"),
        ("Cookie", f"{cookies.COOKIES[0]}={cookies.signed('true')}; {cookies.COOKIES[1]}={CONFUSED[kind]}"),
    ):
        decision = driven(snapshot, [line], Store(None))
        assert isinstance(decision, Deny), decision


def test_made_up_session_ids_are_not_cached() -> None:
    """They would evict the proofs of real tokens."""
    cache = LruProofCache()
    formats = (FORMATS["authjs-session"], FORMATS["authjs-database"])
    issuer = replace(AUTHJS, formats=formats, session_check=SessionCheck.FALLBACK)
    snapshot = make_snapshot(issuer, places=AUTHJS_PLACES, proofs=cache)
    for number in range(50):
        driven(snapshot, [("Cookie", f"{NAME}=made-up-session-id-{number:04}")], Store(None))
    assert (cache.entries, cache.stored) == (0, 0)


def test_an_encrypted_session_is_accepted_only_in_its_own_cookie() -> None:
    """A neighboring site can set a cookie with a plain name, and could sign its visitors in as another user."""
    places = (CookiePlace(name="access_token"), *AUTHJS_PLACES)
    snapshot = make_snapshot(AUTHJS, places=places)
    decision = decide_now(request_with(("Cookie", f"access_token={cookies.authjs_cookie()}")), snapshot)
    refused(decision, Reason.MALFORMED_TOKEN)
    assert isinstance(decide_now(bearer(cookies.authjs_cookie()), snapshot), Allow)


def test_a_cached_session_token_from_a_header_is_not_accepted_in_a_cookie() -> None:
    raw = replace(API, formats=(BetterAuthBearer(accepts="signed"),), session_check=SessionCheck.FALLBACK)
    places = (HeaderPlace(name="Authorization"), CookiePlace(name="access_token"))
    snapshot = make_snapshot(raw, places=places)
    row = session_record.read(cookies.session(), cookies.user()).identity(issuer="app", token_format="any")
    assert isinstance(driven(snapshot, [("Authorization", f"Bearer {cookies.signed()}")], Store(row)), Allow)
    assert isinstance(driven(snapshot, [("Cookie", f"access_token={cookies.signed()}")], Store(row)), Deny)
