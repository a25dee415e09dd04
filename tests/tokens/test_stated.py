"""Identities that a test of policies states: what they leave unknown, and that no client can state one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from multidict import CIMultiDict

from authgate.core.decision import Allow
from authgate.tokens import FORMATS, session_record, stated
from authgate.tokens.authjs import database
from tests.support.deciding import decide_now, decide_token, make_issuer, make_snapshot, request_with
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from authgate.core.identity import Identity

IDENTITIES = tuple(
    stated.stated_identity({"issuer": "app", "format": "jwt", "subject": subject}) for subject in ("ada", "bob")
)


def test_the_number_of_an_identity_proves_it() -> None:
    issuer = make_issuer(formats=(stated.StatedFormat(identities=IDENTITIES),))
    snapshot = make_snapshot(issuer, places=(stated.StatedPlace(sent_by_browsers=False),))
    decision = decide_now(request_with((stated.HEADER, "1")), snapshot)
    assert isinstance(decision, Allow)
    assert decision.identity is IDENTITIES[1]
    assert not isinstance(decide_now(request_with(), snapshot), Allow)


def test_a_stated_cookie_is_protected_against_other_sites() -> None:
    issuer = make_issuer(formats=(stated.StatedFormat(identities=IDENTITIES),))
    request = request_with((stated.HEADER, "0"), ("Origin", "https://evil.example"), method="POST")
    for sent_by_browsers in (True, False):
        snapshot = make_snapshot(issuer, places=(stated.StatedPlace(sent_by_browsers=sent_by_browsers),))
        assert isinstance(decide_now(request, snapshot), Allow) is not sent_by_browsers


def test_a_real_snapshot_does_not_know_stated_identities() -> None:
    assert stated.StatedFormat.name not in FORMATS
    assert not isinstance(decide_now(request_with((stated.HEADER, "0"))), Allow)
    assert not isinstance(decide_token("0"), Allow)


def _row(**more: Any) -> dict[str, Any]:
    return {
        "userId": "u",
        "expiresAt": "2100-01-01T00:00:00Z",
        "token": "t",
        "expires": "2100-01-01T00:00:00Z",
        "sessionToken": "t",
        **more,
    }


def _real(token_format: str) -> Identity:
    """Return the identity in an ordinary credential of *token_format*."""
    if token_format == "authjs-database":
        return database.read(_row(), {"id": "u"}).identity(issuer="app", token_format=token_format)
    if token_format in {"better-auth-session", "better-auth-bearer"}:
        return session_record.read(_row(), {"id": "u"}).identity(issuer="app", token_format=token_format)
    decision = decide_token(mint(claims()))
    assert isinstance(decision, Allow)
    assert decision.identity is not None
    return decision.identity


@pytest.mark.parametrize("token_format", FORMATS)
def test_what_is_not_stated_is_unknown_as_it_is_for_an_ordinary_credential(token_format: str) -> None:
    assert stated.unknown_unless_stated(token_format) == _real(token_format).unknown


def test_the_place_reads_nothing_else() -> None:
    headers = CIMultiDict([("Authorization", "Bearer 0"), ("Cookie", f"{stated.HEADER}=0")])
    assert stated.StatedPlace(sent_by_browsers=True).find(headers) == ()
    assert "none" in stated.StatedPlace(sent_by_browsers=True).describe_absence(headers)
