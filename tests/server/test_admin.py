"""The pages of the admin port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from authgate.server.admin import admin_port
from tests.server.conftest import exchange, status_of

if TYPE_CHECKING:
    from authgate.app import App


async def test_the_admin_port_reports_health_readiness_keys_and_metrics(app: App) -> None:
    async with admin_port(app, "127.0.0.1:0") as address:
        port = int(address.rpartition(":")[2])

        async def get(path: str) -> tuple[int, bytes]:
            reply = await exchange(port, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            return status_of(reply), reply.split(b"\r\n\r\n", 1)[1]

        assert await get("/healthz") == (200, b"ok\n")
        status, body = await get("/readyz")
        report = json.loads(body)
        assert report.pop("configuration")["reload_failed"] is None
        assert (status, report) == (
            200,
            {"ready": True, "draining": False, "issuers": {"jwt": {"state": "ready", "keys": 1}}},
        )
        status, body = await get("/keys")
        assert (status, json.loads(body)["issuers"]["jwt"]["state"]) == (200, "ready")
        status, body = await get("/metrics")
        assert status == 200
        assert b"authgate_build_info{" in body
        app.draining = True
        assert (await get("/readyz"))[0] == 503
        assert (await get("/healthz"))[0] == 200
        assert (await get("/auth/nginx"))[0] == 404
