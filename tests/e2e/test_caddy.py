"""What only Caddy needs, with the file that `authgate proxy caddy` makes from a configuration with 30 headers."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from authgate.core.spellings import SPELLINGS
from tests.e2e.conftest import ENVIRON
from tests.support import processes
from tests.support.caddy_sites import (
    ADMIN,
    APP,
    CONFIG,
    PUBLIC,
    Sites,
    answering,
    generate,
    running,
    user,
)
from tests.support.client import ask
from tests.support.e2e import sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = processes.ROOT / "deploy" / "caddy"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("sites")
    with (
        processes.authgate(folder, CONFIG, environ=ENVIRON) as authgate,
        running(folder, authgate.port) as started,
    ):
        yield started


def caddy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [processes.caddy_binary(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_caddy_has_no_warning_about_the_files(tmp_path: Path) -> None:
    generate(tmp_path, CONFIG)
    for file in (DEPLOY / "Caddyfile", DEPLOY / "authgate.caddy", tmp_path / "authgate.caddy"):
        formatted = caddy("fmt", "--diff", file)
        assert (formatted.returncode, formatted.stderr) == (0, ""), formatted.stdout
    valid = caddy("validate", "--config", DEPLOY / "Caddyfile")
    assert valid.returncode == 0
    assert '"level":"warn"' not in valid.stderr
    with processes.caddy(tmp_path, authgate=1, upstream=1) as port:
        assert ask(port, "/nothing").status == 404
        assert (tmp_path / "caddy.log").read_text() == ""


REFUSED = {
    spelling.name: spelling.examples
    for spelling in SPELLINGS
    if spelling.name != "not ASCII"  # Caddy encodes these bytes: see ARRIVES
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_path_in_a_refused_spelling_reaches_no_upstream(sites: Sites, name: str) -> None:
    for path in REFUSED[name]:
        absolute = f"http://{APP}{path}" if path.startswith("/") else path
        for target in (path, f"{path}?query", absolute):
            for host, headers in ((PUBLIC, ()), (APP, (user(),))):
                answer = sites.ask(target, *headers, host=host)
                assert answer.status == 400, (target, answer)
                if path.startswith("/") and name != "bad escape":  # Go's server answers these by itself
                    assert answer.header("Content-Type") == "application/problem+json"
                    assert answer.json["reason"] == "ambiguous_path", target


@pytest.mark.parametrize("path", ["/", "/api/tasks"])
def test_connect_reaches_no_upstream(sites: Sites, path: str) -> None:
    """Caddy turns the CONNECT of a WebSocket over HTTP/3 (RFC 9220) into a GET, which AuthGate was not asked about."""
    for host, headers in ((PUBLIC, ()), (APP, (user(),))):
        answer = sites.ask(path, *headers, host=host, method="CONNECT")
        assert (answer.status, answer.header("X-AuthGate-Reason")) == (400, "ambiguous_path")
        assert sites.ask(path, *headers, host=host).status == 200


# Caddy encodes what a URL cannot have, before it asks AuthGate and before it asks the upstream.
ARRIVES = {
    "/": "/",
    "/api/café/€": "/api/caf%C3%A9/%E2%82%AC",
    "/api/caf%c3%a9": "/api/caf%c3%a9",
    "/api/%f0%9f%98%80/%20y": "/api/%f0%9f%98%80/%20y",
    '/a"b|c<d>/{env.HOME}': "/a%22b%7Cc%3Cd%3E/%7Benv.HOME%7D",
    "/.well-known/a..b/.../...c/d./x%20e/": "/.well-known/a..b/.../...c/d./x%20e/",
    "/a%23b%2e%25": "/a%23b%2e%25",
    "/API/*/[x]:@!$&'()+,=~": "/API/*/[x]:@!$&'()+,=~",
    "/a?x=/../y//;%2f%": "/a?x=/../y//;%2f%",
    f"http://{APP}/a/b?c": "/a/b?c",
    "/before/x": "/rewritten",
}


@pytest.mark.parametrize("path", ARRIVES)
def test_an_ordinary_path_arrives(sites: Sites, path: str) -> None:
    answer = sites.ask(path, user())
    assert (answer.status, answer.json["path"]) == (200, ARRIVES[path])


def test_a_path_is_looked_at_as_it_arrives(sites: Sites) -> None:
    """If one byte of a path has to be encoded, Go encodes the whole path again: then %2f and %2e become characters."""
    for host in (PUBLIC, APP):
        for path in ('/a"/%2e%2e/b', "/é%2f%2fb", "/é/%2e%2e/b", "/\udce9", "/\udcc0\udcaf", "/é%00"):
            assert sites.ask(path, user(), host=host).status == 400, path
        assert sites.ask("/é%2fb", user(), host=host).json["path"] == "/%C3%A9/b"


def test_paths_may_say_that_a_slash_or_a_semicolon_is_data(tmp_path: Path) -> None:
    data = CONFIG + "paths: {encoded_slash: data, semicolon: data}\n"
    with (
        processes.authgate(tmp_path, data, environ=ENVIRON) as authgate,
        running(tmp_path, authgate.port, data) as started,
    ):
        for path in ("/a%2fb;c%3B", "/a;x=1/b"):
            answer = started.ask(path, user())
            assert (answer.status, answer.json["path"]) == (200, path)
            assert started.ask(path, host=PUBLIC).status == 400  # only AuthGate can decide about it
        for path in ("/a%2f..%2fb", "/a/..;/b", "/a%5cb"):
            assert started.ask(path, user()).status == 400


STRIPPED = {
    "app.token=T": [],
    "a=1; app.token=T; b=2": ["a=1; b=2"],
    'app.token="T"; a="x y"; app.token = T ;b=2': ['a="x y";b=2'],
    "a=1;app.token=T;app.token=T;__Host-app.token=T;__Secure-app.token=T": ["a=1"],
    "app.token.0=T; app.token.1=T; a=1; app.token.10=T": ["a=1"],
    "odd|`'~name=T; odd|`'~name2=kept": ["odd|`'~name2=kept"],
    'q="; app.token=T"; a=1': ['q="; a=1'],
    "app_token=kept; xapp.token=kept; app.token2=kept; App.Token=kept": [
        "app_token=kept; xapp.token=kept; app.token2=kept; App.Token=kept"
    ],
    "a=app.token=kept": ["a=app.token=kept"],
    "authgate_redirects=1\r\nCookie: a=1; __Host-authgate_redirects=2": ["", "a=1"],
    "app.token=T\r\nCookie: a=1; b=2\r\nCookie: app.token=T; c=3": ["", "a=1; b=2", "c=3"],
    "app.token=T\r\nCookie: app.token.1=T": [],
}


@pytest.mark.parametrize("cookies", STRIPPED)
def test_the_strip_option_removes_the_credentials_and_no_other_cookie(sites: Sites, cookies: str) -> None:
    token = mint(sound())
    answer = sites.ask("/x", f"X-Token: {token}", f"Cookie: {cookies.replace('=T', f'={token}')}")
    assert answer.status == 200
    assert token not in answer.body.decode()
    seen = answer.json["headers"]
    assert [value for name, value in seen if name == "Cookie"] == STRIPPED[cookies]
    assert not {"X-Token", "Authorization"} & {name for name, _ in seen}


def test_a_load_balancers_host_does_not_count(sites: Sites) -> None:
    """Caddy trusts this client as a load balancer. At admin.example.com, only administrators may pass."""
    relayed = f"X-Forwarded-Host: {APP}"
    for target, host in (("/x", ADMIN), (f"http://{ADMIN}/x", APP)):
        assert sites.ask(target, user(roles=["user"]), relayed, host=host).status == 403
        seen = dict(sites.ask(target, user(roles=["admin"]), relayed, host=host).json["headers"])
        assert (seen["Host"], seen["X-Forwarded-Host"], seen["X-Site"]) == (ADMIN, ADMIN, "admin")


def test_placeholders_in_values_of_clients_and_tokens_are_not_expanded(sites: Sites) -> None:
    """`{env.HOME}` in a value is text: Caddy expands its configuration once, and never the values."""
    text = "{env.HOME} {http.request.uri}"
    answer = sites.ask("/{env.HOME}?{env.HOME}", user(c0=text), f"X-Own: {text}", f"Cookie: a={text}")
    assert (answer.status, answer.json["path"]) == (200, "/%7Benv.HOME%7D?{env.HOME}")
    for header in (["X", text], ["X-Own", text], ["Cookie", f"a={text}"]):
        assert header in answer.json["headers"]


def test_a_path_that_caddy_makes_three_times_as_long_is_refused(sites: Sites) -> None:
    """Caddy percent-encodes raw bytes, so its subrequest may be larger than the client's request."""
    assert 400 <= sites.ask("/" + '"' * 25_000, user()).status < 500


def test_authgate_gets_no_content_headers(sites: Sites) -> None:
    """AuthGate's parser refuses two Content-Type lines: the subrequest has no Content-* line."""
    lines = ("Content-Type: a/b", "Content-Type: c/d", "Content-Encoding: x", "Max-Forwards: 1", "Max-Forwards: 2")
    answer = sites.ask("/x", user(), *lines, method="POST", body=b"body")
    assert (answer.status, answer.json["body_bytes"]) == (200, 4)


def test_a_websocket_handshake_and_its_frames_pass(sites: Sites, tmp_path: Path) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\na frame"
    with ExitStack() as parts:
        upstream = parts.enter_context(answering(switched))
        port = parts.enter_context(processes.caddy(tmp_path, authgate=sites.authgate, upstream=upstream))
        handshake = (
            "Connection: keep-alive, Upgrade",
            "Upgrade: WebSocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        assert ask(port, "/api/ws", *handshake).status == 401
        head = "\r\n".join(["GET /api/ws HTTP/1.1", "Host: app.example.com", user(), *handshake, "", ""])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(head.encode())
            received = b""
            while chunk := client.recv(65536):
                received += chunk
        assert received.startswith(b"HTTP/1.1 101 ")
        assert received.endswith(b"\r\n\r\na frame")


# The mistakes that the snippets prevent: Caddy does not run these lines in the order in which they are written.
MISTAKES = """
import {snippets}
{$CADDY_LISTEN} {
	handle /plain/* {
		request_header -X-User-Id
		forward_auth {$AUTHGATE_URL} {
			uri /auth/caddy
			copy_headers X-User-Id
		}
		reverse_proxy {$TASKS_URL}
	}
	handle /forgotten/* {
		import authgate
		reverse_proxy {$TASKS_URL}
	}
	handle /forgotten-public/* {
		import authgate_public
		reverse_proxy {$TASKS_URL}
	}
}
"""


def test_without_route_caddy_deletes_the_identity_of_authgate(sites: Sites, tmp_path: Path) -> None:
    """Caddy 2.11 sorts plain directives: request_header after forward_auth, in whatever order they are written."""
    config = tmp_path / "Caddyfile"
    config.write_text(MISTAKES.replace("{snippets}", str(DEPLOY / "authgate.caddy")))
    with ExitStack() as parts:
        ports = {"authgate": sites.authgate, "upstream": parts.enter_context(processes.echo(tmp_path))}
        port = parts.enter_context(processes.caddy(tmp_path, **ports, config=config))
        answer = ask(port, "/plain/x", user())
        assert answer.status == 200
        assert "X-User-Id" not in dict(answer.json["headers"])
        for path in ("/forgotten/x", "/forgotten-public/x"):  # what answers stands outside the braces: nothing does
            assert ask(port, path, user()).status == 500


def test_an_outage_of_the_upstream_is_not_reported_as_one_of_authgate(sites: Sites, tmp_path: Path) -> None:
    with processes.caddy(tmp_path, authgate=sites.authgate, upstream=processes.free_port()) as port:
        for path in ("/api/echo", "/api/v1/auth/echo", "/healthz"):
            answer = ask(port, path, user())
            assert (answer.status, answer.body, answer.header("Retry-After")) == (502, b"", None)
        assert ask(port, "/api/echo").status == 401
