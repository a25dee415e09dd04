"""The admin port: /healthz, /readyz, /metrics. For probes and Prometheus, never for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from authgate.gate import Gate
    from authgate.metrics import Metrics


class AdminEndpoint:
    """Says how AuthGate is. *draining* is set when it was asked to stop."""

    def __init__(self, gate: Gate, metrics: Metrics) -> None:
        self._gate = gate
        self._metrics = metrics
        self.draining = False

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Return the page that *request* asks for."""
        match request.raw_path:
            case "/healthz":
                return web.Response(text="ok\n")
            case "/readyz":
                return self._readyz()
            case "/metrics":
                # prometheus_client's own CONTENT_TYPE_LATEST names a charset within, which aiohttp wants apart.
                headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
                return web.Response(body=self._metrics.exposition(), headers=headers)
        return web.Response(status=404, text="AuthGate's admin port has /healthz, /readyz and /metrics.\n")

    def _readyz(self) -> web.Response:
        issuers = {
            issuer.name: {"state": "ready" if issuer.keys.keys else "no keys", "keys": len(issuer.keys.keys)}
            for issuer in self._gate.snapshot.issuers
        }
        ready = not self.draining and any(issuer["keys"] for issuer in issuers.values())
        body = {"ready": ready, "draining": self.draining, "issuers": issuers}
        return web.json_response(body, status=200 if ready else 503)
