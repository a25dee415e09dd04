"""Attacks on Caddy, against a real Caddy with the shipped files."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from authgate.core.header_names import look_alikes
from tests.e2e.conftest import CONFIG, ENVIRON
from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.e2e import identity, sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = processes.ROOT / "deploy" / "caddy"
CLAIMED = ("X-User-Id", "X-User-Name", "X-Forwarded-For")
CLAIMS = ("X-User-Id: admin", "X-User-Email: a@evil.example", "X-User-Name: Admin", "X-User-Roles: admin")


@pytest.fixture(scope="module")
def authgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with processes.authgate(tmp_path_factory.mktemp("authgate"), CONFIG, environ=ENVIRON) as running:
        yield running.port


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with processes.echo(tmp_path_factory.mktemp("echo")) as port:
        yield port


@pytest.fixture(scope="module")
def caddy(authgate: int, echo: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with processes.caddy(tmp_path_factory.mktemp("caddy"), authgate=authgate, upstream=echo) as port:
        yield port


def edit_caddyfile(folder: Path, old: str, new: str) -> Path:
    """Return a copy of the shipped Caddyfile, with *new* in place of every *old*."""
    text = (DEPLOY / "Caddyfile").read_text()
    assert old in text
    if "import authgate.caddy" not in old:
        text = text.replace("import authgate.caddy", f"import {DEPLOY}/authgate.caddy")
    config = folder / "Caddyfile"
    config.write_text(text.replace(old, new))
    return config


def test_H2_no_spelling_of_a_header_name_becomes_a_parameter_of_a_fastcgi_upstream(
    tmp_path: Path, authgate: int
) -> None:
    """CVE-2026-52845 was found here: both X-User-Id and X_User_Id become HTTP_X_USER_ID."""
    spellings = [f"{spelling}: admin" for name in CLAIMED for spelling in look_alikes(name)]
    with ExitStack() as parts:
        port, received = parts.enter_context(_fastcgi())
        proxied = "reverse_proxy {$TASKS_URL:http://127.0.0.1:8001}"
        fastcgi = f"reverse_proxy 127.0.0.1:{port} {{\n transport fastcgi\n }}"
        config = edit_caddyfile(tmp_path, proxied, fastcgi)
        proxy = parts.enter_context(processes.caddy(tmp_path, authgate=authgate, upstream=1, config=config))
        ask(proxy, "/api/x.php", bearer(mint(sound())), *spellings)
        ask(proxy, "/healthz", *spellings)
    signed_in, anonymous = received
    assert signed_in.count(b"HTTP_X_USER_ID") == 1
    assert b"HTTP_X_USER_IDuser-1" in signed_in
    assert b"HTTP_X_USER_NAME" not in signed_in
    assert b"HTTP_X_USER" not in anonymous
    assert b"admin" not in signed_in + anonymous


_NO_BODY = b"\x01\x05\x00\x01\x00\x00\x00\x00"  # an empty FCGI_STDIN record, after all parameters


@contextmanager
def _fastcgi() -> Iterator[tuple[int, list[bytes]]]:
    """Record the parameters that arrive over FastCGI, and answer nothing. Each name is directly before its value."""
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while _NO_BODY not in data and (chunk := connection.recv(65536)):
                    data += chunk
                received.append(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], received
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_H5_a_200_without_identity_headers_removes_those_of_the_client(tmp_path: Path, echo: int) -> None:
    """CVE-2026-30851: copy_headers kept the client's header if the answer lacked it."""
    # The upstream plays AuthGate's part: it answers 200 and sends no identity headers.
    with processes.caddy(tmp_path, authgate=echo, upstream=echo) as port:
        for path in ("/api/echo", "/api/v1/auth/echo", "/healthz"):
            answer = ask(port, path, *CLAIMS)
            assert answer.status == 200
            assert identity(answer.json) == {}


def test_P6_the_case_of_a_host_does_not_matter_among_more_than_100_hosts(
    tmp_path: Path, authgate: int, echo: int
) -> None:
    """CVE-2026-27588: in a list of more than 100 hosts the case mattered, so another spelling got another route."""
    hosts = ", ".join(f"http://h{number}.example.com:{{port}}" for number in range(120))
    everything_else = "http://:{port} {{\n bind 127.0.0.1\n respond open\n}}\n"
    with processes.caddy(tmp_path, authgate=authgate, upstream=echo, site=everything_else + hosts) as port:
        assert ask(port, "/api/echo", host="other.example.com").body == b"open"
        for host in ("h7.example.com", "H7.example.com", "h7.EXAMPLE.com", "H119.Example.Com"):
            assert ask(port, "/api/echo", host=host).status == 401
            answer = ask(port, "/api/echo", bearer(mint(sound())), host=host)
            assert identity(answer.json)["x-user-id"] == ["user-1"]


@pytest.mark.parametrize("host", ["App.Example.Com", "APP.EXAMPLE.COM.", "app.example.com:8080"])
def test_P6_any_spelling_of_a_host_needs_a_token(caddy: int, host: str) -> None:
    assert ask(caddy, "/api/echo", host=host).status == 401
    assert ask(caddy, "/api/echo", bearer(mint(sound())), host=host).status == 200


GLOBS = [
    "/health?",
    "/healthz*",
    "/*",
    "/[h]ealthz",
    "/{healthz,api}",
    "/health%5b z%5d".replace(" ", ""),
    "/healthz%2a",
]


@pytest.mark.parametrize("path", [*GLOBS, "/h%3falthz", "/healthz%5c", "/healthz\\"])
def test_P8_a_pattern_in_a_path_matches_only_itself(caddy: int, path: str) -> None:
    """GO-2026-4535: glob characters in the path of a request were interpreted as a glob."""
    assert ask(caddy, path).status in {400, 404}
    assert ask(caddy, f"/api/{path[1:]}").status in {400, 401}


CLIENT_CA = """
    tls internal {
        client_auth {
            mode require_and_verify
            trust_pool file missing.pem
        }
    }
    import authgate_errors
"""
LOST = {
    "the snippets": ("http", "import authgate.caddy", "import missing.caddy"),
    "a snippet": ("http", "import authgate_public {", "import missing {"),
    "the CA of the clients": ("https", "import authgate_errors", CLIENT_CA),
}


@pytest.mark.parametrize(("scheme", "old", "new"), LOST.values(), ids=LOST)
def test_J32_a_caddyfile_with_a_missing_part_is_invalid(tmp_path: Path, scheme: str, old: str, new: str) -> None:
    """CVE-2026-27586: if the file with the client CA was missing, Caddy accepted every client certificate."""
    config = edit_caddyfile(tmp_path, old, new)
    environ = {"CADDY_LISTEN": f"{scheme}://localhost:8080", "HOME": str(tmp_path)}
    # Not `caddy run`: it may add its own CA to the system's trust store before it fails.
    command = [processes.caddy_binary(), "validate", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=environ)
    assert ended.returncode == 1
    assert "missing" in ended.stdout + ended.stderr
