"""Attacks with claims of unexpected types and values, signed with the right key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authgate.core.decision import Allow, Deny
from authgate.core.reasons import REASONS, Reason
from tests.support.deciding import decide_token, make_issuer, make_snapshot
from tests.support.tokens import NOW, claims, mint, sign_raw

ISSUER = "https://issuer.example/app"
ONE_ISSUER = {"iss": ISSUER}


def _decide(token: str, **settings: Any) -> Allow | Deny:
    return decide_token(token, make_snapshot(make_issuer(**settings)))


def _refused(token: str, **settings: Any) -> Reason:
    decision = _decide(token, **settings)
    assert isinstance(decision, Deny)
    assert REASONS[decision.reason].status == 401
    return decision.reason


@pytest.mark.parametrize(
    "similar",
    [
        ISSUER[:-1],
        ISSUER + "/",
        ISSUER + "?",
        ISSUER.upper(),
        ISSUER.replace("https", "http"),
        ISSUER.replace("://", "://user@"),
        f" {ISSUER}",
        f"{ISSUER}\0",
        ISSUER.replace("e", "\u0435"),
        "issuer.example",
        f"{ISSUER},https://other",
        "https",
    ],
)
def test_J13_the_issuer_is_compared_exactly(similar: str) -> None:
    """CVE-2024-53861 and GHSA-75c5 (PyJWT): `iss` only had to be a part of the expected issuer."""
    assert isinstance(_decide(mint(claims(iss=ISSUER)), **ONE_ISSUER), Allow)
    assert _refused(mint(claims(iss=similar)), **ONE_ISSUER) is Reason.UNKNOWN_ISSUER


@pytest.mark.parametrize("iss", [[ISSUER], [], 7, 0, True, {}, {"a": ISSUER}, ""])
def test_J13_an_issuer_that_is_not_a_string_is_refused(iss: Any) -> None:
    for settings in (ONE_ISSUER, {"iss": None}):
        assert _refused(mint(claims() | {"iss": iss}), **settings) is Reason.MALFORMED_TOKEN


def test_J13_a_token_without_an_issuer_is_refused() -> None:
    assert _refused(mint(), **ONE_ISSUER) is Reason.UNKNOWN_ISSUER
    assert _refused(mint(claims() | {"iss": None}), **ONE_ISSUER) is Reason.MALFORMED_TOKEN


NO_STRINGS: list[Any] = [None, True, False, 0, 7, 1.5, "", [], ["user-1"], {}, {"a": "b"}, "\ud800"]
NO_DATES: list[Any] = [
    *(None, True, False, "", "9999999999", "2999-01-01", [], [9_999_999_999], {}, {"a": 1}),
    *(-1, -0.5, 1e300, 10**400, 10**18, 253_402_300_800, NOW * 1000),
]
NO_AUDIENCES: list[Any] = [
    None,
    True,
    0,
    7,
    "",
    [],
    {},
    {"api": True},
    [""],
    [7],
    [None],
    ["api", 7],
    ["api", ""],
    [["api"]],
]

TYPES = [
    *[(name, value) for name in ("sub", "iss", "jti") for value in NO_STRINGS],
    *[(name, value) for name in ("exp", "nbf", "iat", "auth_time") for value in NO_DATES],
    *[("aud", value) for value in NO_AUDIENCES],
]


@pytest.mark.parametrize(("name", "value"), TYPES, ids=lambda value: repr(value)[:24])
@pytest.mark.parametrize("audiences", [None, frozenset({"api"})])
def test_J14_a_registered_claim_of_another_type_is_refused(
    name: str, value: Any, audiences: frozenset[str] | None
) -> None:
    """CVE-2020-26160 (dgrijalva/jwt-go), joserfc 1.7.3, 1.7.6 and 1.8.0: the checks did not expect these types."""
    sound = {"iss": ISSUER, "jti": "id-1", "aud": ["api"], "nbf": NOW - 5, "auth_time": NOW - 5}
    assert isinstance(_decide(mint(claims(**sound)), audiences=audiences), Allow)
    is_absent = name == "sub" and value in (None, "")
    reason = Reason.MISSING_CLAIM if is_absent else Reason.MALFORMED_TOKEN
    assert _refused(mint(claims(**sound) | {name: value}), audiences=audiences) is reason


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 5000, "0x7fffffff"])
def test_J14_a_time_that_is_not_a_json_number_is_refused(name: str, literal: str) -> None:
    rest = {key: value for key, value in claims().items() if key != name}
    payload = json.dumps(rest)[:-1] + f',"{name}":{literal}}}'
    assert _refused(sign_raw(b'{"alg":"HS256"}', payload.encode())) is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize("aud", ["ap", "apis", "API", "api ", "api,web", ["ap", "i"], "http://api", ["web"]])
def test_J14_the_audience_is_compared_exactly(aud: Any) -> None:
    accepted = frozenset({"api"})
    assert isinstance(_decide(mint(claims(aud=["web", "api"])), audiences=accepted), Allow)
    assert _refused(mint(claims(aud=aud)), audiences=accepted) is Reason.WRONG_AUDIENCE
    assert _refused(mint(), audiences=accepted) is Reason.WRONG_AUDIENCE


@pytest.mark.parametrize("name", ["sub", "exp"])
def test_J14_a_token_without_a_required_claim_is_refused(name: str) -> None:
    assert _refused(mint(claims(**{name: None}))) is Reason.MISSING_CLAIM


@pytest.mark.parametrize("name", ["kid", "typ"])
@pytest.mark.parametrize("value", [True, 7, [], {}, "x" * 257])
def test_J14_a_header_parameter_of_another_type_is_refused(name: str, value: Any) -> None:
    assert _refused(mint(header={name: value})) is Reason.MALFORMED_TOKEN
