"""The shipped nginx and Caddy can remove the session cookies of each library, and no others, before the upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import session_cookies as cookies
from tests.support.client import ask
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.behind_proxies import Proxies, Running


@pytest.fixture(scope="module")
def running(all_proxies: Proxies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    issuers = [
        {"name": "better-auth", "preset": "better-auth", "secret": SECRET.decode()},
        {"name": "authjs", "preset": "authjs", "secret": SECRET.decode()},
        {"name": "next", "preset": "nextauth-v4", "secret": SECRET.decode()},
    ]
    with all_proxies.only("nginx", "caddy").serve(tmp_path_factory.mktemp("authgate"), *issuers) as serving:
        yield serving


def better_auth(prefix: str, size: int) -> str:
    """Return the cookies of a session whose data has at least *size* characters."""
    inner = cookies.now_payload(note="n" * size)
    names = (f"{prefix}better-auth.session_token", f"{prefix}better-auth.session_data")
    return cookies.cookie_line(cookies.now_compact(inner), names=names)[1]


SESSIONS = {
    "Better Auth": lambda: better_auth("", 0),
    "Better Auth by https": lambda: better_auth("__Secure-", 0),
    "Better Auth in chunks": lambda: better_auth("", 9000),
    "Auth.js": lambda: f"authjs.session-token={cookies.now_authjs('authjs.session-token')}",
    "Auth.js by https": lambda: f"__Secure-authjs.session-token={cookies.now_authjs('__Secure-authjs.session-token')}",
    "NextAuth": lambda: f"next-auth.session-token={cookies.now_nextauth()}",
}


@pytest.mark.parametrize("library", SESSIONS)
@pytest.mark.parametrize("other", ["", "theme=dark"])
def test_the_upstream_sees_the_user_and_no_session(running: Running, library: str, other: str) -> None:
    session = SESSIONS[library]()
    for sent in (f"{other}; {session}", f"{session}; {other}") if other else (session,):
        for proxy, port in running.ports.items():
            answer = ask(port, "/api/v1/auth/me", f"Cookie: {sent}")
            assert answer.status == 200, answer
            seen = {name.lower(): value for name, value in answer.json["headers"]}
            assert seen["x-user-id"] == "user-1"
            left = seen.get("cookie", "")
            assert "session" not in left
            assert (proxy == "nginx" and "chunks" in library) or left.strip("; ") == other
