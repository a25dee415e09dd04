"""The identity that the rows of a session and its user describe, and what they leave unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.tokens import session_record
from authgate.tokens.authjs import database
from tests.support import session_cookies as cookies

if TYPE_CHECKING:
    from authgate.core.identity import Identity

# What no row states, and what Better Auth's own columns do not state.
NEVER = {"scopes", "acr", "amr", "issued_at", "token_id"}
SILENT = {*NEVER, "organization_role"}


def identity(session: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Identity:
    record = session_record.read(cookies.session() | (session or {}), cookies.user() | (user or {}))
    return record.identity(issuer="app", token_format="better-auth-session")


@pytest.mark.parametrize("nulls", [{}, dict.fromkeys(("impersonatedBy", "activeOrganizationId"))], ids=str)
def test_rows_without_a_word_say_that_nobody_impersonates_the_user_and_that_no_organization_is_active(
    nulls: dict[str, Any],
) -> None:
    ada = identity(nulls, dict.fromkeys(("role", "banned", "isAnonymous", "name")) if nulls else None)
    assert (ada.impersonated_by, ada.organization, ada.organization_role) == (None, None, ())
    assert (ada.is_banned, ada.is_anonymous) == (False, False)
    assert ada.roles == (() if nulls else ("admin", "member"))
    assert ada.unknown == SILENT


ODD: list[Any] = [[], ["a"], {}, {"id": "a"}, 1.5, False]


@pytest.mark.parametrize(
    ("column", "field", "values"),
    [
        ("impersonatedBy", "impersonated_by", [("root", "root"), (7, "7"), ("", None), *((odd, None) for odd in ODD)]),
        ("activeOrganizationId", "organization", [("acme", "acme"), (7, "7"), ("", None), *((o, None) for o in ODD)]),
    ],
)
def test_an_id_of_an_odd_type_is_unknown_and_not_absent(
    column: str, field: str, values: list[tuple[Any, str | None]]
) -> None:
    for value, expected in values:
        ada = identity({column: value})
        assert (getattr(ada, field), field in ada.unknown) == (expected, value in ODD)


@pytest.mark.parametrize(
    ("column", "field", "value"),
    [("role", "roles", 7), ("role", "roles", ["a", 7]), ("email", "email", {}), ("name", "name", 7)],
)
def test_a_column_of_the_user_that_cannot_be_read_is_unknown(column: str, field: str, value: Any) -> None:
    ada = identity(user={column: value})
    assert not getattr(ada, field)
    assert ada.unknown == {*SILENT, field}


@pytest.mark.parametrize(
    ("role", "organization", "organization_role", "unknown"),
    [
        (None, "acme", (), {"organization_role"}),
        ("owner", "acme", ("owner",), set()),
        ("owner, admin", "acme", ("owner", "admin"), set()),
        (["owner", "admin"], "acme", ("owner", "admin"), set()),
        ("", None, (), set()),
        (" , ", None, (), set()),
        ([], None, (), set()),
        (7, "acme", (), {"organization_role"}),
        (["owner", 7], "acme", (), {"organization_role"}),
    ],
)
def test_a_row_may_state_the_role_in_the_active_organization_and_an_empty_role_means_no_member(
    role: Any, organization: str | None, organization_role: tuple[str, ...], unknown: set[str]
) -> None:
    ada = identity({"activeOrganizationId": "acme", "activeOrganizationRole": role})
    assert (ada.organization, ada.organization_role) == (organization, organization_role)
    assert ada.unknown == NEVER | unknown


def test_the_users_row_cannot_state_the_role_in_the_active_organization() -> None:
    ada = identity({"activeOrganizationId": "acme"}, {"activeOrganizationRole": "owner"})
    assert (ada.organization, ada.organization_role, ada.unknown) == ("acme", (), SILENT)


@pytest.mark.parametrize(
    ("session", "user", "known"),
    [
        ({}, {}, set()),
        ({}, {"banned": None, "isAnonymous": None}, set()),
        ({"impersonatedBy": "root"}, {}, {"impersonated_by"}),
        ({}, {"banned": False, "isAnonymous": True}, {"is_banned", "is_anonymous"}),
    ],
)
def test_the_tables_of_auth_js_say_nothing_about_the_state_of_the_account_unless_they_have_it(
    session: dict[str, Any], user: dict[str, Any], known: set[str]
) -> None:
    row = {"sessionToken": "t", "userId": 7, "expires": "2030-01-01T00:00:00Z"} | session
    ada = database.read(row, {"id": 7} | user).identity(issuer="app", token_format="authjs-database")
    assert ada.unknown == SILENT | ({"impersonated_by", "is_banned", "is_anonymous"} - known)
    assert (ada.impersonated_by is None, ada.is_anonymous) == (not session, bool(user.get("isAnonymous")))
