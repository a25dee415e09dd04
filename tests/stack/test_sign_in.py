"""A visitor without a session is sent to the sign-in page by AuthGate, and comes back: by HTTP and in Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect

from deploy.stack.run import ADMINISTRATOR
from tests.support.chromium import visitor
from tests.support.stack import EDGES, PASSWORD, Client, authgate_set, new_email

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from deploy.stack.run import Stack
    from tests.support.chromium import Visitor

NAVIGATION = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html")
PRIVATE = ("/admin", "/tasks", "/sessions", "/token")


def address(stack: Stack, edge: str) -> str:
    return stack.url if edge == "nginx" else stack.traefik_url


def fill_in(person: Visitor, email: str, password: str = PASSWORD) -> None:
    person.page.get_by_label("E-mail").fill(email)
    person.page.get_by_label("Password").fill(password)


def press(person: Visitor, name: str) -> None:
    person.page.get_by_role("button", name=name).click()


# What AuthGate answers to a request without a session.


@pytest.mark.parametrize(
    "target", [*PRIVATE, "/tasks?done=1&q=a%26b%2Fc", "/Tasks/", "/sessions/%C3%BC", "/api/v1/tasks"]
)
def test_a_navigation_is_sent_to_the_sign_in_page(stack: Stack, edge: str, target: str) -> None:
    answer = Client(stack, edge).ask(target, *NAVIGATION)
    page = urlsplit(answer.header("Location") or "")
    assert (answer.status, f"{page.scheme}://{page.netloc}{page.path}") == (302, f"{stack.url}/sign-in")
    # The stack has one address, nginx's. Who came by Traefik's comes back to the same path there.
    back = f"{stack.url}{target}" if edge == "nginx" else target
    assert parse_qs(page.query) == {"return_to": [back]}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="program"),
        pytest.param(("Accept: text/html", "X-Requested-With: XMLHttpRequest"), id="XMLHttpRequest"),
        pytest.param(("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "RSC: 1"), id="Next.js's router"),
    ],
)
def test_a_program_or_script_gets_problem_details_and_no_redirect(
    stack: Stack, edge: str, headers: tuple[str, ...]
) -> None:
    for path in (*PRIVATE, "/tasks?_rsc=1a2b3", "/api/v1/tasks"):
        answer = Client(stack, edge).ask(path, *headers)
        assert (answer.status, answer.header("Location")) == (401, None)
        assert answer.header("Content-Type") == "application/problem+json"
        assert answer.json["reason"] == "no_credential"


def test_a_form_that_is_sent_without_a_session_is_not_repeated_as_a_get(stack: Stack, edge: str) -> None:
    answer = Client(stack, edge).ask("/tasks", *NAVIGATION, body={})
    assert (answer.status, answer.header("Location")) == (401, None)
    assert b"Please sign in" in answer.body


def test_public_pages_and_the_files_of_pages_need_no_session(stack: Stack, edge: str) -> None:
    stranger = Client(stack, edge)
    for path in ("/sign-in", "/sign-up", "/icon.svg"):
        assert stranger.ask(path, *NAVIGATION).status == 200
    page = stranger.ask("/sign-in").body.decode()
    script = page.partition('src="/_next/')[2].partition('"')[0]
    assert stranger.ask(f"/_next/{script}").status == 200


# The way back: which addresses the sign-in page follows.


@pytest.fixture(scope="module")
def signed_in(stack: Stack) -> Client:
    client = Client(stack)
    client.sign_up()
    return client


OWN = {
    "path": ("/tasks", "/tasks"),
    "query": ("/tasks?done=1&q=a%26b", "/tasks?done=1&q=a%26b"),
    "own origin": ("{origin}/sessions?x=1", "/sessions?x=1"),
    "fragment, which the browser keeps": ("/tasks#x", "/tasks"),
    "encoded twice, decoded once": ("/tasks?next=%252f%252fevil.example", "/tasks?next=%252f%252fevil.example"),
    "encoded slashes are data": ("/%2f%2fevil.example", "/%2f%2fevil.example"),
    "another site as data": ("/tasks?x=https://evil.example", "/tasks?x=https://evil.example"),
    "API": ("/api/v1/auth/me", "/api/v1/auth/me"),
}
ATTACKS = {
    "other site": "https://evil.example",
    "other site over http": "http://evil.example/tasks",
    "scheme-relative": "//evil.example",
    "scheme-relative to this site": "//localhost:8080/tasks",
    "three slashes": "///evil.example",
    "backslash": "/\\evil.example",
    "backslashes": "\\\\evil.example",
    "backslash in the own origin": "{origin}\\@evil.example",
    "dot segment": "/.//evil.example",
    "encoded dot segment": "/%2e//evil.example",
    "two dots": "/tasks/..//evil.example",
    "two slashes of the own origin": "{origin}//evil.example",
    "tab": "/\t/evil.example",
    "line break": "/\n/evil.example",
    "CRLF": "/tasks\r\nSet-Cookie: a=b",
    "space in front": " //evil.example",
    "null": "/\0/evil.example",
    "userinfo": "{origin}@evil.example/",
    "userinfo of this site": "http://ada@{host}/tasks",
    "password of this site": "http://ada:secret@{host}/tasks",
    "longer host": "{origin}.evil.example/",
    "other port": "http://localhost:1/tasks",
    "longer port": "{origin}0/tasks",
    "other scheme": "https://{host}/tasks",
    "other name of this machine": "http://127.0.0.1/tasks",
    "javascript": "javascript:alert(1)",
    "javascript with the own origin": "javascript://{host}/%0aalert(1)",
    "data": "data:text/html,x",
    "blob": "blob:{origin}/x",
    "relative": "tasks",
    "empty": "",
    "full-width solidus": "/\uff0fevil.example",
    "unicode host": "https://ev\u0131l.example",
    "not a URL": "http://[",
}


def went_on(client: Client, stack: Stack, address: str, more: str = "") -> str:
    """Return where the sign-in page sends a visitor who has a session already."""
    value = address.format(origin=stack.url, host=urlsplit(stack.url).netloc)
    answer = client.ask(f"/sign-in?return_to={quote(value, safe='')}{more}", *NAVIGATION)
    assert answer.status == 307
    return answer.header("Location") or ""


@pytest.mark.parametrize(("address", "target"), OWN.values(), ids=OWN)
def test_the_sign_in_page_leads_back_to_an_address_of_its_own(
    stack: Stack, signed_in: Client, address: str, target: str
) -> None:
    assert went_on(signed_in, stack, address) == target


@pytest.mark.parametrize("address", ATTACKS.values(), ids=ATTACKS)
def test_any_other_address_leads_home(stack: Stack, signed_in: Client, address: str) -> None:
    assert went_on(signed_in, stack, address) == "/tasks"
    page = Client(stack).ask(f"/sign-up?return_to={quote(address, safe='')}").body.decode()
    assert 'href="/sign-in?return_to=%2Ftasks"' in page


def test_two_addresses_lead_home(stack: Stack, signed_in: Client) -> None:
    assert went_on(signed_in, stack, "/sessions", "&return_to=/token") == "/tasks"
    assert signed_in.ask("/sign-in?next=/sessions", *NAVIGATION).header("Location") == "/tasks", "an unknown name"


# In Chromium.


def test_signing_up_and_signing_in_lead_back_with_query_and_fragment(
    chromium: Browser, stack: Stack, edge: str
) -> None:
    email, tasks, sessions = new_email(), "/tasks?done=1&q=a%26b#x", "/sessions?y=%C3%BC#y"
    with visitor(chromium, address(stack, edge)) as ada:
        ada.goes(tasks)
        ada.sees("Sign in")
        ada.page.get_by_role("link", name="Sign up").click()
        ada.sees("Sign up")
        ada.page.get_by_label("Name").fill("Ada")
        fill_in(ada, email)
        press(ada, "Sign up")
        ada.sees("Your tasks")
        assert ada.page.url == f"{stack.url}{tasks}"
        ada.goes(f"/sign-in?return_to={quote(sessions, safe='')}#y")
        ada.sees("Your sessions")  # signed in already: at once
        assert ada.page.url.endswith(sessions)
        ada.sign_out()

        ada.goes(sessions)
        ada.sees("Sign in")
        fill_in(ada, email)
        press(ada, "Sign in")
        ada.sees("Your sessions")
        assert ada.page.url == f"{stack.url}{sessions}"


def test_an_administrator_signs_in_at_the_page_for_administrators(chromium: Browser, stack: Stack, edge: str) -> None:
    with visitor(chromium, address(stack, edge)) as person:
        person.goes("/admin?page=2#x")
        fill_in(person, ADMINISTRATOR, stack.administrator_password)
        press(person, "Sign in")
        person.sees("Users")
        assert person.page.url == f"{stack.url}/admin?page=2#x"


def test_without_javascript_the_sign_in_page_opens_too(chromium: Browser, stack: Stack, edge: str) -> None:
    with visitor(chromium, address(stack, edge), java_script_enabled=False) as ada:
        ada.page.goto("/tasks?done=1#x")
        expect(ada.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        assert ada.page.url.startswith(f"{stack.url}/sign-in?return_to=")
        assert ada.page.url.endswith("%2Ftasks%3Fdone%3D1#x")


def test_if_authgate_refuses_every_session_a_page_ends_the_loop_and_says_so(chromium: Browser, stack: Stack) -> None:
    """Here AuthGate looks for the cookie of another URL: the mistake that docs/production.md warns of."""
    issuer = f"    url: {stack.url}"
    with visitor(chromium, stack.url) as ada:
        ada.sign_up(new_email())
        with authgate_set(stack, {issuer: issuer.replace("http:", "https:")}):
            for edge in EDGES:
                answer = ada.page.goto(f"{address(stack, edge)}/tasks?from={edge}#x")
                assert answer
                assert answer.status == 401
                expect(ada.page.get_by_role("heading", name="Signing in did not work")).to_be_visible()
                expect(ada.page.get_by_role("link", name=ADMINISTRATOR)).to_be_visible()
        ada.page.get_by_role("link", name="Try again").click()
        ada.sees("Your tasks")
