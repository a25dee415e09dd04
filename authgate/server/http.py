"""The auth port. Each subrequest takes four hops: adapter.read → gate.decide → adapter.write → record."""

from __future__ import annotations

import secrets
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from authgate.adapters import ADAPTERS, parse_address
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.core.request_id import request_id
from authgate.server.connection import peer_of
from authgate.server.tls import Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.adapters import Adapter, TrustedProxies
    from authgate.core.request import IPAddress, Request
    from authgate.gate import Gate
    from authgate.record import Recorder

_ENDPOINTS = {f"/auth/{name}": adapter for name, adapter in ADAPTERS.items()}
# If AuthGate's own request for keys or sessions comes back as a subrequest, its decision must need neither: each would
# wait for the other.
_OWN_REQUEST = "the subrequest is about AuthGate's own request for keys or sessions"
_FIX_OWN_REQUEST = "make the front end's /api/auth/ public, by a policy or in the proxy (docs/deployment.md)"
_UNIX_PEER = Peer(address="unix")
_NO_ENDPOINT = f"AuthGate answers at {', '.join(_ENDPOINTS)}"


class AuthEndpoint:
    """Answers subrequests. The path alone chooses the adapter; headers are never used to guess it."""

    def __init__(
        self,
        *,
        gate: Gate,
        trusted: TrustedProxies,
        emits: Sequence[str],
        recorder: Recorder,
        unix_socket: bool,
        asks_for_certificate: bool = False,
        client_names: frozenset[str] | None = None,
    ) -> None:
        """*emits* are the names of the identity headers. On a unix socket (*unix_socket*) every peer is trusted.

        With *asks_for_certificate* (mutual TLS) a peer is also trusted if its certificate has one of *client_names*, or
        any verified certificate if *client_names* is None.
        """
        self._gate = gate
        self._trusted = trusted
        self._recorder = recorder
        self._unix_socket = unix_socket
        self._asks_for_certificate = asks_for_certificate
        self._client_names = client_names
        self._guarded = {name: guarded_names(adapter.reads, emits) for name, adapter in ADAPTERS.items()}

    def trusts(self, peer: Peer) -> bool:
        """Return whether *peer* is a trusted proxy."""
        try:
            self._check_trust(peer)
        except Unreadable:
            return False
        return True

    async def __call__(self, subrequest: web.BaseRequest) -> web.Response:
        """Return the reply to *subrequest*. Only an `Allow` makes it a 200, whatever happens."""
        started = perf_counter()
        adapter = _ENDPOINTS.get(subrequest.raw_path.partition("?")[0])
        if adapter is None:
            self._recorder.record_unknown_path(self._peer(subrequest).address, _NO_ENDPOINT)
            return web.Response(status=404, text=f"{_NO_ENDPOINT}.\n")
        request, peer = None, self._peer(subrequest)
        try:
            request = self._read(adapter, subrequest, peer)
            decision = await self._gate.decide(request)
        except Unreadable as unreadable:
            decision = self._gate.refuse_unreadable(unreadable, subrequest.headers)
        except Exception as bug:  # noqa: BLE001 - a bug before the gate: refuse the request, log the bug, count it
            decision = self._gate.refuse_bug(bug, subrequest.headers)
        # Only a refusal needs an id, so only a refusal makes one.
        refusal_id = (request_id(subrequest.headers) or secrets.token_hex(16)) if isinstance(decision, Deny) else ""
        reply = adapter.write(decision, refusal_id)
        self._recorder.record(
            decision=decision,
            adapter=adapter.name,
            request=request,
            headers=subrequest.headers,
            peer=peer.address,
            refusal_id=refusal_id,
            seconds=perf_counter() - started,
        )
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    def _read(self, adapter: Adapter, subrequest: web.BaseRequest, peer: Peer) -> Request:
        self._check_trust(peer)
        request = adapter.read(subrequest.headers, self._trusted, self._guarded[adapter.name])
        is_own = subrequest.headers.get("User-Agent", "").startswith("AuthGate/")
        if is_own and not self._gate.is_public(request):
            raise Unreadable(Reason.UNREADABLE_REQUEST, _OWN_REQUEST, fix=_FIX_OWN_REQUEST)
        return request

    def _check_trust(self, peer: Peer) -> None:
        """Raise `Unreadable` unless *peer* is trusted by its address or certificate, or uses the unix socket."""
        names = peer.certificate_names
        if self._unix_socket or (names is not None and (self._client_names is None or names & self._client_names)):
            return
        try:
            self._trusted.check(_address(peer.address))
        except Unreadable as refused:
            if not self._asks_for_certificate:
                raise
            if names is None:
                detail = f"{refused.detail}, and it showed no client certificate"
                fix = f"if {peer.address} is your reverse proxy, configure its client certificate (docs/tls.md)"
                raise Unreadable(refused.reason, detail, fix=fix) from refused
            shown = quoted(", ".join(sorted(names)), 200)
            detail = f"{refused.detail}, and no name of its certificate ({shown}) is in tls.client_names"
            fix = f"if {peer.address} is your reverse proxy, add a name of its certificate to tls.client_names"
            raise Unreadable(refused.reason, detail, fix=fix) from refused

    def _peer(self, subrequest: web.BaseRequest) -> Peer:
        return _UNIX_PEER if self._unix_socket else peer_of(subrequest)


def _address(peer: str) -> IPAddress:
    address = parse_address(peer)
    if address is None:  # the connection has already ended
        raise Unreadable(Reason.UNTRUSTED_PROXY, "the peer's address is unknown")
    return address
