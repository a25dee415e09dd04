"""The shipped Caddyfile: tests that only Caddy needs."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import Stack, running_stack
from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.documented import code
from tests.support.e2e import identity, sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = processes.ROOT / "deploy" / "caddy"
IDENTITY = {"X-User-Id", "X-User-Email", "X-User-Name", "X-User-Roles"}
# The mistake that the snippets prevent: Caddy does not run these lines in the order in which they are written.
PLAIN = """
    handle /plain/* {
        request_header -X-User-Id
        forward_auth {$AUTHGATE_URL} {
            uri /auth/caddy
            copy_headers X-User-Id
        }
        reverse_proxy {$TASKS_URL}
    }
    handle /routed/* {
        route {
            request_header -X-User-Id
            forward_auth {$AUTHGATE_URL} {
                uri /auth/caddy
                copy_headers X-User-Id
            }
            reverse_proxy {$TASKS_URL}
        }
    }
    handle /forgotten/* {
        import authgate
        reverse_proxy {$TASKS_URL}
    }
    handle /forgotten-public/* {
        import authgate_public
        reverse_proxy {$TASKS_URL}
    }
    handle_errors 404 {
        respond "ours" 404
    }
"""


def caddy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [processes.caddy_binary(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def adapted(config: Path = DEPLOY / "Caddyfile") -> Any:
    """Return *config* as Caddy's own JSON."""
    result = caddy("adapt", "--config", config)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def in_order(routes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the handlers of *routes* as Caddy runs them."""
    for route in routes:
        for handler in route["handle"]:
            yield from in_order(handler["routes"]) if handler["handler"] == "subroute" else (handler,)


def steps(handlers: Iterator[dict[str, Any]]) -> list[str]:
    """Return the steps of *handlers*: names that are deleted, the subrequest, the upstream."""
    names: list[str] = []
    for handler in handlers:
        if handler["handler"] == "headers":
            names += handler.get("request", {}).get("delete", [])
        elif handler["handler"] == "reverse_proxy":
            names.append("AuthGate" if "rewrite" in handler else "upstream")
    return names


def routes_of(config: Any) -> dict[str, list[str]]:
    """Return the steps for each path of a Caddyfile's only server."""
    (server,) = config["apps"]["http"]["servers"].values()
    return {
        route.get("match", [{}])[0].get("path", ["else"])[0]: steps(in_order([route])) for route in server["routes"]
    }


@contextmanager
def edited(folder: Path, more: str) -> Iterator[Path]:
    """Yield a copy of the shipped Caddyfile with *more* lines in its site."""
    shutil.copytree(DEPLOY, folder / "caddy")
    config = folder / "caddy" / "Caddyfile"
    config.write_text(
        processes.replaced(config.read_text(), {"\timport authgate_errors\n": f"{more}import authgate_errors\n"})
    )
    yield config


def test_caddy_has_no_warning_about_the_shipped_files(tmp_path: Path) -> None:
    for file in ("Caddyfile", "authgate.caddy"):
        formatted = caddy("fmt", "--diff", DEPLOY / file)
        assert (formatted.returncode, formatted.stderr) == (0, ""), formatted.stdout
    valid = caddy("validate", "--config", DEPLOY / "Caddyfile")
    assert valid.returncode == 0
    assert '"level":"warn"' not in valid.stderr
    with processes.caddy(tmp_path, authgate=1, upstream=1) as port:
        assert ask(port, "/nothing").status == 404
        assert (tmp_path / "caddy.log").read_text() == ""


def test_the_example_on_the_page_is_a_valid_configuration(tmp_path: Path) -> None:
    example, *_ = code("docs/adapters/caddy.md", "caddyfile")
    shutil.copy(DEPLOY / "authgate.caddy", tmp_path)
    (tmp_path / "Caddyfile").write_text(example)
    (server,) = adapted(tmp_path / "Caddyfile")["apps"]["http"]["servers"].values()
    assert steps(in_order(server["routes"])).count("AuthGate") == 1
    assert steps(in_order(server["routes"])).count("upstream") == 3


def test_every_shipped_route_removes_the_clients_identity_before_the_subrequest() -> None:
    routes = routes_of(adapted())
    assert set(routes) == {"/api/*", "/api/v1/auth/*", "/healthz", "else"}
    assert routes["else"] == []
    for path in ("/api/*", "/api/v1/auth/*"):
        before, _, after = ",".join(routes[path]).partition(",AuthGate,")
        assert IDENTITY | {"*_*", "*~*", "*-", "Connection"} <= set(before.split(","))
        assert after == {"/api/*": "upstream", "/api/v1/auth/*": "Authorization,Cookie,upstream"}[path]
    *before_upstream, upstream = routes["/healthz"]
    assert IDENTITY | {"*_*", "*~*", "*-", "Connection"} <= set(before_upstream)
    assert upstream == "upstream"


def test_without_route_caddy_deletes_the_identity_of_authgate(
    tmp_path: Path, running_authgate: processes.RunningAuthGate
) -> None:
    """Caddy 2.11 sorts plain directives: request_header after forward_auth, in whatever order they are written."""
    with ExitStack() as parts:
        config = parts.enter_context(edited(tmp_path, PLAIN))
        routes = routes_of(adapted(config))
        assert routes["/plain/*"] == ["AuthGate", "X-User-Id", "upstream"]
        assert routes["/routed/*"] == ["X-User-Id", "AuthGate", "upstream"]
        upstream = parts.enter_context(processes.echo(tmp_path))
        port = parts.enter_context(
            processes.caddy(tmp_path, authgate=running_authgate.port, upstream=upstream, config=config)
        )
        token = bearer(mint(sound()))
        assert identity(ask(port, "/plain/x", token).json) == {}
        assert identity(ask(port, "/routed/x", token).json) == {"x-user-id": ["user-1"]}
        for path in ("/forgotten/x", "/forgotten-public/x"):  # what answers stands outside the braces: nothing does
            assert ask(port, path, token).status == 500


def test_an_outage_of_the_upstream_is_not_reported_as_one_of_authgate(
    tmp_path: Path, running_authgate: processes.RunningAuthGate
) -> None:
    closed = processes.free_port()
    with processes.caddy(tmp_path, authgate=running_authgate.port, upstream=closed) as port:
        for path in ("/api/echo", "/api/v1/auth/echo", "/healthz"):
            answer = ask(port, path, bearer(mint(sound())))
            assert (answer.status, answer.body, answer.header("Retry-After")) == (502, b"", None)
        assert ask(port, "/api/echo").status == 401


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """Answer every connection with *answer* instead of AuthGate; None: never. Yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(connection)
                connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in accepted:
                connection.close()


def reply(status: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", "Content-Length: 0", *lines, "", ""]).encode()


BROKEN = {
    "500": reply(500, "X-User-Id: admin"),
    "502": reply(502),
    "504": reply(504),
    "no HTTP": b"\0\1\2",
    "a closed connection": b"",
    "a head without end": b"HTTP/1.1 200 OK\r\nX-User-Id: admin\r\n",
    "a head of 40 KiB": reply(200, "X-User-Id: admin", f"X-Filler: {'x' * 40 * 1024}"),
    "silence": None,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_any_other_answer_instead_of_authgates_is_an_outage(tmp_path: Path, answer: bytes | None) -> None:
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(tmp_path))
        instead = parts.enter_context(answering(answer))
        port = parts.enter_context(processes.caddy(tmp_path, authgate=instead, upstream=upstream))
        got = ask(port, "/api/echo", bearer(mint(sound())))
        assert (got.status, got.header("Retry-After"), got.header("Cache-Control")) == (503, "5", "no-store")
        assert got.header("Content-Type") == "application/problem+json"
        assert got.json["reason"] == "authgate_unreachable"
        assert ask(port, "/healthz").status == 200


@pytest.mark.parametrize(
    ("status", "line"), [(302, "Location: /login"), (401, "WWW-Authenticate: x"), (503, "Retry-After: 5")]
)
def test_a_refusal_keeps_its_status_and_headers(tmp_path: Path, status: int, line: str) -> None:
    with ExitStack() as parts:
        instead = parts.enter_context(answering(reply(status, line)))
        port = parts.enter_context(processes.caddy(tmp_path, authgate=instead, upstream=1))
        answer = ask(port, "/api/echo")
        name, _, value = line.partition(": ")
        assert (answer.status, answer.header(name)) == (status, value)


@pytest.fixture(scope="module")
def caddy_stack(
    running_authgate: processes.RunningAuthGate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_stack("caddy", tmp_path_factory.mktemp("caddy"), running_authgate, processes.echo) as running:
        yield running


def test_placeholders_in_values_of_clients_and_tokens_are_not_expanded(caddy_stack: Stack) -> None:
    """`{env.HOME}` in a value is text: Caddy expands its configuration once, and never the values."""
    token = bearer(mint(sound(name="{env.HOME} {http.request.uri}", roles=["{file./etc/hostname}"])))
    answer = caddy_stack.ask("/api/{env.HOME}?{env.HOME}", token, "X-Own: {env.HOME}")
    assert answer.status == 200
    assert identity(answer.json)["x-user-name"] == ["{env.HOME} {http.request.uri}"]
    assert identity(answer.json)["x-user-roles"] == ["{file./etc/hostname}"]
    assert ["X-Own", "{env.HOME}"] in answer.json["headers"]
    assert answer.json["path"] == "/api/%7Benv.HOME%7D?{env.HOME}"


def test_a_path_that_caddy_makes_three_times_as_long_is_refused(caddy_stack: Stack) -> None:
    """Caddy percent-encodes raw bytes, so its subrequest may be larger than the client's request."""
    answer = caddy_stack.ask("/api/" + '"' * 25_000, bearer(mint(sound())))
    assert 400 <= answer.status < 500


def test_a_websocket_handshake_and_its_frames_pass(tmp_path: Path, running_authgate: processes.RunningAuthGate) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\na frame"
    with ExitStack() as parts:
        upstream = parts.enter_context(answering(switched))
        port = parts.enter_context(processes.caddy(tmp_path, authgate=running_authgate.port, upstream=upstream))
        handshake = (
            "Connection: keep-alive, Upgrade",
            "Upgrade: WebSocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        assert ask(port, "/api/ws", *handshake).status == 401
        head = "\r\n".join(["GET /api/ws HTTP/1.1", "Host: app.example.com", bearer(mint(sound())), *handshake, "", ""])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(head.encode())
            received = b""
            while chunk := client.recv(65536):
                received += chunk
        assert received.startswith(b"HTTP/1.1 101 ")
        assert received.endswith(b"\r\n\r\na frame")


def test_authgate_gets_no_content_headers(caddy_stack: Stack) -> None:
    """AuthGate's parser refuses two Content-Type lines: the subrequest has no Content-* line."""
    lines = ("Content-Type: a/b", "Content-Type: c/d", "Content-Encoding: x", "Max-Forwards: 1", "Max-Forwards: 2")
    answer = caddy_stack.ask("/api/echo", bearer(mint(sound())), *lines, method="POST", body=b"body")
    assert (answer.status, answer.json["body_bytes"]) == (200, 4)


def test_caddy_matches_a_path_in_any_case_so_a_protected_one_stays_protected(caddy_stack: Stack) -> None:
    for path in ("/API/echo", "/%61pi/echo", "//api/echo", "/Api/v1/AUTH/me"):
        assert caddy_stack.ask(path).status == 401


@pytest.mark.parametrize("path", ["/api/x/../../healthz", "/api/x%23", "/api/x;y"])
def test_an_ambiguous_path_has_its_own_reason(caddy_stack: Stack, path: str) -> None:
    answer = caddy_stack.ask(path)
    assert (answer.status, answer.header("Content-Type")) == (400, "application/problem+json")
    assert answer.json == {"type": "about:blank", "title": "Bad Request", "status": 400, "reason": "ambiguous_path"}
