"""Each refusal for each kind of client through each proxy: docs/refusals.md shows the answers, and they keep promises.

With AUTHGATE_WRITE_DOCS=1 the first test writes the table and the examples into the page.
"""

from __future__ import annotations

import json
import os
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from authgate.core.reasons import Reason
from tests.support import refusal_table
from tests.support.refusal_table import HTML, PROBLEM
from tests.support.refused import AMBIGUOUS, BROWSER, CLIENTS, DOWN, FRONT_END, LOGIN_URL, LOOP, TWO_HOSTS, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.client import Answer
    from tests.support.refused import Refused

NAVIGATIONS = {"browser", "browser, no `login_url`", "form"}
# The CSRF check lets these pass: a page that a link opens, a page's own script, and a request without a cookie.
NOT_FORGED = {"browser", "browser, no `login_url`", "script, same origin", "program"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refused]:
    with refused(tmp_path_factory.mktemp("refused")) as running:
        yield running


@pytest.fixture
def every(made: Refused) -> dict[tuple[str, str, str], Answer]:
    """Every refusal, by its name, the client and the proxy. What is not refused is left out."""
    return {key: answer for key, answer in made.answers.items() if not (key[0] == "csrf" and key[1] in NOT_FORGED)}


@pytest.fixture
def ours(every: dict[tuple[str, str, str], Answer]) -> dict[tuple[str, str, str], Answer]:
    """The refusals of AuthGate itself, not those of a proxy."""
    found = {key: answer for key, answer in every.items() if key[0] in {*Reason, LOOP}}
    assert len(found) == 3 * (12 * len(CLIENTS) - len(NOT_FORGED) + 1)
    return found


def test_the_page_shows_what_each_client_gets(made: Refused) -> None:
    text = refusal_table.written(made.answers)
    if os.environ.get("AUTHGATE_WRITE_DOCS") == "1":
        refusal_table.write(text)
    assert refusal_table.shown() == text, "AUTHGATE_WRITE_DOCS=1 .venv/bin/pytest tests/e2e/test_refusals.py"


def test_the_examples_in_the_text_of_the_page_are_answers(made: Refused) -> None:
    prose = refusal_table.PAGE.read_text().partition(refusal_table.START)[0]
    for proxy in made.ports:
        location = made.answers["no_credential", BROWSER.name, proxy].header("Location")
        assert f"302 Found\nLocation: {location}\n" in prose
        (example,) = (json.loads(line) for line in prose.splitlines() if line.startswith("{"))
        problem = made.answers["expired", "program", proxy].json
        assert {**problem, "request_id": ""} == {**example, "request_id": ""}


def test_no_refusal_is_a_success(made: Refused, every: dict[tuple[str, str, str], Answer]) -> None:
    for key, answer in every.items():
        assert answer.status in {302, 400, 401, 403, 500, 503}, key
    for proxy in made.ports:
        assert {made.answers["csrf", client, proxy].status for client in NOT_FORGED} == {200}


def test_every_refusal_has_the_reason_that_was_meant(ours: dict[tuple[str, str, str], Answer]) -> None:
    for key, answer in ours.items():
        assert answer.header("X-AuthGate-Reason") == ("no_credential" if key[0] == LOOP else key[0]), key


def test_only_a_navigation_that_can_be_repeated_is_redirected(every: dict[tuple[str, str, str], Answer]) -> None:
    signing_in_helps = {"no_credential", "expired", "bad_signature", "insufficient_user_authentication"}
    for (refusal, client, proxy), answer in every.items():
        if refusal == TWO_HOSTS:  # Traefik and Caddy ask about the host that the client does not name in Host
            assert answer.status != 302 or client in NAVIGATIONS
            continue
        is_redirect = client == BROWSER.name and refusal in signing_in_helps
        assert (answer.status == 302) == is_redirect, (refusal, client, proxy)
        assert bool(answer.header("Location")) == is_redirect
        if is_redirect:
            assert (answer.header("Location") or "").startswith(
                f"{LOGIN_URL}?return_to=https%3A%2F%2Fapp.example.com%2F"
            )


def test_nginx_answers_what_auth_request_can_tell(ours: dict[tuple[str, str, str], Answer]) -> None:
    assert {answer.status for (*_, proxy), answer in ours.items() if proxy == "nginx"} == {302, 401, 403, 503}


def test_every_401_and_every_missing_scope_says_what_to_bring(ours: dict[tuple[str, str, str], Answer]) -> None:
    for key, answer in ours.items():
        is_needed = answer.status == 401 or key[0] == "insufficient_scope"
        challenge = answer.header("WWW-Authenticate")
        assert challenge or not is_needed, key
        assert is_needed or challenge is None or answer.status == 302, key  # nginx itself copies it from AuthGate's 401
        if key[0] == "insufficient_scope":
            assert 'scope="reports:read reports:export"' in (challenge or "")
        if key[0] == "insufficient_user_authentication" and challenge:
            assert 'max_age="3600"' in challenge


def test_the_request_id_is_in_the_header_the_body_and_the_log(
    made: Refused, ours: dict[tuple[str, str, str], Answer]
) -> None:
    lines = made.logged()
    ids = [answer.header("X-Request-Id") or "" for answer in ours.values()]
    assert len({*ids}) == len(ids)
    for answer in ours.values():
        request_id = answer.header("X-Request-Id") or ""
        if answer.header("Content-Type") == PROBLEM:
            assert answer.json["request_id"] == request_id
        elif answer.status != 302:
            assert request_id.encode() in answer.body
    meant = {
        request_id: (answer.header("X-AuthGate-Reason"), key[2])
        for request_id, (key, answer) in zip(ids, ours.items(), strict=True)
    }
    logged = {
        request_id: (line["reason"], line["adapter"]) for request_id, line in lines.items() if request_id in meant
    }
    assert logged.items() <= meant.items()
    assert {*logged.values()} == {*meant.values()}, "ten of each reason have a line"


def test_every_503_says_when_to_try_again(every: dict[tuple[str, str, str], Answer]) -> None:
    for key, answer in every.items():
        assert bool(answer.header("Retry-After")) == (answer.status == 503), key
    assert {answer.status for (refusal, *_), answer in every.items() if refusal == "keys_unavailable"} == {503}


def test_an_outage_never_looks_like_a_sign_out(every: dict[tuple[str, str, str], Answer]) -> None:
    for (refusal, client, proxy), answer in every.items():
        if refusal in {"keys_unavailable", DOWN}:
            assert answer.status == (500 if (refusal, proxy) == (DOWN, "traefik") else 503), client
            assert answer.header("WWW-Authenticate") is None


def test_only_allowed_origins_may_read_a_refusal(every: dict[tuple[str, str, str], Answer]) -> None:
    origins = {client.name: client.origin for client in CLIENTS}
    for (refusal, client, proxy), answer in every.items():
        allowed = answer.header("Access-Control-Allow-Origin")
        assert allowed in {None, origins[client]} - {""}
        assert (answer.header("Access-Control-Allow-Credentials") == "true") == bool(allowed)
        assert (answer.header("Vary") == "Origin") == bool(allowed)
        if answer.header("X-AuthGate-Reason"):
            assert bool(allowed) == (origins[client] == FRONT_END), (refusal, client, proxy)
        else:
            assert origins[client] == FRONT_END or not allowed


def test_only_redirects_and_the_end_of_a_loop_set_a_cookie(every: dict[tuple[str, str, str], Answer]) -> None:
    for key, answer in every.items():
        cookie = answer.header("Set-Cookie")
        assert bool(cookie) == (answer.status == 302 or key[0] == LOOP), key
        if cookie:
            assert cookie.startswith("__Host-authgate_redirects=")
            assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_no_refusal_is_stored_or_long(every: dict[tuple[str, str, str], Answer]) -> None:
    for (refusal, client, proxy), answer in every.items():
        is_bare = proxy == "traefik" and refusal in {AMBIGUOUS, DOWN}  # Traefik's own answer, without headers
        assert answer.header("Cache-Control") == (None if is_bare else "no-store"), (refusal, client)
        assert len(answer.body) <= 4096
        request_id = answer.header("X-Request-Id")
        assert is_bare or (request_id and (answer.status == 302 or request_id.encode() in answer.body))


def test_people_get_pages_and_programs_problem_details(ours: dict[tuple[str, str, str], Answer]) -> None:
    for key, answer in ours.items():
        if answer.status == 302:
            continue
        assert answer.header("Content-Type") == (HTML if key[1] in NAVIGATIONS else PROBLEM), key
        if key[1] in NAVIGATIONS:
            assert answer.body.startswith(b"<!doctype html>")
            assert b"<script" not in answer.body
            assert b"help@example.com" in answer.body
            leads_to_sign_in = key[1] == "form" and answer.status == 401
            link = f'href="{LOGIN_URL}{"?max_age=3600" if key[0] == "insufficient_user_authentication" else ""}"'
            assert (link.encode() in answer.body) == leads_to_sign_in, key
        else:
            problem = answer.json
            assert (problem["status"], problem["title"]) == (answer.status, HTTPStatus(answer.status).phrase)
            assert problem["reason"] == key[0]


def test_the_ending_of_a_path_does_not_change_the_answer(made: Refused) -> None:
    for (path, client, proxy), answer in made.by_path.items():
        same = made.answers["no_credential", client, proxy]
        assert (answer.status, answer.header("Content-Type")) == (same.status, same.header("Content-Type")), path
