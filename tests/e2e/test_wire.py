"""Sizes, connections, cross-site requests and outages."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import CONFIG, ENVIRON, PROXIES, start_proxy
from tests.support import processes
from tests.support.client import ask, bearer, cookie
from tests.support.e2e import identity, sound
from tests.support.sockets import sockets_of_port
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Stack


def test_a_head_with_16_kib_of_cookies_passes(stack: Stack) -> None:
    token = mint(sound())
    filler = "; ".join(f"c{number}={'x' * 1000}" for number in range(16))
    line = f"Cookie: {filler}; access_token={token}; rest={'y' * 1000}"
    assert len(line) > 16 * 1024
    answer = stack.ask("/api/echo", line)
    assert answer.status == 200
    assert identity(answer.json)["x-user-id"] == ["user-1"]


@pytest.mark.parametrize("kib", [56, 80, 400])
def test_a_larger_head_is_refused_and_nothing_passes(stack: Stack, kib: int) -> None:
    lines = [f"X-Filler-{number}: {'x' * 1000}" for number in range(kib)]
    answer = stack.ask("/api/echo", bearer(mint(sound())), *lines)
    assert 400 <= answer.status < 600


def test_a_reply_head_of_almost_8_kib_passes(stack: Stack) -> None:
    name = "n" * 7800
    answer = stack.ask("/api/echo", bearer(mint(sound(name=name))))
    assert answer.status == 200
    assert identity(answer.json)["x-user-name"] == [name]


@pytest.mark.parametrize("length", [8100, 9000])
def test_a_larger_reply_head_is_refused_and_not_truncated(stack: Stack, length: int) -> None:
    answer = stack.ask("/api/echo", bearer(mint(sound(name="n" * length))))
    assert (answer.status, answer.json["reason"]) == (403, "headers_too_large")


def test_connections_to_authgate_are_kept_alive(stack: Stack) -> None:
    token = mint(sound())
    before = sockets_of_port(stack.authgate.port)
    for _ in range(100):
        assert stack.ask("/api/echo", bearer(token)).status == 200
    # A connection for each subrequest would leave 100 more, at least in TIME_WAIT.
    assert len(sockets_of_port(stack.authgate.port) - before) < 10


CROSS_SITE = {
    "an origin elsewhere": ("Origin: https://evil.example",),
    "a cross-site fetch": ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
    "a sibling domain": ("Origin: https://other.example.com", "Sec-Fetch-Site: same-site"),
    "the null origin": ("Origin: null",),
}


@pytest.mark.parametrize("headers", CROSS_SITE.values(), ids=CROSS_SITE)
def test_a_cross_site_post_with_a_cookie_is_refused(stack: Stack, headers: tuple[str, ...]) -> None:
    answer = stack.ask("/api/echo", cookie(mint(sound())), *headers, method="POST", body=b"{}")
    assert (answer.status, answer.json["reason"]) == (403, "csrf")


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: https://app.example.com",),
        ("Origin: https://app.example.com", "Sec-Fetch-Site: same-origin"),
        ("Sec-Fetch-Site: none",),
        (),
    ],
)
def test_a_post_from_the_same_origin_or_without_a_browser_passes(stack: Stack, headers: tuple[str, ...]) -> None:
    assert stack.ask("/api/echo", cookie(mint(sound())), *headers, method="POST", body=b"{}").status == 200


def test_a_cross_site_post_with_a_bearer_token_passes(stack: Stack) -> None:
    assert (
        stack.ask("/api/echo", bearer(mint(sound())), *CROSS_SITE["an origin elsewhere"], method="POST").status == 200
    )


def test_a_cross_site_websocket_handshake_with_a_cookie_is_refused(stack: Stack) -> None:
    handshake = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    token = mint(sound())
    assert stack.ask("/api/echo", cookie(token), *handshake, "Origin: https://evil.example").status == 403
    answer = stack.ask("/api/echo", cookie(token), *handshake, "Origin: https://app.example.com")
    assert answer.status == 200
    assert ["Upgrade", "websocket"] in answer.json["headers"], "the handshake reaches the upstream"


def test_no_other_upgrade_reaches_the_upstream(stack: Stack) -> None:
    """A client could bypass the proxy to an upstream that speaks h2c."""
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    answer = stack.ask("/api/echo", bearer(mint(sound())), *upgrade)
    assert answer.status == 200
    assert "upgrade" not in {name.lower() for name, _ in answer.json["headers"]}


def test_repeated_headers_that_authgate_ignores_are_allowed(stack: Stack) -> None:
    twice = ("User-Agent: a", "User-Agent: b", "Accept: x/y", "Accept: */*", "X-Own: 1", "X-Own: 2")
    answer = stack.ask("/api/echo", bearer(mint(sound())), *twice)
    # AuthGate's parser accepts only one User-Agent. nginx is configured to send one; Traefik and Caddy always do.
    assert answer.status == 200


# nginx and Caddy remove the one cookie. Traefik can only remove them all.
OTHER_COOKIES: dict[str, list[str]] = {
    "nginx": ["theme=dark; lang=en"],
    "traefik": [],
    "caddy": ["theme=dark; lang=en"],
}


def test_the_strip_option_keeps_credentials_from_the_upstream(stack: Stack) -> None:
    token = mint(sound())
    for credential in (
        bearer(token),
        cookie(token),
        f"Cookie: access_token={token}",
        f"Cookie: access_token = {token}",
    ):
        answer = stack.ask("/api/v1/auth/echo", credential)
        assert answer.status == 200
        assert identity(answer.json)["x-user-id"] == ["user-1"]
        assert token not in answer.body.decode()
    others = [
        value for name, value in stack.ask("/api/v1/auth/echo", cookie(token)).json["headers"] if name == "Cookie"
    ]
    assert others == OTHER_COOKIES[stack.proxy]


@pytest.mark.parametrize("copies", [2, 3, 4])
def test_the_strip_option_removes_repeated_cookies(stack: Stack, copies: int) -> None:
    token = mint(sound())
    pairs = "; ".join([f"access_token={token}"] * copies)
    answer = stack.ask("/api/v1/auth/echo", f"Cookie: a=1; {pairs}; b=2")
    assert answer.status == 200
    assert token not in answer.body.decode()


# The cookie with which AuthGate counts redirects, among other cookies and alone, and what the upstream gets.
OWN_COOKIES = {
    "authgate_redirects=abc:1:1": "",
    "__Host-authgate_redirects=abc:1:1": "",
    " authgate_redirects = abc:1:1 ": "",
    "authgate_redirects=1; __Host-authgate_redirects=2": "",
    "authgate_redirects=1; a=1; b=2": "a=1; b=2",
    "a=1;authgate_redirects=1;b=2": "a=1;b=2",
    "a=1; b=2; authgate_redirects=": "a=1; b=2",
    "a=1; __Host-authgate_redirects=1; b=2; authgate_redirects=2; c=3": "a=1; b=2; c=3",
    "a=1; authgate_redirects=1; __Host-authgate_redirects=2": "a=1",
    "authgate_redirects=1; access_token=T; __Host-authgate_redirects=2; access_token=T": "",
    "access_token=T; a=1; authgate_redirects=1; access_token=T; b=2": "a=1; b=2",
}
NOT_OWN = (
    "my_authgate_redirects=1; a=authgate_redirects=1; authgate_redirects2=1; authgate_redirects.0=1; "
    "Authgate_Redirects=1; __Secure-authgate_redirects=1"
)


@pytest.mark.parametrize("sent", [*OWN_COOKIES, NOT_OWN])
def test_the_strip_option_removes_the_cookie_of_authgate_itself(stack: Stack, sent: str) -> None:
    token = mint(sound())
    header = f"Cookie: {sent.replace('=T', f'={token}')}"
    answer = stack.ask("/api/v1/auth/echo", header, *([] if "=T" in sent else [bearer(token)]))
    assert answer.status == 200
    kept = OWN_COOKIES.get(sent, sent) if stack.proxy != "traefik" else ""
    # nginx leaves the ";" before a cookie that was the last.
    assert [value.rstrip("; ") for name, value in answer.json["headers"] if name == "Cookie"] == [kept] * bool(kept)


def test_the_upstream_sees_no_subrequest_headers(stack: Stack) -> None:
    seen = {name.lower() for name, _ in stack.ask("/api/echo", bearer(mint(sound()))).json["headers"]}
    assert not seen & {
        "x-original-url",
        "x-original-method",
        "x-authgate-reason",
        "x-forwarded-uri",
        "x-forwarded-method",
    }


# Traefik answers by itself when its auth server is unreachable, and gives no reason.
DOWN = {
    "nginx": (503, "5", b'"reason":"authgate_unreachable"'),
    "traefik": (500, None, b""),
    "caddy": (503, "5", b'"reason":"authgate_unreachable"'),
}


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_while_authgate_is_down_nothing_passes_and_nobody_is_signed_out(proxy: str, tmp_path: Path) -> None:
    port = processes.free_port()
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(tmp_path))
        proxy_port = parts.enter_context(start_proxy(proxy, tmp_path, port, upstream))
        token = mint(sound())
        down = ask(proxy_port, "/api/echo", bearer(token))
        status, retry_after, reason = DOWN[proxy]
        assert (down.status, down.header("Retry-After")) == (status, retry_after)
        assert b"x-user-id" not in down.body.lower()
        assert reason in down.body
        with processes.authgate(tmp_path, CONFIG, environ=ENVIRON, port=port):
            assert ask(proxy_port, "/api/echo", bearer(token)).status == 200
        assert ask(proxy_port, "/api/echo", bearer(token)).status in {500, 503}
        with processes.authgate(tmp_path, CONFIG, environ=ENVIRON, port=port):
            assert ask(proxy_port, "/api/echo", bearer(token)).status == 200


def test_a_users_own_nginx_lines_beside_the_snippets_work_as_the_page_says(tmp_path: Path) -> None:
    own = """
    location /own/ {
        include authgate_protect.conf;
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_pass http://tasks;
    }
    location /account/ {
        error_page 401 = @login;
        include authgate_protect.conf;
        include authgate_forward.conf;
        proxy_pass http://tasks;
    }
    location @login { return 302 /login?next=$uri; }
    """
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(tmp_path))
        running = parts.enter_context(processes.authgate(tmp_path, CONFIG, environ=ENVIRON))
        address = f"127.0.0.1:{running.port}"
        port = parts.enter_context(processes.nginx(tmp_path, authgate=address, upstream=upstream, locations=own))
        seen = ask(port, "/own/x", bearer(mint(sound())), "X-User-Id: admin").json
        names = [name.lower() for name, _ in seen["headers"]]
        assert len(names) == len(set(names)), "no header is sent twice"
        assert identity(seen)["x-user-id"] == ["user-1"]
        to_login = ask(port, "/account/settings")
        assert to_login.status == 302
        assert (to_login.header("Location") or "").endswith("/login?next=/account/settings")
        assert ask(port, "/account/settings", bearer(mint(sound()))).status == 200


def test_nginx_without_the_original_headers_is_refused_and_the_log_says_what_to_add(tmp_path: Path) -> None:
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(tmp_path))
        running = parts.enter_context(processes.authgate(tmp_path, CONFIG, environ=ENVIRON))
        with pytest.MonkeyPatch.context() as patch:
            edited = tmp_path / "deploy"
            edited_nginx = edited / "deploy" / "nginx"
            edited_nginx.mkdir(parents=True)
            for file in (processes.ROOT / "deploy" / "nginx").glob("*.conf"):
                text = file.read_text().replace(
                    "proxy_set_header X-Original-Method", "# proxy_set_header X-Original-Method"
                )
                (edited_nginx / file.name).write_text(text)
            patch.setattr(processes, "ROOT", edited)
            port = parts.enter_context(
                processes.nginx(tmp_path, authgate=f"127.0.0.1:{running.port}", upstream=upstream)
            )
        answer = ask(port, "/api/echo", bearer(mint(sound())))
        assert (answer.status, answer.json["reason"]) == (403, "unreadable_request")
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    refusal = next(line for line in lines if line.get("reason") == "unreadable_request")
    assert "X-Original-Method is missing" in refusal["detail"]
    assert "proxy_set_header X-Original-Method $request_method;" in refusal["fix"]
