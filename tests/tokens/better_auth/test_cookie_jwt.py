"""Data cookies of strategy `jwt` that the JWT plugin's keys sign: sound ones, and ones with one fault each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authgate.core.decision import Allow, Deny
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.tokens import jwk, session_record
from authgate.tokens.better_auth.cookie_jwt import AUDIENCE_BY_JWKS, TYPE_BY_JWKS
from tests.support import session_cookies as cookies
from tests.support.deciding import ALL_ALGORITHMS, SESSION_PLACES, make_session_issuer, make_snapshot
from tests.support.session_deciding import Store, driven
from tests.support.tokens import NOW, SECRET, mint, public_jwk

URL = "https://app.example.com"
KEYS = jwk.from_jwks(
    json.dumps({"keys": [public_jwk("ES256", "k1"), public_jwk("RS256", "r1")]}).encode(), ALL_ALGORITHMS
)
ADA_IN_STORE = session_record.read(cookies.session(), cookies.user(name="Ada of the store")).identity(
    issuer="app", token_format="better-auth-session"
)


def data_cookie(
    header: dict[str, Any] | None = None, *, algorithm: str = "ES256", key: Any = None, **changes: Any
) -> str:
    """Return a sound cookie with these *changes*. None removes a claim, or a parameter of the *header*."""
    jwt_claims = {"iss": URL, "aud": AUDIENCE_BY_JWKS, "sub": "user-1", "sid": cookies.SESSION_TOKEN, "iat": int(NOW)}
    claims = cookies.payload() | jwt_claims | {"exp": int(NOW) + 300} | changes
    return mint(
        {name: value for name, value in claims.items() if value is not None},
        algorithm=algorithm,
        key=key,
        header={"kid": "k1", "typ": TYPE_BY_JWKS} | (header or {}),
    )


def decided(data: str, check: SessionCheck = SessionCheck.NONE, store: Store | None = None) -> Allow | Deny:
    issuer = make_session_issuer(key_set=KEYS, iss=URL, algorithms=frozenset({"ES256", "EdDSA"}), session_check=check)
    snapshot = make_snapshot(issuer, places=SESSION_PLACES)
    return driven(snapshot, [cookies.cookie_line(data)], store or Store(None))


@pytest.mark.parametrize("aud", [AUDIENCE_BY_JWKS, [AUDIENCE_BY_JWKS]])
@pytest.mark.parametrize("check", [SessionCheck.NONE, SessionCheck.FALLBACK])
def test_a_cookie_signed_by_the_plugin_is_accepted_without_a_lookup(check: SessionCheck, aud: object) -> None:
    store = Store(None)
    decision = decided(data_cookie(aud=aud), check, store)
    assert isinstance(decision, Allow)
    assert (decision.identity.subject, decision.identity.name, store.asked) == ("user-1", "Ada", [])
    assert decision.identity.key is not None
    assert decision.identity.key.key_id == "k1"


OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_SESSION = cookies.session("b" * 32)
# One change each, and the reason for the refusal without a session store.
CHANGED: dict[str, tuple[str, Reason]] = {
    "no kid": (data_cookie({"kid": None}), Reason.MALFORMED_TOKEN),
    "an unknown kid": (data_cookie({"kid": "k2"}), Reason.UNKNOWN_KEY),
    "the kid of another algorithm's key": (data_cookie({"kid": "r1"}), Reason.WRONG_ALGORITHM),
    "another key under this kid": (data_cookie(key=OTHER_KEY), Reason.BAD_SIGNATURE),
    "another iss": (data_cookie(iss="https://evil.example"), Reason.UNKNOWN_ISSUER),
    "an iss with a slash": (data_cookie(iss=f"{URL}/"), Reason.UNKNOWN_ISSUER),
    "no iss": (data_cookie(iss=None), Reason.UNKNOWN_ISSUER),
    "another aud": (data_cookie(aud=URL), Reason.WRONG_AUDIENCE),
    "its aud and another one": (data_cookie(aud=[AUDIENCE_BY_JWKS, URL]), Reason.WRONG_AUDIENCE),
    "no aud": (data_cookie(aud=None), Reason.WRONG_AUDIENCE),
    "the sub of another user": (data_cookie(sub="user-2"), Reason.CLAIM_MISMATCH),
    "no sub": (data_cookie(sub=None), Reason.CLAIM_MISMATCH),
    "the sid of another session": (data_cookie(sid="b" * 32), Reason.CLAIM_MISMATCH),
    "no sid": (data_cookie(sid=None), Reason.CLAIM_MISMATCH),
    "sid and session of another session": (data_cookie(sid="b" * 32, session=OTHER_SESSION), Reason.CLAIM_MISMATCH),
    "no exp": (data_cookie(exp=None), Reason.MISSING_CLAIM),
    "an exp that is a string": (data_cookie(exp=str(int(NOW) + 300)), Reason.MALFORMED_TOKEN),
    "an exp in the past": (data_cookie(exp=int(NOW) - 60), Reason.EXPIRED),
    "an expired session": (data_cookie(session=cookies.session(expiresAt=cookies.iso(NOW - 60))), Reason.EXPIRED),
    "another version of the cookie cache": (data_cookie(version="2"), Reason.CLAIM_MISMATCH),
    "no session": (data_cookie(session=None), Reason.MISSING_CLAIM),
    "no updatedAt": (data_cookie(updatedAt=None), Reason.MISSING_CLAIM),
    "an updatedAt that is a string": (data_cookie(updatedAt=cookies.iso(NOW)), Reason.MISSING_CLAIM),
    "an updatedAt that is true": (data_cookie(updatedAt=True), Reason.MISSING_CLAIM),
    "the typ of a JWT": (data_cookie({"typ": "JWT"}), Reason.WRONG_TYPE),
    "the typ in upper case": (data_cookie({"typ": TYPE_BY_JWKS.upper()}), Reason.WRONG_TYPE),
    "no typ": (data_cookie({"typ": None}), Reason.WRONG_TYPE),
    "neither typ nor kid": (data_cookie({"typ": None, "kid": None}), Reason.WRONG_ALGORITHM),
    "an algorithm that is not allowed": (data_cookie({"kid": "r1"}, algorithm="RS256"), Reason.WRONG_ALGORITHM),
    "the secret as the key": (data_cookie(algorithm="HS256", key=SECRET), Reason.WRONG_ALGORITHM),
}


@pytest.mark.parametrize("change", CHANGED)
def test_without_a_store_a_changed_cookie_is_refused_for_its_reason(change: str) -> None:
    data, reason = CHANGED[change]
    store = Store(ADA_IN_STORE)
    decision = decided(data, SessionCheck.NONE, store)
    assert isinstance(decision, Deny)
    assert (decision.reason, store.asked) == (reason, [])


@pytest.mark.parametrize("change", CHANGED)
def test_with_a_store_the_store_decides_about_a_changed_cookie(change: str) -> None:
    store = Store(ADA_IN_STORE)
    decision = decided(CHANGED[change][0], SessionCheck.FALLBACK, store)
    assert isinstance(decision, Allow)
    assert decision.identity.name == "Ada of the store"
    assert [lookup.token for lookup in store.asked] == [cookies.SESSION_TOKEN]
    refused = decided(CHANGED[change][0], SessionCheck.FALLBACK, Store(None))
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.SESSION_NOT_FOUND
