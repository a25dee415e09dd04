"""HAProxy, which verifies tokens by itself (jwt_verify)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders.contender import Contender
from bench.pinned import HOST, free_port

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage

# As HAProxy's manual shows jwt_verify, with the checks of the algorithm and of exp, and a log line for each refusal.
_CONFIG = """
global
    nbthread 1
    log stdout format raw local0
    ssl-server-verify none
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend auth
    bind {address}{tls}
    log global
    log-format '{{"status":%ST,"client":"%ci","request":"%r","milliseconds":%Tt}}'
    http-request set-var(txn.token) http_auth_bearer
    http-request set-var(txn.now) date()
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request deny deny_status 401 unless {{ var(txn.token) -m found }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str {algorithm} }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify("{algorithm}","{key}") -m int 1 }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request set-log-level silent
    http-request return status 200 {headers}
"""
_CLAIMS = {"X-User-Id": "sub", "X-User-Email": "email", "X-User-Name": "name", "X-User-Roles": "roles"}


def start(stage: Stage, setup: Setup) -> Server:
    """Start it with one thread."""
    port, key, tls = free_port(), setup.signer.verification_key(), ""
    if setup.algorithm != "HS256":
        path = stage.fresh("key.pem")
        path.write_text(key)
        key = str(path)
    if setup.tls:
        path = stage.fresh("haproxy.pem")
        path.write_text("".join(Path(part).read_text() for part in stage.certificate))
        tls = f" ssl crt {path} alpn http/1.1"
    headers = " ".join(
        f"""hdr {name} "%[var(txn.token),jwt_payload_query('\\$.{claim}')]" """ for name, claim in _CLAIMS.items()
    )
    config = stage.fresh("haproxy.cfg")
    address = f"{HOST}:{port}"
    config.write_text(_CONFIG.format(address=address, tls=tls, algorithm=setup.algorithm, key=key, headers=headers))
    return stage.run([_program(), "-db", "-f", str(config)], port)


def _program() -> str:
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin") or "haproxy"


ROW = Contender("haproxy", "HAProxy `jwt_verify`", "C: verifies each token, caches nothing, one thread", start)
