"""The lines of the start-up log: what each issuer accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import load
from authgate.core.proof import SessionCheck
from tests.support.rejections import GOOD, OTHER, jwt_file
from tests.support.session_settings import DSN, GET_SESSION, REDIS, issuer, written

if TYPE_CHECKING:
    from pathlib import Path

NO_URL: dict[str, Any] = {"url": None}
AUTHJS: dict[str, Any] = {"preset": "authjs"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, f"; sessions without valid cached data are looked up in {GET_SESSION}"),
        ({"sessions": {"check": "always"}}, f"; all sessions are looked up in {GET_SESSION}"),
        ({"sessions": {"redis": {"url": REDIS}}}, "are looked up in redis://redis.example:6379/0"),
        ({"sessions": {"check": "never"}}, "opaque session cookies cannot be checked: sessions.check is never"),
        (NO_URL, "cannot be checked: set BETTER_AUTH_URL, or `url` or `sessions` of the issuer"),
        (AUTHJS, "opaque session cookies (database strategy) cannot be checked: set `sessions.postgres`"),
        (AUTHJS | {"sessions": {"check": "never"}}, "cannot be checked: sessions.check is never"),
        (AUTHJS | {"sessions": {"postgres": {"dsn": DSN}}}, "are looked up in postgresql://db.example:5432/app"),
    ],
)
def test_the_announcement_says_which_sessions_can_be_checked(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    prepared = wiring.prepare(load(written(tmp_path, issuer(**settings)), {}))
    assert sentence in prepared.announcements[0]
    store = settings.get("sessions", {}).get("check", "fallback")
    expected = SessionCheck(store) if "looked up" in sentence else SessionCheck.NONE
    assert prepared.snapshot.issuers[0].session_check is expected


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"BETTER_AUTH_SECRET": GOOD}, None),
        ({"BETTER_AUTH_SECRET": GOOD, "JWT_SECRET": GOOD}, None),
        ({"BETTER_AUTH_SECRET": GOOD, "AUTH_SECRET": GOOD, "NEXTAUTH_SECRET": GOOD}, None),
        ({"AUTH_SECRET": GOOD, "JWT_SECRET": OTHER}, "authjs"),
        ({"BETTER_AUTH_SECRET": GOOD, "NEXTAUTH_SECRET": OTHER}, "nextauth-v4"),
    ],
)
def test_issuers_of_the_environment_with_different_secrets_are_a_warning(
    environ: dict[str, str], named: str | None
) -> None:
    found = [line for line in wiring.prepare(load(None, environ)).warnings if "different secrets" in line]
    assert len(found) == (named is not None)
    assert not found or (named in found[0] and "subject_prefix" in found[0])


def test_issuers_of_a_file_say_whose_users_they_have_and_need_no_warning(tmp_path: Path) -> None:
    file = jwt_file(tmp_path, {"secret": GOOD, "issuer": "a"}, {"name": "b", "secret": OTHER, "subject_prefix": "b:"})
    assert not [line for line in wiring.prepare(load(str(file), {})).warnings if "different secrets" in line]


def test_the_prefix_of_user_ids_is_announced(tmp_path: Path) -> None:
    prepared = wiring.prepare(load(written(tmp_path, issuer(subject_prefix="app:")), {}))
    assert "issuer app: the ids of its users begin with app:" in prepared.announcements
