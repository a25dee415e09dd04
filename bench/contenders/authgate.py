"""AuthGate by its command, as an operator runs it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from authgate.config.model import Config
from bench.contenders.contender import Contender
from bench.pinned import HOST, free_ports
from bench.signing import ISSUER

if TYPE_CHECKING:
    from bench.pinned import Server
    from bench.stage import Setup, Stage


def start(stage: Stage, setup: Setup) -> Server:
    """Start it with shipped defaults, and the key of *setup*."""
    return _with_key(stage, setup)


def start_without_lane(stage: Stage, setup: Setup) -> Server:
    """Start it with shipped defaults, but `fast_lane: false`."""
    return _with_key(stage, setup, fast_lane=False)


def serve(stage: Stage, config: dict[str, Any], **environment: str) -> Server:
    """Start `authgate serve` on *config*, which names no addresses. Its log goes to a file."""
    port, admin_port = free_ports(2)
    path = stage.fresh("authgate.json")
    path.write_text(json.dumps(config))  # JSON is YAML
    return stage.run(
        [sys.executable, "-m", "authgate", "serve", "--config", str(path)],
        port,
        AUTHGATE_LISTEN=f"{HOST}:{port}",
        AUTHGATE_ADMIN__LISTEN=f"{HOST}:{admin_port}",
        **environment,
    )


def _with_key(stage: Stage, setup: Setup, **settings: object) -> Server:
    config: dict[str, Any] = dict(settings)
    if setup.tls:
        certificate, key = stage.certificate
        config["tls"] = {"certificate_file": certificate, "key_file": key}
    if setup.algorithm == "HS256":
        return serve(stage, config, JWT_SECRET=setup.signer.verification_key())
    keys = stage.fresh("jwks.json")
    keys.write_text(json.dumps(setup.signer.jwks()))
    issuer = {"name": "app", "preset": "jwt", "issuer": ISSUER, "jwks_file": str(keys), "audiences": "any"}
    return serve(stage, config | {"issuers": [issuer]})


ROW = Contender("authgate", "AuthGate", "`authgate serve` with shipped defaults, its log in a file", start)
ROW_WITHOUT_LANE = Contender(
    "authgate_without_lane",
    "AuthGate, `fast_lane: false`",
    "the same, but aiohttp parses every request and writes every reply",
    start_without_lane,
    available=lambda: "fast_lane" in Config.model_fields,
)
