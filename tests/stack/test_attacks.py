"""Attacks through the proxies: claiming another identity, and using another user's browser."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.support.chromium import visitor
from tests.support.client import ask
from tests.support.spoofs import CONNECTIONS, SPOOFS
from tests.support.stack import EDGES, PASSWORD, Client, administrator, new_email

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack


@pytest.fixture(scope="module")
def signed_in(stack: Stack) -> Client:
    client = Client(stack)
    client.sign_up(name="Ada")
    return client


@pytest.fixture
def ada(stack: Stack, edge: str, signed_in: Client) -> Client:
    """One user at each edge."""
    client = Client(stack, edge)
    client.cookies = dict(signed_in.cookies)
    return client


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_identity_headers_of_a_client_change_nothing(ada: Client, spoof: tuple[str, ...]) -> None:
    own = ada.ask("/api/v1/auth/me")
    assert (own.status, own.json["name"], own.json["roles"]) == (200, "Ada", ["user"])
    answer = ada.ask("/api/v1/auth/me", *spoof)
    assert (answer.status, answer.json) == (200, own.json)
    received = ada.ask("/api/v1/auth/headers", *spoof).json["headers"]
    assert [value for name, value in received if name == "x-user-id"] == [own.json["id"]]
    assert {name for name, _ in received}.isdisjoint({"authorization", "cookie"})


@pytest.mark.parametrize("spoof", CONNECTIONS.values(), ids=CONNECTIONS)
def test_a_connection_header_removes_nothing_of_the_identity(ada: Client, spoof: tuple[str, ...]) -> None:
    own = ada.ask("/api/v1/auth/me")
    assert own.status == 200
    answer = ada.ask("/api/v1/auth/me", *spoof)
    assert answer.status in {200, 400, 401, 403}
    if answer.status == 200:
        assert answer.json == own.json


@pytest.mark.parametrize("spoof", (SPOOFS | CONNECTIONS).values(), ids=SPOOFS | CONNECTIONS)
def test_without_a_session_no_spelling_opens_the_api(stack: Stack, edge: str, spoof: tuple[str, ...]) -> None:
    answer = Client(stack, edge).ask("/api/v1/tasks", *spoof)
    assert answer.status in {400, 401}
    assert b"items" not in answer.body


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_the_front_end_ignores_such_headers_too(stack: Stack, edge: str, spoof: tuple[str, ...]) -> None:
    stranger = Client(stack, edge)
    assert stranger.ask("/api/auth/get-session", *spoof).json is None
    assert stranger.ask("/tasks", *spoof).status == 401
    direct = ask(stack.ports["web"], "/tasks?done=1", *spoof)  # as if somebody forgot the page at the proxy
    assert (direct.status, direct.header("location")) == (307, "/sign-in?return_to=%2Ftasks%3Fdone%3D1")


def test_a_task_of_another_user_is_not_found(stack: Stack, edge: str, ada: Client) -> None:
    task = ada.ask("/api/v1/tasks", body={"title": "Ada's own"}).json
    bob = Client(stack, edge)
    bob.sign_up(new_email("bob"), name="Bob")
    path, nowhere = f"/api/v1/tasks/{task['id']}", "/api/v1/tasks/00000000-0000-4000-8000-000000000000"
    for method, body in (("GET", None), ("PATCH", {"title": "stolen"}), ("DELETE", None)):
        refused, missing = (bob.ask(where, method=method, body=body) for where in (path, nowhere))
        assert refused.status == missing.status == 404
        assert refused.body == missing.body
    assert ada.ask(path).json == task


@pytest.mark.parametrize(
    "path",
    [
        *("/api/auth/../v1/tasks", "/api/auth/%2e%2e/v1/tasks", "/api/auth/..%2fv1/tasks", "/api/auth/..;/v1/tasks"),
        *("/api/auth/%2e%2e%2fv1%2ftasks", "/api/auth/..\\v1\\tasks", "//api/v1/tasks", "/./api/v1/tasks"),
        *("/API/v1/tasks", "/api/auth/%252e%252e/v1/tasks", "/x/../api/v1/tasks", "/api/auth/x#/../../v1/tasks"),
    ],
)
def test_no_spelling_of_a_path_bypasses_authgate(stack: Stack, edge: str, path: str) -> None:
    """/api/auth/ is public and /api/ protected: the proxy and the service must read every path the same way."""
    answer = Client(stack, edge).ask(path, "X-User-Id: admin")
    assert answer.status in {301, 307, 308, 400, 401, 403, 404}
    assert b"items" not in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
    ],
)
def test_a_post_from_another_site_changes_nothing(ada: Client, headers: tuple[str, ...]) -> None:
    before = ada.ask("/api/v1/tasks").json
    answer = ada.ask("/api/v1/tasks", *headers, body={"title": "evil"}, origin=False)
    assert answer.status == 403
    assert ada.ask("/api/v1/tasks").json == before


def test_pages_of_other_origins_in_a_real_browser_neither_read_nor_write(
    chromium: Browser, stack: Stack, edge: str
) -> None:
    """Another port of localhost is the same site: it gets cookies, and AuthGate refuses. Another host gets none."""
    origin = stack.url if edge == "nginx" else stack.traefik_url
    with visitor(chromium, origin) as ada, _evil_site() as port:
        ada.sign_up(new_email())
        for host, written in (("localhost", 403), ("127.0.0.1", 401)):
            page = ada.context.new_page()
            page.goto(f"http://{host}:{port}/?target={origin}/api/v1/tasks")
            with page.expect_response(f"{origin}/api/v1/tasks") as sent:
                page.get_by_role("button", name="form").click()
            assert sent.value.status == written
            page.goto(f"http://{host}:{port}/?target={origin}/api/v1/tasks")
            assert page.evaluate("post()") == "opaque"
            assert page.evaluate("read()") == "TypeError"
            page.close()
        ada.reloads()
        assert ada.tasks() == []


_EVIL = b"""<!doctype html><title>evil</title>
<form method="post" enctype="text/plain"><input name='{"title": "evil", "x": "' value='"}'><button>form</button></form>
<script>
const target = new URL(location).searchParams.get("target");
document.forms[0].action = target;
const evil = { method: "POST", mode: "no-cors", credentials: "include", body: '{"title": "evil"}' };
const post = () => fetch(target, evil).then((answer) => answer.type);
const read = () => fetch(target, { credentials: "include" }).then(() => "read", (error) => error.name);
</script>"""


@contextmanager
def _evil_site() -> Iterator[int]:
    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(_EVIL)

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_functions_of_the_role_web_never_run_as_the_superuser(stack: Stack) -> None:
    """roles.sql runs as the superuser at each start. It must not run functions that web made in the schema public."""
    body = "$$ BEGIN EXECUTE 'ALTER ROLE web SUPERUSER'; RETURN; END $$"
    try:
        stack.postgres.execute(
            f"SET ROLE web; CREATE FUNCTION public.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS {body}; "
            "CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS "
            f"{body.replace('RETURN;', 'RETURN NULL;')};"
        )
        stack.postgres.stop()
        stack.postgres.start()
        assert stack.postgres.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = 'web'").strip() == "f"
    finally:
        stack.postgres.execute(
            "ALTER ROLE web NOSUPERUSER; DROP FUNCTION IF EXISTS public.unnest(text[]), public.format(text, text)"
        )


def test_every_route_has_a_bound_on_bodies(stack: Stack, edge: str) -> None:
    for path in ("/api/auth/sign-in/email", "/api/v1/tasks", "/sign-in"):
        answer = Client(stack, edge).ask(path, body={"email": "x" * 70_000})
        assert answer.status in ({401, 413} if path == "/api/v1/tasks" else {413}), path


@pytest.mark.parametrize("path", ["/api/auth", "/api/auth?x=1"])
def test_the_folder_of_better_auth_is_not_found_at_either_proxy(stack: Stack, edge: str, path: str) -> None:
    """nginx by itself adds a slash, and Next.js removes it: a redirect without end."""
    assert Client(stack, edge).ask(path).status == 404
    with_slash = Client(stack, edge).ask(path.replace("auth", "auth/"))
    assert (with_slash.status, with_slash.header("Location")) == (308, path)


HEADINGS = {"tasks": "Your tasks", "token": "Access token", "sessions": "Your sessions"}


@pytest.mark.parametrize("page", HEADINGS)
def test_a_request_for_only_a_pages_data_is_refused_like_the_page(stack: Stack, signed_in: Client, page: str) -> None:
    """Next.js's own router may request a page without its layout. Both AuthGate and the front end refuse that."""
    tree = '["",{"children":["(private)",{"children":["%s",{"children":["__PAGE__",{}]}]}]},null,"refetch"]'
    headers = ("RSC: 1", f"Next-Router-State-Tree: {quote(tree % page)}")
    heading = f'"h1",null,{{"children":"{HEADINGS[page]}"}}'.encode()

    def from_the_front_end(*more: str) -> bytes:
        """Return its own answer, as if somebody forgot the page at the proxy."""
        first = ask(stack.ports["web"], f"/{page}", *headers, *more)  # leads to an address with a digest of the headers
        return ask(stack.ports["web"], str(first.header("location")), *headers, *more).body

    for edge in EDGES:
        refused = Client(stack, edge).ask(f"/{page}", *headers)
        assert (refused.status, refused.json["reason"]) == (401, "no_credential")
    assert f"/sign-in?return_to=%2F{page}".encode() in from_the_front_end()
    assert heading not in from_the_front_end()
    (session,) = signed_in.cookies.items()
    assert heading in from_the_front_end(f"Cookie: {'='.join(session)}")


def test_somebody_banned_gets_no_jwt_even_with_a_session_that_is_left(stack: Stack) -> None:
    """A ban ends all sessions, but not one that begins at the same moment, or if it is made in SQL."""
    ada = Client(stack)
    user_id = ada.sign_up()
    assert ada.ask("/api/auth/token").status == 200
    stack.postgres.execute(f"""UPDATE "user" SET banned = true WHERE id = '{user_id}'""")
    refused = ada.ask("/api/auth/token")
    assert (refused.status, refused.json["code"]) == (403, "BANNED_USER")
    stack.postgres.execute(f"""UPDATE "user" SET "banExpires" = '2001-01-01' WHERE id = '{user_id}'""")
    assert ada.ask("/api/auth/token").status == 200


def test_a_hash_with_a_cost_of_days_is_refused_at_once(stack: Stack) -> None:
    email = new_email("costly")
    user_id = Client(stack).sign_up(email)
    for rounds in ("31", "16"):
        digest = f"$2b${rounds}$" + "abcdefghijklmnopqrstuu" + "a" * 31
        stack.postgres.execute(f"""UPDATE account SET password = '{digest}' WHERE "userId" = '{user_id}'""")
        assert Client(stack).sign_in(email).status == 401


def test_input_of_visitors_adds_no_lines_to_the_log(stack: Stack, edge: str) -> None:
    body = {
        "email": "a@example.com",
        "password": "x",
        "callbackURL": "http://evil\n2026 ERROR forged \x1b[31m" + "x" * 9000,
    }
    assert Client(stack, edge).ask("/api/auth/sign-in/email", body=body).status == 403
    written = stack.parts["web"].log.read_text()
    assert "\n2026 ERROR forged" not in written
    assert "\x1b" not in written
    assert max(map(len, written.splitlines())) <= 600
    assert Client(stack, edge).ask("/api/auth/verify-password", body={"password": "x"}).status == 404


LONG = {
    "name": "n" * 101,
    "image": "https://" + "i" * 2000,
    "a list as a name": ["n" * 60_000],
    "an object as a name": {"n": "n" * 60_000},
}


@pytest.mark.parametrize("kind", LONG)
def test_no_field_of_a_user_is_so_long_that_a_proxy_refuses_the_headers(stack: Stack, kind: str) -> None:
    field = "image" if kind == "image" else "name"
    long = {field: LONG[kind]}
    ada, head = Client(stack), administrator(stack)
    changes = {"userId": ada.sign_up(), "data": long}
    new = {"email": new_email("eve"), "password": PASSWORD, "name": "Eve"}
    refused = {
        "their own": ada.ask("/api/auth/update-user", body=long),
        "an administrator's": head.ask("/api/auth/admin/update-user", body=changes),
    }
    if isinstance(LONG[kind], str):  # Better Auth itself refuses other types in a new user
        refused["signed up"] = Client(stack).ask("/api/auth/sign-up/email", body=new | long)
        refused["new"] = head.ask("/api/auth/admin/create-user", body={**new, **long, "data": long})
    for name, answer in refused.items():
        assert (answer.status, answer.json["code"]) == (400, f"{field.upper()}_TOO_LONG"), name
    assert ada.ask("/tasks").status == 200


def test_the_limit_on_a_name_does_not_count_outer_spaces(stack: Stack) -> None:
    ada, longest = Client(stack), "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 100
    ada.sign_up(name=f"  {longest}  ")
    assert ada.ask("/api/v1/auth/me").json["name"] == longest
    assert ada.ask("/tasks").status == 200
    body = {"email": "e" * 60_000 + "@example.com", "password": PASSWORD, "name": "Eve"}
    answer = Client(stack).ask("/api/auth/sign-up/email", body=body)
    assert (answer.status, answer.json["code"]) == (400, "EMAIL_TOO_LONG")
