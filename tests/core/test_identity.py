"""The identity: its fields, its comparison with another identity, and its times."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.errors import Refused
from authgate.core.identity import FIELDS, Identity, check_times
from authgate.core.reasons import Reason
from tests.support.tokens import NOW


def identity(**changes: Any) -> Identity:
    return Identity(**{"issuer": "app", "format": "jwt", "subject": "user-1"} | changes)


def test_every_field_that_headers_may_name_exists() -> None:
    some_identity = identity()
    assert {"subject", "email", "roles", "scopes", "expires_at", "issuer", "format"} <= set(FIELDS)
    assert [name for name in FIELDS if not hasattr(some_identity, name)] == []
    assert "claims" not in FIELDS


@pytest.mark.parametrize(
    "changes",
    [{"session_id": "s"}, {"issued_at": 1.0}, {"expires_at": 2.0}, {"token_id": "t"}, {"claims": {"x": 1}}],
    ids=str,
)
def test_two_tokens_of_the_same_caller_are_the_same_person(changes: dict[str, Any]) -> None:
    assert identity().same_person(identity(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "user-2"},
        {"issuer": "other"},
        {"roles": ("admin",)},
        {"scopes": ("w",)},
        {"email": "e"},
        {"impersonated_by": "root"},
        {"is_banned": True},
        {"organization": "o"},
    ],
    ids=str,
)
def test_another_caller_or_the_same_caller_with_other_rights_is_not_the_same_person(changes: dict[str, Any]) -> None:
    assert not identity().same_person(identity(**changes))


@pytest.mark.parametrize(
    ("times", "leeway", "reason"),
    [
        ({}, 0, None),
        ({"expires_at": NOW + 1}, 0, None),
        ({"expires_at": NOW}, 0, Reason.EXPIRED),
        ({"expires_at": NOW - 29.5}, 30, None),
        ({"expires_at": NOW - 30}, 30, Reason.EXPIRED),
        ({"expires_at": 0.0}, 300, Reason.EXPIRED),
        ({"not_before": NOW}, 0, None),
        ({"not_before": NOW + 1}, 0, Reason.NOT_YET_VALID),
        ({"not_before": NOW + 30}, 30, None),
        ({"not_before": NOW + 31}, 30, Reason.NOT_YET_VALID),
        ({"issued_at": NOW + 30}, 30, None),
        ({"issued_at": NOW + 31}, 30, Reason.NOT_YET_VALID),
        ({"issued_at": NOW + 31, "expires_at": NOW - 31}, 30, Reason.EXPIRED),
    ],
    ids=str,
)
def test_the_leeway_applies_to_expiry_and_to_the_beginning(
    times: dict[str, float], leeway: float, reason: Reason | None
) -> None:
    refused = None
    try:
        check_times(identity(**times), NOW, leeway)
    except Refused as error:
        refused = error.reason
    assert refused is reason


def test_the_detail_of_an_expired_identity_says_for_how_long() -> None:
    with pytest.raises(Refused) as refused:
        check_times(identity(expires_at=NOW - 95), NOW, 30)
    assert refused.value.detail == "expired 95 s ago"


def test_the_repr_of_an_identity_hides_its_claims() -> None:
    assert "hunter2" not in repr(identity(claims={"password": "hunter2"}))
