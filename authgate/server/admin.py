"""The admin port: /healthz, /readyz, /keys and /metrics, for probes, operators and Prometheus. Never for clients.

The port trusts no peer: each connection gets one answer, and when all slots are taken, a new connection displaces an
older one (see connection.py). So probes are answered whatever else is connected. Pages that take long to make are made
at most once a second, because requests wait meanwhile.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from authgate.core.snapshot import SECRETS
from authgate.server.key_report import key_report, unix_as_text
from authgate.server.limits import Limits
from authgate.server.listener import listening

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from authgate.app import App

ADMIN_LIMITS = Limits(
    max_connections=128,
    max_untrusted_connections=64,
    head_seconds=5.0,
    answer_seconds=5.0,
    write_seconds=5.0,
    free_descriptors=0,
)

_PAGES = "AuthGate's admin port has /healthz, /readyz, /keys and /metrics.\n"
# aiohttp refuses prometheus_client's CONTENT_TYPE_LATEST, because it contains a charset.
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# How old a page may be before it is made again.
_MAX_PAGE_AGE_SECONDS = 1.0


def admin_port(app: App, address: str, limits: Limits = ADMIN_LIMITS) -> AbstractAsyncContextManager[str]:
    """Serve the admin port of *app* at *address* while the context lasts, as `listening` does."""
    counts = app.connections["admin"]
    return listening(address, AdminEndpoint(app), limits, lambda _peer: False, app.admin_tls, counts, app.descriptors)


class AdminEndpoint:
    """Reports the state of *app*."""

    def __init__(self, app: App, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._elapsed = elapsed
        self._made: dict[str, tuple[float, bytes]] = {}  # when each page was made, and the page

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Return the page at the path of *request*."""
        match request.raw_path:
            case "/healthz":
                return web.Response(text="ok\n")
            case "/readyz":
                return self._readyz()
            case "/keys":
                return web.Response(body=self._page("/keys", self._keys), content_type="application/json")
            case "/metrics":
                page = self._page("/metrics", self._app.metrics.exposition)
                return web.Response(body=page, headers={"Content-Type": _METRICS_TYPE})
        return web.Response(status=404, text=_PAGES)

    def _page(self, path: str, make: Callable[[], bytes]) -> bytes:
        """Return the page that *make* makes, or the one that it made less than a second ago."""
        made_at, page = self._made.get(path, (-_MAX_PAGE_AGE_SECONDS, b""))
        if self._elapsed() - made_at >= _MAX_PAGE_AGE_SECONDS:
            page = make()
            self._made[path] = self._elapsed(), page
        return page

    def _keys(self) -> bytes:
        report = key_report(self._app.live.watched_keys.values(), self._app.live.proofs, self._configuration())
        return json.dumps(report).encode()

    def _readyz(self) -> web.Response:
        issuers: dict[str, dict[str, Any]] = {}
        can_verify: dict[str, bool] = {}
        for watched in self._app.live.watched_keys.values():
            issuers[watched.name] = {"state": watched.state, "keys": len(watched.key_set.keys)}
            if watched.failure:
                issuers[watched.name]["why"] = watched.failure
            name = watched.name.removesuffix(SECRETS)  # session cookies verify without the keys for JWTs
            can_verify[name] = can_verify.get(name, False) or bool(watched.key_set.keys)
        for name, sessions in self._app.live.sessions.items():
            was_asked = any(sessions.lookups.values())
            issuers.setdefault(name, {})["sessions"] = sessions.failure or ("ready" if was_asked else "not asked yet")
        enough = all if self._app.live.config.ready_when == "all" else any
        ready = not self._app.draining and enough(can_verify.values())
        body = {
            "ready": ready,
            "draining": self._app.draining,
            "issuers": issuers,
            "configuration": self._configuration(),
        }
        return web.json_response(body, status=200 if ready else 503)

    def _configuration(self) -> dict[str, Any]:
        reloads = self._app.reloads
        return {"loaded_at": unix_as_text(reloads.loaded_at), "reload_failed": reloads.fault or None}
