"""Upstreams without a framework. Usage: `python -m tests.upstreams.plain PORT_OF_urlsplit PORT_OF_parameters`.

Both have a protected handler, /api/**, and a page for everything else. They answer with the handler's name and the
X-User-Id that arrived.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from tests.support.servers import as_tomcat, by_urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable


def handler(reading: Callable[[str], list[str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_GET(self) -> None:
            # http.server joins "//" at the beginning of `path`; other servers do not.
            segments = reading(self.requestline.split(" ")[1])
            name = "protected" if segments and segments[0].lower() == "api" else "page"
            body = f"{name} {self.headers.get('X-User-Id', '')}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


for port, reading in zip(map(int, sys.argv[1:]), (by_urlsplit, as_tomcat), strict=True):
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(reading))
    Thread(target=server.serve_forever).start()
