"""Several issuers: a token, a cookie and a session token must belong to exactly one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rejections import GOOD, OTHER, assert_only, jwt_file, rejected
from tests.support.session_settings import URL, issuer, written

if TYPE_CHECKING:
    from pathlib import Path

NO_URL: dict[str, Any] = {"url": None}
AUTHJS: dict[str, Any] = {"preset": "authjs"}


@pytest.mark.parametrize(
    ("first", "second", "messages"),
    [
        (
            {},
            NO_URL,
            [
                "issuers app and two both read the cookie __Secure-better-auth.session_data",
                "issuers app and two both read the cookie __Secure-better-auth.session_token",
            ],
        ),
        (
            {"bearer": "raw"},
            {"url": "https://b.example", "cookies": {"session_token": "b.session_token"}, "bearer": "signed"},
            ["issuers app and two both accept session tokens in Authorization"],
        ),
        (
            AUTHJS | {"cookies": {"session_token": "sid"}},
            {"preset": "nextauth-v4", "cookies": {"session_token": "sid"}},
            ["issuers app and two both read the cookie sid"],
        ),
        (
            {},
            {"cookies": {"session_token": "b.session_token"}},
            [f"two issuers have the issuer {URL!r}"],
        ),
    ],
)
def test_issuers_that_read_the_same_sessions_are_rejected(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], messages: list[str]
) -> None:
    problems = rejected(written(tmp_path, issuer(**first), issuer(name="two", secret=OTHER, **second)))
    assert {problem.setting for problem in problems} == {"issuers"}
    found = sorted(problem.message for problem in problems)
    assert len(found) == len(messages)
    assert all(message in text for message, text in zip(messages, found, strict=True))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"issuer": "a"}, {"name": "app", "issuer": "b"}, "two issuers have the name 'app'"),
        ({"issuer": "a"}, {"issuer": "a"}, "two issuers have the issuer 'a'"),
        ({}, {}, "two issuers leave out `issuer`"),
    ],
)
def test_issuers_of_the_same_tokens_are_rejected(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], message: str
) -> None:
    path = jwt_file(tmp_path, {"secret": GOOD, **first}, {"secret": OTHER, "name": "two", **second})
    assert_only(rejected(path), "issuers", message)
