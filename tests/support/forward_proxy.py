"""A real HTTP forward proxy, in a thread: CONNECT and absolute-form requests (RFC 9110 §9.3.6, RFC 9112 §3.2.2)."""

from __future__ import annotations

import base64
import http.client
import selectors
import socket
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIMEOUT_SECONDS = 20.0
_HOP_BY_HOP = {
    "connection",
    "proxy-connection",
    "proxy-authorization",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Passed:
    """A request to the proxy: *target* as sent ("host:port", or a URL), *status* of the proxy's answer."""

    method: str
    target: str
    headers: dict[str, str]
    status: int


class ForwardProxy:
    """A running forward proxy. *passed* lists all requests, including refused ones."""

    def __init__(self, port: int, login: tuple[str, str] | None, names: Mapping[str, Address]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.passed: list[Passed] = []
        self.refuse_with: int | None = None
        """A status, 502 for instance: it is the answer to everything from now on."""
        self.names = dict(names)
        self._authorization = None
        if login is not None:
            self.url = f"http://{login[0]}:{login[1]}@127.0.0.1:{port}"
            self._authorization = "Basic " + base64.b64encode(":".join(login).encode()).decode()

    def refusal(self, headers: Mapping[str, str]) -> int | None:
        if self._authorization is not None and headers.get("proxy-authorization") != self._authorization:
            return 407
        return self.refuse_with

    def connection(self, host: str, port: int) -> socket.socket:
        return socket.create_connection(self.names.get(host, (host, port)), timeout=_TIMEOUT_SECONDS)


@contextmanager
def forward_proxy(
    *, login: tuple[str, str] | None = None, names: Mapping[str, Address] | None = None
) -> Iterator[ForwardProxy]:
    """Run a forward proxy on a free loopback port; with *login* (user, password) it requires Basic credentials.

    *names* has the addresses of hosts that only the proxy knows: {"issuer.example": ("127.0.0.1", 4321)}.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    server.proxy = ForwardProxy(server.server_address[1], login, names or {})
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    block_on_close = False  # a client may keep its tunnel longer than the test's context
    proxy: ForwardProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_SECONDS
    server: _Server

    def do_CONNECT(self) -> None:
        self.close_connection = True
        if self._refused():
            return
        host, _, port = self.path.rpartition(":")
        try:
            upstream = self.server.proxy.connection(host.strip("[]"), int(port))
        except OSError:
            self._respond(502)
            return
        with closing(upstream):
            self._log(200)
            self.send_response_only(200, "Connection established")
            self.end_headers()
            with suppress(OSError):
                self._relay(upstream)

    def do_GET(self) -> None:
        if self._refused():
            return
        url = urlsplit(self.path)
        if url.scheme != "http" or not url.hostname:
            self._respond(400)
            return
        upstream = http.client.HTTPConnection(url.hostname, url.port or 80)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        with closing(upstream):
            try:
                upstream.sock = self.server.proxy.connection(url.hostname, url.port or 80)
                upstream.request("GET", path, headers=headers)
                answer = upstream.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                self._respond(502)
                return
            sent = [line for line in answer.getheaders() if line[0].lower() not in {*_HOP_BY_HOP, "content-length"}]
            self._respond(answer.status, *sent, body=body)

    def _refused(self) -> bool:
        status = self.server.proxy.refusal({name.lower(): value for name, value in self.headers.items()})
        if status is None:
            return False
        self._respond(status, *([("Proxy-Authenticate", 'Basic realm="tests"')] if status == 407 else []))
        return True

    def _respond(self, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        self._log(status)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _log(self, status: int) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.proxy.passed.append(Passed(self.command, self.path, headers, status))

    def _relay(self, upstream: socket.socket) -> None:
        """Copy bytes both ways until one side closes."""
        ends = {self.connection: upstream, upstream: self.connection}
        with selectors.DefaultSelector() as selector:
            for end in ends:
                selector.register(end, selectors.EVENT_READ)
            while ready := selector.select(_TIMEOUT_SECONDS):
                for key, _ in ready:
                    read = key.fileobj.recv(65536)
                    if not read:
                        return
                    ends[key.fileobj].sendall(read)

    def log_message(self, *_: object) -> None:
        pass
