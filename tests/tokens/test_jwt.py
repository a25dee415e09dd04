"""JWTs: which issuer a token is tried against, which claims it needs, and what it says about its user."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.errors import Refused
from authgate.core.identity import Identity
from authgate.core.reasons import Reason
from authgate.tokens.jwt import JwtFormat
from tests.support.deciding import make_issuer
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint


def credential(token: str) -> Credential:
    return Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization")


def verify(token: str, **issuer: Any) -> Identity:
    jwt = JwtFormat()
    identity = jwt.verify(jwt.parse(credential(token)), make_issuer(**issuer)).identity
    assert identity is not None
    return identity


def refusal(token: str, **issuer: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        verify(token, **issuer)
    return refused.value


@pytest.mark.parametrize(("token", "recognised"), [("a.b.c", True), ("..", True), ("a.b", False), ("a.b.c.d.e", False)])
def test_three_parts_between_dots_look_like_a_jwt(token: str, *, recognised: bool) -> None:
    assert JwtFormat().recognizes(credential(token)) is recognised


ANY = make_issuer(name="any")
ONE = make_issuer(name="one", iss="https://one.example")
TWO = make_issuer(name="two", iss="https://two.example")


@pytest.mark.parametrize(
    ("iss", "issuers", "chosen"),
    [
        ("https://two.example", (ANY, ONE, TWO), "two"),
        ("https://one.example", (ONE,), "one"),
        ("https://three.example", (ONE, ANY, TWO), "any"),
        (None, (ONE, ANY), "any"),
    ],
)
def test_the_issuer_is_chosen_by_iss_exactly_else_it_is_the_one_of_any(
    iss: str | None, issuers: tuple[Any, ...], chosen: str
) -> None:
    assert JwtFormat().parse(credential(mint(claims(iss=iss)))).choose_issuer(issuers).name == chosen


@pytest.mark.parametrize(
    "iss",
    [None, "https://one.example/", "http://one.example", "https://ONE.example", "https://one.exampl", "one.example"],
)
def test_an_iss_that_is_not_exactly_configured_is_unknown(iss: str | None) -> None:
    with pytest.raises(Refused) as refused:
        JwtFormat().parse(credential(mint(claims(iss=iss)))).choose_issuer((ONE, TWO))
    assert refused.value.reason is Reason.UNKNOWN_ISSUER
    assert (repr(iss) if iss else "no iss") in refused.value.detail


@pytest.mark.parametrize("iss", ["", 1, True, [], ["https://one.example"], {"a": 1}])
def test_an_iss_that_is_no_string_is_malformed_even_where_any_is_accepted(iss: Any) -> None:
    with pytest.raises(Refused) as refused:
        JwtFormat().parse(credential(mint({"iss": iss}))).choose_issuer((ANY,))
    assert refused.value.reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize("missing", ["sub", "exp"])
def test_a_token_without_exp_or_sub_is_refused(missing: str) -> None:
    refused = refusal(mint(claims(**{missing: None})))
    assert (refused.reason, refused.detail) == (Reason.MISSING_CLAIM, f"it has no {missing}")


def test_every_required_claim_that_is_missing_is_named() -> None:
    refused = refusal(mint(claims(sub=None)), required_claims=frozenset({"sub", "exp", "jti", "azp"}))
    assert refused.detail == "it has no azp, jti, sub"


def test_what_is_not_required_may_be_missing() -> None:
    identity = verify(mint({"sub": "u"}), required_claims=frozenset())
    assert (identity.subject, identity.expires_at) == ("u", None)


def test_a_subject_is_always_required() -> None:
    """An upstream would take the empty X-User-Id for an anonymous caller, and the proxy let it in as signed in."""
    with pytest.raises(Refused) as refused:
        verify(mint(claims(sub=None)), required_claims=frozenset())
    assert refused.value.reason is Reason.MISSING_CLAIM


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
@pytest.mark.parametrize("value", ["1800000000", True, [NOW], {}, -1, NOW * 1000, 10**400])
def test_a_time_of_the_wrong_type_or_size_is_malformed(name: str, value: Any) -> None:
    assert refusal(mint(claims(**{name: value}))).reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize("name", ["sub", "jti"])
@pytest.mark.parametrize("value", ["", 7, True, ["a"], {}])
def test_a_subject_or_id_that_is_no_string_is_malformed(name: str, value: Any) -> None:
    assert refusal(mint(claims(**{name: value}))).reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize(
    ("aud", "accepted", "reason"),
    [
        ("api", {"api"}, None),
        (["other", "api"], {"api", "x"}, None),
        ("api", {"API"}, Reason.WRONG_AUDIENCE),
        ("api/", {"api"}, Reason.WRONG_AUDIENCE),
        (["other"], {"api"}, Reason.WRONG_AUDIENCE),
        (None, {"api"}, Reason.WRONG_AUDIENCE),
        ("api", set(), Reason.WRONG_AUDIENCE),
        ([], {"api"}, Reason.MALFORMED_TOKEN),
        (["api", 1], {"api"}, Reason.MALFORMED_TOKEN),
        (None, None, None),
        ("anything", None, None),
        ([], None, Reason.MALFORMED_TOKEN),
    ],
)
def test_one_audience_must_be_accepted_exactly(aud: Any, accepted: set[str] | None, reason: Reason | None) -> None:
    token = mint(claims(aud=aud))
    audiences = None if accepted is None else frozenset(accepted)
    if reason is None:
        assert verify(token, audiences=audiences).subject == "user-1"
    else:
        assert refusal(token, audiences=audiences).reason is reason


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "application/JWT", "at+jwt", "application/at+JWT"])
def test_an_access_tokens_type_is_accepted_in_any_case(typ: str | None) -> None:
    assert verify(mint(header={"typ": typ})).subject == "user-1"


@pytest.mark.parametrize("typ", ["", "logout+jwt", "dpop+jwt", "JWT ", "application/", "text/jwt", "application/x/jwt"])
def test_a_type_for_another_purpose_is_refused(typ: str) -> None:
    refused = refusal(mint(header={"typ": typ}))
    assert refused.reason is Reason.WRONG_TYPE
    assert "accepted: at+jwt, jwt" in refused.detail


def test_the_signature_is_judged_before_any_claim() -> None:
    assert refusal(mint({"exp": "never"}, key=OTHER_SECRET, header={"typ": "x"})).reason is Reason.BAD_SIGNATURE


def test_every_claim_with_a_meaning_becomes_a_field() -> None:
    payload = {
        "sub": "u1", "email": "ada@example.test", "email_verified": True, "name": "Ada", "roles": ["admin", "user"],
        "scope": "read write", "org_id": "org1", "sid": "s1", "act": {"sub": "root"}, "is_anonymous": True,
        "banned": True, "iat": 1, "nbf": 2, "exp": 3, "auth_time": 4, "jti": "t1", "extra": {"a": 1},
    }  # fmt: skip
    assert verify(mint(payload), name="app") == Identity(
        issuer="app",
        format="jwt",
        subject="u1",
        email="ada@example.test",
        email_verified=True,
        name="Ada",
        roles=("admin", "user"),
        scopes=("read", "write"),
        organization="org1",
        session_id="s1",
        impersonated_by="root",
        is_anonymous=True,
        is_banned=True,
        issued_at=1.0,
        not_before=2.0,
        expires_at=3.0,
        authenticated_at=4.0,
        token_id="t1",
        claims=payload,
    )


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"role": "admin,user"}, "roles", ("admin", "user")),
        ({"roles": ["a"], "role": "b"}, "roles", ("a",)),
        ({"scp": ["read", "write"]}, "scopes", ("read", "write")),
        ({"emailVerified": False}, "email_verified", False),
        ({"isAnonymous": "true"}, "is_anonymous", True),
        ({"email": 7}, "email", None),
        ({"act": "root"}, "impersonated_by", None),
        ({"act": {"sub": 7}}, "impersonated_by", None),
        ({"roles": {"admin": True}}, "roles", ()),
        ({"banned": "yes"}, "is_banned", False),
    ],
)
def test_a_claim_about_the_user_has_several_spellings_and_counts_as_absent_when_odd(
    changes: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(verify(mint(claims(**changes))), field) == value


def test_an_unverified_token_shows_nothing_of_itself() -> None:
    assert "user-1" not in repr(JwtFormat().parse(credential(mint())))
