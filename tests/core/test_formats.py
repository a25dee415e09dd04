"""Which issuer and which format a credential belongs to, before any key is used."""

from __future__ import annotations

import pytest

from authgate.core.attempts import Attempts
from authgate.core.credential import Credential, UnverifiedToken
from authgate.core.errors import Refused
from authgate.core.formats import choose_format, verify
from authgate.core.proof import Proven
from authgate.core.reasons import Reason
from authgate.tokens import FORMATS
from authgate.tokens.better_auth.session import DATA_PART, TOKEN_PART
from tests.support import session_cookies as cookies
from tests.support.deciding import make_issuer, make_session_issuer
from tests.support.tokens import OTHER_SECRET, claims, mint

NAMED = make_issuer(name="named", iss="https://named.example")
ANY = make_issuer(name="any")
SESSIONS = make_session_issuer(name="sessions")


def credential(token: str, *, part: str = "token", issuer_name: str = "") -> Credential:
    found_in = f"cookie:{part}" if issuer_name else "header:authorization"
    return Credential(parts=((part, UnverifiedToken(token)),), found_in=found_in, issuer_name=issuer_name)


@pytest.mark.parametrize(
    ("iss", "chosen"),
    [
        ("https://named.example", "named"),
        ("https://named.example/", "any"),
        ("https://NAMED.example", "any"),
        ("https://other.example", "any"),
        (None, "any"),
    ],
)
def test_a_jwt_goes_to_the_issuer_that_it_names_and_else_to_the_one_that_accepts_any(
    iss: str | None, chosen: str
) -> None:
    token = mint(claims(iss=iss))
    for issuers in ((NAMED, ANY), (ANY, NAMED), (SESSIONS, ANY, NAMED)):
        token_format, unverified, issuer = choose_format(credential(token), issuers)
        assert (issuer.name, token_format.name) == (chosen, "jwt")
        assert unverified.key_id is None


def test_a_jwt_of_an_issuer_that_reads_none_does_not_go_to_the_one_that_accepts_any() -> None:
    of_others = make_issuer(name="any", other_iss=frozenset({"https://sessions.example"}))
    sessions = make_session_issuer(name="sessions", iss="https://sessions.example")
    assert choose_format(credential(mint(claims(iss="https://else.example"))), (sessions, of_others))[2] is of_others
    with pytest.raises(Refused) as refused:
        choose_format(credential(mint(claims(iss="https://sessions.example"))), (sessions, of_others))
    assert refused.value.reason is Reason.UNKNOWN_ISSUER
    same = make_issuer(name="same", iss="https://sessions.example", other_iss=frozenset({"https://sessions.example"}))
    assert (
        choose_format(credential(mint(claims(iss="https://sessions.example"))), (sessions, of_others, same))[2] is same
    )


@pytest.mark.parametrize("iss", [None, "https://other.example"])
def test_a_jwt_of_no_configured_issuer_is_refused(iss: str | None) -> None:
    with pytest.raises(Refused) as refused:
        choose_format(credential(mint(claims(iss=iss))), (NAMED, SESSIONS))
    assert refused.value.reason is Reason.UNKNOWN_ISSUER


def test_a_session_cookie_belongs_to_the_issuer_of_its_place_alone() -> None:
    parts = ((TOKEN_PART, UnverifiedToken("x" * 32 + "." + "y" * 44)), (DATA_PART, UnverifiedToken(cookies.compact())))
    both = (make_session_issuer(name="first"), make_session_issuer(name="second"), ANY)
    cookie = Credential(parts=parts, found_in="cookie:session", issuer_name="second")
    token_format, _, issuer = choose_format(cookie, both)
    assert (issuer.name, token_format.name) == ("second", "better-auth-session")
    with pytest.raises(Refused) as refused:
        choose_format(credential(mint(), issuer_name="nobody"), both)
    assert refused.value.reason is Reason.MALFORMED_TOKEN


@pytest.mark.parametrize(
    ("token", "issuer_name", "shape"),
    [
        ('{"payload":"x"}', "", "a JSON object"),
        ("a.b.c.d.e", "", "5 dot-separated parts: an encrypted token"),
        ("a.b", "", "3 characters and 1 dots"),
        ("unshaped", "", "8 characters and 0 dots"),
        ("." * 100, "", "100 characters and 100 dots"),
        ("unshaped", "any", "a session cookie with 1 dot-separated parts"),
    ],
)
def test_a_token_of_no_known_shape_is_described_and_not_quoted(token: str, issuer_name: str, shape: str) -> None:
    with pytest.raises(Refused) as refused:
        choose_format(credential(token, issuer_name=issuer_name), (ANY,))
    assert refused.value.reason is Reason.MALFORMED_TOKEN
    assert refused.value.detail.startswith(shape)
    assert token not in refused.value.detail


def test_verifying_returns_a_proof_or_the_refusal() -> None:
    for key, expected in ((None, Proven), (OTHER_SECRET, Refused)):
        token_format, unverified, issuer = choose_format(credential(mint(key=key)), (ANY,))
        assert token_format is FORMATS["jwt"]
        assert isinstance(verify(token_format, unverified, issuer, Attempts()), expected)
