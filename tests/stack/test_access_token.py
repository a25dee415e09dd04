"""The JWT path: a token for the session, sent as Bearer, renewed before it expires."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from deploy.stack.run import WEB
from tests.support.processes import program
from tests.support.stack import PASSWORD, Client, new_email, web_set
from tests.support.visitor import visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack

pytestmark = pytest.mark.timeout(120)

LIFETIME_SECONDS = 4  # AuthGate has no leeway here


@pytest.fixture(scope="module", autouse=True)
def _short_lived(stack: Stack) -> Iterator[None]:
    with web_set(stack, TOKEN_LIFETIME=f"{LIFETIME_SECONDS}s"):
        yield


def test_a_page_renews_its_token_across_the_expiry_and_is_never_refused(
    chromium: Browser, stack: Stack, edge: str
) -> None:
    with visitor(chromium, stack.url if edge == "nginx" else stack.traefik_url) as ada:
        email = new_email()
        ada.sign_up(email)
        cookies: list[str | None] = []
        asked = lambda request: "/auth/me" in request.url and cookies.append(request.header_value("cookie"))  # noqa: E731
        ada.page.on("request", asked)
        ada.page.get_by_role("link", name="Access token").click()
        expect(ada.page.locator("#who")).to_have_text(email)
        expect(ada.page.locator("#renewals")).to_have_text("2", timeout=4000 * LIFETIME_SECONDS)
        expect(ada.page.locator("#refusals")).to_have_text("0")
        assert int(ada.page.locator("#answers").inner_text()) >= LIFETIME_SECONDS
        ada.page.remove_listener("request", asked)
        assert set(cookies) == {None}, "the token alone"


def test_the_page_leaves_for_the_sign_in_page_when_the_session_has_ended(chromium: Browser, stack: Stack) -> None:
    with visitor(chromium, stack.url) as ada:
        email = new_email()
        ada.sign_up(email)
        ada.page.get_by_role("link", name="Access token").click()
        expect(ada.page.locator("#who")).to_have_text(email)
        elsewhere = Client(stack)
        assert elsewhere.sign_in(email).status == 200
        assert elsewhere.ask("/api/auth/revoke-sessions", body={}).status == 200
        expect(ada.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible(timeout=15_000)


def test_a_token_counts_until_it_expires_and_no_longer(stack: Stack, edge: str) -> None:
    ada = Client(stack, edge)
    ada.sign_up()
    bearer = f"Authorization: Bearer {ada.ask('/api/auth/token').json['token']}"
    stranger = Client(stack, edge)
    assert stranger.ask("/api/v1/tasks", bearer).status == 200
    assert ada.ask("/api/auth/sign-out", body={}).status == 200
    assert stranger.ask("/api/v1/tasks", bearer).status == 200, "a JWT is not looked up"
    time.sleep(LIFETIME_SECONDS)
    refused = stranger.ask("/api/v1/tasks", bearer)
    assert (refused.status, refused.json["reason"]) == (401, "expired")


def test_a_program_without_a_browser_does_the_same(stack: Stack, edge: str) -> None:
    ada, email = Client(stack, edge), new_email()
    ada.sign_up(email)
    ada.ask("/api/v1/tasks", body={"title": "write"})
    environ = {"PATH": os.environ["PATH"], "APP_URL": ada.origin, "EMAIL": email, "PASSWORD": PASSWORD}
    command = [program("node", fix="apt-get install nodejs"), WEB / "call-api.mjs", str(LIFETIME_SECONDS + 2)]
    printed = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True).stdout
    lines = printed.splitlines()
    assert sum(line.startswith("new token, expires ") for line in lines) >= 2
    answers = [line for line in lines if not line.startswith("new token")]
    assert len(answers) == LIFETIME_SECONDS + 2
    assert all(line.startswith("200 ") and '"write"' in line for line in answers)

    wrong = subprocess.run(command, env=environ | {"PASSWORD": "wrong"}, capture_output=True, text=True, check=False)
    assert wrong.returncode != 0
    assert "signing in was answered with 401" in wrong.stderr
