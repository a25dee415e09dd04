"""Envoy, which verifies tokens by itself (the filter jwt_authn), with its cache of verified tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.contenders.contender import Contender
from bench.pinned import HOST, free_port
from bench.signing import ISSUER
from bench.stage import RIVALS

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage

_TYPES = "type.googleapis.com/envoy.extensions"
_CLAIMS = {"x-user-id": "sub", "x-user-email": "email", "x-user-name": "name", "x-user-roles": "roles"}
CACHED_TOKENS = 20_000  # its default is 100


def start(stage: Stage, setup: Setup) -> Server:
    """Start it with one worker."""
    port = free_port()
    config = stage.fresh("envoy.json")
    config.write_text(json.dumps({"static_resources": {"listeners": [_listener(stage, setup, port)]}}))
    (binary,) = RIVALS.glob("lib/python3*/site-packages/envoy/_bin/envoy")
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return stage.run([str(binary), "--config-path", str(config), *options], port)


def _listener(stage: Stage, setup: Setup, port: int) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "auth",
        "http_filters": [
            {"name": "jwt", "typed_config": _jwt_filter(setup)},
            {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_route()]}]},
        "access_log": [_refusals(stage)],
    }
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": manager}]}
    if setup.tls:
        certificate, key = stage.certificate
        files = {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
        context = {
            "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [files]},
        }
        chain["transport_socket"] = {"name": "tls", "typed_config": context}
    return {"address": {"socket_address": {"address": HOST, "port_value": port}}, "filter_chains": [chain]}


def _jwt_filter(setup: Setup) -> dict[str, Any]:
    provider = {
        "issuer": ISSUER,
        "local_jwks": {"inline_string": json.dumps(setup.signer.jwks())},
        "forward": True,
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS, "jwt_max_token_size": 4096},
        "claim_to_headers": [{"header_name": name, "claim_name": claim} for name, claim in _CLAIMS.items()],
    }
    return {
        "@type": f"{_TYPES}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"app": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "app"}}],
    }


def _route() -> dict[str, Any]:
    headers = [{"header": {"key": name, "value": f"%REQ({name})%"}} for name in _CLAIMS]
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "response_headers_to_add": headers}


def _refusals(stage: Stage) -> dict[str, Any]:
    """Return the setting that writes one line in JSON for each refusal, as AuthGate does."""
    fields = {
        "status": "%RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ORIGINAL-URL)%",
    }
    return {
        "name": "refusals",
        "filter": {
            "status_code_filter": {
                "comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "refusals"}}
            }
        },
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": str(stage.fresh("refusals.log")),
            "log_format": {"json_format": fields},
        },
    }


ROW = Contender("envoy", "Envoy `jwt_authn`", f"C++: caches {CACHED_TOKENS:,} verified tokens, one worker", start)
