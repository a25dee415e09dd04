"""Servers that lie at the addresses of key sets: each issuer has no keys, and nobody else notices."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.neighbors import keys_modes
from tests.neighbors.beside import Neighborhood, beside
from tests.neighbors.lying import lying
from tests.support.client import Answer, ask, bearer
from tests.support.serving import fresh
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
# For one response. AuthGate reads 320 KiB at most; the kernel takes more for it.
MOST_BYTES = 8 * MIB


def origin(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def settings(name: str, port: int, **more: Any) -> dict[str, Any]:
    """Return the settings of an issuer whose keys are at a path of its name on *port*."""
    return {
        "name": name,
        "preset": "jwt",
        "issuer": f"{origin(port)}/{name}",
        "jwks_url": f"{origin(port)}/{name}",
        "subject_prefix": f"{name}:",
        "audiences": ["tasks"],
        "allow_http": True,
        "cooldown_seconds": 1,
        **more,
    }


def states(neighborhood: Neighborhood) -> dict[str, dict[str, Any]]:
    issuers = neighborhood.running.page("/keys").json["issuers"]
    return {name: issuers[name] for name in issuers if name != "other"}


def asked_with_a_token(neighborhood: Neighborhood, name: str, port: int) -> Answer:
    token = fresh(algorithm="ES256", header={"kid": "K1"}, aud="tasks", iss=f"{origin(port)}/{name}")
    lines = ("X-Original-Method: GET", "X-Original-URL: http://app.example.com/api", bearer(token))
    return ask(neighborhood.running.port, "/auth/nginx", *lines)


def test_no_lie_about_keys_counts_and_each_issuer_recovers(tmp_path: Path) -> None:
    names = {f"liar-{number}": mode for number, mode in enumerate(keys_modes.MODES.values())}
    paths = keys_modes.Paths({f"/{name}": mode for name, mode in {"app": names["liar-0"], **names}.items()})
    metadata_path = "/found/.well-known/openid-configuration"
    with lying(paths) as liar:
        found = f"{origin(liar.port)}/found"
        metadata = {"issuer": found, "jwks_uri": f"{origin(liar.port)}{metadata_path}"}  # it points to itself
        names["found"] = lambda connection: connection.send(keys_modes.response(json.dumps(metadata).encode()))
        paths.add(metadata_path, names["found"])
        app, *more = (settings(name, liar.port) for name in ("app", *names))
        del more[-1]["jwks_url"]
        more[-1]["discovery"] = True
        with beside(tmp_path, app, *more) as neighborhood:
            slow = {f"liar-{[*keys_modes.MODES].index(name)}" for name in ("dripping", "silent")}
            until(lambda: all(state["last_error"] for name, state in states(neighborhood).items() if name not in slow))
            for name in ("app", *names):
                answer = asked_with_a_token(neighborhood, name, liar.port)
                assert (answer.status, answer.header("X-AuthGate-Reason")) == (503, "keys_unavailable"), name
            neighborhood.until_others_are_served()
            requests = len(paths.connections[metadata_path])
            failures = states(neighborhood)["found"]["failures_in_a_row"]
            assert requests <= 2 * (failures + 1), "a load asks for the metadata and for the address in it, once"
            for path, connections in paths.connections.items():
                assert max(connection.sent for connection in connections) < MOST_BYTES, path
            assert neighborhood.grown_bytes() < 64 * MIB
            sound = keys_modes.sending(keys_modes.response(keys_modes.sound_keys()))
            metadata["jwks_uri"] = f"{origin(liar.port)}/liar-0"
            paths.modes.update(dict.fromkeys([path for path in paths.modes if path != metadata_path], sound))
            until(lambda: all(state["state"] == "ready" for state in states(neighborhood).values()))
            for name in ("app", *names):
                answer = asked_with_a_token(neighborhood, name, liar.port)
                assert (answer.status, answer.header("X-User-Id")) == (200, f"{name}:user-1")
            assert "\x1b" not in "\n".join(neighborhood.events())
