"""The tests' Auth.js does what other tests rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.authjs import ADA, SECRET, authjs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first one installs Auth.js

COOKIE = "authjs.session-token"


def test_a_user_signs_in_and_out_and_outlives_a_rotation(tmp_path: Path) -> None:
    with authjs(tmp_path, session_seconds=600) as auth:
        browser = auth.sign_in(ADA | {"claims": {"roles": ["admin"]}})
        assert browser.jar.names() == {COOKIE, "authjs.csrf-token", "authjs.callback-url"}
        assert browser.jar[COOKIE].count(".") == 4
        assert browser.session()["user"] == {"name": "Ada", "email": "ada@example.com"}
        auth.restart("a-newer-secret-of-the-tests-9876543210-zyxwvutsrqponm", SECRET)
        assert browser.session()["user"]["email"] == "ada@example.com"
        browser.sign_out()
        assert COOKIE not in browser.jar
        assert browser.session() is None


def test_a_large_session_is_cut_into_cookies_with_secure_names(tmp_path: Path) -> None:
    with authjs(tmp_path, url="https://app.example.test") as auth:
        browser = auth.sign_in(ADA | {"name": "Zoë 🦄", "claims": {"biography": "x" * 6000}})
        chunks = {f"__Secure-{COOKIE}.{index}" for index in range(3)}
        assert chunks <= browser.jar.names()
        assert browser.session()["user"]["name"] == "Zoë 🦄"
