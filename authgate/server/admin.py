"""The admin port: /healthz, /readyz, /keys and /metrics, for probes, operators and Prometheus. Never for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from authgate.core.snapshot import SECRETS
from authgate.server.key_report import key_report, unix_as_text

if TYPE_CHECKING:
    from authgate.app import App

_PAGES = "AuthGate's admin port has /healthz, /readyz, /keys and /metrics.\n"


class AdminEndpoint:
    """Reports the state of *app*."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Return the page at the path of *request*."""
        match request.raw_path:
            case "/healthz":
                return web.Response(text="ok\n")
            case "/readyz":
                return self._readyz()
            case "/keys":
                return web.json_response(
                    key_report(self._app.live.watched_keys.values(), self._app.proofs, self._configuration())
                )
            case "/metrics":
                # aiohttp refuses prometheus_client's CONTENT_TYPE_LATEST, because it contains a charset.
                headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
                return web.Response(body=self._app.metrics.exposition(), headers=headers)
        return web.Response(status=404, text=_PAGES)

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
        return {"loaded_at": unix_as_text(reloads.loaded_at), "reload_failed": reloads.failure or None}
