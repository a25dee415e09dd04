"""The attempts of the page /inside, which the front end sends through the proxy for the visitor."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from deploy.processes import replaced
from tests.support.chromium import visitor
from tests.support.client import ask
from tests.support.processes import program
from tests.support.stack import Client, administrator, authgate_set, new_email, web_set
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack
    from tests.support.client import Answer

pytestmark = pytest.mark.timeout(400)

# The status, and AuthGate's reason, that a user gets.
USERS_OUTCOMES = {
    "plain": (200, None),
    "no-cookie": (401, "no_credential"),
    "forged-id": (200, None),
    "forged-id-case": (200, None),
    "forged-id-underscore": (200, None),
    "expired-token": (401, "expired"),
    "edited-token": (401, "bad_signature"),
    "unsigned-token": (401, "malformed_token"),
    "copied-cookie": (401, "session_not_found"),
    "foreign-post": (403, "csrf"),
    "foreign-websocket": (403, "csrf"),
    "encoded-slash": (400, "ambiguous_path"),
    "other-case": (403, "forbidden"),
    "admin-page": (403, "forbidden"),
}
ADMINISTRATORS_OUTCOMES = USERS_OUTCOMES | {"other-case": (404, None), "admin-page": (200, None)}
TRAEFIKS_OUTCOMES = USERS_OUTCOMES | {"encoded-slash": (400, None)}  # Traefik refuses it without asking AuthGate
ALLOWED = {"plain", "other-case", "admin-page"}
FORGED = {"forged-id", "forged-id-case", "forged-id-underscore"}


def attempt(client: Client, name: str) -> Answer:
    return client.ask(f"/inside/attempts/{name}", method="POST")


def outcome(client: Client, name: str) -> dict[str, Any]:
    answer = attempt(client, name)
    assert answer.status == 200, answer
    assert answer.header("cache-control") == "no-store"
    result: dict[str, Any] = answer.json
    assert result["name"] == name
    return result


def user(stack: Stack, edge: str = "nginx") -> tuple[Client, str]:
    client = Client(stack, edge)
    return client, client.sign_up()


def sessions(stack: Stack, user_id: str) -> int:
    return int(stack.postgres.execute(f"""SELECT count(*) FROM session WHERE "userId" = '{user_id}'"""))


def test_a_user_sees_what_stops_each_attack(stack: Stack) -> None:
    client, user_id = user(stack)
    outcomes = {name: outcome(client, name) for name in USERS_OUTCOMES}
    assert {name: (each["status"], each["reason"]) for name, each in outcomes.items()} == USERS_OUTCOMES
    for name, each in outcomes.items():
        assert each["asExpected"], each
        assert each["meaning"].endswith(".")
        assert (each["stoppedBy"] is None) == (name == "plain"), each
        assert (each["seen"] is None) == (each["status"] != 200), each
        assert each["isFromProxy"] == (name == "encoded-slash"), each
    for name in {"plain"} | FORGED:
        seen = dict(outcomes[name]["seen"])
        assert seen["x-user-id"] == user_id
        assert seen["x-user-roles"] == "user"
        assert "admin" not in seen.values()
        assert not seen.keys() & {"cookie", "authorization"}
    assert re.search(r"worked until the sign-out, .* \d+\.\d seconds after", outcomes["copied-cookie"]["meaning"])
    assert sessions(stack, user_id) == 1, "the session whose cookie was copied is gone"
    assert client.ask("/api/v1/tasks").json["items"] == []
    is_logged_as_shown(stack, outcomes)
    holds_no_secret(client, outcomes)
    commands_give_the_same(client, outcomes)


def is_logged_as_shown(stack: Stack, outcomes: dict[str, dict[str, Any]]) -> None:
    """nginx refuses an ambiguous path without asking AuthGate. AuthGate logs every other refusal."""
    logged_attempts = [name for name, (_, reason) in USERS_OUTCOMES.items() if reason not in (None, "ambiguous_path")]
    reasons = {outcomes[name]["requestId"]: outcomes[name]["reason"] for name in logged_attempts}

    def logged() -> bool:
        lines = stack.parts["authgate"].log.read_text().splitlines(keepends=True)
        refused = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]
        return {line["request_id"]: line["reason"] for line in refused if line.get("request_id") in reasons} == reasons

    assert len(reasons) == len(logged_attempts), "each request has an id of its own"
    until(logged)


def holds_no_secret(client: Client, outcomes: dict[str, dict[str, Any]]) -> None:
    text = json.dumps(outcomes)
    assert "eyJ" not in text, "a token"
    for name, value in client.cookies.items():
        assert name not in text
        assert value.partition(".")[0] not in text
    with_cookie = {name for name, each in outcomes.items() if '-H "Cookie: $COOKIE"' in each["curl"]}
    with_token = {name for name, each in outcomes.items() if '-H "Authorization: Bearer $TOKEN"' in each["curl"]}
    assert with_token == {"expired-token", "edited-token", "unsigned-token"}
    assert with_cookie == USERS_OUTCOMES.keys() - with_token - {"no-cookie"}


def commands_give_the_same(client: Client, outcomes: dict[str, dict[str, Any]]) -> None:
    """The visitor can run each command. Only the front end has the tokens and the copied cookie."""
    program("curl", fix="apt-get install curl")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    environ = {"PATH": os.environ["PATH"], "COOKIE": cookie, "no_proxy": "*"}
    for name in outcomes.keys() - {"expired-token", "edited-token", "unsigned-token", "copied-cookie"}:
        command = outcomes[name]["curl"]
        ran = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, timeout=60, check=True)
        assert ran.stdout.split()[1] == str(outcomes[name]["status"]), (command, ran.stdout)


def test_an_id_that_is_percent_encoded_in_the_header_is_the_users_own(stack: Stack) -> None:
    """Imported users keep their ids, whatever characters those have."""
    client, user_id = user(stack)
    odd = "ä 1%41"
    stack.postgres.execute(f"""SET session_replication_role = replica;
        UPDATE "user" SET id = '{odd}' WHERE id = '{user_id}';
        UPDATE session SET "userId" = '{odd}' WHERE "userId" = '{user_id}'""")
    each = outcome(client, "forged-id")
    assert ["x-user-id", "%C3%A4 1%2541"] in each["seen"]
    assert each["asExpected"], each


def test_an_administrator_passes_where_the_policy_says_so(stack: Stack) -> None:
    client = administrator(stack, "traefik")
    for name, expected in ADMINISTRATORS_OUTCOMES.items():
        each = outcome(client, name)
        assert (each["status"], each["reason"]) == expected
        assert each["asExpected"], each
        assert (each["stoppedBy"] is None) == (name in ALLOWED), each
    assert "You are an administrator" in outcome(client, "admin-page")["meaning"]


def test_an_administrator_who_acts_as_a_user_is_one(stack: Stack) -> None:
    client = administrator(stack)
    _, user_id = user(stack)
    assert client.ask("/api/auth/admin/impersonate-user", body={"userId": user_id}).status == 200
    each = outcome(client, "admin-page")
    assert (each["status"], each["reason"], each["asExpected"]) == (403, "forbidden", True)


def directly(stack: Stack, client: Client, *headers: str) -> Answer:
    """Ask the front end for an attempt without a proxy in between."""
    cookie = "Cookie: " + "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    host = urlsplit(stack.url).netloc
    return ask(stack.ports["web"], "/inside/attempts/plain", cookie, *headers, method="POST", host=host)


def test_a_hole_in_the_policies_is_not_shown_as_success(stack: Stack) -> None:
    client, _ = user(stack)
    hole = {"require: {roles: {any_of: [admin]}, session: {impersonated: false}}": "require: signed_in"}
    with authgate_set(stack, hole):
        each = outcome(client, "admin-page")
    assert (each["reason"], each["asExpected"], each["stoppedBy"]) == (None, False, None)
    assert each["meaning"] == "AuthGate let the request pass."


def test_a_refusal_for_another_reason_is_not_shown_as_success(stack: Stack) -> None:
    client, _ = user(stack)
    stack.parts["authgate"].stop()
    try:
        each = directly(stack, client, f"Origin: {stack.url}").json  # the proxies let nobody pass now
    finally:
        stack.parts["authgate"].start()
    assert (each["status"], each["asExpected"]) == (503, False)
    assert each["stoppedBy"]


def test_a_proxy_that_passes_a_forged_header_on_is_not_shown_as_success(stack: Stack, chromium: Browser) -> None:
    client, _ = user(stack)
    lines = {"proxy_set_header X-User-Id $authgate_header_x_user_id;": ""}
    with visitor(chromium, stack.url) as person:
        person.sign_up(new_email())
        with nginx_set(stack, lines):
            each = outcome(client, "forged-id")
            unknown = outcome(client, "plain")
            person.goes("/inside")
            shown = person.page.get_by_role("listitem").filter(has_text="A forged header: X-User-Id")
            expect(shown.get_by_text("Unexpected")).to_be_visible()
            expect(shown.get_by_text("Allowed", exact=True)).to_be_visible()
    assert ["x-user-id", "admin"] in each["seen"]
    assert (each["asExpected"], each["stoppedBy"]) == (False, None)
    assert each["meaning"] == "The service saw an id that is not yours."
    assert not unknown["asExpected"]


@contextmanager
def nginx_set(stack: Stack, replacements: dict[str, str]) -> Iterator[None]:
    nginx, path = stack.parts["nginx"], stack.folder / "edge" / "nginx" / "authgate_protect.conf"
    usual = path.read_text()
    path.write_text(replaced(usual, replacements))
    try:
        nginx.stop()
        nginx.start()
        yield
    finally:
        path.write_text(usual)
        nginx.stop()
        nginx.start()


def test_the_attempts_go_through_traefik_if_edge_url_says_so(stack: Stack, chromium: Browser) -> None:
    with web_set(stack, EDGE_URL=stack.traefik_url), visitor(chromium, stack.url) as person:
        client, _ = user(stack)
        outcomes = {name: outcome(client, name) for name in TRAEFIKS_OUTCOMES}
        person.sign_up(new_email())
        person.goes("/inside")
        hidden_path = person.page.get_by_role("listitem").filter(has_text="A path that hides another")
        hidden_path.get_by_text("Refused").click()
        expect(hidden_path.get_by_role("code").last).to_have_text("no reason")
        expect(hidden_path.get_by_text(re.compile("The proxy.s answer"))).to_be_visible()  # AuthGate was not asked
    assert {name: (each["status"], each["reason"]) for name, each in outcomes.items()} == TRAEFIKS_OUTCOMES
    assert [name for name, each in outcomes.items() if not each["asExpected"]] == []
    assert [name for name, each in outcomes.items() if each["isFromProxy"]] == ["encoded-slash"]


def test_without_an_answer_of_the_proxy_the_attempt_fails(stack: Stack) -> None:
    with web_set(stack, EDGE_URL="http://127.0.0.1:9"):
        client, user_id = user(stack)
        assert attempt(client, "plain").status == 502
        assert attempt(client, "copied-cookie").status == 502
        assert sessions(stack, user_id) == 1


def test_a_reload_keeps_the_place_in_the_page(stack: Stack, chromium: Browser) -> None:
    with visitor(chromium, stack.url) as person:
        person.sign_up(new_email())
        person.page.set_viewport_size({"width": 375, "height": 740})
        person.goes("/inside")
        expect(person.page.get_by_role("link", name="Inside")).to_be_in_viewport()
        person.page.evaluate("scrollTo(0, 600)")
        person.reloads()
        person.sees("What just happened")
        until(lambda: person.page.evaluate("scrollY") > 500)


def test_an_unknown_attempt_is_not_found(stack: Stack) -> None:
    client, _ = user(stack)
    assert attempt(client, "nothing").status == 404
    assert attempt(client, "constructor").status == 404
    assert client.ask("/inside/attempts/plain").status == 405


def test_only_this_site_and_its_users_can_make_attempts(stack: Stack) -> None:
    client, _ = user(stack)
    nobody = attempt(Client(stack), "plain")
    assert (nobody.status, nobody.json["reason"]) == (401, "no_credential")
    foreign = client.ask("/inside/attempts/plain", "Origin: https://evil.example", method="POST", origin=False)
    assert (foreign.status, foreign.json["reason"]) == (403, "csrf")

    # The front end checks both again, should AuthGate not be asked.
    assert directly(stack, client, f"Origin: {stack.url}").status == 200
    assert directly(stack, client, "Origin: https://evil.example").status == 403
    assert directly(stack, client, "Origin: null").status == 403
    assert directly(stack, client).status == 403
    client.cookies = {"better-auth.session_token": "nobody"}
    assert directly(stack, client, f"Origin: {stack.url}").status == 401


def begun(client: Client) -> dict[str, Any]:
    """Make the attempt with the copied cookie as soon as there is a place for it."""
    answer = until(lambda: (answer := attempt(client, "copied-cookie")).status == 200 and answer)
    result: dict[str, Any] = answer.json
    return result


def test_attempts_at_the_same_time_are_bounded(stack: Stack) -> None:
    """One for each user, and 8 for all of the slow attempt, with the copied cookie. The others have places left."""
    clients = [user(stack) for _ in range(9)]
    last, _ = clients.pop()
    # AuthGate remembers a session for as long as it may, so that no attempt ends before the last has begun.
    with authgate_set(stack, {"cache_seconds: 1": "cache_seconds: 60"}), ThreadPoolExecutor(len(clients)) as pool:
        attempts = [pool.submit(begun, client) for client, _ in clients]
        until(lambda: all(attempt(client, "plain").status == 429 for client, _ in clients))
        refused = attempt(last, "copied-cookie")
        assert (refused.status, "still running" in refused.json["detail"]) == (429, True)
        assert attempt(last, "plain").status == 200
        late = [each.result() for each in attempts]
        # Without the end of the page, this takes 8 seconds, as the others did.
        began = time.monotonic()
        leave_during(last, "copied-cookie")
        until(lambda: attempt(last, "plain").status == 200)
        assert time.monotonic() - began < 8
    assert not any(each["asExpected"] for each in late), "it gave up before AuthGate refused the copy"
    assert all("still worked" in each["meaning"] for each in late)
    assert [sessions(stack, user_id) for _, user_id in clients] == [1] * len(clients)
    assert attempt(last, "plain").status == 200


def leave_during(client: Client, name: str) -> None:
    """Begin an attempt, and close the connection as a browser does that leaves the page."""
    host = urlsplit(client.origin).netloc
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    head = [f"POST /inside/attempts/{name} HTTP/1.1", f"Host: {host}", f"Origin: {client.origin}", f"Cookie: {cookie}"]
    has_begun = False
    while not has_begun:  # it is refused if an attempt "plain", which looks whether it has begun, comes first
        with socket.create_connection(("127.0.0.1", client._port)) as connection:
            connection.sendall("\r\n".join([*head, "Content-Length: 0", "", ""]).encode())
            until(lambda: attempt(client, "plain").status == 429 or is_answered(connection))
            has_begun = not is_answered(connection)


def is_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])
