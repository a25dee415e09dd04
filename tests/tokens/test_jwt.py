"""JWTs: which issuer verifies a token, and which claims it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.attempts import Attempts
from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens.jwt import JwtFormat
from tests.support.deciding import make_issuer
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from authgate.core.identity import Identity


def credential(token: str) -> Credential:
    return Credential(parts=(("token", UnverifiedToken(token)),), found_in="header:authorization")


def verify(token: str, **issuer: Any) -> Identity:
    jwt = JwtFormat()
    identity = jwt.verify(jwt.parse(credential(token)), make_issuer(**issuer), Attempts()).identity
    assert identity is not None
    return identity


def refusal(token: str, **issuer: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        verify(token, **issuer)
    return refused.value


@pytest.mark.parametrize(("token", "recognized"), [("a.b.c", True), ("..", True), ("a.b", False), ("a.b.c.d.e", False)])
def test_three_parts_between_dots_are_recognized_as_a_jwt(token: str, *, recognized: bool) -> None:
    assert JwtFormat().recognizes(credential(token)) is recognized


ANY = make_issuer(name="any")
ONE = make_issuer(name="one", iss="https://one.example")
TWO = make_issuer(name="two", iss="https://two.example", also_iss=frozenset({"https://two.example.com"}))


@pytest.mark.parametrize(
    ("iss", "issuers", "chosen"),
    [
        ("https://two.example", (ANY, ONE, TWO), "two"),
        ("https://two.example.com", (ANY, ONE, TWO), "two"),
        ("https://one.example", (ONE,), "one"),
        ("https://three.example", (ONE, ANY, TWO), "any"),
        (None, (ONE, ANY), "any"),
    ],
)
def test_the_issuer_is_the_one_with_exactly_this_iss_else_the_one_that_accepts_any(
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
    assert "; accepted: https://one.example, https://two.example, https://two.example.com" in refused.value.detail


def test_a_refusal_lists_at_most_five_accepted_issuers() -> None:
    issuers = tuple(make_issuer(name=f"i{n}", iss=f"https://{n}.example") for n in range(7))
    with pytest.raises(Refused) as refused:
        JwtFormat().parse(credential(mint(claims(iss="https://x.example")))).choose_issuer(issuers)
    assert refused.value.detail.endswith("https://3.example, https://4.example and 2 more")


@pytest.mark.parametrize("iss", ["", 1, True, [], ["https://one.example"], {"a": 1}])
def test_an_iss_that_is_not_a_string_is_malformed_even_if_any_is_accepted(iss: Any) -> None:
    with pytest.raises(Refused) as refused:
        JwtFormat().parse(credential(mint({"iss": iss}))).choose_issuer((ANY,))
    assert refused.value.reason is Reason.MALFORMED_TOKEN


def test_every_required_claim_that_is_missing_is_named() -> None:
    paths = frozenset({("exp",), ("jti",), ("azp",), ("tenant", "id")})
    refused = refusal(mint(claims(tenant={"id": []}, azp="a")), required_claims=paths)
    assert (refused.reason, refused.detail) == (Reason.MISSING_CLAIM, "it has no jti, tenant.id")


def test_a_claim_that_is_not_required_may_be_missing() -> None:
    identity = verify(mint({"sub": "u"}), required_claims=frozenset())
    assert (identity.subject, identity.expires_at) == ("u", None)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
@pytest.mark.parametrize("value", [-1, NOW * 1000, 10**400])
def test_a_time_of_the_wrong_size_is_malformed(name: str, value: Any) -> None:
    assert refusal(mint(claims(**{name: value}))).reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
@pytest.mark.parametrize(
    ("value", "kind"), [("1800000000", "text"), (True, "a boolean"), ([NOW], "a list"), ({}, "an object")]
)
def test_a_time_that_is_no_number_is_malformed_and_its_claim_and_type_are_named(
    name: str, value: Any, kind: str
) -> None:
    refused = refusal(mint(claims(**{name: value})))
    assert refused.reason is Reason.MALFORMED_TOKEN
    assert f"claim {name!r} is {kind}, not a NumericDate" in refused.detail


def test_a_time_may_have_a_fraction() -> None:
    identity = verify(mint(claims(exp=NOW + 100.336421, iat=NOW - 1.5, nbf=NOW - 1.5)))
    assert (identity.expires_at, identity.not_before) == (NOW + 100.336421, NOW - 1.5)


@pytest.mark.parametrize("value", ["", 7, True, ["a"], {}])
def test_a_token_id_that_is_not_a_string_is_malformed(value: Any) -> None:
    assert refusal(mint(claims(jti=value))).reason is Reason.MALFORMED_TOKEN


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
def test_one_audience_must_match_exactly(aud: Any, accepted: set[str] | None, reason: Reason | None) -> None:
    token = mint(claims(aud=aud))
    audiences = None if accepted is None else frozenset(accepted)
    if reason is None:
        assert verify(token, audiences=audiences).subject == "user-1"
    else:
        assert refusal(token, audiences=audiences).reason is reason


@pytest.mark.parametrize("typ", ["", "x+jwt", "JWT ", "application/", "text/jwt", "application/x/jwt"])
def test_a_type_that_the_issuer_does_not_list_is_refused(typ: str) -> None:
    refused = refusal(mint(header={"typ": typ}))
    assert refused.reason is Reason.WRONG_TYPE
    assert "accepted: at+jwt, jwt" in refused.detail


def test_the_signature_is_checked_before_any_claim() -> None:
    assert refusal(mint({"exp": "never"}, key=OTHER_SECRET, header={"typ": "x"})).reason is Reason.BAD_SIGNATURE


def test_the_repr_of_an_unverified_token_shows_no_claims() -> None:
    assert "user-1" not in repr(JwtFormat().parse(credential(mint())))
