"""A JWT for the session, sent as Bearer and renewed before it expires."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from deploy.stack.run import WEB
from tests.support.aged_session import LAST_VISIT
from tests.support.chromium import visitor
from tests.support.processes import program
from tests.support.stack import EDGES, PASSWORD, Client, new_email, web_set
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack

# A page renews its token after three quarters of this. The rest, less the second to which expiry times are rounded, is
# what its requests may take on a busy machine: AuthGate has no leeway here.
LIFETIME_SECONDS = 8


@pytest.fixture(scope="module", autouse=True)
def _short_lived(stack: Stack) -> Iterator[None]:
    with web_set(stack, TOKEN_LIFETIME=f"{LIFETIME_SECONDS}s"):
        yield


def test_a_page_renews_its_token_before_it_expires_and_is_never_refused(chromium: Browser, stack: Stack) -> None:
    cookies: list[str | None] = []
    asked = lambda request: "/auth/me" in request.url and cookies.append(request.header_value("cookie"))  # noqa: E731
    with visitor(chromium, stack.url) as ada, visitor(chromium, stack.traefik_url) as bob:
        for person in (ada, bob):
            email = new_email()
            person.sign_up(email)
            person.page.on("request", asked)
            person.page.get_by_role("link", name="Token", exact=True).click()
            expect(person.page.locator("#who")).to_have_text(email)
        for person in (ada, bob):
            expect(person.page.locator("#renewals")).to_have_text("2", timeout=10_000 * LIFETIME_SECONDS)
            expect(person.page.locator("#refusals")).to_have_text("0")
            until(lambda person=person: int(person.page.locator("#answers").inner_text()) >= LIFETIME_SECONDS)
            person.page.remove_listener("request", asked)
        assert set(cookies) == {None}, "only the token was sent"


def test_the_page_opens_the_sign_in_page_when_the_session_has_ended(chromium: Browser, stack: Stack) -> None:
    with visitor(chromium, stack.url) as ada:
        email = new_email()
        ada.sign_up(email)
        ada.page.get_by_role("link", name="Token", exact=True).click()
        expect(ada.page.locator("#who")).to_have_text(email)
        elsewhere = Client(stack)
        assert elsewhere.sign_in(email).status == 200
        assert elsewhere.ask("/api/auth/revoke-sessions", body={}).status == 200
        expect(ada.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_a_token_is_valid_until_it_expires_and_no_longer(stack: Stack) -> None:
    bearers = {}
    for edge in EDGES:
        ada = Client(stack, edge)
        ada.sign_up()
        bearers[edge] = f"Authorization: Bearer {ada.ask('/api/auth/token').json['token']}"
        assert Client(stack, edge).ask("/api/v1/tasks", bearers[edge]).status == 200
        assert ada.ask("/api/auth/sign-out", body={}).status == 200
        assert Client(stack, edge).ask("/api/v1/tasks", bearers[edge]).status == 200, "no store is asked about a JWT"
    time.sleep(LIFETIME_SECONDS)
    for edge, bearer in bearers.items():
        refused = Client(stack, edge).ask("/api/v1/tasks", bearer)
        assert (refused.status, refused.json["reason"]) == (401, "expired")


def test_a_program_without_a_browser_renews_its_token_too(stack: Stack) -> None:
    command = [program("node", fix="apt-get install nodejs"), WEB / "call-api.mjs", str(LIFETIME_SECONDS + 2)]
    with ThreadPoolExecutor(2) as threads:
        for ran in threads.map(lambda edge: _call_api(stack, edge, command), EDGES):
            assert ran.returncode == 0, ran.stderr
            lines = ran.stdout.splitlines()
            assert sum(line.startswith("new token, expires ") for line in lines) >= 2
            answers = [line for line in lines if not line.startswith(("signed in", "new token"))]
            assert len(answers) == LIFETIME_SECONDS + 2
            assert all(line.startswith("200 ") and '"write"' in line for line in answers)


def test_a_program_that_runs_for_days_keeps_its_session_and_signs_in_again_if_it_has_ended(stack: Stack) -> None:
    ada, email = Client(stack), new_email()
    user_id = ada.sign_up(email)
    assert ada.ask("/api/auth/sign-out", body={}).status == 200
    rows = f"""session WHERE "userId" = '{user_id}'"""
    left = f"""SELECT extract(day FROM "expiresAt" - now()) FROM {rows}"""
    command = [program("node", fix="apt-get install nodejs"), WEB / "call-api.mjs", "1000"]
    environ = {"PATH": os.environ["PATH"], "APP_URL": ada.origin, "EMAIL": email, "PASSWORD": PASSWORD}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        try:
            assert _next(running.stdout, "") == "signed in"
            _next(running.stdout, "200 ")
            stack.postgres.execute(f"UPDATE session SET {LAST_VISIT} WHERE \"userId\" = '{user_id}'")
            assert stack.postgres.execute(left).strip() == "4"
            _next(running.stdout, "new token")
            assert stack.postgres.execute(left).strip() == "6"

            stack.postgres.execute(f"DELETE FROM {rows}")
            _next(running.stdout, "signed in")
            _next(running.stdout, "200 ")

            stack.parts["web"].kill()
            _next(running.stderr, f"{ada.origin}/api/auth/token answered 502")
            stack.parts["web"].start()
            _next(running.stdout, "new token")
            _next(running.stdout, "200 ")
        finally:
            running.terminate()


def _next(lines: IO[str], beginning: str) -> str:
    """Return the next of *lines* that has this beginning."""
    for line in lines:
        if line.startswith(beginning):
            return line.strip()
    raise AssertionError(f"the program ended without {beginning!r}")


@pytest.mark.parametrize("edge", EDGES)
def test_a_program_with_a_wrong_password_says_that_it_could_not_sign_in(stack: Stack, edge: str) -> None:
    command = [program("node", fix="apt-get install nodejs"), WEB / "call-api.mjs"]
    ran = _call_api(stack, edge, command, PASSWORD="wrong")
    assert ran.returncode != 0
    assert "sign-in failed with 401" in ran.stderr


def _call_api(
    stack: Stack, edge: str, command: Sequence[str | Path], **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run *command* for a new user with one task."""
    ada, email = Client(stack, edge), new_email()
    ada.sign_up(email)
    ada.ask("/api/v1/tasks", body={"title": "write"})
    environ = {"PATH": os.environ["PATH"], "APP_URL": ada.origin, "EMAIL": email, "PASSWORD": PASSWORD} | environ
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
