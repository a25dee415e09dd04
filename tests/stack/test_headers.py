"""The headers of the front end's answers, through each proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.stack import PASSWORD, Client, administrator, new_email

if TYPE_CHECKING:
    from deploy.stack.run import Stack
    from tests.support.client import Answer

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def has_the_common_headers(answer: Answer) -> bool:
    policy = answer.header("Permissions-Policy") or ""
    return {name: answer.header(name) for name in EVERYWHERE} == EVERYWHERE and "camera=()" in policy.split(", ")


def test_every_page_and_file_has_the_common_headers(stack: Stack, edge: str) -> None:
    ada = Client(stack, edge)
    sign_in = ada.ask("/sign-in")
    ada.sign_up()
    files = {"/icon.svg", *re.findall(r'(?:src|href)="(/_next/static/[^"]+\.(?:js|css))"', sign_in.body.decode())}
    assert {path.rpartition(".")[2] for path in files} == {"svg", "js", "css"}
    for path in ("/", "/sign-in", "/sign-up", "/tasks", "/sessions", "/token", "/inside", "/nowhere", *files):
        assert has_the_common_headers(ada.ask(path)), path
    assert "max-age=31536000" in (ada.ask(min(files)).header("Cache-Control") or ""), "files may be stored"


def test_only_the_public_keys_of_better_auth_may_be_stored(stack: Stack, edge: str) -> None:
    ada, email = Client(stack, edge), new_email()
    ada.sign_up(email)
    answers = {
        "signed up": Client(stack, edge).ask(
            "/api/auth/sign-up/email", body={"email": new_email(), "password": PASSWORD, "name": "Bob"}
        ),
        "signed in": ada.sign_in(email),
        "a JWT": ada.ask("/api/auth/token"),
        "the session": ada.ask("/api/auth/get-session"),
        "a wrong password": Client(stack, edge).sign_in(email, "wrong"),
        "no session": Client(stack, edge).ask("/api/auth/token"),
        "another site": ada.ask("/api/auth/sign-out", "Origin: https://evil.example", body={}, origin=False),
        "not JSON": ada.ask("/api/auth/sign-in/email", "Content-Type: application/json", method="POST"),
        "nothing there": ada.ask("/api/auth/nowhere"),
        "nothing below": ada.ask("/api/auth/x/y/jwks"),
        "another method": ada.ask("/api/auth/get-session", method="DELETE"),
        "administrators": administrator(stack, edge).ask("/api/auth/admin/list-users?limit=1"),
        "its page of errors": ada.ask("/api/auth/error?error=x"),
        "a redirect": ada.ask("/api/auth/callback/google?code=x"),
        "signed out": ada.ask("/api/auth/sign-out", body={}),
    }
    for name, answer in answers.items():
        assert has_the_common_headers(answer), name
        assert answer.header("Cache-Control") == "no-store", name
        assert answer.header("Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'", name
    statuses = {name: answer.status for name, answer in answers.items() if answer.status != 200}
    assert statuses.keys() == {
        *("a wrong password", "no session", "another site", "not JSON", "nothing there", "nothing below"),
        *("another method", "its page of errors", "a redirect"),
    }
    assert statuses["a redirect"] == 302

    keys = ada.ask("/api/auth/jwks")
    assert keys.json["keys"]
    assert has_the_common_headers(keys)
    assert keys.header("Cache-Control") is None, "AuthGate decides how long it keeps them"


def test_no_answer_has_a_session_token(stack: Stack) -> None:
    """A session cookie is this token with a signature. No script of a page needs it."""
    admin, ada, email = administrator(stack), Client(stack), new_email()
    signed_up = ada.ask("/api/auth/sign-up/email", body={"email": email, "password": PASSWORD, "name": "Ada"})
    user = {"userId": signed_up.json["user"]["id"]}
    password = {"currentPassword": PASSWORD, "newPassword": "a-quite-new-password", "revokeOtherSessions": True}
    answers = {
        "sign-up": signed_up,
        "sign-in": ada.sign_in(email),
        "get-session": ada.ask("/api/auth/get-session"),
        "update-user": ada.ask("/api/auth/update-user", body={"name": "Ada L."}),
        "change-password": ada.ask("/api/auth/change-password", body=password),
        "impersonate-user": admin.ask("/api/auth/admin/impersonate-user", body=user),
        "stop-impersonating": admin.ask("/api/auth/admin/stop-impersonating", body={}),
    }
    for name, answer in answers.items():
        assert answer.status == 200, name
        assert '"token"' not in answer.body.decode(), name
    assert answers["get-session"].json["user"]["email"] == email
    assert answers["get-session"].json["session"]["userId"] == user["userId"]
    tokens = {value.partition(".")[0] for value in (*ada.cookies.values(), *admin.cookies.values())}
    everything = b"".join(answer.body for answer in answers.values()).decode()
    assert not [token for token in tokens if token in everything]

    assert ada.ask("/api/auth/list-sessions").status == 404
    assert admin.ask("/api/auth/admin/list-user-sessions", body=user).status == 404
    assert ada.ask("/api/auth/token").json["token"].count(".") == 2, "a JWT is what this one is for"
