"""Good requests, with as many beside them whose tokens name keys that do not exist."""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from bench.contenders import authgate
from bench.loads.load import Load
from bench.pinned import HOST
from bench.request_heads import bearer, subrequest
from bench.signing import ISSUER
from bench.stage import Setup
from bench.wrk import Traffic, Turn, write_heads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.stage import Stage

FLOOD = 10_000
OTHER_ISSUER = "https://other.example"
ALONE, OTHER = "_alone", "_unknown_issuer"


@contextmanager
def issuing(document: bytes) -> Iterator[str]:
    """Serve a key set from this process, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def start(stage: Stage, names: Sequence[str]) -> dict[str, Turn]:
    """Start AuthGate, which loads its keys by URL, for three turns: alone, and beside two floods."""
    if "authgate" not in names:
        return {}
    signer = Setup("ES256").signer
    url = stage.stack.enter_context(issuing(json.dumps(signer.jwks()).encode()))
    issuer = {"name": "app", "preset": "jwt", "issuer": ISSUER, "audiences": "any"}
    server = authgate.serve(stage, {"issuers": [issuer | {"jwks_url": f"{url}/jwks", "allow_http": True}]})
    good = subrequest(bearer(signer.token(0)))
    floods = {
        ALONE: [],
        "": [signer.token(number, key_id=secrets.token_hex(8)) for number in range(FLOOD)],
        OTHER: [signer.token(number, issuer=OTHER_ISSUER) for number in range(FLOOD)],
    }
    turns = {}
    for suffix, tokens in floods.items():
        heads = [head for token in tokens for head in (good, subrequest(bearer(token)))] or [good]
        traffic = Traffic((write_heads(stage.fresh("heads"), heads),), statuses=(200, 401) if tokens else (200,))
        turns["authgate" + suffix] = Turn(f"http://{HOST}:{server.port}", (server,), traffic)
    return turns


ROW = Load(
    "unknown_keys",
    "good traffic beside unknown keys",
    f"every second request has the warm ES256 token, every other one of {FLOOD:,} tokens that each name another key, "
    "which does not exist. `unknown issuer`: tokens of another issuer instead",
    ("authgate",),
    start,
)
