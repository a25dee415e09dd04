"""`accept`: what a token says that it is for, and whether the issuer takes it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from authgate.core.attempts import Attempts
from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.snapshot import Accept
from authgate.tokens.jwt import JwtFormat
from authgate.tokens.purpose import states_another_purpose
from tests.support.deciding import make_issuer
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from collections.abc import Iterator


ISSUERS = {accept: make_issuer(accept=accept, audiences=frozenset({"tasks"})) for accept in Accept}


def refusal(accept: Accept, header_type: str | None, payload: dict[str, Any], **changes: Any) -> Refused | None:
    """Return why an issuer with this *accept* refuses the token; None if it takes the token."""
    jwt, token = JwtFormat(), mint({**claims(aud="tasks"), **payload}, header={"typ": header_type})
    try:
        parsed = jwt.parse(Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization"))
        jwt.verify(parsed, replace(ISSUERS[accept], **changes) if changes else ISSUERS[accept], Attempts())
    except Refused as refused:
        return refused
    return None


class Said(NamedTuple):
    """What one token says about itself."""

    header_type: str | None
    claim_type: str | None
    token_use: str | None
    scope: str | None
    has_nonce: bool
    has_at_hash: bool
    has_c_hash: bool
    has_events: bool

    def payload(self) -> dict[str, Any]:
        said = {"typ": self.claim_type, "token_use": self.token_use, self.scope: "openid email"}
        has = {"nonce": self.has_nonce, "at_hash": self.has_at_hash, "c_hash": self.has_c_hash}
        flags: dict[str, Any] = {name: "x" for name, is_there in has.items() if is_there}
        flags |= {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}} if self.has_events else {}
        return flags | {name: value for name, value in said.items() if name and value}


def everything_that_a_token_can_say() -> Iterator[Said]:
    yield from map(Said._make, product(
        (None, "JWT", "at+jwt", "logout+jwt"),
        (None, "Bearer", "ID", "Refresh", "Logout", "Offline"),
        (None, "access", "id"),
        (None, "scope", "scp"),
        *[(False, True)] * 4,
    ))  # fmt: skip


def is_accepted(accept: Accept, said: Said) -> bool:
    """The contract, in its own order."""
    says_access = (
        said.header_type == "at+jwt"
        or said.claim_type == "Bearer"
        or said.token_use == "access"
        or said.scope is not None
    )
    says_id = said.has_at_hash or said.has_c_hash or said.claim_type == "ID" or said.token_use == "id"
    says_something_else = (
        said.header_type == "logout+jwt" or said.claim_type in {"Refresh", "Logout", "Offline"} or said.has_events
    )
    if says_something_else:
        return False
    if accept is Accept.ACCESS_TOKEN:
        return not says_id and (says_access or not said.has_nonce)
    if accept is Accept.ID_TOKEN:
        return not says_access
    return True


@pytest.mark.parametrize("accept", Accept)
def test_each_combination_of_what_a_token_can_say_has_the_answer_of_the_contract(accept: Accept) -> None:
    answers = {}
    for said in everything_that_a_token_can_say():
        refused = refusal(accept, said.header_type, said.payload())
        assert refused is None or refused.reason is Reason.WRONG_TYPE, said
        answers[said] = refused is None
    assert {said for said, accepted in answers.items() if accepted is not is_accepted(accept, said)} == set()
    assert {*answers.values()} == {True, False}


# What a token says in other words: header type, claims, and which values of `accept` take it.
ACCESS, ID, ANY = Accept.ACCESS_TOKEN, Accept.ID_TOKEN, Accept.ANY
OTHER_WORDS: dict[str, tuple[str | None, dict[str, Any], set[Accept]]] = {
    "an upper-case type of header": ("application/AT+JWT", {"nonce": "n"}, {ACCESS, ANY}),
    "a lower-case type of claim": (None, {"typ": "bearer", "nonce": "n"}, {ACCESS, ANY}),
    "an upper-case ID token": (None, {"typ": "id"}, {ID, ANY}),
    "an upper-case use": (None, {"token_use": "ID"}, {ID, ANY}),
    "Refresh in upper case": (None, {"typ": "REFRESH"}, set()),
    "a refresh token in its use": (None, {"token_use": "refresh"}, set()),
    "a refresh token of simplejwt": (None, {"token_type": "refresh"}, set()),
    "a refresh token of flask-jwt-extended": (None, {"type": "refresh"}, set()),
    "an access token of simplejwt": (None, {"token_type": "access"}, {ACCESS, ID, ANY}),
    "an unknown type of claim": (None, {"typ": "member"}, {ACCESS, ID, ANY}),
    "an unknown use": (None, {"token_use": "service"}, {ACCESS, ID, ANY}),
    "claims that are empty": (None, {"typ": "", "token_use": None, "scope": "", "scp": []}, {ACCESS, ID, ANY}),
    "an empty scope beside a nonce": (None, {"scope": "", "scp": None, "nonce": "n"}, {ID, ANY}),
    "scopes in a list": (None, {"scp": ["read"], "nonce": "n"}, {ACCESS, ANY}),
    "scopes in an object": (None, {"scope": {"read": True}, "nonce": "n"}, {ACCESS, ANY}),
    "null in a claim of ID tokens": (None, {"at_hash": None}, {ID, ANY}),
    "null in a nonce": (None, {"nonce": None}, {ID, ANY}),
    "null in events": (None, {"events": None}, set()),
    "an ID token of Keycloak that is also an access token": (None, {"typ": "Bearer", "at_hash": "x"}, {ANY}),
    "an ID token in the name of its type": (None, {"type": "id_token"}, {ID, ANY}),
    "an unknown list of types": (None, {"type": ["VerifiableCredential", 7], "token_type": []}, {ACCESS, ID, ANY}),
    "a list of types with a refresh token": (None, {"type": ["x", None, "refresh"]}, set()),
    "a scope of white space beside a nonce": (None, {"scope": " \t", "nonce": "n"}, {ID, ANY}),
    "a list of blank scopes beside a nonce": (None, {"scope": ["", " "], "nonce": "n"}, {ID, ANY}),
    "a list of nothing beside a nonce": (None, {"scp": [[], None, {}], "nonce": "n"}, {ID, ANY}),
    "an object of blank scopes beside a nonce": (None, {"scp": {" ": True}, "nonce": "n"}, {ID, ANY}),
    "a list with one scope": (None, {"scp": ["", "read"], "nonce": "n"}, {ACCESS, ANY}),
    # A claim of a type that nobody can read never opens anything.
    "a list of numbers as scope": (None, {"scope": [7]}, {ACCESS, ANY}),
    "a list of numbers as scope beside a nonce": (None, {"scope": [7], "nonce": "n"}, {ANY}),
    "a scope that is a number": (None, {"scope": 7}, {ACCESS, ANY}),
    "a scope that is a number beside a nonce": (None, {"scope": 7, "nonce": "n"}, {ANY}),
    "a list of uses": (None, {"token_use": ["id"]}, set()),
    "a list of types": (None, {"typ": ["Bearer"]}, set()),
    "an object as type": (None, {"typ": {"a": 1}}, set()),
    "a boolean as use": (None, {"token_use": True}, set()),
    "a number as type": (None, {"typ": 0}, set()),
}


@pytest.mark.parametrize(("header_type", "payload", "accepted"), OTHER_WORDS.values(), ids=OTHER_WORDS)
def test_a_purpose_in_other_words_is_understood_or_refused(
    header_type: str | None, payload: dict[str, Any], accepted: set[Accept]
) -> None:
    assert {accept for accept in Accept if refusal(accept, header_type, payload) is None} == accepted


URN = "urn:ietf:params:oauth:token-type:"
SPELLINGS = {
    "an access token": ("access_token", "AccessToken", "at+jwt", f"{URN}access_token"),
    "an ID token": ("id_token", "IDToken", "ID-Token", " id token ", f"{URN}id_token"),
    "a refresh token": ("refresh", "Refresh ", "\trefresh\n", "refresh_token", "refreshToken", "Refresh-Token",
                        "refresh+jwt", "rt+jwt", f"{URN}refresh_token"),
    "a logout token": ("logout_token", "LogoutToken", "logout+jwt"),
}  # fmt: skip
ACCEPTED = {"an access token": {ACCESS, ANY}, "an ID token": {ID, ANY}}


@pytest.mark.parametrize("claim", ["typ", "token_use", "token_type", "type"])
@pytest.mark.parametrize("kind", SPELLINGS)
def test_a_name_that_can_mean_nothing_else_counts_in_every_spelling_and_claim(kind: str, claim: str) -> None:
    values: list[Any] = [*SPELLINGS[kind]]
    values += [[value] for value in values] if claim in {"token_type", "type"} else []
    answers = {
        str(value): {accept for accept in Accept if not refusal(accept, None, {claim: value})} for value in values
    }
    assert answers == dict.fromkeys(map(str, values), ACCEPTED.get(kind, set()))


@pytest.mark.parametrize("claim", ["typ", "token_use"])
def test_a_purpose_of_the_wrong_type_is_malformed_and_its_claim_is_named(claim: str) -> None:
    refused = refusal(Accept.ANY, None, {claim: {"a": 1}})
    assert refused is not None
    assert refused.reason is Reason.MALFORMED_TOKEN
    assert f"{claim!r} is an object" in refused.detail


@pytest.mark.parametrize(
    ("payload", "accept", "parts"),
    [
        ({"at_hash": "x"}, Accept.ACCESS_TOKEN, ["claim 'at_hash'", "an ID token", "for access tokens"]),
        ({"nonce": "x"}, Accept.ACCESS_TOKEN, ["claim 'nonce'", "an ID token", "for access tokens"]),
        ({"scope": "a"}, Accept.ID_TOKEN, ["claim 'scope'", "an access token", "for ID tokens"]),
        ({"at_hash": "x", "scope": "a"}, Accept.ACCESS_TOKEN, ["'at_hash'", "an ID token", "for access tokens"]),
        ({"typ": "Offline"}, Accept.ANY, ["claim 'typ'", "a refresh token", "for access tokens and ID tokens"]),
    ],
)  # fmt: skip
def test_the_refusal_names_what_says_so_and_what_is_accepted_and_no_way_around_it(
    payload: dict[str, Any], accept: Accept, parts: list[str]
) -> None:
    refused = refusal(accept, None, payload)
    assert refused is not None
    assert [part for part in parts if part not in refused.detail] == []
    assert "`accept" not in refused.detail


def test_an_id_token_without_an_audience_is_refused_even_where_any_audience_passes() -> None:
    token = mint(claims(aud=None))
    parsed = JwtFormat().parse(Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization"))
    with pytest.raises(Refused) as refused:
        JwtFormat().verify(parsed, make_issuer(accept=Accept.ID_TOKEN, audiences=None), Attempts())
    assert refused.value.reason is Reason.WRONG_AUDIENCE


@pytest.mark.parametrize(
    ("name", "accept", "states_another"),
    [
        ("JWT", Accept.ID_TOKEN, False),
        ("at+jwt", Accept.ACCESS_TOKEN, False),
        ("at+jwt", Accept.ANY, False),
        ("application/at+JWT", Accept.ID_TOKEN, True),
        *((name, accept, True) for accept in Accept for name in (
            "logout+jwt", "application/secevent+JWT", "dpop+jwt", "refresh+jwt", "rt+jwt", "Refresh", "kb+jwt",
            "oauth-authz-req+jwt", "token-introspection+jwt", "client-authentication+jwt", "refresh_token", " Refresh",
            "LogoutToken",
        )),
        ("IDToken", Accept.ACCESS_TOKEN, True),
        ("id_token", Accept.ID_TOKEN, False),
        ("x+jwt", Accept.ACCESS_TOKEN, False),
    ],
)  # fmt: skip
def test_a_header_type_may_state_a_purpose_that_is_never_accepted(
    name: str, accept: Accept, *, states_another: bool
) -> None:
    """`token_types` may not list such a type. If one got in, the token would be refused all the same."""
    assert (states_another_purpose(name, accept) is not None) is states_another
    types = frozenset({name.lower().removeprefix("application/")})
    assert (refusal(accept, name, {}, token_types=types) is not None) is states_another
