"""nginx, which ends TLS, before Traefik: `authgate proxy traefik --behind`."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import ENVIRON
from tests.support import processes
from tests.support.certificates import Authority
from tests.support.client import ask, bearer
from tests.support.commands import authgate
from tests.support.documented_site import MAIN, PATHS
from tests.support.e2e import identity, sound
from tests.support.serving_process import log_lines
from tests.support.tokens import mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "app.example.com"
# The client's address is made up: on loopback, every client is 127.0.0.1. All other headers of clients pass.
OUTER = """
http {{
access_log off;
{paths}
server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/tls.crt;
    ssl_certificate_key {folder}/tls.key;
    location / {{
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For 203.0.113.7;
        proxy_set_header X-Forwarded-Proto https;
        proxy_pass http://127.0.0.1:{traefik};
    }}
}}
}}
"""
# The policies say what AuthGate was asked about.
CONFIG = """
issuers:
  - {name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}
log: {details: true, allowed: true}
policies:
  - {name: open, match: {path: /open/**}, public: true}
  - {name: other-host, match: {host: open.example.com}, public: true}
  - {name: reading, match: {methods: [TRACE]}, public: true}
  - {name: rest, require: signed_in}
"""
FORGED = (
    "X-Forwarded-For: 198.51.100.9",
    "X-Forwarded-Host: open.example.com",
    "X-Forwarded-Uri: /open/x",
    "X-Forwarded-Method: TRACE",
    "X-Forwarded-Prefix: /open",
    "X-Forwarded-Port: 1",
    "X-Real-Ip: 198.51.100.9",
)


class TwoHops:
    """The ports of the outer nginx, and of the Traefik that trusts it; *stranger* is a Traefik that trusts another."""

    def __init__(self, outer: int, traefik: int, stranger: int, log: Path, authority: Authority) -> None:
        self.outer, self.traefik, self.stranger = outer, traefik, stranger
        self._log = log
        self.tls = (authority.context(), HOST)

    def logged(self, port: int, path: str, *headers: str) -> dict[str, Any]:
        """Send a request that is refused, and return the line in AuthGate's log."""
        trace = f"00-{token_hex(16)}-{token_hex(8)}-01"
        tls = self.tls if port == self.outer else None
        answer = ask(port, path, f"traceparent: {trace}", *headers, host=HOST, tls=tls)
        assert answer.status == 401, answer
        found = until(lambda: [line for line in log_lines(self._log) if line.get("traceparent") == trace])
        return dict(found[0])


@pytest.fixture(scope="module")
def hops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHops]:
    folder = tmp_path_factory.mktemp("hops")
    authority = Authority()
    authority.issue(HOST).write(folder)
    with ExitStack() as parts:
        running = parts.enter_context(processes.authgate(folder, CONFIG, environ=ENVIRON))
        upstream = parts.enter_context(processes.echo(folder))
        ports = []
        for name, networks in (("trusting", "127.0.0.0/8"), ("stranger", "192.0.2.7")):
            files = folder / name / "files"
            shutil.copytree(processes.ROOT / "deploy" / "traefik", files)
            options = ("--config", running.config, "--behind", networks, "--output", files)
            assert authgate("proxy", "traefik", *options, environ=ENVIRON).returncode == 0
            traefik = processes.traefik(folder / name, authgate=running.port, upstream=upstream, files=files)
            ports.append(parts.enter_context(traefik))
        outer = processes.free_port()
        text = MAIN + OUTER.format(paths=PATHS, port=outer, folder=folder, traefik=ports[0])
        (folder / "nginx.conf").write_text(text)
        binary = processes.program("nginx", fix="apt-get install nginx-light")
        command = [binary, "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
        parts.enter_context(processes.running(command, folder / "nginx.log", port=outer))
        yield TwoHops(outer, *ports, running.log, authority)


def test_authgate_sees_the_client_and_the_scheme_that_the_outer_proxy_states(hops: TwoHops) -> None:
    line = hops.logged(hops.outer, "/api/echo")
    assert (line["client_ip"], line["scheme"], line["host"]) == ("203.0.113.7", "https", HOST)


def test_a_client_of_the_outer_proxy_changes_nothing_that_authgate_decides_about(hops: TwoHops) -> None:
    line = hops.logged(hops.outer, "/api/echo", *FORGED)
    assert (line["client_ip"], line["scheme"], line["host"]) == ("203.0.113.7", "https", HOST)
    assert (line["method"], line["path"], line["policy"]) == ("GET", "/api/echo", "rest")


@pytest.mark.parametrize("websocket", [(), ("Connection: Upgrade", "Upgrade: websocket")])
def test_what_a_peer_that_is_not_trusted_sends_does_not_reach_authgate(
    hops: TwoHops, websocket: tuple[str, ...]
) -> None:
    line = hops.logged(hops.stranger, "/api/echo", *FORGED, "X-Forwarded-Proto: https", *websocket)
    assert (line["client_ip"], line["scheme"], line["host"]) == ("127.0.0.1", "http", HOST)
    assert (line["method"], line["path"], line["policy"]) == ("GET", "/api/echo", "rest")


def test_a_signed_in_user_passes_both_proxies_and_nobody_else_is_named(hops: TwoHops) -> None:
    answer = ask(hops.outer, "/api/echo", bearer(mint(sound())), "X-User-Id: admin", *FORGED, host=HOST, tls=hops.tls)
    assert answer.status == 200
    assert identity(answer.json) == {"x-user-id": ["user-1"], "x-user-email": ["u1@example.com"]}
    assert "open.example.com" not in dict(answer.json["headers"]).values()
